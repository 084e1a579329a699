//! What is known of an upload's parts.

use time::OffsetDateTime;

use super::super::StoreError;
use super::super::rows;
use super::super::values::{micros, signed};
use super::SqliteStore;
use crate::upload::{PartRecord, UploadId};

impl SqliteStore {
    pub(in crate::store) async fn record_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        let mut transaction = self.writer.begin().await?;
        upsert(&mut transaction, id, parts, (now, now + time::Duration::DAY)).await?;
        sqlx::query("UPDATE uploads SET updated_at = max(updated_at, ?2) WHERE id = ?1")
            .bind(id.to_string())
            .bind(micros(now))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(in crate::store) async fn replace_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        upsert(&mut transaction, id, parts, (now, asked_at)).await?;
        // Invariant: a part that was received after storage was asked is not forgotten.
        let numbers: Vec<u32> = parts.iter().map(|part| part.number.value()).collect();
        sqlx::query(
            "DELETE FROM parts WHERE upload_id = ?1 AND recorded_at < ?2 \
             AND number NOT IN (SELECT value FROM json_each(?3))",
        )
        .bind(id.to_string())
        .bind(micros(asked_at))
        .bind(serde_json::json!(numbers).to_string())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Writes parts as known at `now`, leaving alone what was recorded at `unless_since` or later.
async fn upsert(
    connection: &mut sqlx::SqliteConnection,
    id: UploadId,
    parts: &[PartRecord],
    (now, unless_since): (OffsetDateTime, OffsetDateTime),
) -> Result<(), StoreError> {
    let values: Vec<_> = parts
        .iter()
        .map(|part| {
            serde_json::json!([
                part.number.value(),
                signed(part.size_bytes),
                part.etag,
                part.checksum.map(|checksum| checksum.to_base64()),
                rows::evidence_name(part.evidence),
            ])
        })
        .collect();
    // One statement for any number of parts: json_each is SQLite's unnest.
    sqlx::query(
        "INSERT INTO parts (upload_id, number, size_bytes, etag, checksum, evidence, recorded_at) \
         SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?2 \
         FROM json_each(?3) WHERE true \
         ON CONFLICT (upload_id, number) DO UPDATE SET size_bytes = excluded.size_bytes, \
         etag = excluded.etag, checksum = excluded.checksum, evidence = excluded.evidence, \
         recorded_at = excluded.recorded_at WHERE parts.recorded_at < ?4",
    )
    .bind(id.to_string())
    .bind(micros(now))
    .bind(serde_json::Value::Array(values).to_string())
    .bind(micros(unless_since))
    .execute(connection)
    .await?;
    Ok(())
}
