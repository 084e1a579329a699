//! New uploads, and what they take of quotas.
//!
//! Invariant: a limit holds however many calls there are at once. Those that are held against one take turns within
//! their tenant, look at what is in use, and write it in the same transaction (`contract::quota`).

use time::OffsetDateTime;

use super::super::quota::Usage;
use super::super::rows;
use super::super::values::{Row, values};
use super::super::{Counter, InsertOutcome, OverQuota, Quota, Reserved, StoreError};
use super::{INSERT, SqlStore, SqlTransaction, UPDATE};
use crate::upload::{Upload, UploadId};

/// Summed in halves, because the sum may be more than the databases' integers hold.
pub(in crate::store) const IN_USE: &str = "SELECT count(*) FILTER (WHERE state <> 'aborting') AS uploads, \
    CAST(coalesce(sum(reserved_bytes >> 32), 0) AS BIGINT) AS high, \
    CAST(coalesce(sum(reserved_bytes & 4294967295), 0) AS BIGINT) AS low FROM uploads \
    WHERE tenant = $1 AND state IN ('creating', 'open', 'completing', 'aborting')";
/// Writes nothing when `$5` uploads or `$6` bytes would be passed. The largest integer is no limit: a sum of bytes stays
/// there for good.
const CHARGE: &str = "INSERT INTO counters (name, uploads, bytes, forget_at) \
    SELECT $1, $2, $3, $4 WHERE $2 <= $5 AND $3 <= $6 ON CONFLICT (name) DO UPDATE SET \
    uploads = counters.uploads + excluded.uploads, \
    bytes = CASE WHEN counters.bytes > 9223372036854775807 - excluded.bytes THEN 9223372036854775807 \
    ELSE counters.bytes + excluded.bytes END, \
    forget_at = CASE WHEN counters.forget_at > excluded.forget_at THEN counters.forget_at ELSE excluded.forget_at END \
    WHERE counters.uploads <= $5 - excluded.uploads \
    AND (counters.bytes <= $6 - excluded.bytes OR $6 = 9223372036854775807)";
pub(in crate::store) const COUNTED: &str = "SELECT uploads, bytes FROM counters WHERE name = $1";
pub(in crate::store) const FORGET_COUNTERS: &str = "DELETE FROM counters WHERE forget_at < $1";
pub(in crate::store) const RESERVED: &str =
    "SELECT tenant, reserved_bytes FROM uploads WHERE id = $1 AND state IN ('creating', 'open')";
pub(in crate::store) const RAISE: &str = "UPDATE uploads SET reserved_bytes = $3 \
    WHERE id = $1 AND reserved_bytes = $2 AND state IN ('creating', 'open')";

/// What an upload that takes parts has of quotas.
struct Held {
    tenant: String,
    bytes: u64,
}

/// What became of an attempt to raise what an upload has.
pub(in crate::store) enum Raised {
    Done,
    OverQuota(OverQuota),
    /// It was raised by somebody else, or takes no more parts: look again.
    Conflict,
}

/// Quotas of a database that is asked in SQL.
pub(in crate::store) trait SqlQuota: SqlStore {
    async fn insert(&self, upload: &Upload, quota: &Quota) -> Result<InsertOutcome, StoreError> {
        let inserted = if quota.is_empty() {
            self.write(INSERT, rows::new_columns(upload)).await.map(|_| InsertOutcome::Inserted)
        } else {
            self.insert_within(upload, quota).await
        };
        match inserted {
            Err(StoreError::Database(sqlx::Error::Database(error))) if error.is_unique_violation() => {
                Ok(InsertOutcome::Duplicate)
            }
            // It may be the upload that this one repeats that has reached the limit.
            Ok(InsertOutcome::OverQuota(_)) if self.is_known(upload).await? => Ok(InsertOutcome::Duplicate),
            outcome => outcome,
        }
    }

    async fn insert_within(&self, upload: &Upload, quota: &Quota) -> Result<InsertOutcome, StoreError> {
        let mut connection = self.writer().await?;
        let mut transaction = Self::begin(&mut connection).await?;
        let tenant = &upload.spec.tenant;
        transaction.take_turns(tenant).await?;
        let more = Usage { uploads: 1, bytes: rows::reserved_at_init(upload) };
        if let Some(over) = take(&mut transaction, tenant, more, quota).await? {
            return Ok(InsertOutcome::OverQuota(over));
        }
        transaction.write(INSERT, rows::new_columns(upload)).await?;
        transaction.commit().await?;
        Ok(InsertOutcome::Inserted)
    }

    /// In one transaction: nobody ever sees an upload that has nothing in storage yet.
    async fn restore(&self, upload: &Upload, held_bytes: u64) -> Result<InsertOutcome, StoreError> {
        let mut connection = self.writer().await?;
        let mut transaction = Self::begin(&mut connection).await?;
        let before = Upload { version: upload.version - 1, ..upload.clone() };
        match transaction.write(INSERT, rows::new_columns(&before)).await {
            Err(StoreError::Database(sqlx::Error::Database(error))) if error.is_unique_violation() => {
                return Ok(InsertOutcome::Duplicate);
            }
            inserted => inserted?,
        };
        transaction.write(UPDATE, rows::changed_columns(upload)).await?;
        // Only of an upload that takes parts: others hold nothing that a limit counts.
        let raise = values![upload.id, rows::reserved_at_init(upload), held_bytes];
        transaction.write(RAISE, raise).await?;
        transaction.commit().await?;
        Ok(InsertOutcome::Inserted)
    }

    /// Whether there is an upload already that this one's idempotency key or fingerprint names.
    async fn is_known(&self, upload: &Upload) -> Result<bool, StoreError> {
        let (spec, owner) = (&upload.spec, upload.spec.owner.as_deref());
        if let Some(key) = &spec.idempotency_key
            && self.find_by_idempotency_key(&spec.tenant, owner, key).await?.is_some()
        {
            return Ok(true);
        }
        let Some(fingerprint) = &spec.fingerprint else { return Ok(false) };
        let size_bytes = upload.plan.size_bytes();
        Ok(self.find_by_fingerprint(&spec.tenant, owner, fingerprint, size_bytes).await?.is_some())
    }

    async fn reserve(&self, id: UploadId, bytes: u64, quota: &Quota) -> Result<Reserved, StoreError> {
        while let Some(upload) = self.read(RESERVED, values![id], held).await?.pop() {
            if upload.bytes >= bytes {
                return Ok(Reserved::Done);
            }
            let raised = if quota.is_empty() {
                raised(self.write(RAISE, values![id, upload.bytes, bytes]).await?)
            } else {
                self.raise_within(id, &upload.tenant, bytes, quota).await?
            };
            match raised {
                Raised::Done => return Ok(Reserved::Done),
                Raised::OverQuota(over) => return Ok(Reserved::OverQuota(over)),
                Raised::Conflict => {}
            }
        }
        Ok(Reserved::Closed)
    }

    async fn raise_within(
        &self,
        id: UploadId,
        tenant: &str,
        bytes: u64,
        quota: &Quota,
    ) -> Result<Raised, StoreError> {
        let mut connection = self.writer().await?;
        let mut transaction = Self::begin(&mut connection).await?;
        transaction.take_turns(tenant).await?;
        // Another reservation may have had its turn meanwhile.
        let upload = transaction.read(RESERVED, values![id], held).await?.pop();
        let Some(upload) = upload.filter(|upload| upload.bytes < bytes) else { return Ok(Raised::Conflict) };
        let more = Usage { uploads: 0, bytes: bytes - upload.bytes };
        if let Some(over) = take(&mut transaction, tenant, more, quota).await? {
            return Ok(Raised::OverQuota(over));
        }
        match raised(transaction.write(RAISE, values![id, upload.bytes, bytes]).await?) {
            Raised::Done => transaction.commit().await.map(|()| Raised::Done),
            other => Ok(other),
        }
    }

    async fn forget_counters(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        self.write(FORGET_COUNTERS, values![before]).await
    }
}

impl<S: SqlStore> SqlQuota for S {}

/// Charges what is counted with `more`, unless a limit would be passed; that one is told, and nothing may be committed.
async fn take(
    transaction: &mut impl SqlTransaction,
    tenant: &str,
    more: Usage,
    quota: &Quota,
) -> Result<Option<OverQuota>, StoreError> {
    if quota.limits_what_is_in_use() {
        let used = transaction.read(IN_USE, values![tenant], in_use).await?.pop();
        if let Some(over) = used.and_then(|used| quota.passed(used, more)) {
            return Ok(Some(over));
        }
    }
    for (index, counter) in quota.counters_by_name() {
        if !charge(transaction, counter, more).await? {
            let used = transaction.read(COUNTED, values![counter.name.as_str()], counted).await?.pop();
            return Ok(Some(counter.refusal(index, used.unwrap_or_default(), more)));
        }
    }
    Ok(None)
}

async fn charge(
    transaction: &mut impl SqlTransaction,
    counter: &Counter,
    more: Usage,
) -> Result<bool, StoreError> {
    let [max_uploads, max_bytes] = counter.room_for(more);
    let name = counter.name.as_str();
    let values = values![name, more.uploads, more.bytes, counter.forget_at, max_uploads, max_bytes];
    Ok(transaction.write(CHARGE, values).await? == 1)
}

fn raised(rows: u64) -> Raised {
    if rows == 1 { Raised::Done } else { Raised::Conflict }
}

fn held(row: &dyn Row) -> Result<Held, StoreError> {
    Ok(Held { tenant: row.text("tenant")?.unwrap_or_default(), bytes: unsigned(row, "reserved_bytes")? })
}

fn in_use(row: &dyn Row) -> Result<Usage, StoreError> {
    let (high, low) = (unsigned(row, "high")?, unsigned(row, "low")?);
    let bytes = high.saturating_mul(1 << 32).saturating_add(low);
    Ok(Usage { uploads: unsigned(row, "uploads")?, bytes })
}

fn counted(row: &dyn Row) -> Result<Usage, StoreError> {
    Ok(Usage { uploads: unsigned(row, "uploads")?, bytes: unsigned(row, "bytes")? })
}

fn unsigned(row: &dyn Row, column: &str) -> Result<u64, StoreError> {
    Ok(row.integer(column)?.unwrap_or_default().unsigned_abs())
}
