//! Server-side copies: CopyObject and UploadPartCopy. The bytes are copied: files have one owner.

use futures_util::StreamExt as _;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::convert::{
    ObjectHeaders, matches, object_headers, precondition_failed, set_checksum, strong, timestamp,
};
use super::multipart::{UploadName, part_number};
use super::objects::Placement;
use super::read::Opened;
use super::receive::write_error;
use super::{Backend, OrInternal as _};
use crate::blob::{Expected, NewBlob, Slice};
use crate::checksum::Algorithm;
use crate::db::objects::Object;
use crate::error::StoreError;

/// The conditions that a copy puts on its source.
struct SourceConditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
}

macro_rules! source_conditions {
    ($input:expr) => {
        SourceConditions {
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
        }
    };
}

pub(super) async fn copy_object(
    backend: &Backend,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let input = request.input;
    let replace = input
        .metadata_directive
        .as_ref()
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    let (source_bucket, source_key) = source_name(&input.copy_source)?;
    if !replace && (source_bucket, source_key) == (input.bucket.as_str(), input.key.as_str()) {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let source = backend.open_source(&input.copy_source, &source_conditions!(input)).await?;
    backend.require_bucket(&input.bucket).await?;
    let headers: ObjectHeaders =
        if replace { object_headers!(input) } else { ObjectHeaders::from_json(&source.object.headers)? };
    let wanted = match &input.checksum_algorithm {
        Some(algorithm) => Algorithm::parse(algorithm.as_str()),
        None => source.object.checksum().map(|checksum| checksum.algorithm),
    };
    let whole = 0..source.object.size_bytes();
    let blob = backend.copy_bytes(source, whole, wanted).await?;
    let placement = Placement {
        bucket: input.bucket,
        key: input.key,
        headers,
        blob,
        if_match: None,
        if_none_match: None,
    };
    let placed = backend.place(placement).await?;
    let mut result = CopyObjectResult {
        e_tag: Some(strong(&placed.etag)),
        last_modified: Some(timestamp(placed.modified_ms)),
        checksum_type: Some(placed.checksum.coverage.name().to_owned().into()),
        ..Default::default()
    };
    set_checksum!(result, placed.checksum.algorithm, placed.checksum.value);
    Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
}

pub(super) async fn upload_part_copy(
    backend: &Backend,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let input = request.input;
    let number = part_number(input.part_number)?;
    let conditions = source_conditions!(input);
    let name = UploadName { bucket: input.bucket, key: input.key, s3_upload_id: input.upload_id };
    let upload = backend.open_upload(&name).await?;
    let source = backend.open_source(&input.copy_source, &conditions).await?;
    let range = match &input.copy_source_range {
        None => 0..source.object.size_bytes(),
        Some(range) => source_range(range, source.object.size_bytes())?,
    };
    let wanted = upload.declared().map(|declared| declared.algorithm);
    let blob = backend.copy_bytes(source, range, wanted).await?;
    let part = backend.commit_part(name, number, blob).await?;
    let mut result = CopyPartResult {
        e_tag: Some(strong(&part.etag)),
        last_modified: Some(timestamp(part.modified_ms)),
        ..Default::default()
    };
    if let Some(checksum) = part.checksum {
        set_checksum!(result, checksum.algorithm, checksum.to_base64());
    }
    Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() }))
}

impl Backend {
    async fn open_source(&self, source: &CopySource, conditions: &SourceConditions) -> S3Result<Opened> {
        let (bucket, key) = source_name(source)?;
        let opened = self.open_object(bucket, key).await?;
        conditions.check(&opened.object)?;
        Ok(opened)
    }

    async fn copy_bytes(
        &self,
        source: Opened,
        range: std::ops::Range<u64>,
        wanted: Option<Algorithm>,
    ) -> S3Result<NewBlob> {
        let size_bytes = range.end - range.start;
        let files = source.extents.into_iter().map(|extent| {
            let size_bytes = extent.size_bytes();
            (extent.file, size_bytes)
        });
        let mut bytes = self.blobs.read(Slice::cut(files, range), source.guard);
        let writer = self.blobs.writer(wanted);
        while let Some(chunk) = bytes.next().await {
            let chunk =
                chunk.map_err(|error| StoreError::Files(std::io::Error::other(error))).or_internal()?;
            if !writer.write(chunk).await {
                break;
            }
        }
        let expected = Expected { size_bytes: Some(size_bytes), ..Default::default() };
        writer.finish(expected).await.map_err(write_error)
    }
}

impl SourceConditions {
    fn check(&self, source: &Object) -> S3Result<()> {
        let modified = timestamp(source.modified_ms);
        let holds = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, &source.etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        } && match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !matches(condition, &source.etag),
            (None, Some(since)) => modified > *since,
            (None, None) => true,
        };
        if holds { Ok(()) } else { Err(precondition_failed()) }
    }
}

fn source_name(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, version_id: None } => Ok((bucket, key)),
        CopySource::Bucket { version_id: Some(_), .. } => {
            Err(s3_error!(InvalidArgument, "Invalid version id specified"))
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(s3_error!(NotImplemented)),
    }
}

/// Both ends are wanted and must lie within the source.
fn source_range(range: &str, size_bytes: u64) -> S3Result<std::ops::Range<u64>> {
    let malformed = || {
        s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        )
    };
    let (first, last) =
        range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(malformed)?;
    let first: u64 = first.parse().map_err(|_| malformed())?;
    let last: u64 = last.parse().map_err(|_| malformed())?;
    if first > last {
        return Err(malformed());
    }
    if last >= size_bytes {
        return Err(s3_error!(
            InvalidArgument,
            "Range specified is not valid for source object of size: {size_bytes}"
        ));
    }
    Ok(first..last + 1)
}
