//! What a client sent and what it was told: the audit holds gateways and store to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a client means to do with its upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Send everything and complete it.
    Complete,
    /// Abort it somewhere on the way.
    Abort,
    /// Abort it and complete it at once.
    Race,
    /// Leave it somewhere on the way.
    Leave,
}

/// One upload from its client's side.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) fate: Fate,
    /// Its time is over soon after init, whatever the client means to do.
    pub(super) is_short_lived: bool,
    pub(super) upload_id: String,
    pub(super) key: String,
    pub(super) file: Vec<u8>,
    pub(super) part_size: usize,
    /// Parts that storage has answered 200 for, with their ETags.
    pub(super) stored: BTreeMap<u32, String>,
    /// Parts that the gateway called received when it last spoke of them.
    pub(super) told: BTreeSet<u32>,
    /// Every 200 that complete has answered.
    pub(super) completed: Vec<Value>,
    /// Abort was answered with 204.
    pub(super) is_aborted: bool,
    /// Some call was answered with 410.
    pub(super) is_gone: bool,
}

impl Record {
    pub(super) fn total_parts(&self) -> u32 {
        u32::try_from(self.file.len().div_ceil(self.part_size)).unwrap()
    }

    /// The bytes of a part.
    pub(super) fn part(&self, number: u32) -> &[u8] {
        let start = (number as usize - 1) * self.part_size;
        &self.file[start..self.file.len().min(start + self.part_size)]
    }

    /// Notes what an answer says of the parts from 1 to the file's last.
    pub(super) fn hear(&mut self, missing: &Value, received_parts: &Value) {
        let missing = parts_in(missing);
        let received = u32::try_from(received_parts.as_u64().unwrap()).unwrap();
        // Of a stream only gaps below the highest received part are told.
        self.told =
            (1..=received + u32::try_from(missing.len()).unwrap()).filter(|n| !missing.contains(n)).collect();
    }

    /// What its client knows, in a line.
    pub(super) fn summary(&self) -> String {
        let Self { fate, is_short_lived, stored, told, is_aborted, is_gone, .. } = self;
        let (parts, stored, completed) = (self.total_parts(), stored.keys(), self.completed.len());
        format!(
            "{fate:?} short_lived={is_short_lived} parts={parts} stored={stored:?} told={told:?} \
             completed={completed} aborted={is_aborted} gone={is_gone}"
        )
    }

    /// Parts that the gateway has not called received.
    pub(super) fn to_send(&self) -> Vec<u32> {
        (1..=self.total_parts()).filter(|number| !self.told.contains(number)).collect()
    }
}

/// The numbers in `missing`'s ranges.
pub(super) fn parts_in(ranges: &Value) -> BTreeSet<u32> {
    let range = |range: &Value| {
        let [first, last] = [0, 1].map(|end| u32::try_from(range[end].as_u64().unwrap()).unwrap());
        first..=last
    };
    ranges.as_array().unwrap().iter().flat_map(range).collect()
}
