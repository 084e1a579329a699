//! Multipart uploads: create, complete, abort.

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::types::{
    self, ChecksumAlgorithm as SdkAlgorithm, ChecksumType as SdkType, CompletedMultipartUpload,
    ServerSideEncryption, StorageClass,
};
use time::OffsetDateTime;

use super::call::call;
use super::{Storage, StorageError, StorageErrorKind};
use crate::upload::{
    Checksum, ChecksumAlgorithm, ChecksumType, METADATA_UPLOAD_ID, ObjectChecksum, PartNumber, S3UploadId,
    Upload,
};

/// A part as it goes into the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// Which part.
    pub number: PartNumber,
    /// Its ETag as storage lists it.
    pub etag: String,
    /// Its checksum, where it is known.
    pub checksum: Option<Checksum>,
}

/// A multipart upload that storage has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedMultipart {
    /// Storage's name of it.
    pub id: S3UploadId,
    /// Whether an attempt without an answer came before, which may have opened another one that nobody knows.
    pub may_have_twin: bool,
}

/// A multipart upload that the bucket lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundMultipart {
    /// The key of its object.
    pub key: String,
    /// Storage's name of it.
    pub id: S3UploadId,
    /// When it was opened, by storage's clock.
    pub initiated_at: Option<OffsetDateTime>,
}

/// Where the next page of a listing begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartMarker {
    key: String,
    id: Option<String>,
}

impl Storage {
    /// Opens a multipart upload for the upload's object.
    ///
    /// # Errors
    /// [`StorageError`]; `Unavailable` may leave a multipart upload behind that nobody knows.
    pub async fn create_multipart(&self, upload: &Upload) -> Result<CreatedMultipart, StorageError> {
        const OPERATION: &str = "CreateMultipartUpload";
        ask_model_if_any!(self => model.create_multipart(upload));
        let server_side = &self.settings.server_side;
        let declared = self.settings.profile.declared_checksum(upload.spec.checksum_algorithm);
        let mut request = self
            .client
            .create_multipart_upload()
            .bucket(&upload.spec.bucket)
            .key(upload.spec.key.as_str())
            .content_type(&upload.spec.content_type)
            .metadata(METADATA_UPLOAD_ID, upload.id.to_string())
            .set_checksum_algorithm(declared.and_then(|(kind, _)| sdk_algorithm(kind)))
            .set_checksum_type(declared.map(|(_, checksum_type)| sdk_type(checksum_type)))
            .set_server_side_encryption(server_side.encryption.as_deref().map(ServerSideEncryption::from))
            .set_ssekms_key_id(server_side.kms_key_id.clone())
            .set_storage_class(server_side.storage_class.as_deref().map(StorageClass::from))
            .set_tagging(server_side.tagging.clone());
        for (name, value) in upload.spec.metadata.entries() {
            request = request.metadata(name, value);
        }
        // The SDK does not tell of its repetitions, and each may leave a multipart upload: the first attempt is alone.
        let once = aws_sdk_s3::config::Config::builder().retry_config(RetryConfig::disabled());
        let first = request.clone().customize().config_override(once);
        let (created, may_have_twin) = match call(OPERATION, first.send()).await {
            Ok(created) => (created, false),
            Err(error) if error.kind == StorageErrorKind::Unavailable => {
                (call(OPERATION, request.send()).await?, true)
            }
            Err(error) => return Err(error),
        };
        created
            .upload_id
            .filter(|id| !id.is_empty())
            .map(|id| CreatedMultipart { id: S3UploadId(id), may_have_twin })
            .ok_or_else(|| StorageError::unavailable(OPERATION, "the answer has no upload id"))
    }

    /// Puts the parts together. `expected` is the object's checksum where the parts' combine to one; where storage
    /// does not list those, the one that the client declared, so that storage itself refuses what is not the file.
    ///
    /// # Errors
    /// [`StorageError`]; an answer of 200 with an error inside counts as that error.
    pub async fn complete_multipart(
        &self,
        upload: &Upload,
        s3_upload_id: &S3UploadId,
        parts: &[CompletedPart],
        expected: Option<&ObjectChecksum>,
    ) -> Result<(), StorageError> {
        const OPERATION: &str = "CompleteMultipartUpload";
        ask_model_if_any!(self => model.complete_multipart(self, (upload, s3_upload_id), parts, expected));
        let completed =
            CompletedMultipartUpload::builder().set_parts(Some(parts.iter().map(sdk_part).collect())).build();
        let mut request = self
            .client
            .complete_multipart_upload()
            .bucket(&upload.spec.bucket)
            .key(upload.spec.key.as_str())
            .upload_id(&s3_upload_id.0)
            .multipart_upload(completed)
            .set_mpu_object_size(upload.plan.size_bytes().and_then(|size| i64::try_from(size).ok()));
        if !upload.spec.overwrite && self.settings.profile.conditional_writes {
            request = request.if_none_match("*");
        }
        let declared = declared_checksum(upload);
        let expected = expected.filter(|sum| sum.checksum_type == ChecksumType::FullObject);
        if let Some(expected) = expected.or(declared.as_ref()) {
            // Garage refuses the type without the value, so they go together.
            let value = Some(expected.value.clone());
            request = request.checksum_type(SdkType::FullObject);
            request = match expected.algorithm {
                ChecksumAlgorithm::Crc64nvme => request.set_checksum_crc64_nvme(value),
                ChecksumAlgorithm::Crc32c => request.set_checksum_crc32_c(value),
                ChecksumAlgorithm::Crc32 => request.set_checksum_crc32(value),
                ChecksumAlgorithm::None
                | ChecksumAlgorithm::Sha1
                | ChecksumAlgorithm::Sha256
                | ChecksumAlgorithm::Md5 => request,
            };
        }
        let request = request.customize().config_override(self.complete_limits());
        call(OPERATION, request.send()).await.map(|_| ())
    }

    /// Takes a multipart upload back. One that storage does not know is as good as taken back.
    ///
    /// # Errors
    /// [`StorageError`] when storage does not answer or refuses.
    pub async fn abort_multipart(&self, key: &str, s3_upload_id: &S3UploadId) -> Result<(), StorageError> {
        const OPERATION: &str = "AbortMultipartUpload";
        ask_model_if_any!(self => model.abort_multipart(key, s3_upload_id));
        let request =
            self.client.abort_multipart_upload().bucket(self.bucket()).key(key).upload_id(&s3_upload_id.0);
        let aborted = call(OPERATION, request.send()).await;
        match aborted {
            Err(error) if error.kind != StorageErrorKind::NoSuchUpload => Err(error),
            _ => Ok(()),
        }
    }

    /// The multipart uploads at a key. MinIO lists by exact key only, so a key is what can be asked for everywhere.
    ///
    /// # Errors
    /// [`StorageError`] when storage does not answer or refuses.
    pub async fn multiparts_at(&self, key: &str) -> Result<Vec<S3UploadId>, StorageError> {
        ask_model_if_any!(self => model.multiparts_at(key));
        let request = self.client.list_multipart_uploads().bucket(self.bucket()).prefix(key);
        let listed = call("ListMultipartUploads", request.send()).await?;
        let at_key = listed.uploads().iter().filter(|found| found.key() == Some(key));
        Ok(at_key.filter_map(|found| found.upload_id()).map(|id| S3UploadId(id.to_owned())).collect())
    }

    /// A page of all multipart uploads under a prefix, and where the next one begins. MinIO answers an empty page to
    /// any prefix that is not a whole key.
    ///
    /// # Errors
    /// [`StorageError`] when storage does not answer or refuses.
    pub async fn multiparts_under(
        &self,
        prefix: &str,
        after: Option<MultipartMarker>,
    ) -> Result<(Vec<FoundMultipart>, Option<MultipartMarker>), StorageError> {
        ask_model_if_any!(self => model.multiparts_under(prefix));
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(self.bucket())
            .set_prefix(Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty()))
            .set_key_marker(after.as_ref().map(|after| after.key.clone()))
            .set_upload_id_marker(after.as_ref().and_then(|after| after.id.clone()));
        let page = call("ListMultipartUploads", request.send()).await?;
        let found: Vec<_> = page.uploads().iter().filter_map(found_multipart).collect();
        let next = (page.is_truncated() == Some(true)).then(|| match page.next_key_marker() {
            Some(key) => Some((key.to_owned(), page.next_upload_id_marker().map(str::to_owned))),
            // SeaweedFS leaves the marker out, and does not sort.
            None => found.iter().map(|found| (found.key.clone(), None)).max(),
        });
        let next = next.flatten().map(|(key, id)| MultipartMarker { key, id });
        // A store that repeats its marker would be read for ever.
        Ok((found, next.filter(|next| after.as_ref() != Some(next))))
    }

    /// Whether storage still holds anything of a multipart upload.
    ///
    /// # Errors
    /// [`StorageError`] when storage does not answer or refuses.
    pub async fn multipart_exists(&self, key: &str, s3_upload_id: &S3UploadId) -> Result<bool, StorageError> {
        ask_model_if_any!(self => model.multipart_exists(key, s3_upload_id));
        let request =
            self.client.list_parts().bucket(self.bucket()).key(key).upload_id(&s3_upload_id.0).max_parts(1);
        let listed = call("ListParts", request.send()).await;
        match listed {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::NoSuchUpload => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn found_multipart(upload: &types::MultipartUpload) -> Option<FoundMultipart> {
    let initiated_at =
        upload.initiated().and_then(|time| OffsetDateTime::from_unix_timestamp(time.secs()).ok());
    let id = S3UploadId(upload.upload_id()?.to_owned());
    Some(FoundMultipart { key: upload.key()?.to_owned(), id, initiated_at })
}

/// The whole object's checksum as the client declared it; only kinds that cover the whole object can be declared.
fn declared_checksum(upload: &Upload) -> Option<ObjectChecksum> {
    upload.checksum.map(|checksum| ObjectChecksum {
        algorithm: checksum.algorithm(),
        checksum_type: ChecksumType::FullObject,
        value: checksum.to_base64(),
    })
}

fn sdk_algorithm(algorithm: ChecksumAlgorithm) -> Option<SdkAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::None | ChecksumAlgorithm::Md5 => None,
        ChecksumAlgorithm::Crc64nvme => Some(SdkAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Crc32c => Some(SdkAlgorithm::Crc32C),
        ChecksumAlgorithm::Crc32 => Some(SdkAlgorithm::Crc32),
        ChecksumAlgorithm::Sha1 => Some(SdkAlgorithm::Sha1),
        ChecksumAlgorithm::Sha256 => Some(SdkAlgorithm::Sha256),
    }
}

fn sdk_type(checksum_type: ChecksumType) -> SdkType {
    match checksum_type {
        ChecksumType::FullObject => SdkType::FullObject,
        ChecksumType::Composite => SdkType::Composite,
    }
}

/// MinIO wants the checksum of every part of a checksummed upload again, AWS that of composite ones.
fn sdk_part(part: &CompletedPart) -> types::CompletedPart {
    let builder =
        types::CompletedPart::builder().part_number(part.number.value() as i32).e_tag(part.etag.clone());
    let Some(checksum) = part.checksum else { return builder.build() };
    let value = Some(checksum.to_base64());
    match checksum.algorithm() {
        ChecksumAlgorithm::None | ChecksumAlgorithm::Md5 => builder,
        ChecksumAlgorithm::Crc64nvme => builder.set_checksum_crc64_nvme(value),
        ChecksumAlgorithm::Crc32c => builder.set_checksum_crc32_c(value),
        ChecksumAlgorithm::Crc32 => builder.set_checksum_crc32(value),
        ChecksumAlgorithm::Sha1 => builder.set_checksum_sha1(value),
        ChecksumAlgorithm::Sha256 => builder.set_checksum_sha256(value),
    }
    .build()
}
