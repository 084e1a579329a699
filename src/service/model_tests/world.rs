//! All that there is outside the gateways' code, and what may happen to it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use super::calls::{Name, Told};
use super::client::{Client, Sent};
use super::gateway::{Place, START};
use super::scenario::{Budget, Scenario};
use crate::model::Question;
use crate::storage::model::Bucket;
use crate::store::model::Tables;

/// A request that its sender has given up on and that storage may still carry out.
#[derive(Clone)]
pub(super) struct InFlight(pub(super) Question<Bucket>);

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Hash for InFlight {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.text.hash(hasher);
    }
}

/// What clients were ever told of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Heard {
    /// Complete said that it is done, with this ETag and size.
    pub(super) completed: Option<(String, u64)>,
    /// Complete said that it has failed.
    pub(super) failed: bool,
    /// These parts need not be sent again.
    pub(super) received: BTreeSet<u32>,
}

/// The outside.
#[derive(Clone, PartialEq, Hash)]
pub(super) struct World {
    /// Seconds since the start.
    pub(super) now: i64,
    pub(super) tables: Tables,
    pub(super) bucket: Bucket,
    pub(super) in_flight: Vec<InFlight>,
    /// Multipart uploads whose id was ever written down.
    pub(super) written: BTreeSet<String>,
}

/// A call under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Running {
    /// Who waits for it; nobody, when the client has hung up.
    pub(super) client: Option<u8>,
    pub(super) place: Place,
    /// The world when it fell asleep: it wakes up when that has changed.
    pub(super) slept_on: u64,
    /// Parts that were said to be received before it began.
    pub(super) received_before: BTreeSet<u32>,
}

/// A state of the whole.
#[derive(Clone, PartialEq, Hash)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) clients: Vec<Client>,
    pub(super) running: Vec<Running>,
    pub(super) heard: BTreeMap<Name, Heard>,
    pub(super) budget: Budget,
}

/// A hash of all of it. States are told apart by this number alone: among a million of them the chance that two are
/// mistaken for one is one in thirty million.
pub(super) fn stamp(value: &impl Hash) -> u64 {
    let mut hasher = Mixer(0);
    value.hash(&mut hasher);
    hasher.finish()
}

/// SplitMix64 over words (<https://prng.di.unimi.it/splitmix64.c>): what std hashes with is slow in a debug build.
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        let mut word = (self.0 ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = word ^ (word >> 31);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value.cast_unsigned());
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64((value as i64).cast_unsigned());
    }
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            now: 0,
            tables: Tables::new(scenario.versions),
            bucket: Bucket::new(scenario.habits, START),
            in_flight: Vec::new(),
            written: BTreeSet::new(),
        }
    }

    /// Remembers what the tables name.
    pub(super) fn remember_written(&mut self) {
        for id in self.tables.uploads().filter_map(|upload| upload.s3_upload_id.as_ref()) {
            if !self.written.contains(&id.0) {
                self.written.insert(id.0.clone());
            }
        }
    }

    /// Moves the time on, everywhere but on skewed clocks.
    pub(super) fn wait_until(&mut self, now: i64) {
        self.now = now;
        self.bucket.now = START + time::Duration::seconds(now);
    }

    /// What a sleeping call looks at now and then.
    pub(super) fn looks(&self) -> u64 {
        stamp(&(self.now, &self.tables))
    }

    pub(super) fn send_off(&mut self, question: Question<Bucket>) {
        self.in_flight.push(InFlight(question));
        self.in_flight.sort_by(|one, other| one.0.text.cmp(&other.0.text));
    }

    pub(super) fn land(&mut self, index: usize) {
        let InFlight(question) = self.in_flight.remove(index);
        // Nobody hears it.
        let _ = question.act(&mut self.bucket);
    }
}

impl State {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let clients = scenario.programs.iter().zip(0..).map(|(program, number)| Client::new(number, program));
        Self {
            world: World::new(scenario),
            clients: clients.collect(),
            running: Vec::new(),
            heard: BTreeMap::new(),
            budget: scenario.budget,
        }
    }

    pub(super) fn tell(&mut self, scenario: &Scenario, client: u8, told: &Told) {
        self.clients[client as usize].hear(told, scenario.patience);
    }

    pub(super) fn tell_sent(&mut self, scenario: &Scenario, client: usize, sent: Sent) {
        self.clients[client].sent(&scenario.programs[client], sent);
    }
}
