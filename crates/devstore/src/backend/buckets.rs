//! Buckets and their configurations: CORS, lifecycle, public access block.

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::convert::timestamp;
use super::{Backend, OrInternal as _, detached};
use crate::db::buckets::{self as rows, Document};
use crate::db::uploads;
use crate::error::StoreError;

/// The CORS rule of a bucket that `dev` makes: any page may upload to it and read what S3 clients need.
fn permissive() -> CORSConfiguration {
    let strings = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    CORSConfiguration {
        cors_rules: vec![CORSRule {
            allowed_headers: Some(strings(&["*"])),
            allowed_methods: strings(&["GET", "PUT", "HEAD"]),
            allowed_origins: strings(&["*"]),
            // Browsers know no wildcard inside a name, so each header is named.
            expose_headers: Some(strings(&[
                "ETag",
                "x-amz-version-id",
                "x-amz-request-id",
                "x-amz-checksum-crc32",
                "x-amz-checksum-crc32c",
                "x-amz-checksum-crc64nvme",
                "x-amz-checksum-sha1",
                "x-amz-checksum-sha256",
                "x-amz-checksum-type",
            ])),
            id: Some("dev".to_owned()),
            max_age_seconds: Some(3000),
        }],
    }
}

/// Makes the bucket with the [`permissive`] rule unless it is there already.
pub(crate) async fn ensure(backend: &Backend, name: &str) -> Result<(), StoreError> {
    if !s3s::path::check_bucket_name(name) {
        return Err(StoreError::BucketName(name.to_owned()));
    }
    let mut write = backend.db.write().await?;
    if rows::create(&mut write, name).await? {
        let cors = serde_json::to_string(&permissive())?;
        rows::set_document(&mut write, name, Document::Cors, Some(&cors)).await?;
    }
    write.commit().await?;
    Ok(())
}

pub(super) async fn create_bucket(
    backend: &Backend,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let name = request.input.bucket;
    let mut write = backend.db.write().await.or_internal()?;
    if !rows::create(&mut write, &name).await.or_internal()? {
        return Err(s3_error!(
            BucketAlreadyOwnedByYou,
            "Your previous request to create the named bucket succeeded and you already own it."
        ));
    }
    write.commit().await.or_internal()?;
    Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{name}")) }))
}

pub(super) async fn head_bucket(
    backend: &Backend,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    backend.require_bucket(&request.input.bucket).await?;
    Ok(S3Response::new(HeadBucketOutput {
        bucket_region: Some(backend.region.clone()),
        ..Default::default()
    }))
}

pub(super) async fn delete_bucket(
    backend: &Backend,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let name = request.input.bucket;
    backend.require_bucket(&name).await?;
    let backend = backend.clone();
    detached(async move {
        let mut write = backend.db.write().await.or_internal()?;
        if rows::in_use(&mut write, &name).await.or_internal()? {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        let files = uploads::delete_bucket(&mut write, &name).await.or_internal()?;
        rows::delete(&mut write, &name).await.or_internal()?;
        write.commit().await.or_internal()?;
        backend.blobs.retire(files).await;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    })
    .await
}

pub(super) async fn list_buckets(
    backend: &Backend,
    _request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let mut read = backend.db.read().await.or_internal()?;
    let buckets = rows::list(&mut read).await.or_internal()?;
    let buckets = buckets.into_iter().map(|bucket| Bucket {
        name: Some(bucket.name),
        creation_date: Some(timestamp(bucket.created_ms)),
        ..Default::default()
    });
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        owner: Some(Owner { display_name: None, id: Some("devstore".to_owned()) }),
        ..Default::default()
    }))
}

pub(super) async fn get_bucket_location(
    backend: &Backend,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    backend.require_bucket(&request.input.bucket).await?;
    // S3's oldest region is written as nothing.
    let region = Some(backend.region.clone()).filter(|region| region != "us-east-1");
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint: region.map(Into::into) }))
}

/// Versioning was never turned on, which S3 says by saying nothing.
pub(super) async fn get_bucket_versioning(
    backend: &Backend,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    backend.require_bucket(&request.input.bucket).await?;
    Ok(S3Response::new(GetBucketVersioningOutput::default()))
}

pub(super) async fn put_bucket_cors(
    backend: &Backend,
    request: S3Request<PutBucketCorsInput>,
) -> S3Result<S3Response<PutBucketCorsOutput>> {
    let configuration = request.input.cors_configuration;
    check_cors(&configuration)?;
    backend.set_document(&request.input.bucket, Document::Cors, Some(&configuration)).await?;
    Ok(S3Response::new(PutBucketCorsOutput::default()))
}

pub(super) async fn get_bucket_cors(
    backend: &Backend,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    let configuration: CORSConfiguration = backend
        .document(&request.input.bucket, Document::Cors)
        .await?
        .ok_or_else(|| s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"))?;
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(configuration.cors_rules) }))
}

pub(super) async fn delete_bucket_cors(
    backend: &Backend,
    request: S3Request<DeleteBucketCorsInput>,
) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
    backend.set_document::<()>(&request.input.bucket, Document::Cors, None).await?;
    Ok(S3Response::new(DeleteBucketCorsOutput::default()))
}

pub(super) async fn put_bucket_lifecycle_configuration(
    backend: &Backend,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
    let configuration = request.input.lifecycle_configuration.ok_or_else(malformed)?;
    if configuration.rules.is_empty() {
        return Err(malformed());
    }
    let days = |rule: &LifecycleRule| rule.abort_incomplete_multipart_upload.as_ref()?.days_after_initiation;
    if configuration.rules.iter().filter_map(days).any(|days| days < 1) {
        return Err(s3_error!(
            InvalidArgument,
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"
        ));
    }
    backend.set_document(&request.input.bucket, Document::Lifecycle, Some(&configuration)).await?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
}

pub(super) async fn get_bucket_lifecycle_configuration(
    backend: &Backend,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    let configuration: BucketLifecycleConfiguration =
        backend.document(&request.input.bucket, Document::Lifecycle).await?.ok_or_else(|| {
            s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist")
        })?;
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules: Some(configuration.rules),
        ..Default::default()
    }))
}

pub(super) async fn delete_bucket_lifecycle(
    backend: &Backend,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
    backend.set_document::<()>(&request.input.bucket, Document::Lifecycle, None).await?;
    Ok(S3Response::new(DeleteBucketLifecycleOutput::default()))
}

/// There are neither ACLs nor policies here, so nothing is public and the switches are only remembered.
pub(super) async fn put_public_access_block(
    backend: &Backend,
    request: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
    let PutPublicAccessBlockInput { bucket, public_access_block_configuration: block, .. } = request.input;
    backend.set_document(&bucket, Document::PublicAccessBlock, Some(&block)).await?;
    Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
}

pub(super) async fn get_public_access_block(
    backend: &Backend,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    let block = backend.document(&request.input.bucket, Document::PublicAccessBlock).await?;
    let block: PublicAccessBlockConfiguration = block.ok_or_else(|| {
        // s3s has no name for this code, and so no status.
        let code = S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into());
        let mut error = S3Error::with_message(code, "The public access block configuration was not found");
        error.set_status_code(http::StatusCode::NOT_FOUND);
        error
    })?;
    Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(block) }))
}

pub(super) async fn delete_public_access_block(
    backend: &Backend,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
    backend.set_document::<()>(&request.input.bucket, Document::PublicAccessBlock, None).await?;
    Ok(S3Response::new(DeletePublicAccessBlockOutput::default()))
}

impl Backend {
    async fn set_document<T: Serialize + Sync>(
        &self,
        bucket: &str,
        document: Document,
        content: Option<&T>,
    ) -> S3Result<()> {
        let json = content.map(serde_json::to_string).transpose().or_internal()?;
        let mut write = self.db.write().await.or_internal()?;
        if !rows::set_document(&mut write, bucket, document, json.as_deref()).await.or_internal()? {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        write.commit().await.or_internal()
    }

    async fn document<T: DeserializeOwned>(&self, bucket: &str, document: Document) -> S3Result<Option<T>> {
        let mut read = self.db.read().await.or_internal()?;
        match rows::document(&mut read, bucket, document).await.or_internal()? {
            None => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
            Some(None) => Ok(None),
            Some(Some(json)) => serde_json::from_str(&json).map(Some).or_internal(),
        }
    }
}

fn check_cors(configuration: &CORSConfiguration) -> S3Result<()> {
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>
    if configuration.cors_rules.is_empty() || configuration.cors_rules.len() > 100 {
        return Err(malformed());
    }
    for rule in &configuration.cors_rules {
        if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
            return Err(malformed());
        }
        for method in &rule.allowed_methods {
            if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method.as_str()) {
                return Err(s3_error!(
                    InvalidRequest,
                    "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                ));
            }
        }
        let patterns = rule.allowed_origins.iter().chain(rule.allowed_headers.iter().flatten());
        if let Some(pattern) = patterns.into_iter().find(|pattern| pattern.matches('*').count() > 1) {
            return Err(s3_error!(InvalidRequest, "\"{pattern}\" can not have more than one wildcard."));
        }
    }
    Ok(())
}

fn malformed() -> S3Error {
    s3_error!(
        MalformedXML,
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
}
