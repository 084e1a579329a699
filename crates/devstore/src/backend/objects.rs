//! Whole objects: put, get, head, attributes, delete.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::convert::{
    ObjectHeaders, apply_object_headers, check_write_conditions, object_headers, set_checksum, signed,
    strong, timestamp,
};
use super::read::{Opened, check_read_conditions, parts_count, select, shown_checksum};
use super::receive::Claims;
use super::{Backend, OrInternal as _, detached};
use crate::blob::{NewBlob, Slice};
use crate::checksum::{Algorithm, Checksum, Coverage, ObjectChecksum};
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
    // Ten thousand rows of parts are read only for who asks about one of them.
    let (object, extents) = match input.part_number {
        None => (backend.find_object(&input.bucket, &input.key).await?, Vec::new()),
        Some(_) => {
            let opened = backend.open_object(&input.bucket, &input.key).await?;
            (opened.object, opened.extents)
        }
    };
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
