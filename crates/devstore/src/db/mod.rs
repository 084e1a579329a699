//! The store's rows: one SQLite file, one writing connection and several readers.

pub(crate) mod buckets;
pub(crate) mod objects;
pub(crate) mod uploads;

use std::path::Path;
use std::time::{Duration, SystemTime};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::config::Durability;

const SCHEMA: &str = include_str!("schema.sql");

/// Readers see the last commit and never wait for the writer (WAL).
const READERS: u32 = 4;

/// The driver's thread hands rows over in turns of so many: a page of parts is one turn.
const ROWS: usize = 1024;

/// A writer waits behind at most a few thousand short transactions; longer means a stuck disk.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    pub(crate) async fn open(file: &Path, durability: Durability) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::Full => SqliteSynchronous::Full,
                Durability::Process => SqliteSynchronous::Off,
            })
            .foreign_keys(true)
            .row_buffer_size(ROWS);
        let writer = pool(1).connect_with(options.clone()).await?;
        sqlx::raw_sql(SCHEMA).execute(&writer).await?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers })
    }

    /// Begins a write. The write lock is taken at once, so what the transaction reads stays true
    /// until it commits; dropped without a commit, it rolls back.
    pub(crate) async fn write(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Begins a read of one consistent state.
    pub(crate) async fn read(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.readers.begin().await
    }

    /// Closes all connections; the last one folds the log into the database file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Every file that a row refers to.
    pub(crate) async fn files(&self) -> sqlx::Result<std::collections::HashSet<String>> {
        let files = sqlx::query_scalar("SELECT file FROM parts UNION ALL SELECT file FROM extents")
            .fetch_all(&self.readers)
            .await?;
        Ok(files.into_iter().collect())
    }
}

/// Where a page of a listing begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At this key, if it exists.
    AtKey(String),
    /// After this key.
    AfterKey(String),
    /// After this upload of this key.
    AfterUpload(String, String),
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A reopened connection would lose its prepared statements and gain nothing.
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Milliseconds since 1970, the form of every time in the database.
pub(crate) fn to_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn now_ms() -> i64 {
    to_ms(SystemTime::now())
}

/// Sizes are written as SQLite's signed integers; no file here reaches 2^63 bytes.
pub(crate) fn to_db(size_bytes: u64) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX)
}

/// The way back of [`to_db`].
pub(crate) fn from_db(size_bytes: i64) -> u64 {
    u64::try_from(size_bytes).unwrap_or_default()
}

/// The smallest string above every string that starts with `prefix`; `None` if there is no such bound.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut stem: Vec<char> = prefix.chars().collect();
    while let Some(last) = stem.pop() {
        // UTF-8 sorts like code points; the surrogate gap is the one hole among them.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            char::MAX => None,
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            stem.push(next);
            return Some(stem.into_iter().collect());
        }
    }
    None
}

/// Runs `query` for its side effect.
pub(crate) async fn execute<'q>(
    connection: &mut SqliteConnection,
    query: sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>,
) -> sqlx::Result<u64> {
    Ok(query.execute(connection).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn after_prefix_bounds_exactly_the_prefixed_strings() {
        assert_eq!(after_prefix("a/").as_deref(), Some("a0"));
        assert_eq!(after_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after_prefix("\u{10FFFF}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
