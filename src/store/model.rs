//! The state store as a plain value, for the model: what SQLite keeps in tables, without SQL, a file or a wait.
//!
//! It passes the contract of every store (`contract`), so what holds on it holds on them.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use time::OffsetDateTime;

use super::{DueUpload, InsertOutcome, Lease, ListFilter, ReceivedParts, StoreError, SweepClaim, Written};
use crate::model::{Effect, Port};
use crate::upload::{
    ChecksumAlgorithm, Fingerprint, PartEvidence, PartNumber, PartRecord, S3UploadId, State, Upload, UploadId,
};

/// A row of an upload. Hashes by a stamp of everything in it.
#[derive(PartialEq, Eq)]
pub(crate) struct Row {
    stamp: u64,
    pub(crate) attempts: u32,
    pub(crate) upload: Upload,
}

impl Row {
    fn new(upload: Upload, attempts: u32) -> Arc<Self> {
        let mut hasher = DefaultHasher::new();
        attempts.hash(&mut hasher);
        hash_upload(&upload, &mut hasher);
        Arc::new(Self { stamp: hasher.finish(), attempts, upload })
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
    uploads: BTreeMap<UploadId, Arc<Row>>,
    parts: BTreeMap<(UploadId, PartNumber), Arc<PartRow>>,
    /// When each job of the fleet is due again.
    jobs: BTreeMap<String, OffsetDateTime>,
    pub(crate) versions: Versions,
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
struct NotUnique;

impl Tables {
    /// Every upload.
    pub(crate) fn uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.values().map(|row| &row.upload)
    }

    /// One upload.
    pub(crate) fn upload(&self, id: UploadId) -> Option<&Upload> {
        self.uploads.get(&id).map(|row| &row.upload)
    }

    fn put(&mut self, upload: Upload, attempts: u32) {
        self.uploads.insert(upload.id, Row::new(upload, attempts));
    }

    /// Whether the upload would break a unique index.
    fn is_taken(&self, new: &Upload) -> bool {
        let is_live = |upload: &Upload| matches!(upload.state, State::Creating | State::Open);
        self.uploads().filter(|old| old.id != new.id && old.spec.tenant == new.spec.tenant).any(|old| {
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

    fn insert(&mut self, upload: &Upload) -> InsertOutcome {
        if self.uploads.contains_key(&upload.id) || self.is_taken(upload) {
            return InsertOutcome::Duplicate;
        }
        self.put(upload.clone(), 0);
        InsertOutcome::Inserted
    }

    fn update(&mut self, next: &Upload) -> Result<Written, NotUnique> {
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
    fn change(&mut self, id: UploadId, version: i64, change: impl FnOnce(&mut Upload, &mut u32)) -> Written {
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

    fn due(&self, now: OffsetDateTime, limit: u32) -> Vec<Arc<Row>> {
        let due_at = |row: &Arc<Row>| row.upload.sweep_at;
        let mut due: Vec<_> =
            self.uploads.values().filter(|row| due_at(row).is_some_and(|at| at <= now)).cloned().collect();
        due.sort_by_key(due_at);
        due.truncate(limit as usize);
        due
    }

    fn claim(&mut self, claim: SweepClaim) -> Vec<Arc<Row>> {
        let due = self.due(claim.now, claim.limit);
        for row in &due {
            let upload =
                Upload { sweep_at: Some(claim.leased_until), verified_bytes: None, ..row.upload.clone() };
            self.put(upload, row.attempts);
        }
        due.iter().map(|row| Arc::clone(&self.uploads[&row.upload.id])).collect()
    }

    fn list(&self, filter: &ListFilter) -> Vec<Arc<Row>> {
        let seen_as = |upload: &Upload| {
            if upload.is_overdue(filter.now) { State::Expired } else { upload.state }
        };
        self.uploads
            .values()
            .rev()
            .filter(|row| row.upload.spec.tenant == filter.tenant)
            .filter(|row| filter.state.is_none_or(|state| seen_as(&row.upload) == state))
            .filter(|row| filter.before.is_none_or(|before| row.upload.id < before))
            .take(filter.limit as usize)
            .cloned()
            .collect()
    }

    fn claim_job(&mut self, job: &str, now: OffsetDateTime, next: OffsetDateTime) -> bool {
        let is_due = self.jobs.get(job).is_none_or(|due| *due <= now);
        if is_due {
            self.jobs.insert(job.to_owned(), next);
        }
        is_due
    }

    fn finished_before(&self, before: OffsetDateTime, limit: u32) -> Vec<UploadId> {
        let is_forgettable = |upload: &&Upload| {
            upload.state.is_final() && upload.sweep_at.is_none() && upload.updated_at < before
        };
        let mut found: Vec<_> = self.uploads().filter(is_forgettable).collect();
        found.sort_by_key(|upload| upload.updated_at);
        found.iter().take(limit as usize).map(|upload| upload.id).collect()
    }

    fn forget(&mut self, before: OffsetDateTime, limit: u32) -> u64 {
        let ids = self.finished_before(before, limit);
        self.uploads.retain(|id, _| !ids.contains(id));
        self.parts.retain(|(id, _), _| !ids.contains(id));
        ids.len() as u64
    }

    /// Writes parts as known at `now`, leaving alone what was recorded at `unless_since` or later.
    fn upsert(
        &mut self,
        id: UploadId,
        parts: &[PartRecord],
        (now, unless_since): (OffsetDateTime, OffsetDateTime),
    ) {
        for record in parts {
            let place = (id, record.number);
            if self.parts.get(&place).is_none_or(|row| row.recorded_at < unless_since) {
                self.parts.insert(place, Arc::new(PartRow { record: record.clone(), recorded_at: now }));
            }
        }
    }

    fn record(&mut self, id: UploadId, parts: &[PartRecord], now: OffsetDateTime) {
        let Some(row) = self.uploads.get(&id) else { return };
        let (upload, attempts) = (row.upload.clone(), row.attempts);
        self.upsert(id, parts, (now, now + time::Duration::DAY));
        self.put(Upload { updated_at: upload.updated_at.max(now), ..upload }, attempts);
    }

    fn replace(&mut self, id: UploadId, parts: &[PartRecord], asked_at: OffsetDateTime, now: OffsetDateTime) {
        if !self.uploads.contains_key(&id) {
            return;
        }
        self.upsert(id, parts, (now, asked_at));
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

    fn received(&self, id: UploadId) -> Vec<(PartNumber, u64)> {
        let parts = self.parts(id).into_iter().filter(PartRecord::is_received);
        parts.map(|part| (part.number, part.size_bytes)).collect()
    }
}

/// A store that asks a [`Port`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelStore(Port<Tables>);

fn uploads(rows: &[Arc<Row>]) -> Vec<Upload> {
    rows.iter().map(|row| row.upload.clone()).collect()
}

impl ModelStore {
    pub(crate) fn new(port: Port<Tables>) -> Self {
        Self(port)
    }

    async fn ask<T: crate::model::Value + Clone>(
        &self,
        effect: Effect,
        text: String,
        act: impl Fn(&mut Tables) -> T + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        // A database has one way not to answer.
        self.0.ask(effect, text, act).await.map_err(|_| StoreError::Database(sqlx::Error::PoolTimedOut))
    }

    pub(in crate::store) async fn ping(&self) -> Result<(), StoreError> {
        self.ask(Effect::Reads, "ping".to_owned(), |_| ()).await
    }

    pub(in crate::store) async fn close(&self) {}

    pub(in crate::store) async fn insert(&self, upload: &Upload) -> Result<InsertOutcome, StoreError> {
        let upload = upload.clone();
        self.ask(Effect::Writes, "insert".to_owned(), move |tables| tables.insert(&upload)).await
    }

    pub(in crate::store) async fn update(&self, next: &Upload) -> Result<Written, StoreError> {
        let next = next.clone();
        let multipart = next.s3_upload_id.as_ref().map_or("", |id| &id.0);
        let text = format!("update to {} v{} {multipart}", next.state.name(), next.version);
        let updated = self.ask(Effect::Writes, text, move |tables| tables.update(&next)).await?;
        updated.map_err(|NotUnique| StoreError::Database(sqlx::Error::Protocol("not unique".to_owned())))
    }

    pub(in crate::store) async fn extend_urls(
        &self,
        id: UploadId,
        until: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        self.ask(Effect::Writes, "extend_urls".to_owned(), move |tables| {
            match tables.upload(id).map(|upload| (upload.state, upload.version)) {
                Some((State::Creating | State::Open, version)) => {
                    tables.change(id, version, |upload, _| *upload = upload.clone().with_urls_until(until))
                }
                _ => Written::Conflict,
            }
        })
        .await
    }

    pub(in crate::store) async fn load(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        let row = self
            .ask(Effect::Reads, "load".to_owned(), move |tables| tables.uploads.get(&id).cloned())
            .await?;
        Ok(row.map(|row| row.upload.clone()))
    }

    async fn find(
        &self,
        text: &str,
        is_it: impl Fn(&Upload) -> bool + Send + Sync + 'static,
    ) -> Result<Option<Upload>, StoreError> {
        let find = move |tables: &mut Tables| tables.uploads.values().find(|row| is_it(&row.upload)).cloned();
        let row = self.ask(Effect::Reads, text.to_owned(), find).await?;
        Ok(row.map(|row| row.upload.clone()))
    }

    pub(in crate::store) async fn find_by_idempotency_key(
        &self,
        tenant: &str,
        key: &Fingerprint,
    ) -> Result<Option<Upload>, StoreError> {
        let (tenant, key) = (tenant.to_owned(), Some(key.clone()));
        self.find("find by idempotency key", move |upload| {
            upload.spec.tenant == tenant && upload.spec.idempotency_key == key
        })
        .await
    }

    pub(in crate::store) async fn find_by_fingerprint(
        &self,
        tenant: &str,
        fingerprint: &Fingerprint,
        size_bytes: Option<u64>,
    ) -> Result<Option<Upload>, StoreError> {
        let (tenant, fingerprint) = (tenant.to_owned(), Some(fingerprint.clone()));
        self.find("find by fingerprint", move |upload| {
            upload.spec.tenant == tenant
                && upload.spec.fingerprint == fingerprint
                && upload.plan.size_bytes() == size_bytes
                && matches!(upload.state, State::Creating | State::Open)
        })
        .await
    }

    pub(in crate::store) async fn list(&self, filter: &ListFilter) -> Result<Vec<Upload>, StoreError> {
        let filter = filter.clone();
        let rows = self.ask(Effect::Reads, "list".to_owned(), move |tables| tables.list(&filter)).await?;
        Ok(uploads(&rows))
    }

    pub(in crate::store) async fn count_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.ask(Effect::Reads, "count by state".to_owned(), |tables| {
            let mut counts = BTreeMap::new();
            for upload in tables.uploads() {
                *counts.entry(upload.state.name().to_owned()).or_insert(0) += 1;
            }
            counts.into_iter().collect::<Vec<_>>()
        })
        .await
    }

    pub(in crate::store) async fn due_for_sweep(
        &self,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Upload>, StoreError> {
        let rows = self.ask(Effect::Reads, "due".to_owned(), move |tables| tables.due(now, limit)).await?;
        Ok(uploads(&rows))
    }

    pub(in crate::store) async fn claim_for_sweep(
        &self,
        claim: SweepClaim,
    ) -> Result<Vec<DueUpload>, StoreError> {
        let rows = self.ask(Effect::Writes, "claim".to_owned(), move |tables| tables.claim(claim)).await?;
        let due = |row: &Arc<Row>| DueUpload { upload: row.upload.clone(), attempts: row.attempts };
        Ok(rows.iter().map(due).collect())
    }

    pub(in crate::store) async fn looked(
        &self,
        id: UploadId,
        version: i64,
        next_look: Option<OffsetDateTime>,
    ) -> Result<Written, StoreError> {
        self.ask(Effect::Writes, format!("looked at v{version}"), move |tables| {
            tables.change(id, version, |upload, attempts| {
                upload.sweep_at = next_look;
                upload.may_have_twins = false;
                *attempts = 0;
            })
        })
        .await
    }

    pub(in crate::store) async fn postpone(
        &self,
        id: UploadId,
        version: i64,
        (until, failures): (OffsetDateTime, u32),
    ) -> Result<Written, StoreError> {
        self.ask(Effect::Writes, format!("postpone v{version}"), move |tables| {
            tables.change(id, version, |upload, attempts| {
                upload.sweep_at = Some(until);
                upload.verified_bytes = None;
                *attempts = failures;
            })
        })
        .await
    }

    pub(in crate::store) async fn lease(
        &self,
        id: UploadId,
        version: i64,
        lease: Lease,
    ) -> Result<Written, StoreError> {
        self.ask(Effect::Writes, format!("lease v{version}"), move |tables| {
            if tables.upload(id).is_none_or(|upload| upload.sweep_at != lease.held_until) {
                return Written::Conflict;
            }
            tables.change(id, version, |upload, _| {
                upload.sweep_at = Some(lease.until);
                upload.verified_bytes = Some(lease.verified_bytes);
            })
        })
        .await
    }

    pub(in crate::store) async fn owners(
        &self,
        ids: &[UploadId],
        multiparts: &[S3UploadId],
    ) -> Result<Vec<Upload>, StoreError> {
        let (ids, multiparts) = (ids.to_vec(), multiparts.to_vec());
        let rows = self
            .ask(Effect::Reads, "owners".to_owned(), move |tables| {
                let is_owner = |row: &&Arc<Row>| {
                    let own = row.upload.s3_upload_id.as_ref();
                    ids.contains(&row.upload.id) || own.is_some_and(|own| multiparts.contains(own))
                };
                tables.uploads.values().filter(is_owner).cloned().collect::<Vec<_>>()
            })
            .await?;
        Ok(uploads(&rows))
    }

    pub(in crate::store) async fn claim_job(
        &self,
        job: &str,
        now: OffsetDateTime,
        next: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let (text, job) = (format!("claim job {job}"), job.to_owned());
        self.ask(Effect::Writes, text, move |tables| tables.claim_job(&job, now, next)).await
    }

    pub(in crate::store) async fn count_finished_before(
        &self,
        before: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let count = move |tables: &mut Tables| tables.finished_before(before, u32::MAX).len() as u64;
        self.ask(Effect::Reads, "count finished".to_owned(), count).await
    }

    pub(in crate::store) async fn forget_finished_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.ask(Effect::Writes, "forget finished".to_owned(), move |tables| tables.forget(before, limit))
            .await
    }

    pub(in crate::store) async fn record_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        let (text, parts) = (format!("record parts {}", numbers(parts)), parts.to_vec());
        self.ask(Effect::Writes, text, move |tables| tables.record(id, &parts, now)).await
    }

    pub(in crate::store) async fn replace_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let (text, parts) = (format!("replace parts by {}", numbers(parts)), parts.to_vec());
        self.ask(Effect::Writes, text, move |tables| tables.replace(id, &parts, asked_at, now)).await
    }

    pub(in crate::store) async fn parts(
        &self,
        id: UploadId,
        _: ChecksumAlgorithm,
    ) -> Result<Vec<PartRecord>, StoreError> {
        self.ask(Effect::Reads, "parts".to_owned(), move |tables| tables.parts(id)).await
    }

    pub(in crate::store) async fn received(&self, id: UploadId) -> Result<ReceivedParts, StoreError> {
        let parts = self.ask(Effect::Reads, "received".to_owned(), move |tables| tables.received(id)).await?;
        Ok(ReceivedParts {
            numbers: parts.iter().map(|(number, _)| *number).collect(),
            total_bytes: parts.iter().map(|(_, size_bytes)| size_bytes).sum(),
        })
    }
}

fn numbers(parts: &[PartRecord]) -> String {
    let of = |part: &PartRecord| match part.evidence {
        PartEvidence::Mismatched => format!("{}!", part.number),
        PartEvidence::Reported | PartEvidence::Listed => part.number.to_string(),
    };
    format!("[{}]", parts.iter().map(of).collect::<Vec<_>>().join(" "))
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
