//! State in PostgreSQL, for any number of gateways.
//!
//! A database can be slow, restarted, demoted, or gone without a word. Every call ends in bounded time all the same:
//! the server bounds statements and waits for locks, and [`bounded`] bounds a server that does not answer.

mod bits;
mod connections;
mod parts;
mod pool;

use sqlx::postgres::PgRow;
use sqlx::{Connection as _, Postgres, Transaction};
use time::OffsetDateTime;

use super::sql::{SqlStore, SqlTransaction, forgettable};
use super::values::{Row, Value, bound, values};
use super::{DueUpload, Migrations, StoreError, SweepClaim, rows};
use crate::upload::{S3UploadId, Upload, UploadId};
use connections::{Query, bounded, is_cut, is_ordinary};
use pool::{Lent, Pool};

pub(super) use bits::Bits;
#[cfg(test)]
pub(super) use parts::{HOLD, RECORD, RECOUNT, REPLACE};

pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// What others are claiming at this moment is passed over, so the sweeps of a fleet do not wait for each other. The
/// `WITH` keeps the limit: inside `IN` the choice may be made more than once.
pub(super) const CLAIM: &str = "WITH due AS MATERIALIZED (SELECT id FROM uploads WHERE sweep_at <= $1 \
    ORDER BY sweep_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) \
    UPDATE uploads SET sweep_at = $2, verified_bytes = NULL FROM due WHERE uploads.id = due.id RETURNING uploads.*";
pub(super) const OWNERS: &str = "SELECT * FROM uploads WHERE id = ANY($1) OR s3_upload_id = ANY($2)";
pub(super) const FORGET: &str = concat!(
    "WITH old AS MATERIALIZED (SELECT id FROM uploads WHERE ",
    forgettable!(),
    " ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED) DELETE FROM uploads USING old WHERE uploads.id = old.id"
);
/// The lock goes with the transaction. A hash that two tenants share costs them waits, nothing else.
const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
/// Uploads that are forgotten in one statement. Each may have 10,000 parts, and a statement's time is limited.
const FORGOTTEN_AT_ONCE: u32 = 50;

/// State in PostgreSQL. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: Pool,
}

impl PostgresStore {
    /// Opens `postgres://user:password@host/database` with at most so many connections.
    ///
    /// # Errors
    /// [`StoreError`] when the server does not answer or the schema is not (and may not be made) current.
    pub(super) async fn open(
        url: &str,
        max_connections: u32,
        migrations: Migrations,
    ) -> Result<Self, StoreError> {
        let options = connections::options(url)?;
        connections::reach(&options).await?;
        if migrations == Migrations::Run {
            connections::migrate(&options, &MIGRATIONS).await?;
        }
        let store = Self { pool: Pool::new(connections::pool(options, max_connections)) };
        store.check_schema(&MIGRATIONS).await?;
        Ok(store)
    }

    pub(in crate::store) async fn close(&self) {
        self.pool.close().await;
    }

    pub(in crate::store) async fn claim_for_sweep(
        &self,
        claim: SweepClaim,
    ) -> Result<Vec<DueUpload>, StoreError> {
        let values = values![claim.now, claim.leased_until, claim.limit];
        let rows = self.fetch(bound!(CLAIM, values, std::convert::identity)).await?;
        rows.iter().map(|row| rows::due_upload(row)).collect()
    }

    pub(in crate::store) async fn owners(
        &self,
        ids: &[UploadId],
        multiparts: &[S3UploadId],
    ) -> Result<Vec<Upload>, StoreError> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let multiparts: Vec<_> = multiparts.iter().map(|id| id.0.as_str()).collect();
        let rows = self.fetch(sqlx::query(OWNERS).bind(ids).bind(multiparts)).await?;
        rows.iter().map(|row| rows::upload(row)).collect()
    }

    pub(in crate::store) async fn forget_finished_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        while forgotten < u64::from(limit) {
            let batch = (u64::from(limit) - forgotten).min(FORGOTTEN_AT_ONCE.into());
            let deleted = self.write(FORGET, values![before, batch]).await?;
            forgotten += deleted;
            if deleted < batch {
                break;
            }
        }
        Ok(forgotten)
    }

    async fn execute(&self, query: Query<'_>) -> Result<u64, StoreError> {
        let mut connection = self.pool.lend().await?;
        let done = bounded(query.execute(&mut *connection)).await;
        Ok(self.heard(&mut connection, done)?.rows_affected())
    }

    async fn fetch(&self, query: Query<'_>) -> Result<Vec<PgRow>, StoreError> {
        let mut connection = self.pool.lend().await?;
        let rows = bounded(query.fetch_all(&mut *connection)).await;
        self.heard(&mut connection, rows)
    }

    /// The answer to one statement, after what it says of connections.
    fn heard<T>(&self, connection: &mut Lent, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        match &answer {
            Ok(_) => connection.has_worked(),
            Err(error) if is_ordinary(error) => {}
            Err(_) => self.pool.distrust(),
        }
        answer
    }
}

impl SqlStore for PostgresStore {
    type Connection = Lent;
    type Transaction<'c> = Transaction<'c, Postgres>;

    async fn writer(&self) -> Result<Self::Connection, StoreError> {
        self.pool.lend().await
    }

    async fn begin(connection: &mut Self::Connection) -> Result<Self::Transaction<'_>, StoreError> {
        bounded(connection.begin()).await
    }

    async fn write(&self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, StoreError> {
        self.execute(bound!(sql, values, std::convert::identity)).await
    }

    async fn read<T>(
        &self,
        sql: &'static str,
        values: Vec<Value<'_>>,
        parse: impl Fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = match self.fetch(bound!(sql, values.clone(), std::convert::identity)).await {
            // The server was restarted a moment ago, perhaps; now no connection is taken for good.
            Err(error) if is_cut(&error) => self.fetch(bound!(sql, values, std::convert::identity)).await?,
            rows => rows?,
        };
        rows.iter().map(|row| parse(row)).collect()
    }
}

impl SqlTransaction for Transaction<'_, Postgres> {
    async fn take_turns(&mut self, tenant: &str) -> Result<(), StoreError> {
        bounded(sqlx::query(TAKE_TURNS).bind(tenant).execute(&mut **self)).await?;
        Ok(())
    }

    async fn write(&mut self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, StoreError> {
        let query = bound!(sql, values, std::convert::identity);
        Ok(bounded(query.execute(&mut **self)).await?.rows_affected())
    }

    async fn read<T>(
        &mut self,
        sql: &'static str,
        values: Vec<Value<'_>>,
        parse: impl Fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let query = bound!(sql, values, std::convert::identity);
        let rows = bounded(query.fetch_all(&mut **self)).await?;
        rows.iter().map(|row| parse(row)).collect()
    }

    async fn commit(self) -> Result<(), StoreError> {
        bounded(self.commit()).await
    }
}
