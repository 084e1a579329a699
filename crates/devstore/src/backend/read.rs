//! Reading an object: which one, under which conditions, which bytes.

use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::convert::{int, matches, precondition_failed, timestamp};
use super::multipart::part_number;
use super::{Backend, OrInternal as _};
use crate::blob::ReadGuard;
use crate::checksum::ObjectChecksum;
use crate::db::buckets;
use crate::db::objects::{self, Extent, Object};

/// An object opened for reading: its files stay until this is dropped.
pub(super) struct Opened {
    pub(super) object: Object,
    pub(super) extents: Vec<Extent>,
    pub(super) guard: ReadGuard,
}

/// Which bytes of an object a request wants.
pub(super) struct Selection {
    pub(super) range: std::ops::Range<u64>,
    pub(super) partial: bool,
}

impl Backend {
    /// Opens the object at the key, with its files held until the answer is dropped.
    pub(super) async fn open_object(&self, bucket: &str, key: &str) -> S3Result<Opened> {
        let guard = self.blobs.begin_read();
        let mut read = self.db.read().await.or_internal()?;
        let object = find(&mut read, bucket, key).await?;
        let extents = objects::extents(&mut read, object.seq).await.or_internal()?;
        Ok(Opened { object, extents, guard })
    }

    /// The row of the object at the key.
    pub(super) async fn find_object(&self, bucket: &str, key: &str) -> S3Result<Object> {
        let mut read = self.db.read().await.or_internal()?;
        find(&mut read, bucket, key).await
    }
}

async fn find(connection: &mut sqlx::SqliteConnection, bucket: &str, key: &str) -> S3Result<Object> {
    if let Some(object) = objects::find(&mut *connection, bucket, key).await.or_internal()? {
        return Ok(object);
    }
    if buckets::exists(connection, bucket).await.or_internal()? {
        Err(s3_error!(NoSuchKey, "The specified key does not exist."))
    } else {
        Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }
}

impl Selection {
    pub(super) fn content_range(&self, object: &Object) -> Option<String> {
        let Selection { range, partial } = self;
        partial
            .then(|| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size_bytes()))
    }
}

pub(super) fn select(
    object: &Object,
    extents: &[Extent],
    range: Option<Range>,
    part: Option<i32>,
) -> S3Result<Selection> {
    let size_bytes = object.size_bytes();
    let Some(number) = part else {
        return match range {
            None => Ok(Selection { range: 0..size_bytes, partial: false }),
            Some(range) => {
                let range = range
                    .check(size_bytes)
                    .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
                Ok(Selection { range, partial: true })
            }
        };
    };
    if range.is_some() {
        return Err(s3_error!(
            InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter"
        ));
    }
    let number = part_number(number)? as usize;
    if object.part_count.is_none() && number == 1 {
        return Ok(Selection { range: 0..size_bytes, partial: size_bytes > 0 });
    }
    let start = extents.iter().take(number - 1).map(Extent::size_bytes).sum();
    match extents.get(number - 1) {
        Some(extent) => Ok(Selection { range: start..start + extent.size_bytes(), partial: true }),
        None => Err(s3_error!(InvalidRange, "The requested partnumber is not satisfiable")),
    }
}

pub(super) fn parts_count(object: &Object, part: Option<i32>) -> Option<i32> {
    part.and(object.part_count).map(int)
}

/// The checksum is of the whole object, so a range goes without.
pub(super) fn shown_checksum(
    object: &Object,
    mode: Option<&ChecksumMode>,
    selection: &Selection,
) -> Option<ObjectChecksum> {
    mode.filter(|mode| mode.as_str() == ChecksumMode::ENABLED)?;
    object.checksum().filter(|_| !selection.partial)
}

/// RFC 9110, section 13.2.2: the ETag conditions win over the times.
pub(super) fn check_read_conditions(
    object: &Object,
    [if_match, if_none_match]: [Option<&ETagCondition>; 2],
    [modified_since, unmodified_since]: [Option<&Timestamp>; 2],
) -> S3Result<()> {
    let modified = timestamp(object.modified_ms);
    match (if_match, unmodified_since) {
        (Some(condition), _) if !matches(condition, &object.etag) => return Err(precondition_failed()),
        (None, Some(since)) if modified > *since => return Err(precondition_failed()),
        _ => {}
    }
    let not_modified = match (if_none_match, modified_since) {
        (Some(condition), _) => matches(condition, &object.etag),
        (None, Some(since)) => modified <= *since,
        (None, None) => false,
    };
    if not_modified { Err(s3_error!(NotModified, "Not Modified")) } else { Ok(()) }
}
