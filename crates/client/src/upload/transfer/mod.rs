//! The upload as a state machine: what is missing, hashed, signed, in flight, stored. No clock, no I/O, no
//! randomness; a shell carries out its commands and tells it what came of them.

mod events;
mod poll;
#[cfg(test)]
mod tests;

pub(crate) use events::describe;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use partgate_api::{ChecksumAlgorithm, PartToSign, ReceivedPart, StoredPart};

use crate::concurrency::Concurrency;
use crate::decide::{History, Seen, StorageAnswer};
use crate::grid::Grid;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Read and hash this part; of a stream: read the next part, which is this one.
    Hash(u32),
    /// Call sign.
    Sign { parts: Vec<PartToSign>, stored: Vec<StoredPart> },
    /// Call report.
    Report(Vec<StoredPart>),
    /// Call status with refresh and parts.
    Refresh,
    /// Send this part.
    Send(Ticket),
    /// Nothing until something comes of what runs, or a little time has passed.
    Wait,
    /// All parts are stored: call complete with those that were not reported yet.
    Finished(Vec<StoredPart>),
    /// Stop.
    Stop(Failure),
}

/// Leave to send one part.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) number: u32,
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) size_bytes: u64,
    /// After this it is signed again rather than used.
    pub(crate) use_until: Instant,
    pub(crate) expires: Instant,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What came of sending a part.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Storage has it.
    Stored { etag: Option<String>, took: Duration },
    /// It failed.
    Failed(Seen),
}

/// Why the transfer cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    StorageRefused(u32, StorageAnswer),
    SignatureRefused(StorageAnswer),
    Unreadable,
    Changed(u32),
    Stalled(Duration, String),
    NotRepeatable(u32),
}

/// What a transfer is made of.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// `None` for a stream that has not ended.
    pub(crate) grid: Option<Grid>,
    pub(crate) part_size_bytes: u64,
    pub(crate) algorithm: ChecksumAlgorithm,
    pub(crate) max_concurrency: usize,
    /// Of a stream: how many parts may be in memory.
    pub(crate) max_buffered: usize,
    pub(crate) give_up_after: Duration,
}

/// A part that storage has.
#[derive(Debug, Clone, Copy)]
struct Kept {
    size_bytes: u64,
    /// How many refreshes had begun when it was stored: a refresh that began earlier cannot know it.
    refreshes: u32,
}

/// The state machine.
///
/// Invariant: a part number is in exactly one of `to_hash`, `hashing`, `to_sign`, `signed`, `in_flight`, `suspect`
/// and `kept` (`each_part_is_in_one_place`). A kept part may be in `to_verify` or `verifying` besides.
#[derive(Debug)]
pub(crate) struct Transfer {
    setup: Setup,
    /// Of a stream: the next part to read.
    next_read: u32,
    to_hash: BTreeSet<u32>,
    hashing: BTreeSet<u32>,
    checksums: HashMap<u32, String>,
    /// Checksums that storage did not believe; what hashing again is compared with.
    doubted: HashMap<u32, String>,
    /// Sizes of a stream's parts.
    read_sizes: HashMap<u32, u64>,
    /// Each with the earliest time to sign it.
    to_sign: BTreeMap<u32, Instant>,
    signed: BTreeMap<u32, Ticket>,
    in_flight: BTreeSet<u32>,
    /// Failed on the way: perhaps stored, status will tell.
    suspect: BTreeSet<u32>,
    kept: BTreeMap<u32, Kept>,
    kept_bytes: u64,
    /// Storage had them before this run: hashed while others are sent, so that a changed file is never spliced.
    to_verify: BTreeSet<u32>,
    verifying: BTreeSet<u32>,
    unreported: Vec<StoredPart>,
    histories: HashMap<u32, (History, u32)>,
    concurrency: Concurrency,
    calling: bool,
    refresh_wanted: bool,
    /// Signed URLs name an S3 upload that storage does not know any more.
    tickets_void: bool,
    last_refresh: Option<Instant>,
    refreshes: u32,
    last_report: Instant,
    last_progress: Instant,
    /// The most bytes ever sent of a part in one attempt: less is no progress.
    furthest: HashMap<u32, u64>,
    last_trouble: String,
    url_lifetime: Option<Duration>,
    usual_part_time: Option<Duration>,
    parts_per_second: Option<f64>,
    retries: u32,
    failure: Option<Failure>,
}

impl Transfer {
    /// A transfer of which storage has nothing yet.
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let mut transfer = Self {
            concurrency: Concurrency::new(setup.max_concurrency),
            setup,
            next_read: 1,
            to_hash: BTreeSet::new(),
            hashing: BTreeSet::new(),
            checksums: HashMap::new(),
            doubted: HashMap::new(),
            read_sizes: HashMap::new(),
            to_sign: BTreeMap::new(),
            signed: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            suspect: BTreeSet::new(),
            kept: BTreeMap::new(),
            kept_bytes: 0,
            to_verify: BTreeSet::new(),
            verifying: BTreeSet::new(),
            unreported: Vec::new(),
            histories: HashMap::new(),
            calling: false,
            refresh_wanted: false,
            tickets_void: false,
            last_refresh: None,
            refreshes: 0,
            last_report: now,
            last_progress: now,
            furthest: HashMap::new(),
            last_trouble: String::new(),
            url_lifetime: None,
            usual_part_time: None,
            parts_per_second: None,
            retries: 0,
            failure: None,
        };
        for number in 1..=transfer.setup.grid.map_or(0, Grid::total_parts) {
            transfer.queue(number, now);
        }
        transfer
    }

    /// Parts that storage had before this run; `proven` are checksums computed from the file itself.
    ///
    /// Parts of another size than planned are sent again.
    pub(crate) fn adopt(&mut self, received: &[ReceivedPart], proven: &HashMap<u32, String>) {
        for part in received {
            if part.size == self.size_bytes(part.number) && self.take_out(part.number) {
                self.keep(part.number);
                let checksum = proven.get(&part.number).or(part.checksum.as_ref());
                self.checksums.extend(checksum.map(|checksum| (part.number, checksum.clone())));
                let kept_kind = self.setup.algorithm != ChecksumAlgorithm::None;
                if kept_kind && checksum.is_some() && !proven.contains_key(&part.number) {
                    self.to_verify.insert(part.number);
                }
            }
        }
    }

    /// A checksum that was computed before the transfer began.
    pub(crate) fn know_checksum(&mut self, number: u32, checksum: String, now: Instant) {
        if self.to_hash.remove(&number) {
            self.checksums.insert(number, checksum);
            self.to_sign.insert(number, now);
        }
    }

    /// Bytes in parts that storage has.
    pub(crate) const fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// Parts that storage has.
    pub(crate) fn kept_parts(&self) -> u32 {
        u32::try_from(self.kept.len()).unwrap_or(u32::MAX)
    }

    /// The grid of parts; `None` for a stream that has not ended.
    pub(crate) const fn grid(&self) -> Option<Grid> {
        self.setup.grid
    }

    /// Whether storage has this part.
    pub(crate) fn is_kept(&self, number: u32) -> bool {
        self.kept.contains_key(&number)
    }

    /// Parts sent again.
    pub(crate) const fn retries(&self) -> u32 {
        self.retries
    }

    /// How long a part may make no progress: 4 times what one usually takes, at least 15 s; a minute as long as
    /// that is unknown, because a slow line takes that long to empty the system's own buffer.
    pub(crate) fn stall_after(&self) -> Duration {
        match self.usual_part_time {
            Some(usual) => (usual * 4).max(Duration::from_secs(15)),
            None => Duration::from_secs(60),
        }
    }

    /// Whether everything that could be done waits for the network, storage or the gateway.
    pub(crate) fn is_waiting(&self) -> bool {
        self.in_flight.is_empty() && !(self.suspect.is_empty() && self.to_sign.is_empty())
    }

    /// Every part's checksum and size, in order; `None` when one is unknown.
    pub(crate) fn checksums(&self) -> Option<Vec<(&str, u64)>> {
        self.kept
            .iter()
            .map(|(number, kept)| Some((self.checksums.get(number)?.as_str(), kept.size_bytes)))
            .collect()
    }

    /// The size of a part: as planned, or as read from the stream.
    pub(crate) fn size_bytes(&self, number: u32) -> u64 {
        match self.setup.grid {
            Some(grid) => grid.part_len(number),
            None => self.read_sizes.get(&number).copied().unwrap_or(self.setup.part_size_bytes),
        }
    }

    /// Whether the file is one PutObject rather than a multipart upload.
    fn is_one_put(&self) -> bool {
        self.setup.grid.is_some_and(|grid| grid.total_parts() == 1)
    }

    /// Puts a part where its work begins. Whoever calls has taken it out of where it was.
    fn queue(&mut self, number: u32, not_before: Instant) {
        // A checksum that only storage told is not this file's yet.
        let told = self.to_verify.remove(&number);
        let known = self.checksums.contains_key(&number) && !told;
        let hashed = self.setup.algorithm == ChecksumAlgorithm::None || known;
        if hashed {
            self.to_sign.insert(number, not_before);
        } else {
            self.to_hash.insert(number);
        }
    }

    fn keep(&mut self, number: u32) {
        let size_bytes = self.size_bytes(number);
        let refreshes = self.refreshes;
        if self.kept.insert(number, Kept { size_bytes, refreshes }).is_none() {
            self.kept_bytes += size_bytes;
        }
    }

    /// Takes a part out of every place but in flight and hashing; false when it is in one of those, or nowhere.
    fn take_out(&mut self, number: u32) -> bool {
        let kept = self.kept.remove(&number);
        self.kept_bytes -= kept.map_or(0, |kept| kept.size_bytes);
        kept.is_some()
            | self.to_hash.remove(&number)
            | self.to_sign.remove(&number).is_some()
            | self.signed.remove(&number).is_some()
            | self.suspect.remove(&number)
    }
}
