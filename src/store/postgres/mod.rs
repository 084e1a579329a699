//! State in PostgreSQL, for any number of gateways.
//!
//! A database can be slow, restarted, demoted, or gone without a word. Every call ends in bounded time all the same:
//! the server bounds statements and waits for locks, and [`bounded`] bounds a server that does not answer.

mod connections;
mod parts;

use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Connection as _, Postgres, Transaction};
use time::OffsetDateTime;

use super::sql::{SqlStore, SqlTransaction, forgettable};
use super::values::{Row, Value, bound, values};
use super::{DueUpload, Migrations, StoreError, SweepClaim, rows};
use crate::upload::{S3UploadId, Upload, UploadId};
use connections::{Lent, Query, bounded, lend};
#[cfg(test)]
pub(super) use parts::{RECORD, REPLACE};

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
    pool: PgPool,
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
        let store = Self { pool: connections::pool(options, max_connections) };
        store.check_schema(&MIGRATIONS).await?;
        Ok(store)
    }

    pub(in crate::store) async fn close(&self) {
        connections::close(&self.pool).await;
    }

    pub(in crate::store) async fn claim_for_sweep(
        &self,
        claim: SweepClaim,
    ) -> Result<Vec<DueUpload>, StoreError> {
        self.read(CLAIM, values![claim.now, claim.leased_until, claim.limit], rows::due_upload).await
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
        let mut connection = lend(&self.pool).await?;
        Ok(bounded(query.execute(&mut **connection)).await?.rows_affected())
    }

    async fn fetch(&self, query: Query<'_>) -> Result<Vec<PgRow>, StoreError> {
        let mut connection = lend(&self.pool).await?;
        bounded(query.fetch_all(&mut **connection)).await
    }
}

impl SqlStore for PostgresStore {
    type Connection = Lent;
    type Transaction<'c> = Transaction<'c, Postgres>;

    async fn writer(&self) -> Result<Self::Connection, StoreError> {
        lend(&self.pool).await
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
        let rows = self.fetch(bound!(sql, values, std::convert::identity)).await?;
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
