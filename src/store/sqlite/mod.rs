//! State in one SQLite file: one writer, several readers.

mod parts;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteQueryResult,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _};
use time::OffsetDateTime;

use super::rows::{self, micros, signed};
use super::{DueUpload, InsertOutcome, Lease, ListFilter, Migrations, StoreError, SweepClaim, Written};
use crate::upload::{Fingerprint, S3UploadId, State, Upload, UploadId};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

const READERS: u32 = 4;
/// How long a call waits for a connection or a lock before the database counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(5);

/// Finished before a moment, and nothing left to do in storage.
const FORGETTABLE: &str = "state IN ('completed', 'failed', 'aborted', 'expired') AND sweep_at IS NULL \
    AND updated_at < ?1";

/// State in one SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens `sqlite://path`, creating the file where there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened or its schema is not (and may not be made) current.
    pub(super) async fn open(url: &str, migrations: Migrations) -> Result<Self, StoreError> {
        // The driver would take any text for the name of a file.
        if !url.starts_with("sqlite:") {
            return Err(StoreError::Url(url.to_owned()));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| StoreError::Url(url.to_owned()))?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Invariant: an intent is on disk before storage acts on it.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                // The first connection is opened by the writer alone, which sets the journal mode.
                .min_connections(0)
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        let store = Self { writer, readers: pool(READERS).connect_lazy_with(options.read_only(true)) };
        match migrations {
            Migrations::Run => store.migrate().await?,
            Migrations::Refuse => store.check_schema().await?,
        }
        Ok(store)
    }

    /// SQLite has no lock for migrations: of several gateways that start at once, those that lose a race for a
    /// migration look again and find it done.
    async fn migrate(&self) -> Result<(), StoreError> {
        for _ in MIGRATIONS.iter() {
            if MIGRATIONS.run(&self.writer).await.is_ok() {
                return Ok(());
            }
        }
        Ok(MIGRATIONS.run(&self.writer).await?)
    }

    async fn check_schema(&self) -> Result<(), StoreError> {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        let applied: Option<i64> = sqlx::query("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&self.writer)
            .await
            .ok()
            .and_then(|row| row.try_get(0).ok());
        if applied == newest { Ok(()) } else { Err(StoreError::SchemaOutdated) }
    }

    pub(in crate::store) async fn ping(&self) -> Result<(), StoreError> {
        let now = micros(OffsetDateTime::now_utc());
        sqlx::query("UPDATE health SET checked_at = ?1").bind(now).execute(&self.writer).await?;
        Ok(())
    }

    pub(in crate::store) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(in crate::store) async fn insert(&self, upload: &Upload) -> Result<InsertOutcome, StoreError> {
        let spec = &upload.spec;
        let inserted = sqlx::query(
            "INSERT INTO uploads (id, tenant, state, version, transfer, bucket, object_key, filename, \
             content_type, checksum_algorithm, metadata, overwrite, fingerprint, idempotency_key, size_bytes, \
             part_size_bytes, sha256, created_at, updated_at, expires_at, sweep_at) VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        )
        .bind(upload.id.to_string())
        .bind(&spec.tenant)
        .bind(upload.state.name())
        .bind(upload.version)
        .bind(rows::transfer_name(spec.transfer))
        .bind(&spec.bucket)
        .bind(spec.key.as_str())
        .bind(&spec.filename)
        .bind(&spec.content_type)
        .bind(spec.checksum_algorithm.name())
        .bind(rows::metadata_json(&spec.metadata))
        .bind(spec.overwrite)
        .bind(spec.fingerprint.as_ref().map(Fingerprint::as_str))
        .bind(spec.idempotency_key.as_ref().map(Fingerprint::as_str))
        .bind(upload.plan.size_bytes().map(signed))
        .bind(signed(upload.plan.part_size_bytes()))
        .bind(upload.sha256.map(|digest| digest.to_hex()))
        .bind(micros(upload.created_at))
        .bind(micros(upload.updated_at))
        .bind(micros(upload.expires_at))
        .bind(upload.sweep_at.map(micros))
        .execute(&self.writer)
        .await;
        match inserted {
            Ok(_) => Ok(InsertOutcome::Inserted),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(InsertOutcome::Duplicate),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::store) async fn update(&self, next: &Upload) -> Result<Written, StoreError> {
        let outcome = next.outcome.as_ref();
        let updated = sqlx::query(
            "UPDATE uploads SET state = ?3, version = ?4, size_bytes = ?5, sha256 = ?6, checksum = ?7, \
             s3_upload_id = ?8, updated_at = ?9, abort_reason = ?10, etag = ?11, version_id = ?12, \
             object_size_bytes = ?13, object_checksum = ?14, proven_sha256 = ?15, completed_at = ?16, \
             failure_code = ?17, failure_detail = ?18, sweep_at = ?19, may_have_twins = ?20, sweep_attempts = 0, \
             verified_bytes = ?21 WHERE id = ?1 AND version = ?2",
        )
        .bind(next.id.to_string())
        .bind(next.version - 1)
        .bind(next.state.name())
        .bind(next.version)
        .bind(next.plan.size_bytes().map(signed))
        .bind(next.sha256.map(|digest| digest.to_hex()))
        .bind(next.checksum.map(|checksum| checksum.to_base64()))
        .bind(next.s3_upload_id.as_ref().map(|id| &id.0))
        .bind(micros(next.updated_at))
        .bind(next.abort_reason.map(rows::abort_reason_name))
        .bind(outcome.map(|outcome| &outcome.etag))
        .bind(outcome.and_then(|outcome| outcome.version_id.as_ref()))
        .bind(outcome.map(|outcome| signed(outcome.size_bytes)))
        .bind(outcome.and_then(|outcome| outcome.checksum.as_ref()).map(rows::object_checksum_text))
        .bind(outcome.and_then(|outcome| outcome.sha256).map(|digest| digest.to_hex()))
        .bind(outcome.map(|outcome| micros(outcome.completed_at)))
        .bind(next.failure.as_ref().map(|failure| &failure.code))
        .bind(next.failure.as_ref().map(|failure| &failure.detail))
        .bind(next.sweep_at.map(micros))
        .bind(next.may_have_twins)
        .bind(next.verified_bytes.map(signed))
        .execute(&self.writer)
        .await?;
        Ok(written(&updated))
    }

    pub(in crate::store) async fn extend_urls(
        &self,
        id: UploadId,
        until: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        let updated = sqlx::query(
            "UPDATE uploads SET urls_expire_at = max(ifnull(urls_expire_at, 0), ?2) \
             WHERE id = ?1 AND state IN ('creating', 'open')",
        )
        .bind(id.to_string())
        .bind(micros(until))
        .execute(&self.writer)
        .await?;
        Ok(written(&updated))
    }

    pub(in crate::store) async fn load(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        let row = sqlx::query("SELECT * FROM uploads WHERE id = ?1")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(rows::upload).transpose()
    }

    pub(in crate::store) async fn find_by_idempotency_key(
        &self,
        tenant: &str,
        key: &Fingerprint,
    ) -> Result<Option<Upload>, StoreError> {
        let row = sqlx::query("SELECT * FROM uploads WHERE tenant = ?1 AND idempotency_key = ?2")
            .bind(tenant)
            .bind(key.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(rows::upload).transpose()
    }

    pub(in crate::store) async fn find_by_fingerprint(
        &self,
        tenant: &str,
        fingerprint: &Fingerprint,
        size_bytes: Option<u64>,
    ) -> Result<Option<Upload>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM uploads WHERE tenant = ?1 AND fingerprint = ?2 AND ifnull(size_bytes, -1) = ?3 \
             AND state IN ('creating', 'open')",
        )
        .bind(tenant)
        .bind(fingerprint.as_str())
        .bind(size_bytes.map_or(-1, signed))
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(rows::upload).transpose()
    }

    pub(in crate::store) async fn list(&self, filter: &ListFilter) -> Result<Vec<Upload>, StoreError> {
        let state = match filter.state {
            None => "",
            Some(State::Creating | State::Open) => "AND state = ?2 AND expires_at > ?5",
            Some(State::Expired) => {
                "AND (state = ?2 OR (state IN ('creating', 'open') AND expires_at <= ?5))"
            }
            Some(State::Completing | State::Completed | State::Failed | State::Aborting | State::Aborted) => {
                "AND state = ?2"
            }
        };
        let sql =
            format!("SELECT * FROM uploads WHERE tenant = ?1 {state} AND id < ?3 ORDER BY id DESC LIMIT ?4");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(&filter.tenant)
            .bind(filter.state.map(|state| state.name()))
            // Ids are lower-case hexadecimal: `g` sorts after all of them.
            .bind(filter.before.map_or_else(|| "g".to_owned(), |id| id.to_string()))
            .bind(filter.limit)
            .bind(micros(filter.now))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(rows::upload).collect()
    }

    pub(in crate::store) async fn count_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = sqlx::query("SELECT state, count(*) FROM uploads GROUP BY state")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let count: i64 = row.try_get(1)?;
                Ok((row.try_get(0)?, count.unsigned_abs()))
            })
            .collect()
    }

    pub(in crate::store) async fn due_for_sweep(
        &self,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Upload>, StoreError> {
        let rows = sqlx::query("SELECT * FROM uploads WHERE sweep_at <= ?1 ORDER BY sweep_at LIMIT ?2")
            .bind(micros(now))
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(rows::upload).collect()
    }

    pub(in crate::store) async fn claim_for_sweep(
        &self,
        claim: SweepClaim,
    ) -> Result<Vec<DueUpload>, StoreError> {
        let rows = sqlx::query(
            "UPDATE uploads SET sweep_at = ?2, verified_bytes = NULL WHERE id IN \
             (SELECT id FROM uploads WHERE sweep_at <= ?1 ORDER BY sweep_at LIMIT ?3) RETURNING *",
        )
        .bind(micros(claim.now))
        .bind(micros(claim.leased_until))
        .bind(claim.limit)
        .fetch_all(&self.writer)
        .await?;
        rows.iter().map(rows::due_upload).collect()
    }

    pub(in crate::store) async fn looked(
        &self,
        id: UploadId,
        version: i64,
        next_look: Option<OffsetDateTime>,
    ) -> Result<Written, StoreError> {
        let updated = sqlx::query(
            "UPDATE uploads SET sweep_at = ?3, sweep_attempts = 0, may_have_twins = 0 \
             WHERE id = ?1 AND version = ?2",
        )
        .bind(id.to_string())
        .bind(version)
        .bind(next_look.map(micros))
        .execute(&self.writer)
        .await?;
        Ok(written(&updated))
    }

    pub(in crate::store) async fn postpone(
        &self,
        id: UploadId,
        version: i64,
        (until, attempts): (OffsetDateTime, u32),
    ) -> Result<Written, StoreError> {
        let updated = sqlx::query(
            "UPDATE uploads SET sweep_at = ?3, sweep_attempts = ?4, verified_bytes = NULL \
             WHERE id = ?1 AND version = ?2",
        )
        .bind(id.to_string())
        .bind(version)
        .bind(micros(until))
        .bind(attempts)
        .execute(&self.writer)
        .await?;
        Ok(written(&updated))
    }

    pub(in crate::store) async fn lease(
        &self,
        id: UploadId,
        version: i64,
        lease: Lease,
    ) -> Result<Written, StoreError> {
        // A lease that somebody else has taken or renewed in between has another end.
        let updated = sqlx::query(
            "UPDATE uploads SET sweep_at = ?4, verified_bytes = ?5 \
             WHERE id = ?1 AND version = ?2 AND sweep_at IS ?3",
        )
        .bind(id.to_string())
        .bind(version)
        .bind(lease.held_until.map(micros))
        .bind(micros(lease.until))
        .bind(signed(lease.verified_bytes))
        .execute(&self.writer)
        .await?;
        Ok(written(&updated))
    }

    pub(in crate::store) async fn owners(
        &self,
        ids: &[UploadId],
        multiparts: &[S3UploadId],
    ) -> Result<Vec<Upload>, StoreError> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let multiparts: Vec<_> = multiparts.iter().map(|id| &id.0).collect();
        let rows = sqlx::query(
            "SELECT * FROM uploads WHERE id IN (SELECT value FROM json_each(?1)) \
             UNION SELECT * FROM uploads WHERE s3_upload_id IN (SELECT value FROM json_each(?2))",
        )
        .bind(serde_json::json!(ids).to_string())
        .bind(serde_json::json!(multiparts).to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(rows::upload).collect()
    }

    pub(in crate::store) async fn claim_job(
        &self,
        job: &str,
        now: OffsetDateTime,
        next: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let claimed = sqlx::query(
            "INSERT INTO jobs (name, due_at) VALUES (?1, ?3) \
             ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE jobs.due_at <= ?2",
        )
        .bind(job)
        .bind(micros(now))
        .bind(micros(next))
        .execute(&self.writer)
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    pub(in crate::store) async fn count_finished_before(
        &self,
        before: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT count(*) FROM uploads WHERE {FORGETTABLE}")))
            .bind(micros(before))
            .fetch_one(&self.readers)
            .await?;
        let count: i64 = row.try_get(0)?;
        Ok(count.unsigned_abs())
    }

    pub(in crate::store) async fn forget_finished_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let sql = format!(
            "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE {FORGETTABLE} \
             ORDER BY updated_at LIMIT ?2)"
        );
        let deleted =
            sqlx::query(AssertSqlSafe(sql)).bind(micros(before)).bind(limit).execute(&self.writer).await?;
        Ok(deleted.rows_affected())
    }
}

fn written(done: &SqliteQueryResult) -> Written {
    if done.rows_affected() == 1 { Written::Done } else { Written::Conflict }
}
