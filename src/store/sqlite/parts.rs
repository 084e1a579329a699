//! What is known of an upload's parts.

use rusqlite::{Connection, OptionalExtension as _, params};
use time::OffsetDateTime;

use super::super::columns::{Columns, Subject};
use super::super::progress::Progress;
use super::super::sql::{OF_A_PART, PARTS};
use super::super::values::{micros, signed};
use super::super::{Recorded, StoreError, rows};
use super::SqliteStore;
use super::direct::{IdText, Placed};
use crate::upload::{ChecksumAlgorithm, PartNumber, PartRecord, UploadId};

const PROGRESS: &str = "SELECT part_size_bytes, received, odd_sizes, reported_at \
    FROM uploads LEFT JOIN progress ON upload_id = id WHERE id = ?1";
const PROGRESS_COLUMNS: &[&str] = &["part_size_bytes", "received", "odd_sizes", "reported_at"];
const PUT_PROGRESS: &str =
    "INSERT OR REPLACE INTO progress (upload_id, received, odd_sizes, reported_at) VALUES (?1, ?2, ?3, ?4)";
const PUT_PART: &str = "INSERT INTO parts (upload_id, number, size_bytes, etag, checksum, evidence, recorded_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (upload_id, number) DO UPDATE SET \
    size_bytes = excluded.size_bytes, etag = excluded.etag, checksum = excluded.checksum, \
    evidence = excluded.evidence, recorded_at = excluded.recorded_at WHERE ?8 IS NULL OR parts.recorded_at < ?8";
/// `json_each` is SQLite's `unnest`.
const DELETE_UNLISTED: &str = "DELETE FROM parts WHERE upload_id = ?1 AND recorded_at < ?2 \
    AND number NOT IN (SELECT value FROM json_each(?3))";
const RECEIVED: &str =
    "SELECT number, size_bytes FROM parts WHERE upload_id = ?1 AND evidence <> 'mismatched'";

/// What is asked above.
#[cfg(test)]
pub(in crate::store) const OF_PARTS: [&str; 5] =
    [PROGRESS, PUT_PROGRESS, PUT_PART, DELETE_UNLISTED, RECEIVED];

/// A change of what is known of an upload's parts.
#[derive(Debug)]
pub(super) struct Write {
    id: UploadId,
    parts: Vec<PartRecord>,
    now: OffsetDateTime,
    /// When storage was asked for its list, if that is what the parts are.
    asked_at: Option<OffsetDateTime>,
}

/// What became of a write.
pub(super) type Outcome = Option<Recorded>;

impl SqliteStore {
    pub(in crate::store) async fn record_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        now: OffsetDateTime,
    ) -> Result<Option<Recorded>, StoreError> {
        if parts.is_empty() {
            return Ok(None);
        }
        self.group.write(Write { id, parts: parts.to_vec(), now, asked_at: None }).await
    }

    pub(in crate::store) async fn replace_parts(
        &self,
        id: UploadId,
        parts: &[PartRecord],
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.group.write(Write { id, parts: parts.to_vec(), now, asked_at: Some(asked_at) }).await?;
        Ok(())
    }
}

/// Everything that is known of an upload's parts.
pub(super) fn read(
    connection: &Connection,
    id: UploadId,
    kind: ChecksumAlgorithm,
) -> Result<Vec<PartRecord>, StoreError> {
    let mut text = IdText::new();
    let mut statement = connection.prepare_cached(PARTS)?;
    let mut rows = statement.query([text.of(id)])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(rows::part(&Placed { row, columns: OF_A_PART }, kind)?);
    }
    Ok(parts)
}

impl Write {
    /// Writes it within a transaction. Rows that cannot be understood are an outcome, and nothing is written then.
    pub(super) fn run(
        &self,
        connection: &Connection,
    ) -> Result<Result<Outcome, StoreError>, rusqlite::Error> {
        let mut text = IdText::new();
        let id = text.of(self.id);
        let mut progress = match self.progress(connection, id)? {
            Some(Ok(progress)) => progress,
            Some(Err(error)) => return Ok(Err(error)),
            None => return Ok(Ok(None)),
        };
        self.put_parts(connection, id)?;
        match self.asked_at {
            None => {
                progress.take_over(&self.parts);
                progress.reported_at = progress.reported_at.max(Some(self.now));
            }
            Some(asked_at) => {
                self.delete_unlisted(connection, id, asked_at)?;
                progress.recount(received(connection, id)?);
            }
        }
        connection.prepare_cached(PUT_PROGRESS)?.execute(params![
            id,
            progress.received.to_bytes(),
            progress.odd_sizes_json(),
            progress.reported_at.map(micros),
        ])?;
        Ok(Ok(progress.recorded()))
    }

    fn progress(
        &self,
        connection: &Connection,
        id: &str,
    ) -> Result<Option<Result<Progress, StoreError>>, rusqlite::Error> {
        let read = |row: &rusqlite::Row<'_>| {
            let row = &Placed { row, columns: PROGRESS_COLUMNS };
            Ok(Progress::read(&Columns { row, of: Subject::Upload(self.id) }))
        };
        connection.prepare_cached(PROGRESS)?.query_row([id], read).optional()
    }

    fn put_parts(&self, connection: &Connection, id: &str) -> Result<(), rusqlite::Error> {
        let mut put = connection.prepare_cached(PUT_PART)?;
        let (now, unless_since) = (micros(self.now), self.asked_at.map(micros));
        for part in &self.parts {
            put.execute(params![
                id,
                part.number.value(),
                signed(part.size_bytes),
                part.etag,
                part.checksum.map(|checksum| checksum.to_base64()),
                rows::evidence_name(part.evidence),
                now,
                unless_since,
            ])?;
        }
        Ok(())
    }

    /// Invariant: a part that was received after storage was asked is not forgotten.
    fn delete_unlisted(
        &self,
        connection: &Connection,
        id: &str,
        asked_at: OffsetDateTime,
    ) -> Result<(), rusqlite::Error> {
        let listed: Vec<u32> = self.parts.iter().map(|part| part.number.value()).collect();
        let listed = serde_json::json!(listed).to_string();
        connection.prepare_cached(DELETE_UNLISTED)?.execute(params![id, micros(asked_at), listed])?;
        Ok(())
    }
}

/// The received parts and their sizes, bytes.
fn received(connection: &Connection, id: &str) -> Result<Vec<(PartNumber, u64)>, rusqlite::Error> {
    let mut received = connection.prepare_cached(RECEIVED)?;
    let parts = received.query_map([id], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    let parts = parts.collect::<Result<Vec<(u32, u64)>, _>>()?;
    // The schema lets no other number in.
    Ok(parts.into_iter().filter_map(|(number, size)| Some((PartNumber::new(number)?, size))).collect())
}
