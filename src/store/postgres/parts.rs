//! What is known of an upload's parts.
//!
//! Whatever writes parts holds the upload's row of `progress` before it touches them. So two writers on one upload take
//! turns, and cannot lock each other's parts in opposite orders.

use std::collections::BTreeMap;

use sqlx::Connection as _;
use time::OffsetDateTime;

use super::super::columns::{Columns, Subject};
use super::super::progress::Progress;
use super::super::values::{micros, signed};
use super::super::{Recorded, StoreError, rows};
use super::connections::{Query, bounded};
use super::{Bits, PostgresStore};
use crate::upload::{PartNumber, PartRecord, PartSet, UploadId};

/// The parts that were given, after the upload and two moments.
macro_rules! given {
    () => {
        "given AS MATERIALIZED (SELECT * FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[]) \
         AS part (number, size_bytes, etag, checksum, evidence))"
    };
}

/// Writes the parts that were given to the upload of a table `held`, as known at `$2`.
macro_rules! upsert {
    ($unless:literal) => {
        concat!(
            "INSERT INTO parts (upload_id, number, size_bytes, etag, checksum, evidence, recorded_at) \
             SELECT held.upload_id, given.*, $2 FROM held, given \
             ON CONFLICT (upload_id, number) DO UPDATE SET size_bytes = excluded.size_bytes, \
             etag = excluded.etag, checksum = excluded.checksum, evidence = excluded.evidence, \
             recorded_at = excluded.recorded_at",
            $unless
        )
    };
}

/// Sizes of received parts that differ from the upload's.
macro_rules! odd_sizes {
    ($parts:literal) => {
        concat!(
            "(SELECT jsonb_object_agg(number, part.size_bytes) FROM ",
            $parts,
            " AS part WHERE evidence <> 'mismatched' AND part.size_bytes <> part_size_bytes)"
        )
    };
}

/// The parts that were given are `$9`, those of them that were received `$3`. What becomes of a bit does not depend on
/// what was known of other parts, so the newest row is what is changed, even if this statement has waited for it.
pub(in crate::store) const RECORD: &str = concat!(
    "WITH ",
    given!(),
    ", held AS (INSERT INTO progress AS known (upload_id, received, odd_sizes, reported_at) SELECT id, $3::varbit, ",
    odd_sizes!("given"),
    ", $2 FROM uploads WHERE id = $1 ON CONFLICT (upload_id) DO UPDATE SET \
     received = substring((known.received::bit(10000) & ~$9::varbit::bit(10000)) | $3::bit(10000), 1, \
     greatest(length(known.received), length($3))), \
     odd_sizes = nullif((coalesce(known.odd_sizes, '{}') - $4::bigint[]::text[]) \
     || coalesce(excluded.odd_sizes, '{}'), '{}'), \
     reported_at = greatest(known.reported_at, $2) RETURNING *), written AS (",
    upsert!(""),
    ") SELECT received, CAST(odd_sizes AS text) AS odd_sizes, reported_at, part_size_bytes \
     FROM held JOIN uploads ON id = upload_id"
);
/// From here on no other transaction writes parts of the upload, and the next statement sees what the last one wrote.
pub(in crate::store) const HOLD: &str = "INSERT INTO progress AS known (upload_id, received) \
    SELECT id, '' FROM uploads WHERE id = $1 ON CONFLICT (upload_id) DO UPDATE SET reported_at = known.reported_at";
/// Invariant: a part that was received after storage was asked (`$3`) is not forgotten.
pub(in crate::store) const REPLACE: &str = concat!(
    "WITH ",
    given!(),
    ", held AS (SELECT upload_id FROM progress WHERE upload_id = $1), \
     gone AS (DELETE FROM parts WHERE upload_id = $1 AND recorded_at < $3 \
     AND NOT EXISTS (SELECT FROM given WHERE given.number = parts.number)) ",
    upsert!(" WHERE parts.recorded_at < $3")
);
pub(in crate::store) const RECOUNT: &str = concat!(
    "UPDATE progress SET received = coalesce((SELECT substring(bit_or(set_bit(0::bit(10000), number::int - 1, 1)), 1, \
     (max(number)::int + 7) / 8 * 8) FROM parts WHERE upload_id = $1 AND evidence <> 'mismatched'), ''), odd_sizes = ",
    odd_sizes!("(SELECT * FROM parts WHERE upload_id = $1)"),
    " FROM uploads WHERE uploads.id = $1 AND progress.upload_id = $1"
);

impl PostgresStore {
    pub(in crate::store) async fn record_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        now: OffsetDateTime,
    ) -> Result<Option<Recorded>, StoreError> {
        let parts = by_number(parts);
        if parts.is_empty() {
            return Ok(None);
        }
        let given: PartSet = parts.keys().copied().collect();
        let received: PartSet =
            parts.values().filter(|part| part.is_received()).map(|part| part.number).collect();
        let query = sqlx::query(RECORD).bind(id.0).bind(micros(now)).bind(Bits(received.to_bytes()));
        let rows = self.fetch(bind_parts(query, &parts).bind(Bits(given.to_bytes()))).await?;
        let progress = rows.first().map(|row| Progress::read(&Columns { row, of: Subject::Upload(id) }));
        Ok(progress.transpose()?.and_then(Progress::recorded))
    }

    pub(in crate::store) async fn replace_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let parts = by_number(parts);
        let mut connection = self.pool.lend().await?;
        let mut transaction = bounded(connection.begin()).await?;
        bounded(sqlx::query(HOLD).bind(id.0).execute(&mut *transaction)).await?;
        let replace = sqlx::query(REPLACE).bind(id.0).bind(micros(now)).bind(micros(asked_at));
        bounded(bind_parts(replace, &parts).execute(&mut *transaction)).await?;
        bounded(sqlx::query(RECOUNT).bind(id.0).execute(&mut *transaction)).await?;
        bounded(transaction.commit()).await
    }
}

/// One statement may not write a row twice: of a part that is given twice, the last counts.
fn by_number(parts: &[PartRecord]) -> BTreeMap<PartNumber, &PartRecord> {
    parts.iter().map(|part| (part.number, part)).collect()
}

fn bind_parts<'a>(query: Query<'a>, parts: &BTreeMap<PartNumber, &'a PartRecord>) -> Query<'a> {
    let numbers: Vec<i64> = parts.keys().map(|number| number.value().into()).collect();
    let sizes: Vec<i64> = parts.values().map(|part| signed(part.size_bytes)).collect();
    let etags: Vec<Option<&str>> = parts.values().map(|part| part.etag.as_deref()).collect();
    let checksums: Vec<Option<String>> =
        parts.values().map(|part| part.checksum.map(|checksum| checksum.to_base64())).collect();
    let evidence: Vec<&str> = parts.values().map(|part| rows::evidence_name(part.evidence)).collect();
    query.bind(numbers).bind(sizes).bind(etags).bind(checksums).bind(evidence)
}
