//! What may be in use at most, and how much more a call may take.

use time::OffsetDateTime;

/// Limits that hold for one call; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quota {
    /// Uploads of the tenant that are neither finished nor being taken back.
    pub max_open_uploads: Option<u64>,
    /// Bytes reserved by uploads of the tenant that are neither finished nor gone: while one is being taken back,
    /// storage still holds its bytes.
    pub max_bytes_in_flight: Option<u64>,
    /// What is counted besides, each under a name of its own in this list.
    pub counters: Vec<Counter>,
}

/// A sum of everything that was ever taken under a name. What is given back is not subtracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Of whom or what, and of which period: a name is never counted anew.
    pub name: String,
    /// When nothing is counted under the name any more, and it can be forgotten.
    pub forget_at: OffsetDateTime,
    /// The most uploads.
    pub max_uploads: Option<u64>,
    /// The most bytes.
    pub max_bytes: Option<u64>,
}

/// A limit of a [`Quota`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Quota::max_open_uploads`].
    OpenUploads,
    /// [`Quota::max_bytes_in_flight`].
    BytesInFlight,
    /// [`Counter::max_uploads`] of the counter at this index.
    CounterUploads(usize),
    /// [`Counter::max_bytes`] of the counter at this index.
    CounterBytes(usize),
}

/// A limit that a call would have passed. Nothing of the call was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverQuota {
    /// Which one.
    pub limit: Limit,
    /// What it allows: uploads or bytes.
    pub max: u64,
    /// What is in use without the call.
    pub used: u64,
}

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Reserved {
    /// The upload has at least as much as was asked for.
    Done,
    /// It would have passed a limit; the upload has what it had before.
    OverQuota(OverQuota),
    /// There is no such upload, or it takes no more parts.
    Closed,
}

/// Uploads and their bytes: those in use, or those that a call takes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Usage {
    pub(super) uploads: u64,
    pub(super) bytes: u64,
}

impl Quota {
    /// Whether there is nothing to hold a call against.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.max_open_uploads.is_none() && self.max_bytes_in_flight.is_none() && self.counters.is_empty()
    }

    /// Whether what is in use has to be summed up.
    pub(super) fn limits_what_is_in_use(&self) -> bool {
        self.max_open_uploads.is_some() || self.max_bytes_in_flight.is_some()
    }

    /// The limit on what is in use that `more` would pass.
    pub(super) fn passed(&self, used: Usage, more: Usage) -> Option<OverQuota> {
        let uploads = passed(Limit::OpenUploads, self.max_open_uploads, used.uploads, more.uploads);
        uploads.or_else(|| passed(Limit::BytesInFlight, self.max_bytes_in_flight, used.bytes, more.bytes))
    }

    /// The counters with their indices, in the order of their names: calls that charge the same ones in the same order
    /// cannot lock each other out.
    pub(super) fn counters_by_name(&self) -> Vec<(usize, &Counter)> {
        let mut counters: Vec<_> = self.counters.iter().enumerate().collect();
        counters.sort_by_key(|(_, counter)| &counter.name);
        counters
    }
}

impl Counter {
    /// How far each sum may go, uploads and bytes; the largest number where no limit holds.
    pub(super) fn room_for(&self, more: Usage) -> [u64; 2] {
        let room = |max: Option<u64>, more: u64| max.filter(|_| more > 0).unwrap_or(u64::MAX);
        [room(self.max_uploads, more.uploads), room(self.max_bytes, more.bytes)]
    }

    /// The limit that the database has seen passed.
    pub(super) fn refusal(&self, index: usize, used: Usage, more: Usage) -> OverQuota {
        self.passed(index, used, more).unwrap_or(OverQuota {
            limit: Limit::CounterBytes(index),
            max: self.max_bytes.unwrap_or(u64::MAX),
            used: used.bytes,
        })
    }

    /// The limit of this counter, which has this index, that `more` would pass.
    pub(super) fn passed(&self, index: usize, used: Usage, more: Usage) -> Option<OverQuota> {
        let uploads = passed(Limit::CounterUploads(index), self.max_uploads, used.uploads, more.uploads);
        uploads.or_else(|| passed(Limit::CounterBytes(index), self.max_bytes, used.bytes, more.bytes))
    }
}

/// Whoever takes nothing passes nothing, also where a limit was lowered below what is in use.
fn passed(limit: Limit, max: Option<u64>, used: u64, more: u64) -> Option<OverQuota> {
    let max = max?;
    (more > 0 && used.saturating_add(more) > max).then_some(OverQuota { limit, max, used })
}
