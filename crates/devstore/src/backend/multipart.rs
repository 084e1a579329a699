//! Multipart uploads: create, upload a part, abort.

use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::convert::{ObjectHeaders, int, object_headers, set_checksum, strong, timestamp};
use super::receive::Claims;
use super::{Backend, OrInternal as _, detached};
use crate::blob::NewBlob;
use crate::checksum::Declared;
use crate::db::{self, uploads};
use crate::error::StoreError;
use crate::lifecycle::AbortRules;

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub(super) const MAX_PARTS: u32 = 10_000;

/// An S3 upload id with the bucket and key that it is bound to.
#[derive(Clone, Debug)]
pub(super) struct UploadName {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) s3_upload_id: String,
}

/// A part as its caller sees it.
pub(super) struct StoredPart {
    pub(super) etag: String,
    pub(super) modified_ms: i64,
    pub(super) checksum: Option<crate::checksum::Checksum>,
}

pub(super) async fn create_multipart_upload(
    backend: &Backend,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let input = request.input;
    let declared = Declared::parse(
        input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str),
        input.checksum_type.as_ref().map(ChecksumType::as_str),
    )?;
    let headers: ObjectHeaders = object_headers!(input);
    let headers = headers.to_json()?;
    backend.require_bucket(&input.bucket).await?;
    // Version 7 sorts by time, which is the order that ListMultipartUploads owes within a key.
    let s3_upload_id = uuid::Uuid::now_v7().simple().to_string();
    let mut write = backend.db.write().await.or_internal()?;
    let upload = uploads::NewUpload {
        s3_upload_id: &s3_upload_id,
        bucket: &input.bucket,
        key: &input.key,
        headers: &headers,
        declared,
    };
    uploads::create(&mut write, upload).await.or_internal()?;
    write.commit().await.or_internal()?;
    let abort = backend.abort_rules(&input.bucket).await?.due(&input.key, db::now_ms());
    Ok(S3Response::new(CreateMultipartUploadOutput {
        abort_date: abort.as_ref().map(|(due_ms, _)| timestamp(*due_ms)),
        abort_rule_id: abort.and_then(|(_, rule)| rule),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(s3_upload_id),
        checksum_algorithm: declared.map(|declared| declared.algorithm.name().to_owned().into()),
        checksum_type: declared.map(|declared| declared.coverage.name().to_owned().into()),
        ..Default::default()
    }))
}

pub(super) async fn upload_part(
    backend: &Backend,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let input = request.input;
    let number = part_number(input.part_number)?;
    let claims = Claims::parse(&request.headers)?;
    let name = UploadName { bucket: input.bucket, key: input.key, s3_upload_id: input.upload_id };
    // Known before the body is read, so that a useless body is refused early.
    let upload = backend.open_upload(&name).await?;
    let wanted = claims.for_part(upload.declared())?;
    let blob = backend.receive(input.body, claims, wanted, request.trailing_headers).await?;
    let part = backend.commit_part(name, number, blob).await?;
    let mut output = UploadPartOutput { e_tag: Some(strong(&part.etag)), ..Default::default() };
    if let Some(checksum) = part.checksum {
        set_checksum!(output, checksum.algorithm, checksum.to_base64());
    }
    Ok(S3Response::new(output))
}

pub(super) async fn abort_multipart_upload(
    backend: &Backend,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    let name = UploadName { bucket: input.bucket, key: input.key, s3_upload_id: input.upload_id };
    let backend = backend.clone();
    detached(async move {
        let mut write = backend.db.write().await.or_internal()?;
        let upload = find_open(&mut write, &name).await?;
        let files = uploads::delete(&mut write, upload.seq).await.or_internal()?;
        write.commit().await.or_internal()?;
        backend.blobs.retire(files).await;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    })
    .await
}

/// Aborts the open uploads below a prefix that were initiated before a time. Returns how many.
pub(crate) async fn abort_stale(
    backend: &Backend,
    bucket: &str,
    prefix: &str,
    before_ms: i64,
) -> Result<usize, StoreError> {
    let mut write = backend.db.write().await?;
    let stale = uploads::stale(&mut write, bucket, prefix, before_ms).await?;
    let mut files = Vec::new();
    for upload in &stale {
        files.extend(uploads::delete(&mut write, upload.seq).await?);
    }
    write.commit().await?;
    backend.blobs.retire(files).await;
    Ok(stale.len())
}

impl Backend {
    /// The open upload of that name.
    pub(super) async fn open_upload(&self, name: &UploadName) -> S3Result<uploads::Upload> {
        let mut read = self.db.read().await.or_internal()?;
        if !db::buckets::exists(&mut read, &name.bucket).await.or_internal()? {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        find_open(&mut read, name).await
    }

    /// Makes a received file the part of that number, if the upload is still open.
    pub(super) async fn commit_part(
        &self,
        name: UploadName,
        number: u32,
        blob: NewBlob,
    ) -> S3Result<StoredPart> {
        let backend = self.clone();
        detached(async move {
            let part = StoredPart {
                etag: blob.etag(),
                modified_ms: db::now_ms(),
                checksum: blob.digests().checksum.clone(),
            };
            match backend.write_part(&name, number, &blob, part.modified_ms).await {
                Ok(replaced) => {
                    blob.keep();
                    backend.blobs.retire(replaced.into_iter().collect()).await;
                    Ok(part)
                }
                Err(error) => {
                    blob.discard().await;
                    Err(error)
                }
            }
        })
        .await
    }

    async fn write_part(
        &self,
        name: &UploadName,
        number: u32,
        blob: &NewBlob,
        modified_ms: i64,
    ) -> S3Result<Option<String>> {
        let mut write = self.db.write().await.or_internal()?;
        let upload = find_open(&mut write, name).await?;
        let replaced =
            uploads::put_part(&mut write, &upload, number, blob, modified_ms).await.or_internal()?;
        write.commit().await.or_internal()?;
        Ok(replaced)
    }

    /// What the bucket's lifecycle says about incomplete uploads.
    pub(super) async fn abort_rules(&self, bucket: &str) -> S3Result<AbortRules> {
        let mut read = self.db.read().await.or_internal()?;
        let document =
            db::buckets::document(&mut read, bucket, db::buckets::Document::Lifecycle).await.or_internal()?;
        match document.flatten() {
            None => Ok(AbortRules::default()),
            Some(json) => AbortRules::parse(&json).or_internal(),
        }
    }
}

async fn find_open(connection: &mut sqlx::SqliteConnection, name: &UploadName) -> S3Result<uploads::Upload> {
    uploads::find(connection, &name.bucket, &name.key, &name.s3_upload_id)
        .await
        .or_internal()?
        .filter(|upload| upload.answer.is_none())
        .ok_or_else(no_such_upload)
}

pub(super) fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )
}

/// # Errors
/// `InvalidArgument` outside 1..=10,000.
pub(super) fn part_number(number: i32) -> S3Result<u32> {
    u32::try_from(number).ok().filter(|number| (1..=MAX_PARTS).contains(number)).ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and {}, inclusive",
            int(MAX_PARTS)
        )
    })
}
