//! Our own state: uploads and what is known of their parts.
//!
//! Every write of an upload is a compare-and-set on its version, so any number of gateways may act on one upload.
//! An intent is on disk before storage acts on it (SQLite: WAL with synchronous FULL; PostgreSQL: synchronous commit).

mod access;
mod columns;
mod postgres;
mod progress;
mod quota;
mod rows;
mod sql;
mod sqlite;
mod types;
mod values;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub(crate) mod model;

use std::time::Instant;

use time::OffsetDateTime;

use crate::upload::{ChecksumAlgorithm, Fingerprint, PartRecord, S3UploadId, Upload, UploadId};
use postgres::PostgresStore;
use sql::{SqlQuota as _, SqlStore as _};
use sqlite::SqliteStore;

pub use quota::{Counter, Limit, OverQuota, Quota, Reserved};
pub use types::{
    ApiKeyRecord, DatabaseKind, DueUpload, InsertOutcome, Lease, ListFilter, Migrations, ReceivedParts,
    Recorded, StoreError, SweepClaim, TenantRecord, Written,
};

/// The state of uploads, in the database that the URL names. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Store {
    /// One file, for one machine.
    Sqlite(SqliteStore),
    /// A server, for any number of gateways.
    Postgres(PostgresStore),
    /// A plain value that tests hold.
    #[cfg(test)]
    Model(model::ModelStore),
}

/// Passes a call on to the database that it is for, and tells the metrics how it went, by the method's name.
macro_rules! on_each {
    ($self:ident, $store:ident => $of:ident.$method:ident($($argument:expr),*).await) => {{
        // Without an allocation for each call.
        static LABELS: [metrics::Label; 1] = [metrics::Label::from_static_parts("call", stringify!($method))];
        static KEY: metrics::Key = metrics::Key::from_static_parts($crate::store::DURATION, &LABELS);
        let started = std::time::Instant::now();
        let answer = match $self {
            Self::Sqlite($store) => $of.$method($($argument),*).await,
            Self::Postgres($store) => $of.$method($($argument),*).await,
            #[cfg(test)]
            Self::Model($store) => $of.$method($($argument),*).await,
        };
        $crate::store::answered(&KEY, started, &answer);
        answer
    }};
}
pub(in crate::store) use on_each;

const DURATION: &str = "partgate_database_call_duration_seconds";

fn answered<T>(key: &'static metrics::Key, started: Instant, answer: &Result<T, StoreError>) {
    static METADATA: metrics::Metadata<'static> =
        metrics::Metadata::new(module_path!(), metrics::Level::INFO, Some(module_path!()));
    metrics::with_recorder(|recorder| recorder.register_histogram(key, &METADATA)).record(started.elapsed());
    if answer.is_err() {
        let labels: Vec<_> = key.labels().cloned().collect();
        metrics::counter!("partgate_database_failures_total", labels).increment(1);
    }
}

impl Store {
    /// Opens the database that the URL names: `sqlite://path`, which is made where there is none, or
    /// `postgres://user:password@host/database`, with at most `max_connections` at once.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or its schema is not (and may not be made) current.
    pub async fn open(url: &str, max_connections: u32, migrations: Migrations) -> Result<Self, StoreError> {
        match DatabaseKind::of(url) {
            Some(DatabaseKind::Sqlite) => Ok(Self::Sqlite(SqliteStore::open(url, migrations).await?)),
            Some(DatabaseKind::Postgres) => {
                Ok(Self::Postgres(PostgresStore::open(url, max_connections, migrations).await?))
            }
            None => Err(StoreError::url(url)),
        }
    }

    /// Whether the database answers and can be written.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_each!(self, store => store.ping().await)
    }

    /// Writes what is pending and closes the database.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
            #[cfg(test)]
            Self::Model(store) => store.close().await,
        }
    }

    /// Writes a new upload that takes one upload, and its size, of the quota. A stream's size is 0 here; [`reserve`]
    /// takes more of the quota as it grows.
    ///
    /// Invariant: of any number of calls at once, on any number of gateways, no more get in than the quota allows, and
    /// an upload that does not get in takes nothing. Calls with a quota take turns within a tenant.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    ///
    /// [`reserve`]: Self::reserve
    pub async fn insert(&self, upload: &Upload, quota: &Quota) -> Result<InsertOutcome, StoreError> {
        on_each!(self, store => store.insert(upload, quota).await)
    }

    /// Writes an upload as it was found in storage, with the bytes that it holds there, unless one of its id is there
    /// already. No quota is asked: what is in storage is there whatever a quota says.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then nothing is written.
    pub async fn restore(&self, upload: &Upload, held_bytes: u64) -> Result<InsertOutcome, StoreError> {
        on_each!(self, store => store.restore(upload, held_bytes).await)
    }

    /// Raises what an upload takes of the quota to `bytes` in all; what it has already is never lowered. As exact as
    /// [`insert`](Self::insert).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn reserve(&self, id: UploadId, bytes: u64, quota: &Quota) -> Result<Reserved, StoreError> {
        on_each!(self, store => store.reserve(id, bytes, quota).await)
    }

    /// Writes what an upload has become, if the version before is still the stored one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn update(&self, next: &Upload) -> Result<Written, StoreError> {
        on_each!(self, store => store.update(next).await)
    }

    /// Remembers until when a signed URL of the upload works, as long as it takes parts: an upload that is being
    /// taken back must not get URLs that nobody waits for.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn extend_urls(&self, id: UploadId, until: OffsetDateTime) -> Result<Written, StoreError> {
        on_each!(self, store => store.extend_urls(id, until).await)
    }

    /// The upload of this id, whoever's it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn load(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        on_each!(self, store => store.load(id).await)
    }

    /// The upload of this id, whoever's it is, and how far it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn load_with_progress(
        &self,
        id: UploadId,
    ) -> Result<Option<(Upload, ReceivedParts)>, StoreError> {
        on_each!(self, store => store.load_with_progress(id).await)
    }

    /// The upload that was opened by the owner's init call of this key.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_by_idempotency_key(
        &self,
        tenant: &str,
        owner: Option<&str>,
        key: &Fingerprint,
    ) -> Result<Option<Upload>, StoreError> {
        on_each!(self, store => store.find_by_idempotency_key(tenant, owner, key).await)
    }

    /// The owner's open upload of this content.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_by_fingerprint(
        &self,
        tenant: &str,
        owner: Option<&str>,
        fingerprint: &Fingerprint,
        size_bytes: Option<u64>,
    ) -> Result<Option<Upload>, StoreError> {
        on_each!(self, store => store.find_by_fingerprint(tenant, owner, fingerprint, size_bytes).await)
    }

    /// A page of the uploads that the filter names, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<Upload>, StoreError> {
        on_each!(self, store => store.list(filter).await)
    }

    /// How many uploads are in each state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        on_each!(self, store => store.count_by_state().await)
    }

    /// Uploads that the sweep has to look at by `now`, those that are due longest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn due_for_sweep(&self, now: OffsetDateTime, limit: u32) -> Result<Vec<Upload>, StoreError> {
        on_each!(self, store => store.due_for_sweep(now, limit).await)
    }

    /// Takes due uploads for one sweep: until the lease is over no other sweep gets them.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn claim_for_sweep(&self, claim: SweepClaim) -> Result<Vec<DueUpload>, StoreError> {
        on_each!(self, store => store.claim_for_sweep(claim).await)
    }

    /// The sweep has looked at this version of an upload and found nothing wrong; it has to look again then, if ever.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn looked(
        &self,
        id: UploadId,
        version: i64,
        next_look: Option<OffsetDateTime>,
    ) -> Result<Written, StoreError> {
        on_each!(self, store => store.looked(id, version, next_look).await)
    }

    /// This version of an upload waits for the sweep until then, after so many failures of the sweep in a row; nobody
    /// is at it meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn postpone(
        &self,
        id: UploadId,
        version: i64,
        (until, attempts): (OffsetDateTime, u32),
    ) -> Result<Written, StoreError> {
        on_each!(self, store => store.postpone(id, version, (until, attempts)).await)
    }

    /// Takes or renews the lease of a completion: nobody else is at it until `lease.until`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn lease(&self, id: UploadId, version: i64, lease: Lease) -> Result<Written, StoreError> {
        on_each!(self, store => store.lease(id, version, lease).await)
    }

    /// The uploads of these ids, and those that have (or had last) one of these multipart uploads.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn owners(
        &self,
        ids: &[UploadId],
        multiparts: &[S3UploadId],
    ) -> Result<Vec<Upload>, StoreError> {
        on_each!(self, store => store.owners(ids, multiparts).await)
    }

    /// Whether this gateway is to do a job that is done once for the whole fleet: it is not due again before `next`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn claim_job(
        &self,
        job: &str,
        now: OffsetDateTime,
        next: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        on_each!(self, store => store.claim_job(job, now, next).await)
    }

    /// How many finished uploads have not changed since `before` and have nothing left in storage.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_finished_before(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        on_each!(self, store => store.count_finished_before(before).await)
    }

    /// Forgets at most so many finished uploads that have not changed since `before` and have nothing left in
    /// storage; says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_finished_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        on_each!(self, store => store.forget_finished_before(before, limit).await)
    }

    /// Remembers parts that were reported or accepted, replacing what was known of them; answers how far the upload
    /// is then, unless there is no such upload or no part was given.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn record_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        now: OffsetDateTime,
    ) -> Result<Option<Recorded>, StoreError> {
        on_each!(self, store => store.record_parts(id, parts, now).await)
    }

    /// Makes what storage listed from `asked_at` on the whole truth, except for what was recorded since.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn replace_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        on_each!(self, store => store.replace_parts(id, parts, asked_at, now).await)
    }

    /// All that is known of an upload's parts, by number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn parts(&self, id: UploadId, kind: ChecksumAlgorithm) -> Result<Vec<PartRecord>, StoreError> {
        on_each!(self, store => store.parts(id, kind).await)
    }

    /// Which parts need not be sent again, and their bytes.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn received(&self, id: UploadId) -> Result<ReceivedParts, StoreError> {
        on_each!(self, store => store.received(id).await)
    }
}
