//! The S3 operations: one file per capability, one line per operation here.

mod attributes;
mod buckets;
mod complete;
mod convert;
mod copy;
mod listing;
mod multipart;
mod objects;
mod pager;
mod read;
mod receive;

use std::future::Future;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use crate::blob::BlobStore;
use crate::db::{self, Database};
use crate::error::StoreError;

pub(crate) use buckets::ensure;
pub(crate) use multipart::abort_stale;

/// What every operation works on; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) db: Database,
    pub(crate) blobs: BlobStore,
    pub(crate) region: String,
    pub(crate) min_part_size_bytes: u64,
}

impl Backend {
    /// Fails with `NoSuchBucket` if there is none of that name.
    async fn require_bucket(&self, name: &str) -> S3Result<()> {
        let mut read = self.db.read().await.or_internal()?;
        if db::buckets::exists(&mut read, name).await.or_internal()? {
            Ok(())
        } else {
            Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
        }
    }
}

/// Runs a write to its end even if the client goes away and its request is dropped in the middle:
/// otherwise files and rows could part company between a commit and the clean-up after it.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = S3Result<T>> + Send + 'static,
) -> S3Result<T> {
    tokio::spawn(work).await.or_internal()?
}

/// Turns failures of the disk and the database into S3's InternalError.
trait OrInternal<T> {
    fn or_internal(self) -> S3Result<T>;
}

impl<T, E: Into<StoreError>> OrInternal<T> for Result<T, E> {
    fn or_internal(self) -> S3Result<T> {
        self.map_err(|error| error.into().into())
    }
}

/// Each operation is named once more than S3 itself names it: a method of s3s's trait cannot live in
/// several files, so it hands over to a function of the same name.
macro_rules! operations {
    ($($room:ident::$operation:ident($input:ty) -> $output:ty;)*) => {
        #[async_trait::async_trait]
        impl S3 for Backend {
            $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $room::$operation(self, request).await
            })*
        }
    };
}

operations! {
    buckets::create_bucket(CreateBucketInput) -> CreateBucketOutput;
    buckets::head_bucket(HeadBucketInput) -> HeadBucketOutput;
    buckets::delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    buckets::list_buckets(ListBucketsInput) -> ListBucketsOutput;
    buckets::get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    buckets::get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    buckets::put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput;
    buckets::get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput;
    buckets::delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput;
    buckets::put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput;
    buckets::get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput;
    buckets::delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput;
    buckets::put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput;
    buckets::get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput;
    buckets::delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput;
    objects::put_object(PutObjectInput) -> PutObjectOutput;
    objects::get_object(GetObjectInput) -> GetObjectOutput;
    objects::head_object(HeadObjectInput) -> HeadObjectOutput;
    attributes::get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput;
    objects::delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    objects::delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    copy::copy_object(CopyObjectInput) -> CopyObjectOutput;
    copy::upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    listing::list_objects(ListObjectsInput) -> ListObjectsOutput;
    listing::list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    listing::list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    listing::list_parts(ListPartsInput) -> ListPartsOutput;
    multipart::create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    multipart::upload_part(UploadPartInput) -> UploadPartOutput;
    multipart::abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    complete::complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
}
