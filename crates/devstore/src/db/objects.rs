//! Rows of objects and the files that they consist of.

use sqlx::SqliteConnection;

use super::{Start, after_prefix, execute, from_db, to_db};
use crate::blob::NewBlob;
use crate::checksum::{Algorithm, Coverage, ObjectChecksum};

#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Object {
    pub(crate) seq: i64,
    pub(crate) key: String,
    size_bytes: i64,
    pub(crate) etag: String,
    pub(crate) modified_ms: i64,
    pub(crate) headers: String,
    checksum_algorithm: String,
    checksum_coverage: String,
    checksum: String,
    pub(crate) part_count: Option<u32>,
}

/// What PutObject, CopyObject and CompleteMultipartUpload write.
pub(crate) struct NewObject<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) size_bytes: u64,
    pub(crate) etag: &'a str,
    pub(crate) modified_ms: i64,
    pub(crate) headers: &'a str,
    pub(crate) checksum: &'a ObjectChecksum,
    pub(crate) part_count: Option<u32>,
}

/// One file of an object.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Extent {
    pub(crate) number: u32,
    pub(crate) file: String,
    size_bytes: i64,
    pub(crate) checksum: Option<Vec<u8>>,
}

impl Object {
    pub(crate) fn size_bytes(&self) -> u64 {
        from_db(self.size_bytes)
    }

    /// `None` only for a row that this version did not write.
    pub(crate) fn checksum(&self) -> Option<ObjectChecksum> {
        Some(ObjectChecksum {
            algorithm: Algorithm::parse(&self.checksum_algorithm)?,
            coverage: Coverage::parse(&self.checksum_coverage)?,
            value: self.checksum.clone(),
        })
    }
}

impl Extent {
    pub(crate) fn size_bytes(&self) -> u64 {
        from_db(self.size_bytes)
    }
}

pub(crate) async fn find(
    connection: &mut SqliteConnection,
    bucket: &str,
    key: &str,
) -> sqlx::Result<Option<Object>> {
    sqlx::query_as(
        "SELECT seq, key, size_bytes, etag, modified_ms, headers, checksum_algorithm, checksum_coverage,
                checksum, part_count
         FROM objects WHERE bucket = ? AND key = ?",
    )
    .bind(bucket)
    .bind(key)
    .fetch_optional(connection)
    .await
}

pub(crate) async fn extents(connection: &mut SqliteConnection, object_seq: i64) -> sqlx::Result<Vec<Extent>> {
    sqlx::query_as(
        "SELECT number, file, size_bytes, checksum FROM extents WHERE object_seq = ? ORDER BY number",
    )
    .bind(object_seq)
    .fetch_all(connection)
    .await
}

/// At most `limit` objects from `start` on, in order.
pub(crate) async fn list(
    connection: &mut SqliteConnection,
    bucket: &str,
    prefix: &str,
    start: &Start,
    limit: u32,
) -> sqlx::Result<Vec<Object>> {
    let (key, inclusive) = match start {
        Start::AtKey(key) => (key, true),
        Start::AfterKey(key) | Start::AfterUpload(key, _) => (key, false),
    };
    sqlx::query_as(
        "SELECT seq, key, size_bytes, etag, modified_ms, headers, checksum_algorithm, checksum_coverage,
                checksum, part_count
         FROM objects
         WHERE bucket = ?1 AND key >= ?2 AND key >= ?3 AND (?4 IS NULL OR key < ?4) AND (?5 OR key > ?2)
         ORDER BY key LIMIT ?6",
    )
    .bind(bucket)
    .bind(key)
    .bind(prefix)
    .bind(after_prefix(prefix))
    .bind(inclusive)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Removes the object at the key, if any, and returns its files.
pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    bucket: &str,
    key: &str,
) -> sqlx::Result<Vec<String>> {
    let seq: Option<i64> = sqlx::query_scalar("SELECT seq FROM objects WHERE bucket = ? AND key = ?")
        .bind(bucket)
        .bind(key)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(seq) = seq else { return Ok(Vec::new()) };
    let files = sqlx::query_scalar("DELETE FROM extents WHERE object_seq = ? RETURNING file")
        .bind(seq)
        .fetch_all(&mut *connection)
        .await?;
    execute(connection, sqlx::query("DELETE FROM objects WHERE seq = ?").bind(seq)).await?;
    Ok(files)
}

/// Adds an object without files; the key must be free. Returns its `seq`.
pub(crate) async fn insert(connection: &mut SqliteConnection, object: NewObject<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO objects (bucket, key, size_bytes, etag, modified_ms, headers, checksum_algorithm,
                              checksum_coverage, checksum, part_count)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
    )
    .bind(object.bucket)
    .bind(object.key)
    .bind(to_db(object.size_bytes))
    .bind(object.etag)
    .bind(object.modified_ms)
    .bind(object.headers)
    .bind(object.checksum.algorithm.name())
    .bind(object.checksum.coverage.name())
    .bind(&object.checksum.value)
    .bind(object.part_count)
    .fetch_one(connection)
    .await
}

/// Gives an object its one file.
pub(crate) async fn insert_extent(
    connection: &mut SqliteConnection,
    object_seq: i64,
    blob: &NewBlob,
) -> sqlx::Result<()> {
    let query = sqlx::query("INSERT INTO extents (object_seq, number, file, size_bytes) VALUES (?, 1, ?, ?)")
        .bind(object_seq)
        .bind(blob.file())
        .bind(to_db(blob.size_bytes()));
    execute(connection, query).await?;
    Ok(())
}
