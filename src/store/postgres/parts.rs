//! What is known of an upload's parts.
//!
//! Both statements hold the upload's row before they touch its parts. So two of them on one upload take turns, and
//! cannot lock each other's parts in opposite orders.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use super::super::values::{micros, signed};
use super::super::{StoreError, rows};
use super::PostgresStore;
use super::connections::Query;
use crate::upload::{PartRecord, UploadId};

/// Writes the parts of `$from` as known at `$2`, leaving alone what was recorded at `$3` or later.
macro_rules! upsert {
    ($from:expr) => {
        concat!(
            "INSERT INTO parts (upload_id, number, size_bytes, etag, checksum, evidence, recorded_at) \
             SELECT held.id, known.*, $2 FROM held, ",
            $from,
            " AS known ON CONFLICT (upload_id, number) DO UPDATE SET size_bytes = excluded.size_bytes, \
             etag = excluded.etag, checksum = excluded.checksum, evidence = excluded.evidence, \
             recorded_at = excluded.recorded_at WHERE parts.recorded_at < $3"
        )
    };
}

/// The parts that were given: number, size, ETag, checksum, evidence.
macro_rules! given {
    () => {
        "unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[])"
    };
}

pub(in crate::store) const RECORD: &str = concat!(
    "WITH held AS (UPDATE uploads SET updated_at = greatest(updated_at, $2) WHERE id = $1 RETURNING id) ",
    upsert!(given!())
);
/// Invariant: a part that was received after storage was asked (`$3`) is not forgotten.
pub(in crate::store) const REPLACE: &str = concat!(
    "WITH held AS MATERIALIZED (SELECT id FROM uploads WHERE id = $1 FOR NO KEY UPDATE), \
     listed AS MATERIALIZED (SELECT * FROM ",
    given!(),
    " AS part (number, size_bytes, etag, checksum, evidence)), \
     gone AS (DELETE FROM parts USING held WHERE upload_id = held.id AND recorded_at < $3 \
     AND NOT EXISTS (SELECT FROM listed WHERE listed.number = parts.number)) ",
    upsert!("listed")
);

impl PostgresStore {
    pub(in crate::store) async fn record_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        self.execute(query(RECORD, id, (now, now + Duration::DAY), parts)).await?;
        Ok(())
    }

    pub(in crate::store) async fn replace_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.execute(query(REPLACE, id, (now, asked_at), parts)).await?;
        Ok(())
    }
}

fn query<'a>(
    sql: &'static str,
    id: UploadId,
    (now, unless_since): (OffsetDateTime, OffsetDateTime),
    parts: &'a [PartRecord],
) -> Query<'a> {
    // One statement may not write a row twice: of a part that is given twice, the last counts.
    let parts: BTreeMap<_, _> = parts.iter().map(|part| (part.number, part)).collect();
    let numbers: Vec<i64> = parts.keys().map(|number| number.value().into()).collect();
    let sizes: Vec<i64> = parts.values().map(|part| signed(part.size_bytes)).collect();
    let etags: Vec<Option<&str>> = parts.values().map(|part| part.etag.as_deref()).collect();
    let checksums: Vec<Option<String>> =
        parts.values().map(|part| part.checksum.map(|checksum| checksum.to_base64())).collect();
    let evidence: Vec<&str> = parts.values().map(|part| rows::evidence_name(part.evidence)).collect();
    sqlx::query(sql)
        .bind(id.0)
        .bind(micros(now))
        .bind(micros(unless_since))
        .bind(numbers)
        .bind(sizes)
        .bind(etags)
        .bind(checksums)
        .bind(evidence)
}
