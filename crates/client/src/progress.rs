//! How far an upload is, for people and programs.

use std::time::{Duration, Instant};

use partgate_api::Completion;
use uuid::Uuid;

/// The rate is an exponential average over this long.
const RATE_OVER: Duration = Duration::from_secs(10);
/// Before this much data there is no estimate.
const ESTIMATE_AFTER: Duration = Duration::from_secs(3);

/// What an upload is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Phase {
    /// Reads the file's fingerprint, opens or finds the upload.
    #[default]
    Preparing,
    /// Compares what is in storage with the file.
    Proving,
    /// Sends parts.
    Sending,
    /// Nothing can be sent: waits for the network, storage or the gateway to come back.
    Waiting,
    /// All is sent: storage puts the object together and the gateway proves it.
    Completing,
    /// Done.
    Completed,
}

/// A snapshot of an upload, at most ten a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// The upload, once opened.
    pub upload_id: Option<Uuid>,
    /// The file's size in bytes; `None` for a stream that has not ended.
    pub total_bytes: Option<u64>,
    /// Bytes in parts that storage has.
    pub stored_bytes: u64,
    /// Bytes sent of parts in flight.
    pub in_flight_bytes: u64,
    /// Parts that storage has.
    pub stored_parts: u32,
    /// All parts; `None` for a stream that has not ended.
    pub total_parts: Option<u32>,
    /// Bytes per second, averaged over 10 s; 0 while nothing moves.
    pub bytes_per_second: f64,
    /// The estimated time left; `None` before 3 s of data and when nothing moves.
    pub time_left: Option<Duration>,
    /// Parts in flight now.
    pub connections: usize,
    /// Parts sent again so far.
    pub retries: u32,
}

impl Progress {
    /// Bytes stored and bytes sent of parts in flight.
    #[must_use]
    pub const fn sent_bytes(&self) -> u64 {
        self.stored_bytes.saturating_add(self.in_flight_bytes)
    }
}

/// Something that happened, as it happens.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An unfinished upload of this file was found; `stored_parts` need not be sent again.
    Resumed {
        /// The upload.
        upload_id: Uuid,
        /// Parts that storage has.
        stored_parts: u32,
        /// Their bytes.
        stored_bytes: u64,
    },
    /// A new upload was opened.
    Opened {
        /// The upload.
        upload_id: Uuid,
    },
    /// An unfinished upload of this file was noted here, and the gateway has it no more: started anew.
    StartedAnew {
        /// The upload that is gone.
        upload_id: Uuid,
    },
    /// Storage keeps nothing to compare stored parts with: the whole file's SHA-256 will be proven instead.
    NothingToCompare,
    /// Storage has a part.
    PartStored {
        /// Its number.
        number: u32,
        /// Its size.
        size_bytes: u64,
    },
    /// A part failed and will be sent again.
    PartRetried {
        /// Its number.
        number: u32,
        /// What happened, without URLs.
        reason: String,
    },
    /// The gateway has proven the object.
    Completed(Box<Completion>),
}

/// Bytes per second as an exponential average.
#[derive(Debug)]
pub(crate) struct Rate {
    started: Instant,
    last: Instant,
    last_bytes: u64,
    bytes_per_second: f64,
}

impl Rate {
    /// Starts at `bytes`, which count for nothing.
    pub(crate) const fn new(bytes: u64, now: Instant) -> Self {
        Self { started: now, last: now, last_bytes: bytes, bytes_per_second: 0.0 }
    }

    /// Takes a new sum. Going backwards (a part was lost) counts as nothing sent.
    pub(crate) fn observe(&mut self, bytes: u64, now: Instant) -> f64 {
        let elapsed = now.duration_since(self.last).as_secs_f64();
        if elapsed <= 0.0 {
            return self.bytes_per_second;
        }
        let sample = bytes.saturating_sub(self.last_bytes) as f64 / elapsed;
        // Until there are 10 s of data the average is over what there is.
        let over = RATE_OVER.as_secs_f64().min(now.duration_since(self.started).as_secs_f64());
        let weight = 1.0 - (-elapsed / over).exp();
        self.bytes_per_second += weight * (sample - self.bytes_per_second);
        self.last = now;
        self.last_bytes = bytes;
        self.bytes_per_second
    }

    /// How long `left_bytes` will take.
    pub(crate) fn time_left(&self, left_bytes: u64, now: Instant) -> Option<Duration> {
        let enough = now.duration_since(self.started) >= ESTIMATE_AFTER && self.bytes_per_second >= 1.0;
        enough.then(|| Duration::from_secs_f64((left_bytes as f64 / self.bytes_per_second).min(1e9)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_found() {
        let start = Instant::now();
        let mut rate = Rate::new(500, start);
        let mut bytes = 500;
        for tenth in 1..=100u32 {
            bytes += 100_000;
            rate.observe(bytes, start + Duration::from_millis(100) * tenth);
        }
        let found = rate.bytes_per_second;
        assert!((950_000.0..=1_010_000.0).contains(&found), "{found}");
    }

    #[test]
    fn no_estimate_before_three_seconds() {
        let start = Instant::now();
        let mut rate = Rate::new(0, start);
        rate.observe(1_000_000, start + Duration::from_secs(2));
        assert_eq!(rate.time_left(1_000_000, start + Duration::from_secs(2)), None);
        rate.observe(2_000_000, start + Duration::from_secs(4));
        assert!(rate.time_left(1_000_000, start + Duration::from_secs(4)).is_some());
    }

    #[test]
    fn going_backwards_is_not_a_negative_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(1_000, start);
        assert!(rate.observe(0, start + Duration::from_secs(1)) >= 0.0);
    }
}
