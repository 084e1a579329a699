//! What is kept of an upload's parts in one row beside it, so that nobody has to read them all.
//!
//! Invariant: it is always what the parts say (`contract::progress`). Whoever writes parts writes it in the same
//! transaction.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::columns::Columns;
use super::{ReceivedParts, Recorded, StoreError};
use crate::upload::{PartNumber, PartRecord, PartSet};

/// A row of `progress`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// The size that parts have unless `odd_sizes` tells another, bytes. Never changes.
    pub(super) part_size_bytes: u64,
    /// What need not be sent again.
    pub(super) received: PartSet,
    /// Sizes of received parts, bytes. A last part is often the only one here.
    pub(super) odd_sizes: BTreeMap<PartNumber, u64>,
    /// When a part was last reported.
    pub(super) reported_at: Option<OffsetDateTime>,
}

impl Progress {
    /// Reads the columns of `progress`, null where the upload has no row in it, and the upload's `part_size_bytes`.
    pub(super) fn read(columns: &Columns<'_>) -> Result<Self, StoreError> {
        let received = columns.row.bits("received")?.unwrap_or_default();
        Ok(Self {
            part_size_bytes: columns.bytes("part_size_bytes")?,
            received: PartSet::from_bytes(&received)
                .ok_or_else(|| columns.corrupt("received", &format!("{} bytes", received.len())))?,
            odd_sizes: columns.optional("odd_sizes", odd_sizes)?.unwrap_or_default(),
            reported_at: columns.optional_time("reported_at")?,
        })
    }

    /// Takes over what is known of these parts now; of one that is given twice, the last word counts.
    pub(super) fn take_over(&mut self, parts: &[PartRecord]) {
        for part in parts {
            self.forget(part.number);
            if part.is_received() {
                self.receive(part.number, part.size_bytes);
            }
        }
    }

    /// Makes these received parts, with their sizes in bytes, all that there are.
    pub(super) fn recount(&mut self, received: impl IntoIterator<Item = (PartNumber, u64)>) {
        self.received = PartSet::new();
        self.odd_sizes.clear();
        for (number, size_bytes) in received {
            self.receive(number, size_bytes);
        }
    }

    fn receive(&mut self, number: PartNumber, size_bytes: u64) {
        self.received.insert(number);
        if size_bytes != self.part_size_bytes {
            self.odd_sizes.insert(number, size_bytes);
        }
    }

    fn forget(&mut self, number: PartNumber) {
        self.received.remove(number);
        self.odd_sizes.remove(&number);
    }

    /// The parts and their bytes.
    pub(super) fn into_received(self) -> ReceivedParts {
        let odd: u64 = self.odd_sizes.values().sum();
        let usual = u64::from(self.received.len()).saturating_sub(self.odd_sizes.len() as u64);
        ReceivedParts { total_bytes: usual * self.part_size_bytes + odd, numbers: self.received }
    }

    /// What a report has come to; none where nothing was ever reported.
    pub(super) fn recorded(self) -> Option<Recorded> {
        Some(Recorded { reported_at: self.reported_at?, received: self.into_received() })
    }

    /// The column `odd_sizes`.
    pub(super) fn odd_sizes_json(&self) -> Option<String> {
        let sizes = self.odd_sizes.iter().map(|(number, size)| (number.to_string(), (*size).into()));
        let object: serde_json::Map<_, _> = sizes.collect();
        (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string())
    }
}

fn odd_sizes(json: &str) -> Option<BTreeMap<PartNumber, u64>> {
    let sizes: BTreeMap<u32, u64> = serde_json::from_str(json).ok()?;
    sizes.into_iter().map(|(number, size_bytes)| Some((PartNumber::new(number)?, size_bytes))).collect()
}
