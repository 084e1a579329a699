//! State in one SQLite file: one writer, several readers.
//!
//! What every call asks is read on the caller's thread (`direct`), parts are written by a thread of their own (`group`),
//! and the driver's connections, each with its thread, do the rest.

mod direct;
mod group;
mod parts;

use std::ops::{Deref, DerefMut};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, Transaction};
use time::OffsetDateTime;
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::direct::{IdText, Placed, Readers};
use self::group::Group;
use super::sql::{LOAD, LOADED, PARTS, SqlStore, SqlTransaction, forgettable};
use super::values::{Row, Value, bound, values};
use super::{DueUpload, Migrations, ReceivedParts, StoreError, SweepClaim, rows};
use crate::upload::{ChecksumAlgorithm, PartRecord, S3UploadId, Upload, UploadId};

#[cfg(test)]
pub(super) use parts::OF_PARTS;

pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

const READERS: u32 = 4;
/// How long a call waits for a connection or a lock before the database counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(5);
/// What fails at the start because others start too is tried again so often, for about a second in all.
const ATTEMPTS_AT_START: usize = 40;
const PAUSE_AT_START: Duration = Duration::from_millis(25);

pub(super) const CLAIM: &str = "UPDATE uploads SET sweep_at = $2, verified_bytes = NULL WHERE id IN \
    (SELECT id FROM uploads WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT $3) RETURNING *";
/// `json_each` is SQLite's `unnest`.
pub(super) const OWNERS: &str = "SELECT * FROM uploads WHERE id IN (SELECT value FROM json_each($1)) \
    UNION SELECT * FROM uploads WHERE s3_upload_id IN (SELECT value FROM json_each($2))";
pub(super) const FORGET: &str = concat!(
    "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE ",
    forgettable!(),
    " ORDER BY updated_at LIMIT $2)"
);

/// State in one SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    /// Held while something is written, by whichever connection.
    turn: Arc<Mutex<()>>,
    writer: SqlitePool,
    readers: SqlitePool,
    direct: Arc<Readers>,
    group: Group,
}

/// The driver's connection that writes, in its turn.
pub(super) struct Lent {
    connection: PoolConnection<Sqlite>,
    _turn: OwnedMutexGuard<()>,
}

impl Deref for Lent {
    type Target = PoolConnection<Sqlite>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

/// The first connection, which sets the journal mode. Gateways that start at once on a new file are in each other's way
/// for a moment: SQLite does not wait for locks while that is being set.
async fn connect_writer(options: &SqliteConnectOptions) -> Result<SqlitePool, StoreError> {
    for _ in 0..ATTEMPTS_AT_START {
        match pool(1).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) => tokio::time::sleep(PAUSE_AT_START).await,
            connected => return Ok(connected?),
        }
    }
    Ok(pool(1).connect_with(options.clone()).await?)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // The first connection is opened by the writer alone.
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
    // A file does not hang up.
    pool.min_connections(0).test_before_acquire(false)
}

/// Whether another connection has a lock (<https://www.sqlite.org/rescode.html#busy>, with its extended codes).
fn is_busy(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

impl SqliteStore {
    /// Opens `sqlite://path`, creating the file where there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened or its schema is not (and may not be made) current.
    pub(super) async fn open(url: &str, migrations: Migrations) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| StoreError::url(url))?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Invariant: an intent is on disk before storage acts on it.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        let writer = connect_writer(&options).await?;
        let path = options.get_filename().to_owned();
        let turn = Arc::default();
        let store = Self {
            group: Group::start(path.clone(), Arc::clone(&turn)).map_err(sqlx::Error::Io)?,
            direct: Arc::new(Readers::new(path)),
            turn,
            writer,
            readers: pool(READERS).connect_lazy_with(options.read_only(true)),
        };
        match migrations {
            Migrations::Run => store.migrate().await?,
            Migrations::Refuse => store.check_schema(&MIGRATIONS).await?,
        }
        Ok(store)
    }

    /// SQLite has no lock for migrations: of several gateways that start at once, those that lose a race for a
    /// migration look again and find it done.
    async fn migrate(&self) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS_AT_START {
            if MIGRATIONS.run(&self.writer).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE_AT_START).await;
        }
        Ok(MIGRATIONS.run(&self.writer).await?)
    }

    pub(in crate::store) async fn close(&self) {
        self.direct.close();
        self.group.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(in crate::store) async fn load(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        self.load_as(id, rows::seen_upload).await
    }

    pub(in crate::store) async fn load_with_progress(
        &self,
        id: UploadId,
    ) -> Result<Option<(Upload, ReceivedParts)>, StoreError> {
        self.load_as(id, rows::upload_with_progress).await
    }

    async fn load_as<T>(
        &self,
        id: UploadId,
        parse: impl Fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let loaded = self.direct.read(|connection| {
            let mut text = IdText::new();
            let mut statement = connection.prepare_cached(LOAD)?;
            let mut rows = statement.query([text.of(id)])?;
            rows.next()?.map(|row| parse(&Placed { row, columns: LOADED })).transpose()
        });
        match loaded {
            // Only for a moment, as when the file is opened after a crash. The driver's threads may wait for it.
            Err(error) if direct::is_busy(&error) => Ok(self.read(LOAD, values![id], parse).await?.pop()),
            loaded => loaded,
        }
    }

    pub(in crate::store) async fn claim_for_sweep(
        &self,
        claim: SweepClaim,
    ) -> Result<Vec<DueUpload>, StoreError> {
        let values = values![claim.now, claim.leased_until, claim.limit];
        let mut writer = self.writer().await?;
        let rows = bound!(CLAIM, values, text_of).fetch_all(&mut **writer).await?;
        rows.iter().map(|row| rows::due_upload(row)).collect()
    }

    pub(in crate::store) async fn owners(
        &self,
        ids: &[UploadId],
        multiparts: &[S3UploadId],
    ) -> Result<Vec<Upload>, StoreError> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let multiparts: Vec<_> = multiparts.iter().map(|id| &id.0).collect();
        let values = values![serde_json::json!(ids).to_string(), serde_json::json!(multiparts).to_string()];
        self.read(OWNERS, values, rows::upload).await
    }

    pub(in crate::store) async fn forget_finished_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.write(FORGET, values![before, limit]).await
    }
}

impl SqlStore for SqliteStore {
    type Connection = Lent;
    type Transaction<'c> = Transaction<'c, Sqlite>;

    async fn writer(&self) -> Result<Self::Connection, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        Ok(Lent { connection: self.writer.acquire().await?, _turn: turn })
    }

    async fn begin(connection: &mut Self::Connection) -> Result<Self::Transaction<'_>, StoreError> {
        // Other processes write the same file: from here on they wait, and what is read stays true.
        Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn write(&self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, StoreError> {
        let mut writer = self.writer().await?;
        Ok(bound!(sql, values, text_of).execute(&mut **writer).await?.rows_affected())
    }

    async fn read<T>(
        &self,
        sql: &'static str,
        values: Vec<Value<'_>>,
        parse: impl Fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = bound!(sql, values, text_of).fetch_all(&self.readers).await?;
        rows.iter().map(|row| parse(row)).collect()
    }

    /// The driver would hand thousands of rows from its thread to this one, one by one.
    async fn parts(&self, id: UploadId, kind: ChecksumAlgorithm) -> Result<Vec<PartRecord>, StoreError> {
        let direct = Arc::clone(&self.direct);
        let read = move || direct.read(|connection| parts::read(connection, id, kind));
        match tokio::task::spawn_blocking(read).await {
            Ok(Err(error)) if direct::is_busy(&error) => {
                self.read(PARTS, values![id], |row| rows::part(row, kind)).await
            }
            Ok(read) => read,
            Err(_) => Err(StoreError::Database(sqlx::Error::WorkerCrashed)),
        }
    }
}

impl SqlTransaction for Transaction<'_, Sqlite> {
    async fn take_turns(&mut self, _: &str) -> Result<(), StoreError> {
        // There is one writer at a time, whoever's the uploads are.
        Ok(())
    }

    async fn write(&mut self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, StoreError> {
        Ok(bound!(sql, values, text_of).execute(&mut **self).await?.rows_affected())
    }

    async fn read<T>(
        &mut self,
        sql: &'static str,
        values: Vec<Value<'_>>,
        parse: impl Fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = bound!(sql, values, text_of).fetch_all(&mut **self).await?;
        rows.iter().map(|row| parse(row)).collect()
    }

    async fn commit(self) -> Result<(), StoreError> {
        Ok(self.commit().await?)
    }
}

/// Ids are text here, lower case with hyphens, so that the file can be read with any tool.
fn text_of(id: uuid::Uuid) -> String {
    id.to_string()
}
