//! Connections: how they are made, tested, and bounded in time.

use std::io;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Postgres};
use tokio::time::timeout;

use super::super::StoreError;

pub(super) type Query<'a> = sqlx::query::Query<'a, Postgres, PgArguments>;

/// How long a call waits for a connection, and a statement for a lock, before the database counts as out of reach.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long the server works at one statement; the largest, 10,000 parts at once, takes a fraction of a second.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call waits for the answer: longer than the server works at it, for its own word says more than ours.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// How long an idle connection may take to show that it still works.
const TEST_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a start waits for migrations, its own or those of a gateway that started a moment earlier.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(10 * 60);

pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::url(url))?;
    let options = options.options([("client_min_messages", "warning")]);
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("partgate"),
    })
}

/// The driver's pool, which makes connections and ends them. Calls borrow from [`Pool`](super::pool::Pool).
pub(super) fn pool(options: PgConnectOptions, max_connections: u32) -> PgPool {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    let options = options.options([
        ("statement_timeout", milliseconds(STATEMENT_TIMEOUT)),
        ("lock_timeout", milliseconds(PATIENCE)),
        // What two calls write at once is decided by the newest row, not by the one that was there when they began.
        ("default_transaction_isolation", "read committed".to_owned()),
        // Invariant: an intent is on disk before storage acts on it, whatever the server's default is.
        ("synchronous_commit", "on".to_owned()),
    ]);
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(PATIENCE)
        // Ours instead: the driver's has no bound of its own, and takes a server for good that has become a standby.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(takes_writes(connection)))
        .connect_lazy_with(options)
}

pub(super) async fn takes_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let recovers = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection);
    let recovers: bool = timeout(TEST_TIMEOUT, recovers).await.map_err(|_| no_answer())??;
    Ok(!recovers)
}

/// Whether there is a server for us, and why not; a pool would only say that it has waited.
pub(super) async fn reach(options: &PgConnectOptions) -> Result<(), StoreError> {
    timeout(PATIENCE, options.connect()).await.map_err(|_| no_answer())??;
    Ok(())
}

/// Brings the schema up to date. The driver takes an advisory lock: of several gateways that start at once, one
/// migrates and the others wait, longer than other calls may. The lock goes with the connection, so a migration that
/// failed keeps nobody out.
pub(super) async fn migrate(options: &PgConnectOptions, migrations: &Migrator) -> Result<(), StoreError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
    let pool = pool.connect_lazy_with(options.clone());
    let migrated = timeout(MIGRATION_TIMEOUT, migrations.run(&pool)).await;
    let _ = timeout(PATIENCE, pool.close()).await;
    Ok(migrated.map_err(|_| no_answer())??)
}

/// What the database answers, unless it does not.
pub(super) async fn bounded<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    Ok(timeout(ANSWER_TIMEOUT, answer).await.map_err(|_| no_answer())??)
}

/// Whether the server has closed the connection, or is not there.
pub(super) fn is_cut(error: &StoreError) -> bool {
    match error {
        // What takes too long is not asked again.
        StoreError::Database(sqlx::Error::Io(error)) => error.kind() != io::ErrorKind::TimedOut,
        // An administrator's stop, a crash, a start (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
        StoreError::Database(sqlx::Error::Database(error)) => {
            matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}

/// Whether a failure is of the statement that failed, and says nothing of connections: the data, a constraint, a lock, a
/// cancelled statement.
pub(super) fn is_ordinary(error: &StoreError) -> bool {
    let StoreError::Database(sqlx::Error::Database(error)) = error else { return false };
    let code = error.code();
    let class = code.as_deref().and_then(|code| code.get(..2)).unwrap_or_default();
    matches!(class, "22" | "23" | "40" | "55") || code.as_deref() == Some("57014")
}

fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer from the database in time"))
}
