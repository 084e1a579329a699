//! The tables as a plain value.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use time::OffsetDateTime;

use super::super::quota::Usage;
use super::super::rows::reserved_at_init;
use super::super::{ApiKeyRecord, ListFilter, SweepClaim, TenantRecord, Written};
use crate::upload::{PartNumber, PartRecord, State, Upload, UploadId};

/// A row of an upload. Hashes by a stamp of everything in it.
#[derive(PartialEq, Eq)]
pub(crate) struct Row {
    stamp: u64,
    pub(crate) attempts: u32,
    /// What it takes of quotas.
    pub(super) reserved_bytes: u64,
    pub(crate) upload: Upload,
}

impl Row {
    fn new(upload: Upload, attempts: u32, reserved_bytes: u64) -> Arc<Self> {
        let mut hasher = DefaultHasher::new();
        (attempts, reserved_bytes).hash(&mut hasher);
        hash_upload(&upload, &mut hasher);
        Arc::new(Self { stamp: hasher.finish(), attempts, reserved_bytes, upload })
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Upload { state, version, s3_upload_id, may_have_twins, sweep_at, verified_bytes, .. } =
            &self.upload;
        write!(f, "{} v{version}", state.name())?;
        if let Some(id) = s3_upload_id {
            write!(f, " {}", id.0)?;
        }
        if let Some(at) = sweep_at {
            let what = if verified_bytes.is_some() { "leased until" } else { "sweep at" };
            write!(f, ", {what} {} {}", at.date(), at.time())?;
        }
        f.write_str(if *may_have_twins { ", may have twins" } else { "" })
    }
}

impl Hash for Row {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.stamp.hash(hasher);
    }
}

/// A part's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartRow {
    record: PartRecord,
    recorded_at: OffsetDateTime,
}

impl Hash for PartRow {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let PartRecord { number, size_bytes, etag, checksum, evidence } = &self.record;
        let checksum = checksum.map(|checksum| checksum.to_base64());
        (number, size_bytes, etag, checksum, *evidence as u8, self.recorded_at).hash(hasher);
    }
}

/// The tables. The flag is for proving that the model can fail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Tables {
    pub(super) uploads: BTreeMap<UploadId, Arc<Row>>,
    parts: BTreeMap<(UploadId, PartNumber), Arc<PartRow>>,
    /// When each job of the fleet is due again.
    jobs: BTreeMap<String, OffsetDateTime>,
    /// What was counted under each name, and when it is forgotten.
    pub(super) counters: BTreeMap<String, (Usage, OffsetDateTime)>,
    pub(super) keys: BTreeMap<String, ApiKeyRecord>,
    pub(super) tenants: BTreeMap<String, TenantRecord>,
    versions: Versions,
}

/// Whether the database compares versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Versions {
    /// As it has to.
    #[default]
    Compared,
    /// A broken one: the last writer wins.
    Ignored,
}

/// A write that a unique index refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotUnique;

impl Tables {
    pub(crate) fn new(versions: Versions) -> Self {
        Self { versions, ..Self::default() }
    }

    /// Every upload.
    pub(crate) fn uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.values().map(|row| &row.upload)
    }

    /// One upload.
    pub(crate) fn upload(&self, id: UploadId) -> Option<&Upload> {
        self.uploads.get(&id).map(|row| &row.upload)
    }

    pub(super) fn put(&mut self, upload: Upload, attempts: u32) {
        let old = self.uploads.get(&upload.id);
        let reserved_bytes = old.map_or_else(|| reserved_at_init(&upload), |row| row.reserved_bytes);
        self.uploads.insert(upload.id, Row::new(upload, attempts, reserved_bytes));
    }

    /// Raises what the upload takes of quotas.
    pub(super) fn set_reserved(&mut self, id: UploadId, reserved_bytes: u64) {
        if let Some(row) = self.uploads.get_mut(&id) {
            *row = Row::new(row.upload.clone(), row.attempts, reserved_bytes);
        }
    }

    /// Whether the upload would break a unique index.
    pub(super) fn is_taken(&self, new: &Upload) -> bool {
        let is_live = |upload: &Upload| matches!(upload.state, State::Creating | State::Open);
        let whose = |upload: &Upload| (upload.spec.tenant.clone(), upload.spec.owner.clone());
        self.uploads().filter(|old| old.id != new.id && whose(old) == whose(new)).any(|old| {
            let same_key =
                new.spec.idempotency_key.is_some() && old.spec.idempotency_key == new.spec.idempotency_key;
            let same_content = new.spec.fingerprint.is_some()
                && old.spec.fingerprint == new.spec.fingerprint
                && old.plan.size_bytes() == new.plan.size_bytes()
                && is_live(old)
                && is_live(new);
            same_key || same_content
        })
    }

    pub(super) fn update(&mut self, next: &Upload) -> Result<Written, NotUnique> {
        let Some(old) = self.uploads.get(&next.id).map(|row| &row.upload) else {
            return Ok(Written::Conflict);
        };
        if old.version != next.version - 1 && self.versions == Versions::Compared {
            return Ok(Written::Conflict);
        }
        let next = Upload {
            spec: old.spec.clone(),
            created_at: old.created_at,
            expires_at: old.expires_at,
            urls_expire_at: old.urls_expire_at,
            ..next.clone()
        };
        if self.is_taken(&next) {
            return Err(NotUnique);
        }
        self.put(next, 0);
        Ok(Written::Done)
    }

    /// Changes the row of this version, if it is still the one.
    pub(super) fn change(
        &mut self,
        id: UploadId,
        version: i64,
        change: impl FnOnce(&mut Upload, &mut u32),
    ) -> Written {
        match self.uploads.get(&id) {
            Some(row) if row.upload.version == version => {
                let (mut upload, mut attempts) = (row.upload.clone(), row.attempts);
                change(&mut upload, &mut attempts);
                self.put(upload, attempts);
                Written::Done
            }
            _ => Written::Conflict,
        }
    }

    pub(super) fn due(&self, now: OffsetDateTime, limit: u32) -> Vec<Arc<Row>> {
        let due_at = |row: &Arc<Row>| row.upload.sweep_at;
        let mut due: Vec<_> =
            self.uploads.values().filter(|row| due_at(row).is_some_and(|at| at <= now)).cloned().collect();
        due.sort_by_key(due_at);
        due.truncate(limit as usize);
        due
    }

    pub(super) fn claim(&mut self, claim: SweepClaim) -> Vec<Arc<Row>> {
        let due = self.due(claim.now, claim.limit);
        for row in &due {
            let upload =
                Upload { sweep_at: Some(claim.leased_until), verified_bytes: None, ..row.upload.clone() };
            self.put(upload, row.attempts);
        }
        due.iter().map(|row| Arc::clone(&self.uploads[&row.upload.id])).collect()
    }

    pub(super) fn list(&self, filter: &ListFilter) -> Vec<Arc<Row>> {
        let seen_as = |upload: &Upload| {
            if upload.is_overdue(filter.now) { State::Expired } else { upload.state }
        };
        self.uploads
            .values()
            .rev()
            .filter(|row| filter.tenant.as_ref().is_none_or(|tenant| row.upload.spec.tenant == *tenant))
            .filter(|row| filter.owner.is_none() || row.upload.spec.owner == filter.owner)
            .filter(|row| filter.state.is_none_or(|state| seen_as(&row.upload) == state))
            .filter(|row| filter.before.is_none_or(|before| row.upload.id < before))
            .take(filter.limit as usize)
            .cloned()
            .collect()
    }

    pub(super) fn claim_job(&mut self, job: &str, now: OffsetDateTime, next: OffsetDateTime) -> bool {
        let is_due = self.jobs.get(job).is_none_or(|due| *due <= now);
        if is_due {
            self.jobs.insert(job.to_owned(), next);
        }
        is_due
    }

    pub(super) fn finished_before(&self, before: OffsetDateTime, limit: u32) -> Vec<UploadId> {
        let is_forgettable = |upload: &&Upload| {
            upload.state.is_final() && upload.sweep_at.is_none() && upload.updated_at < before
        };
        let mut found: Vec<_> = self.uploads().filter(is_forgettable).collect();
        found.sort_by_key(|upload| upload.updated_at);
        found.iter().take(limit as usize).map(|upload| upload.id).collect()
    }

    pub(super) fn forget(&mut self, before: OffsetDateTime, limit: u32) -> u64 {
        let ids = self.finished_before(before, limit);
        self.uploads.retain(|id, _| !ids.contains(id));
        self.parts.retain(|(id, _), _| !ids.contains(id));
        ids.len() as u64
    }

    /// Writes parts as known at `now`, leaving alone what was recorded at `unless_since`, if that is told, or later.
    fn upsert(
        &mut self,
        id: UploadId,
        parts: &[PartRecord],
        (now, unless_since): (OffsetDateTime, Option<OffsetDateTime>),
    ) {
        for record in parts {
            let place = (id, record.number);
            if self
                .parts
                .get(&place)
                .is_none_or(|row| unless_since.is_none_or(|since| row.recorded_at < since))
            {
                self.parts.insert(place, Arc::new(PartRow { record: record.clone(), recorded_at: now }));
            }
        }
    }

    pub(super) fn record(&mut self, id: UploadId, parts: &[PartRecord], now: OffsetDateTime) {
        let Some(row) = self.uploads.get(&id) else { return };
        let (upload, attempts) = (row.upload.clone(), row.attempts);
        self.upsert(id, parts, (now, None));
        self.put(Upload { updated_at: upload.updated_at.max(now), ..upload }, attempts);
    }

    pub(super) fn replace(
        &mut self,
        id: UploadId,
        parts: &[PartRecord],
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) {
        if !self.uploads.contains_key(&id) {
            return;
        }
        self.upsert(id, parts, (now, Some(asked_at)));
        let is_listed = |number: PartNumber| parts.iter().any(|part| part.number == number);
        self.parts.retain(|(upload, number), row| {
            *upload != id || row.recorded_at >= asked_at || is_listed(*number)
        });
    }

    /// What is known of an upload's parts.
    pub(crate) fn parts(&self, id: UploadId) -> Vec<PartRecord> {
        let of_upload = self.parts.iter().filter(|((upload, _), _)| *upload == id);
        of_upload.map(|(_, row)| row.record.clone()).collect()
    }

    pub(super) fn received(&self, id: UploadId) -> Vec<(PartNumber, u64)> {
        let parts = self.parts(id).into_iter().filter(PartRecord::is_received);
        parts.map(|part| (part.number, part.size_bytes)).collect()
    }
}

/// Everything that a change may write; what init declared is named by the id.
fn hash_upload(upload: &Upload, hasher: &mut DefaultHasher) {
    let Upload {
        id,
        spec: _,
        plan,
        sha256,
        checksum,
        state,
        version,
        s3_upload_id,
        created_at,
        updated_at,
        expires_at,
        urls_expire_at,
        abort_reason,
        may_have_twins,
        sweep_at,
        verified_bytes,
        outcome,
        failure,
    } = upload;
    (id, plan.size_bytes(), state, version, s3_upload_id.as_ref().map(|id| &id.0)).hash(hasher);
    (created_at, updated_at, expires_at, urls_expire_at, sweep_at).hash(hasher);
    (may_have_twins, verified_bytes, abort_reason.map(|reason| reason as u8)).hash(hasher);
    (sha256.map(|digest| digest.to_hex()), checksum.map(|checksum| checksum.to_base64())).hash(hasher);
    if let Some(outcome) = outcome {
        (&outcome.etag, &outcome.version_id, outcome.size_bytes, outcome.completed_at).hash(hasher);
        outcome.sha256.map(|digest| digest.to_hex()).hash(hasher);
    }
    failure.as_ref().map(|failure| (&failure.code, &failure.detail)).hash(hasher);
}
