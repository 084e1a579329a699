//! The state store as a plain value, for the model: what SQLite keeps in tables, without SQL, a file or a wait.
//!
//! It passes the contract of every store (`contract`), so what holds on it holds on them.

mod access;
mod quota;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;

use self::tables::{NotUnique, Row};
use super::{DueUpload, Lease, ListFilter, ReceivedParts, Recorded, StoreError, SweepClaim, Written};
use crate::model::{Effect, Port};
use crate::upload::{
    ChecksumAlgorithm, Fingerprint, PartEvidence, PartNumber, PartRecord, S3UploadId, State, Upload, UploadId,
};

pub(crate) use tables::{Tables, Versions};

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

    pub(in crate::store) async fn load_with_progress(
        &self,
        id: UploadId,
    ) -> Result<Option<(Upload, ReceivedParts)>, StoreError> {
        let load = move |tables: &mut Tables| Some((tables.uploads.get(&id).cloned()?, tables.received(id)));
        let loaded = self.ask(Effect::Reads, "load with progress".to_owned(), load).await?;
        Ok(loaded.map(|(row, parts)| (row.upload.clone(), received(&parts))))
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
        owner: Option<&str>,
        key: &Fingerprint,
    ) -> Result<Option<Upload>, StoreError> {
        let (tenant, owner, key) = (tenant.to_owned(), owner.map(str::to_owned), Some(key.clone()));
        self.find("find by idempotency key", move |upload| {
            upload.spec.tenant == tenant && upload.spec.owner == owner && upload.spec.idempotency_key == key
        })
        .await
    }

    pub(in crate::store) async fn find_by_fingerprint(
        &self,
        tenant: &str,
        owner: Option<&str>,
        fingerprint: &Fingerprint,
        size_bytes: Option<u64>,
    ) -> Result<Option<Upload>, StoreError> {
        let (tenant, owner) = (tenant.to_owned(), owner.map(str::to_owned));
        let fingerprint = Some(fingerprint.clone());
        self.find("find by fingerprint", move |upload| {
            upload.spec.tenant == tenant
                && upload.spec.owner == owner
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
    ) -> Result<Option<Recorded>, StoreError> {
        if parts.is_empty() {
            return Ok(None);
        }
        let (text, parts) = (format!("record parts {}", numbers(parts)), parts.to_vec());
        let record = move |tables: &mut Tables| {
            tables.record(id, &parts, now);
            Some((tables.upload(id)?.updated_at, tables.received(id)))
        };
        let recorded = self.ask(Effect::Writes, text, record).await?;
        Ok(recorded.map(|(reported_at, parts)| Recorded { reported_at, received: received(&parts) }))
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
        Ok(received(&parts))
    }
}

fn received(parts: &[(PartNumber, u64)]) -> ReceivedParts {
    ReceivedParts {
        numbers: parts.iter().map(|(number, _)| *number).collect(),
        total_bytes: parts.iter().map(|(_, size_bytes)| size_bytes).sum(),
    }
}

fn numbers(parts: &[PartRecord]) -> String {
    let of = |part: &PartRecord| match part.evidence {
        PartEvidence::Mismatched => format!("{}!", part.number),
        PartEvidence::Reported | PartEvidence::Listed => part.number.to_string(),
    };
    format!("[{}]", parts.iter().map(of).collect::<Vec<_>>().join(" "))
}
