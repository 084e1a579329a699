//! Rows of multipart uploads and their parts.

use sqlx::SqliteConnection;

use super::{Start, after_prefix, execute, from_db, now_ms, to_db};
use crate::blob::NewBlob;
use crate::checksum::{Algorithm, Coverage, Declared};

#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Upload {
    pub(crate) seq: i64,
    pub(crate) s3_upload_id: String,
    pub(crate) key: String,
    pub(crate) initiated_ms: i64,
    pub(crate) headers: String,
    checksum_algorithm: Option<String>,
    checksum_coverage: Option<String>,
    pub(crate) answer: Option<String>,
}

/// What CreateMultipartUpload writes.
pub(crate) struct NewUpload<'a> {
    pub(crate) s3_upload_id: &'a str,
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) headers: &'a str,
    pub(crate) declared: Option<Declared>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Part {
    pub(crate) number: u32,
    size_bytes: i64,
    pub(crate) modified_ms: i64,
    pub(crate) md5: Vec<u8>,
    pub(crate) crc64nvme: Vec<u8>,
    pub(crate) checksum: Option<Vec<u8>>,
}

impl Upload {
    pub(crate) fn declared(&self) -> Option<Declared> {
        let algorithm = Algorithm::parse(self.checksum_algorithm.as_deref()?)?;
        let coverage = Coverage::parse(self.checksum_coverage.as_deref()?)?;
        Some(Declared { algorithm, coverage })
    }
}

impl Part {
    pub(crate) fn size_bytes(&self) -> u64 {
        from_db(self.size_bytes)
    }
}

pub(crate) async fn create(connection: &mut SqliteConnection, upload: NewUpload<'_>) -> sqlx::Result<()> {
    let query = sqlx::query(
        "INSERT INTO uploads (s3_upload_id, bucket, key, initiated_ms, headers, checksum_algorithm, checksum_coverage)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(upload.s3_upload_id)
    .bind(upload.bucket)
    .bind(upload.key)
    .bind(now_ms())
    .bind(upload.headers)
    .bind(upload.declared.map(|declared| declared.algorithm.name()))
    .bind(upload.declared.map(|declared| declared.coverage.name()));
    execute(connection, query).await?;
    Ok(())
}

/// Finds an upload, open or completed. An upload id is bound to its bucket and key.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    bucket: &str,
    key: &str,
    s3_upload_id: &str,
) -> sqlx::Result<Option<Upload>> {
    sqlx::query_as(
        "SELECT seq, s3_upload_id, key, initiated_ms, headers, checksum_algorithm, checksum_coverage, answer
         FROM uploads WHERE s3_upload_id = ? AND bucket = ? AND key = ?",
    )
    .bind(s3_upload_id)
    .bind(bucket)
    .bind(key)
    .fetch_optional(connection)
    .await
}

/// At most `limit` open uploads in order of key, then of initiation (upload ids sort by time).
pub(crate) async fn list_open(
    connection: &mut SqliteConnection,
    bucket: &str,
    prefix: &str,
    start: &Start,
    limit: u32,
) -> sqlx::Result<Vec<Upload>> {
    let (key, id, inclusive) = match start {
        Start::AtKey(key) => (key.as_str(), "", true),
        Start::AfterKey(key) => (key.as_str(), "", false),
        Start::AfterUpload(key, id) => (key.as_str(), id.as_str(), true),
    };
    sqlx::query_as(
        "SELECT seq, s3_upload_id, key, initiated_ms, headers, checksum_algorithm, checksum_coverage, answer
         FROM uploads INDEXED BY uploads_open
         WHERE answer IS NULL AND bucket = ?1 AND key >= ?2 AND key >= ?3 AND (?4 IS NULL OR key < ?4)
           AND (key > ?2 OR (?6 AND s3_upload_id > ?5))
         ORDER BY bucket, key, s3_upload_id LIMIT ?7",
    )
    .bind(bucket)
    .bind(key)
    .bind(prefix)
    .bind(after_prefix(prefix))
    .bind(id)
    .bind(inclusive)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Open uploads below `prefix` that were initiated before `before_ms`.
pub(crate) async fn stale(
    connection: &mut SqliteConnection,
    bucket: &str,
    prefix: &str,
    before_ms: i64,
) -> sqlx::Result<Vec<Upload>> {
    sqlx::query_as(
        "SELECT seq, s3_upload_id, key, initiated_ms, headers, checksum_algorithm, checksum_coverage, answer
         FROM uploads INDEXED BY uploads_open
         WHERE answer IS NULL AND bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) AND initiated_ms < ?4
         ORDER BY bucket, key, s3_upload_id",
    )
    .bind(bucket)
    .bind(prefix)
    .bind(after_prefix(prefix))
    .bind(before_ms)
    .fetch_all(connection)
    .await
}

/// Writes or replaces a part, and returns the file that it replaced.
pub(crate) async fn put_part(
    connection: &mut SqliteConnection,
    upload: &Upload,
    number: u32,
    blob: &NewBlob,
    modified_ms: i64,
) -> sqlx::Result<Option<String>> {
    let replaced = sqlx::query_scalar("SELECT file FROM parts WHERE upload_seq = ? AND number = ?")
        .bind(upload.seq)
        .bind(number)
        .fetch_optional(&mut *connection)
        .await?;
    let digests = blob.digests();
    let declared = upload.declared().map(|declared| declared.algorithm);
    let checksum = digests.checksum.as_ref().filter(|checksum| Some(checksum.algorithm) == declared);
    let query = sqlx::query(
        "INSERT OR REPLACE INTO parts (upload_seq, number, file, size_bytes, modified_ms, md5, crc64nvme, checksum)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(upload.seq)
    .bind(number)
    .bind(blob.file())
    .bind(to_db(blob.size_bytes()))
    .bind(modified_ms)
    .bind(digests.md5.as_slice())
    .bind(digests.crc64nvme.as_slice())
    .bind(checksum.map(|checksum| checksum.digest.as_slice()));
    execute(connection, query).await?;
    Ok(replaced)
}

/// At most `limit` parts above `after`, in order.
pub(crate) async fn parts(
    connection: &mut SqliteConnection,
    upload_seq: i64,
    after: u32,
    limit: u32,
) -> sqlx::Result<Vec<Part>> {
    sqlx::query_as(
        "SELECT number, size_bytes, modified_ms, md5, crc64nvme, checksum
         FROM parts WHERE upload_seq = ? AND number > ? ORDER BY number LIMIT ?",
    )
    .bind(upload_seq)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Removes an upload with its parts, and returns the parts' files.
pub(crate) async fn delete(connection: &mut SqliteConnection, upload_seq: i64) -> sqlx::Result<Vec<String>> {
    let files = sqlx::query_scalar("DELETE FROM parts WHERE upload_seq = ? RETURNING file")
        .bind(upload_seq)
        .fetch_all(&mut *connection)
        .await?;
    execute(connection, sqlx::query("DELETE FROM uploads WHERE seq = ?").bind(upload_seq)).await?;
    Ok(files)
}

/// Removes every upload of a bucket, open or completed, and returns the parts' files.
pub(crate) async fn delete_bucket(
    connection: &mut SqliteConnection,
    bucket: &str,
) -> sqlx::Result<Vec<String>> {
    let files = sqlx::query_scalar(
        "DELETE FROM parts WHERE upload_seq IN (SELECT seq FROM uploads WHERE bucket = ?) RETURNING file",
    )
    .bind(bucket)
    .fetch_all(&mut *connection)
    .await?;
    execute(connection, sqlx::query("DELETE FROM uploads WHERE bucket = ?").bind(bucket)).await?;
    Ok(files)
}

/// Hands the numbered parts over to an object, row by row and without touching a file; the parts
/// that were left out are removed and their files returned.
pub(crate) async fn hand_over(
    connection: &mut SqliteConnection,
    upload_seq: i64,
    object_seq: i64,
    numbers_json: &str,
    answer: &str,
) -> sqlx::Result<Vec<String>> {
    let moved = sqlx::query(
        "INSERT INTO extents (object_seq, number, file, size_bytes, checksum)
         SELECT ?1, number, file, size_bytes, checksum FROM parts
         WHERE upload_seq = ?2 AND number IN (SELECT value FROM json_each(?3))",
    )
    .bind(object_seq)
    .bind(upload_seq)
    .bind(numbers_json);
    execute(connection, moved).await?;
    let unused = sqlx::query_scalar(
        "SELECT file FROM parts WHERE upload_seq = ?1 AND number NOT IN (SELECT value FROM json_each(?2))",
    )
    .bind(upload_seq)
    .bind(numbers_json)
    .fetch_all(&mut *connection)
    .await?;
    execute(connection, sqlx::query("DELETE FROM parts WHERE upload_seq = ?").bind(upload_seq)).await?;
    let done = sqlx::query("UPDATE uploads SET answer = ? WHERE seq = ?").bind(answer).bind(upload_seq);
    execute(connection, done).await?;
    Ok(unused)
}
