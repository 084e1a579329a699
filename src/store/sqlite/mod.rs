//! State in one SQLite file: one writer, several readers.

mod parts;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _};
use time::OffsetDateTime;

use super::rows::{self, micros, signed};
use super::{InsertOutcome, ListFilter, Migrations, StoreError, SweepLimits, Written};
use crate::upload::{Fingerprint, State, Upload, UploadId};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

const READERS: u32 = 4;
/// How long a call waits for a connection or a lock before the database counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(5);

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
    pub async fn open(url: &str, migrations: Migrations) -> Result<Self, StoreError> {
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

    /// Whether the database answers and can be written.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        sqlx::query("ROLLBACK").execute(&mut *connection).await?;
        Ok(())
    }

    /// Writes what is pending and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Writes a new upload.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn insert(&self, upload: &Upload) -> Result<InsertOutcome, StoreError> {
        let spec = &upload.spec;
        let inserted = sqlx::query(
            "INSERT INTO uploads (id, tenant, state, version, transfer, bucket, object_key, filename, \
             content_type, checksum_algorithm, metadata, overwrite, fingerprint, idempotency_key, size_bytes, \
             part_size_bytes, sha256, created_at, updated_at, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
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
        .execute(&self.writer)
        .await;
        match inserted {
            Ok(_) => Ok(InsertOutcome::Inserted),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(InsertOutcome::Duplicate),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes what an upload has become, if the version before is still the stored one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn update(&self, next: &Upload) -> Result<Written, StoreError> {
        let outcome = next.outcome.as_ref();
        let updated = sqlx::query(
            "UPDATE uploads SET state = ?3, version = ?4, size_bytes = ?5, sha256 = ?6, checksum = ?7, \
             s3_upload_id = ?8, updated_at = ?9, abort_reason = ?10, etag = ?11, version_id = ?12, \
             object_size_bytes = ?13, object_checksum = ?14, proven_sha256 = ?15, completed_at = ?16, \
             failure_code = ?17, failure_detail = ?18 WHERE id = ?1 AND version = ?2",
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
        .execute(&self.writer)
        .await?;
        Ok(if updated.rows_affected() == 1 { Written::Done } else { Written::Conflict })
    }

    /// Remembers until when a signed URL of the upload works, as long as it takes parts: an upload that is being
    /// taken back must not get URLs that nobody waits for.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn extend_urls(&self, id: UploadId, until: OffsetDateTime) -> Result<Written, StoreError> {
        let updated = sqlx::query(
            "UPDATE uploads SET urls_expire_at = max(ifnull(urls_expire_at, 0), ?2) \
             WHERE id = ?1 AND state IN ('creating', 'open')",
        )
        .bind(id.to_string())
        .bind(micros(until))
        .execute(&self.writer)
        .await?;
        Ok(if updated.rows_affected() == 1 { Written::Done } else { Written::Conflict })
    }

    /// The upload of this id, whoever's it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn load(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        let row = sqlx::query("SELECT * FROM uploads WHERE id = ?1")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(rows::upload).transpose()
    }

    /// The upload that was opened by the init call of this key.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_by_idempotency_key(
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

    /// The open upload of this content.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_by_fingerprint(
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

    /// A page of a tenant's uploads, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<Upload>, StoreError> {
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

    /// How many uploads are in each state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
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

    /// Forgets the signed URLs of a failed upload: they are dead, and its key was looked at since.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_urls(&self, id: UploadId) -> Result<(), StoreError> {
        sqlx::query("UPDATE uploads SET urls_expire_at = NULL WHERE id = ?1 AND state = 'failed'")
            .bind(id.to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Uploads that the sweep has to act on: overdue, being taken back, stuck while completing, or failed with URLs
    /// that were good longer than they were.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn due_for_sweep(&self, limits: SweepLimits) -> Result<Vec<Upload>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM uploads WHERE (state IN ('creating', 'open') AND expires_at <= ?1) \
             OR state = 'aborting' OR (state = 'completing' AND updated_at <= ?2) \
             OR (state = 'failed' AND urls_expire_at <= ?1) ORDER BY updated_at LIMIT ?3",
        )
        .bind(micros(limits.now))
        .bind(micros(limits.stuck_before))
        .bind(limits.limit)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(rows::upload).collect()
    }

    /// How many finished uploads have not changed since `before`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_finished_before(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) FROM uploads WHERE state IN ('completed', 'failed', 'aborted', 'expired') \
             AND updated_at < ?1",
        )
        .bind(micros(before))
        .fetch_one(&self.readers)
        .await?;
        let count: i64 = row.try_get(0)?;
        Ok(count.unsigned_abs())
    }

    /// Forgets finished uploads that have not changed since `before`; says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_finished_before(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let deleted = sqlx::query(
            "DELETE FROM uploads WHERE state IN ('completed', 'failed', 'aborted', 'expired') \
             AND updated_at < ?1",
        )
        .bind(micros(before))
        .execute(&self.writer)
        .await?;
        Ok(deleted.rows_affected())
    }
}
