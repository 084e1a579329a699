//! What both databases are asked in the same words. What only one of them understands is in its own folder.

mod access;
mod quota;

use sqlx::migrate::Migrator;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows;
use super::values::{Row, Value, values};
use super::{Lease, ListFilter, ReceivedParts, StoreError, Written};
use crate::upload::{ChecksumAlgorithm, Fingerprint, PartRecord, State, Upload, UploadId};

pub(super) use access::SqlAccess;
#[cfg(test)]
pub(super) use access::{HAS_UPLOADS, KEY, KEY_USED};
pub(super) use quota::SqlQuota;
#[cfg(test)]
pub(super) use quota::{COUNTED, FORGET_COUNTERS, IN_USE, RAISE, RESERVED};

/// Finished before `$1`, and nothing left to do in storage.
macro_rules! forgettable {
    () => {
        "state IN ('completed', 'failed', 'aborted', 'expired') AND sweep_at IS NULL AND updated_at < $1"
    };
}
pub(super) use forgettable;

/// Columns as in [`rows::new_columns`].
pub(super) const INSERT: &str = "INSERT INTO uploads (id, tenant, state, version, transfer, bucket, object_key, \
    filename, content_type, checksum_algorithm, metadata, overwrite, fingerprint, idempotency_key, size_bytes, \
    part_size_bytes, sha256, created_at, updated_at, expires_at, sweep_at, owner, reserved_bytes) VALUES \
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)";
/// Columns as in [`rows::changed_columns`].
pub(super) const UPDATE: &str = "UPDATE uploads SET state = $3, version = $4, size_bytes = $5, sha256 = $6, \
    checksum = $7, s3_upload_id = $8, updated_at = $9, abort_reason = $10, etag = $11, version_id = $12, \
    object_size_bytes = $13, object_checksum = $14, proven_sha256 = $15, completed_at = $16, failure_code = $17, \
    failure_detail = $18, sweep_at = $19, may_have_twins = $20, sweep_attempts = 0, verified_bytes = $21 \
    WHERE id = $1 AND version = $2";
pub(super) const EXTEND_URLS: &str = "UPDATE uploads SET urls_expire_at = \
    CASE WHEN urls_expire_at > $2 THEN urls_expire_at ELSE $2 END WHERE id = $1 AND state IN ('creating', 'open')";

/// Names the columns of an upload that are read by their place.
macro_rules! load {
    ($($column:literal)*) => {
        /// An upload and how far it is.
        pub(super) const LOAD: &str = concat!(
            "SELECT ",
            $($column, ", ",)*
            "received, CAST(odd_sizes AS text) AS odd_sizes, reported_at \
            FROM uploads LEFT JOIN progress ON upload_id = id WHERE id = $1"
        );
        /// The columns that [`LOAD`] answers, in order.
        pub(super) const LOADED: &[&str] = &[$($column,)* "received", "odd_sizes", "reported_at"];
    };
}
load! {
    "id" "tenant" "owner" "bucket" "object_key" "filename" "content_type" "checksum_algorithm" "metadata" "overwrite"
    "fingerprint" "idempotency_key" "transfer" "checksum" "size_bytes" "part_size_bytes" "sha256" "state" "version"
    "s3_upload_id" "created_at" "updated_at" "expires_at" "urls_expire_at" "abort_reason" "may_have_twins" "sweep_at"
    "verified_bytes" "completed_at" "etag" "version_id" "object_size_bytes" "object_checksum" "proven_sha256"
    "failure_code" "failure_detail"
}

pub(super) const FIND_BY_IDEMPOTENCY_KEY: &str =
    "SELECT * FROM uploads WHERE tenant = $1 AND coalesce(owner, '') = $2 AND idempotency_key = $3";
pub(super) const FIND_BY_FINGERPRINT: &str = "SELECT * FROM uploads WHERE tenant = $1 AND coalesce(owner, '') = $2 \
    AND fingerprint = $3 AND coalesce(size_bytes, -1) = $4 AND state IN ('creating', 'open')";
pub(super) const COUNT_BY_STATE: &str = "SELECT state, count(*) AS uploads FROM uploads GROUP BY state";
pub(super) const DUE: &str = "SELECT * FROM uploads WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT $2";
pub(super) const LOOKED: &str = "UPDATE uploads SET sweep_at = $3, sweep_attempts = 0, may_have_twins = $4 \
    WHERE id = $1 AND version = $2";
pub(super) const POSTPONE: &str = "UPDATE uploads SET sweep_at = $3, sweep_attempts = $4, verified_bytes = NULL \
    WHERE id = $1 AND version = $2";
/// A lease that somebody else has taken or renewed in between has another end.
pub(super) const LEASE: &str = "UPDATE uploads SET sweep_at = $4, verified_bytes = $5 \
    WHERE id = $1 AND version = $2 AND sweep_at IS NOT DISTINCT FROM $3";
pub(super) const COUNT_FINISHED: &str =
    concat!("SELECT count(*) AS uploads FROM uploads WHERE ", forgettable!());
pub(super) const PARTS: &str = "SELECT upload_id, number, size_bytes, etag, checksum, evidence FROM parts \
    WHERE upload_id = $1 ORDER BY number";
/// The columns that [`PARTS`] answers, in order.
pub(super) const OF_A_PART: &[&str] = &["upload_id", "number", "size_bytes", "etag", "checksum", "evidence"];
pub(super) const CLAIM_JOB: &str = "INSERT INTO jobs (name, due_at) VALUES ($1, $3) \
    ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE jobs.due_at <= $2";
/// A full disk, or a server that takes no writes, shows only in a write.
const PING: &str = "UPDATE health SET checked_at = $1";
const NEWEST_MIGRATION: &str = "SELECT max(version) AS version FROM _sqlx_migrations WHERE success";

/// A page of a list: of whose uploads, and with a condition on the state `$4` at the time `$5`.
macro_rules! page {
    ($whose:literal, $condition:literal) => {
        concat!(
            "SELECT *, (SELECT reported_at FROM progress WHERE upload_id = id) AS reported_at FROM uploads WHERE ",
            $whose,
            $condition,
            "id < $2 ORDER BY id DESC LIMIT $3"
        )
    };
}

/// The page of a list that holds uploads of this state.
macro_rules! page_of_state {
    ($whose:literal, $state:expr) => {
        match $state {
            None => page!($whose, ""),
            Some(State::Creating | State::Open) => page!($whose, "state = $4 AND expires_at > $5 AND "),
            Some(State::Expired) => {
                page!($whose, "(state = $4 OR (state IN ('creating', 'open') AND expires_at <= $5)) AND ")
            }
            Some(State::Completing | State::Completed | State::Failed | State::Aborting | State::Aborted) => {
                page!($whose, "state = $4 AND ")
            }
        }
    };
}

/// The page that a filter asks for.
pub(super) fn page(filter: &ListFilter) -> &'static str {
    match (&filter.tenant, &filter.owner) {
        (None, None) => page_of_state!("", filter.state),
        (Some(_), None) => page_of_state!("tenant = $1 AND ", filter.state),
        (Some(_), Some(_)) => page_of_state!("tenant = $1 AND owner = $6 AND ", filter.state),
        (None, Some(_)) => page_of_state!("owner = $6 AND ", filter.state),
    }
}

/// A transaction: unless it is committed, nothing that was written in it stays.
pub(super) trait SqlTransaction: Sized {
    /// Waits until every other transaction that has called this for the tenant is over. Statements after it see what
    /// those have committed.
    async fn take_turns(&mut self, tenant: &str) -> Result<(), StoreError>;

    /// As [`SqlStore::write`].
    async fn write(&mut self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, StoreError>;

    /// As [`SqlStore::read`].
    async fn read<T>(
        &mut self,
        sql: &'static str,
        values: Vec<Value<'_>>,
        parse: impl Fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError>;

    async fn commit(self) -> Result<(), StoreError>;
}

/// A database that is asked in SQL.
pub(super) trait SqlStore {
    /// Given back when it is dropped.
    type Connection;
    type Transaction<'c>: SqlTransaction;

    /// A connection that may write.
    async fn writer(&self) -> Result<Self::Connection, StoreError>;

    async fn begin(connection: &mut Self::Connection) -> Result<Self::Transaction<'_>, StoreError>;

    /// Runs a statement that writes; says how many rows it wrote.
    async fn write(&self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, StoreError>;

    /// Runs a statement that only reads.
    async fn read<T>(
        &self,
        sql: &'static str,
        values: Vec<Value<'_>>,
        parse: impl Fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError>;

    async fn ping(&self) -> Result<(), StoreError> {
        self.write(PING, values![OffsetDateTime::now_utc()]).await?;
        Ok(())
    }

    async fn check_schema(&self, migrations: &Migrator) -> Result<(), StoreError> {
        let newest = migrations.iter().map(|migration| migration.version).max();
        match self.read(NEWEST_MIGRATION, values![], |row| Ok(row.integer("version")?)).await {
            Ok(applied) if applied == [newest] => Ok(()),
            Ok(_) => Err(StoreError::SchemaOutdated),
            Err(error) if is_missing_table(&error) => Err(StoreError::SchemaOutdated),
            Err(error) => Err(error),
        }
    }

    async fn update(&self, next: &Upload) -> Result<Written, StoreError> {
        self.write(UPDATE, rows::changed_columns(next)).await.map(written)
    }

    async fn extend_urls(&self, id: UploadId, until: OffsetDateTime) -> Result<Written, StoreError> {
        self.write(EXTEND_URLS, values![id, until]).await.map(written)
    }

    async fn load(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        Ok(self.read(LOAD, values![id], rows::seen_upload).await?.pop())
    }

    async fn load_with_progress(&self, id: UploadId) -> Result<Option<(Upload, ReceivedParts)>, StoreError> {
        Ok(self.read(LOAD, values![id], rows::upload_with_progress).await?.pop())
    }

    async fn find_by_idempotency_key(
        &self,
        tenant: &str,
        owner: Option<&str>,
        key: &Fingerprint,
    ) -> Result<Option<Upload>, StoreError> {
        let values = values![tenant, owner.unwrap_or_default(), key.as_str()];
        Ok(self.read(FIND_BY_IDEMPOTENCY_KEY, values, rows::upload).await?.pop())
    }

    async fn find_by_fingerprint(
        &self,
        tenant: &str,
        owner: Option<&str>,
        fingerprint: &Fingerprint,
        size_bytes: Option<u64>,
    ) -> Result<Option<Upload>, StoreError> {
        let size = size_bytes.map_or(Value::from(-1_i64), Value::from);
        let values = values![tenant, owner.unwrap_or_default(), fingerprint.as_str(), size];
        Ok(self.read(FIND_BY_FINGERPRINT, values, rows::upload).await?.pop())
    }

    async fn list(&self, filter: &ListFilter) -> Result<Vec<Upload>, StoreError> {
        let before = filter.before.unwrap_or(UploadId(Uuid::max()));
        let state = filter.state.map(|state| state.name());
        let (tenant, owner) = (filter.tenant.as_deref(), filter.owner.as_deref());
        let values = values![tenant, before, filter.limit, state, filter.now, owner];
        self.read(page(filter), values, rows::seen_upload).await
    }

    async fn count_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let parse = |row: &dyn Row| Ok((row.text("state")?.unwrap_or_default(), count(row)?));
        self.read(COUNT_BY_STATE, values![], parse).await
    }

    async fn due_for_sweep(&self, now: OffsetDateTime, limit: u32) -> Result<Vec<Upload>, StoreError> {
        self.read(DUE, values![now, limit], rows::upload).await
    }

    async fn looked(
        &self,
        id: UploadId,
        version: i64,
        next_look: Option<OffsetDateTime>,
    ) -> Result<Written, StoreError> {
        self.write(LOOKED, values![id, version, next_look, false]).await.map(written)
    }

    async fn postpone(
        &self,
        id: UploadId,
        version: i64,
        (until, attempts): (OffsetDateTime, u32),
    ) -> Result<Written, StoreError> {
        self.write(POSTPONE, values![id, version, until, attempts]).await.map(written)
    }

    async fn lease(&self, id: UploadId, version: i64, lease: Lease) -> Result<Written, StoreError> {
        let values = values![id, version, lease.held_until, lease.until, lease.verified_bytes];
        self.write(LEASE, values).await.map(written)
    }

    async fn claim_job(
        &self,
        job: &str,
        now: OffsetDateTime,
        next: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        Ok(self.write(CLAIM_JOB, values![job, now, next]).await? == 1)
    }

    async fn count_finished_before(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        Ok(self.read(COUNT_FINISHED, values![before], count).await?.pop().unwrap_or_default())
    }

    async fn parts(&self, id: UploadId, kind: ChecksumAlgorithm) -> Result<Vec<PartRecord>, StoreError> {
        self.read(PARTS, values![id], |row| rows::part(row, kind)).await
    }
}

pub(super) fn written(rows: u64) -> Written {
    if rows == 1 { Written::Done } else { Written::Conflict }
}

fn count(row: &dyn Row) -> Result<u64, StoreError> {
    Ok(row.integer("uploads")?.unwrap_or_default().unsigned_abs())
}

/// SQLite has no code of its own for it; PostgreSQL's is
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn is_missing_table(error: &StoreError) -> bool {
    let StoreError::Database(sqlx::Error::Database(error)) = error else { return false };
    matches!(error.code().as_deref(), Some("1" | "42P01"))
}
