//! What a scenario is made of.

use sha2::{Digest as _, Sha256};

use super::calls::Call;
use crate::storage::model::Habits;
use crate::store::model::Versions;
use crate::upload::{ChecksumAlgorithm, Sha256Digest};

/// A minute, an hour, a day, in seconds.
pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The file that is uploaded: one byte a part.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) content: &'static str,
    pub(super) checksum: ChecksumAlgorithm,
    /// Whether init declares its SHA-256.
    pub(super) is_hashed: bool,
    /// A part of which the client sends other bytes than it should.
    pub(super) wrong_part: Option<u32>,
    /// Whether its size is not known at init.
    pub(super) stream: bool,
    /// The key, where the caller names it.
    pub(super) key: Option<&'static str>,
    pub(super) fingerprint: Option<&'static str>,
    pub(super) idempotency_key: Option<&'static str>,
}

impl File {
    /// A file of this content, found again by its idempotency key.
    pub(super) const fn of(content: &'static str) -> Self {
        Self {
            content,
            checksum: ChecksumAlgorithm::None,
            is_hashed: false,
            wrong_part: None,
            stream: false,
            key: None,
            fingerprint: None,
            idempotency_key: Some("again"),
        }
    }

    pub(super) fn part(&self, number: u32) -> &'static str {
        &self.content[number as usize - 1..number as usize]
    }

    /// What the client sends as this part.
    pub(super) fn sent(&self, number: u32) -> &'static str {
        if self.wrong_part == Some(number) { "X" } else { self.part(number) }
    }

    pub(super) fn sha256(&self) -> Option<Sha256Digest> {
        self.is_hashed.then(|| Sha256Digest::new(Sha256::digest(self.content).into()))
    }
}

/// Who takes part.
#[derive(Debug, Clone)]
pub(super) enum Program {
    /// Uploads the file, at this gateway first and at the other after an error.
    Uploads { home: u8, reports: bool },
    /// Makes these calls, one after the other, once there is an upload.
    Calls(Vec<(u8, Call)>),
}

/// How often the world may interfere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Budget {
    /// Answers that are lost, calls that never arrive, arrive late or twice, or are refused.
    pub(super) faults: u8,
    /// Gateways that die.
    pub(super) crashes: u8,
    /// Clients that hang up before they are answered.
    pub(super) hang_ups: u8,
    /// Multipart uploads that the store's own clean-up takes.
    pub(super) reaps: u8,
    /// Strangers' objects that come to be at the key.
    pub(super) strangers: u8,
}

/// Who does what, with which store, and what may go wrong.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) habits: Habits,
    pub(super) file: File,
    pub(super) programs: Vec<Program>,
    pub(super) budget: Budget,
    /// Times, in seconds since the start, to which the clocks may jump.
    pub(super) ticks: Vec<i64>,
    /// How far the second gateway's clock is ahead, in seconds.
    pub(super) skew: i64,
    /// How often a client tries again.
    pub(super) patience: u8,
    /// Whether the database is sound.
    pub(super) versions: Versions,
}

impl Scenario {
    /// One client and a store of these habits, and nothing goes wrong.
    pub(super) fn new(name: &'static str, habits: Habits, file: File) -> Self {
        Self {
            name,
            habits,
            file,
            programs: vec![Program::Uploads { home: 0, reports: false }],
            budget: Budget::default(),
            ticks: Vec::new(),
            skew: 0,
            patience: 2,
            versions: Versions::Compared,
        }
    }

    pub(super) fn skew_of(&self, gateway: u8) -> i64 {
        if gateway == 1 { self.skew } else { 0 }
    }
}
