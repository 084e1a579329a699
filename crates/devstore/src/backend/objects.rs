//! Whole objects: put, get, head, attributes, delete.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::convert::{
    ObjectHeaders, apply_object_headers, check_write_conditions, int, matches, object_headers,
    precondition_failed, set_checksum, signed, strong, timestamp,
};
use super::multipart::part_number;
use super::receive::Claims;
use super::{Backend, OrInternal as _, detached};
use crate::blob::{NewBlob, ReadGuard, Slice};
use crate::checksum::{Algorithm, Checksum, Coverage, ObjectChecksum};
use crate::db::objects::{Extent, Object};
use crate::db::{self, objects};

/// A received file and where it goes.
pub(super) struct Placement {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) headers: ObjectHeaders,
    pub(super) blob: NewBlob,
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

/// An object put in one piece, as its caller sees it.
pub(super) struct Placed {
    pub(super) etag: String,
    pub(super) modified_ms: i64,
    pub(super) checksum: ObjectChecksum,
}

/// An object opened for reading: its files stay until this is dropped.
pub(super) struct Opened {
    pub(super) object: Object,
    pub(super) extents: Vec<Extent>,
    pub(super) guard: ReadGuard,
}

/// Which bytes of an object a request wants.
struct Selection {
    range: std::ops::Range<u64>,
    partial: bool,
}

pub(super) async fn put_object(
    backend: &Backend,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let claims = Claims::parse(&request.headers)?;
    let input = request.input;
    let headers: ObjectHeaders = object_headers!(input);
    backend.require_bucket(&input.bucket).await?;
    let wanted = claims.for_object();
    let blob = backend.receive(input.body, claims, wanted, request.trailing_headers).await?;
    let placement = Placement {
        bucket: input.bucket,
        key: input.key,
        headers,
        blob,
        if_match: input.if_match,
        if_none_match: input.if_none_match,
    };
    let placed = backend.place(placement).await?;
    let mut output = PutObjectOutput {
        e_tag: Some(strong(&placed.etag)),
        checksum_type: Some(placed.checksum.coverage.name().to_owned().into()),
        ..Default::default()
    };
    set_checksum!(output, placed.checksum.algorithm, placed.checksum.value);
    Ok(S3Response::new(output))
}

pub(super) async fn get_object(
    backend: &Backend,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = request.input;
    let Opened { object, extents, guard } = backend.open_object(&input.bucket, &input.key).await?;
    check_read_conditions(
        &object,
        [input.if_match.as_ref(), input.if_none_match.as_ref()],
        [input.if_modified_since.as_ref(), input.if_unmodified_since.as_ref()],
    )?;
    let selection = select(&object, &extents, input.range, input.part_number)?;
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(signed(selection.range.end - selection.range.start)),
        content_range: selection.content_range(&object),
        e_tag: Some(strong(&object.etag)),
        last_modified: Some(timestamp(object.modified_ms)),
        parts_count: parts_count(&object, input.part_number),
        ..Default::default()
    };
    apply_object_headers!(output, ObjectHeaders::from_json(&object.headers)?);
    if let Some(checksum) = shown_checksum(&object, input.checksum_mode.as_ref(), &selection) {
        output.checksum_type = Some(checksum.coverage.name().to_owned().into());
        set_checksum!(output, checksum.algorithm, checksum.value);
    }
    let files = extents.into_iter().map(|extent| {
        let size_bytes = extent.size_bytes();
        (extent.file, size_bytes)
    });
    output.body = Some(backend.blobs.read(Slice::cut(files, selection.range), guard));
    // The response-* overrides are applied by s3s; on HEAD they are not.
    Ok(S3Response::new(output))
}

pub(super) async fn head_object(
    backend: &Backend,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = request.input;
    let Opened { object, extents, .. } = backend.open_object(&input.bucket, &input.key).await?;
    check_read_conditions(
        &object,
        [input.if_match.as_ref(), input.if_none_match.as_ref()],
        [input.if_modified_since.as_ref(), input.if_unmodified_since.as_ref()],
    )?;
    let selection = select(&object, &extents, input.range, input.part_number)?;
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(signed(selection.range.end - selection.range.start)),
        content_range: selection.content_range(&object),
        e_tag: Some(strong(&object.etag)),
        last_modified: Some(timestamp(object.modified_ms)),
        parts_count: parts_count(&object, input.part_number),
        ..Default::default()
    };
    apply_object_headers!(output, ObjectHeaders::from_json(&object.headers)?);
    if let Some(checksum) = shown_checksum(&object, input.checksum_mode.as_ref(), &selection) {
        output.checksum_type = Some(checksum.coverage.name().to_owned().into());
        set_checksum!(output, checksum.algorithm, checksum.value);
    }
    output.content_type = input.response_content_type.or(output.content_type);
    output.content_disposition = input.response_content_disposition.or(output.content_disposition);
    let mut response = S3Response::new(output);
    response.status = selection.partial.then_some(http::StatusCode::PARTIAL_CONTENT);
    Ok(response)
}

pub(super) async fn get_object_attributes(
    backend: &Backend,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let input = request.input;
    let Opened { object, extents, .. } = backend.open_object(&input.bucket, &input.key).await?;
    let wants = |name: &str| input.object_attributes.iter().any(|attribute| attribute.as_str() == name);
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(timestamp(object.modified_ms)),
        ..Default::default()
    };
    if wants(ObjectAttributes::ETAG) {
        output.e_tag = Some(strong(&object.etag));
    }
    if wants(ObjectAttributes::OBJECT_SIZE) {
        output.object_size = Some(signed(object.size_bytes()));
    }
    if wants(ObjectAttributes::STORAGE_CLASS) {
        output.storage_class = Some(StorageClass::from_static(StorageClass::STANDARD));
    }
    let checksum = object.checksum();
    if let Some(shown) = checksum.clone().filter(|_| wants(ObjectAttributes::CHECKSUM)) {
        let mut element = s3s::dto::Checksum {
            checksum_type: Some(shown.coverage.name().to_owned().into()),
            ..Default::default()
        };
        // Here, unlike in headers, AWS leaves a composite value's part count out.
        let value = shown.value.split('-').next().unwrap_or_default().to_owned();
        set_checksum!(element, shown.algorithm, value);
        output.checksum = Some(element);
    }
    if let Some(count) = object.part_count.filter(|_| wants(ObjectAttributes::OBJECT_PARTS)) {
        let composite = checksum.filter(|checksum| checksum.coverage == Coverage::Composite);
        let page = page_of_parts(&extents, composite.map(|checksum| checksum.algorithm), &input);
        output.object_parts = Some(GetObjectAttributesParts { total_parts_count: Some(int(count)), ..page });
    }
    Ok(S3Response::new(output))
}

pub(super) async fn delete_object(
    backend: &Backend,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = request.input;
    backend.require_bucket(&input.bucket).await?;
    backend.remove(input.bucket, vec![input.key]).await?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub(super) async fn delete_objects(
    backend: &Backend,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let input = request.input;
    backend.require_bucket(&input.bucket).await?;
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
    if input.delete.objects.len() > 1000 {
        return Err(s3_error!(MalformedXML));
    }
    let keys: Vec<String> = input.delete.objects.into_iter().map(|object| object.key).collect();
    backend.remove(input.bucket, keys.clone()).await?;
    let quiet = input.delete.quiet == Some(true);
    let deleted = keys.into_iter().map(|key| DeletedObject { key: Some(key), ..Default::default() });
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet).then(|| deleted.collect()),
        ..Default::default()
    }))
}

impl Backend {
    /// Opens the object at the key, with its files held until the answer is dropped.
    pub(super) async fn open_object(&self, bucket: &str, key: &str) -> S3Result<Opened> {
        let guard = self.blobs.begin_read();
        let mut read = self.db.read().await.or_internal()?;
        let Some(object) = objects::find(&mut read, bucket, key).await.or_internal()? else {
            drop(read);
            self.require_bucket(bucket).await?;
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        };
        let extents = objects::extents(&mut read, object.seq).await.or_internal()?;
        Ok(Opened { object, extents, guard })
    }

    /// Makes a received file the object at the key, if the conditions still hold.
    pub(super) async fn place(&self, placement: Placement) -> S3Result<Placed> {
        let backend = self.clone();
        detached(async move {
            let digests = placement.blob.digests();
            let checksum = digests.checksum.clone().unwrap_or_else(|| Checksum {
                algorithm: Algorithm::Crc64Nvme,
                digest: digests.crc64nvme.clone(),
            });
            let placed = Placed {
                etag: placement.blob.etag(),
                modified_ms: db::now_ms(),
                checksum: ObjectChecksum {
                    algorithm: checksum.algorithm,
                    coverage: Coverage::FullObject,
                    value: checksum.to_base64(),
                },
            };
            match backend.write_object(&placement, &placed).await {
                Ok(replaced) => {
                    placement.blob.keep();
                    backend.blobs.retire(replaced).await;
                    Ok(placed)
                }
                Err(error) => {
                    placement.blob.discard().await;
                    Err(error)
                }
            }
        })
        .await
    }

    async fn write_object(&self, placement: &Placement, placed: &Placed) -> S3Result<Vec<String>> {
        let Placement { bucket, key, headers, blob, if_match, if_none_match } = placement;
        let headers = headers.to_json()?;
        let mut write = self.db.write().await.or_internal()?;
        if !db::buckets::exists(&mut write, bucket).await.or_internal()? {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        let current = objects::find(&mut write, bucket, key).await.or_internal()?;
        check_write_conditions(current.as_ref(), if_match.as_ref(), if_none_match.as_ref())?;
        let replaced = objects::delete(&mut write, bucket, key).await.or_internal()?;
        let object = objects::NewObject {
            bucket,
            key,
            size_bytes: blob.size_bytes(),
            etag: &placed.etag,
            modified_ms: placed.modified_ms,
            headers: &headers,
            checksum: &placed.checksum,
            part_count: None,
        };
        let seq = objects::insert(&mut write, object).await.or_internal()?;
        objects::insert_extent(&mut write, seq, blob).await.or_internal()?;
        write.commit().await.or_internal()?;
        Ok(replaced)
    }

    async fn remove(&self, bucket: String, keys: Vec<String>) -> S3Result<()> {
        let backend = self.clone();
        detached(async move {
            let mut write = backend.db.write().await.or_internal()?;
            let mut files = Vec::new();
            for key in &keys {
                files.extend(objects::delete(&mut write, &bucket, key).await.or_internal()?);
            }
            write.commit().await.or_internal()?;
            backend.blobs.retire(files).await;
            Ok(())
        })
        .await
    }
}

impl Selection {
    fn content_range(&self, object: &Object) -> Option<String> {
        let Selection { range, partial } = self;
        partial
            .then(|| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size_bytes()))
    }
}

fn select(
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

fn parts_count(object: &Object, part: Option<i32>) -> Option<i32> {
    part.and(object.part_count).map(int)
}

/// The checksum is of the whole object, so a range goes without.
fn shown_checksum(
    object: &Object,
    mode: Option<&ChecksumMode>,
    selection: &Selection,
) -> Option<ObjectChecksum> {
    mode.filter(|mode| mode.as_str() == ChecksumMode::ENABLED)?;
    object.checksum().filter(|_| !selection.partial)
}

/// Per-part details exist only for composite checksums: for others AWS tells the count alone.
fn page_of_parts(
    extents: &[Extent],
    composite: Option<Algorithm>,
    input: &GetObjectAttributesInput,
) -> GetObjectAttributesParts {
    let Some(algorithm) = composite else { return GetObjectAttributesParts::default() };
    let limit = usize::try_from(input.max_parts.unwrap_or(1000).clamp(0, 1000)).unwrap_or_default();
    let after = u32::try_from(input.part_number_marker.unwrap_or(0)).unwrap_or_default();
    let mut left = extents.iter().filter(|extent| extent.number > after);
    let parts: Vec<ObjectPart> = left
        .by_ref()
        .take(limit)
        .map(|extent| {
            let mut part = ObjectPart {
                part_number: Some(int(extent.number)),
                size: Some(signed(extent.size_bytes())),
                ..Default::default()
            };
            if let Some(digest) = extent.checksum.clone() {
                set_checksum!(part, algorithm, Checksum { algorithm, digest }.to_base64());
            }
            part
        })
        .collect();
    GetObjectAttributesParts {
        is_truncated: Some(left.next().is_some()),
        max_parts: Some(int(u32::try_from(limit).unwrap_or_default())),
        next_part_number_marker: Some(
            parts.last().and_then(|part| part.part_number).unwrap_or_else(|| int(after)),
        ),
        part_number_marker: Some(int(after)),
        parts: Some(parts),
        total_parts_count: None,
    }
}

/// RFC 9110, section 13.2.2: the ETag conditions win over the times.
fn check_read_conditions(
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
