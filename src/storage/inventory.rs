//! What the bucket holds, for whoever has lost the list of it.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use time::OffsetDateTime;

use super::objects::proof;
use super::{Storage, StorageError, StorageErrorKind};
use crate::upload::{ChecksumAlgorithm, METADATA_UPLOAD_ID, Metadata, S3UploadId, StoredObject};

/// An object that the bucket lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundObject {
    /// Its key.
    pub key: String,
    /// When it was stored, where storage says so.
    pub modified_at: Option<OffsetDateTime>,
}

/// Where the next page of a listing of objects begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMarker(String);

impl Storage {
    /// A page of at most 1,000 objects under a prefix, in the order of their keys, and where the next one begins.
    ///
    /// # Errors
    /// [`StorageError`] when storage does not answer or refuses.
    pub async fn objects_under(
        &self,
        prefix: &str,
        after: Option<ObjectMarker>,
    ) -> Result<(Vec<FoundObject>, Option<ObjectMarker>), StorageError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(self.bucket())
            .set_prefix(Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty()))
            .set_continuation_token(after.as_ref().map(|after| after.0.clone()))
            .send()
            .await
            .map_err(|error| StorageError::from_sdk("ListObjectsV2", error))?;
        let found = page.contents().iter().filter_map(|object| {
            let modified_at = object.last_modified().and_then(|at| time_of(at.secs()));
            Some(FoundObject { key: object.key()?.to_owned(), modified_at })
        });
        let next = page.next_continuation_token().filter(|_| page.is_truncated() == Some(true));
        let next = next.map(|token| ObjectMarker(token.to_owned()));
        // A store that repeats its marker would be read for ever.
        Ok((found.collect(), next.filter(|next| after.as_ref() != Some(next))))
    }

    /// All that a HEAD tells of the object at a key; none when nothing is there.
    ///
    /// # Errors
    /// [`StorageError`] when storage does not answer or refuses.
    pub async fn describe(&self, key: &str) -> Result<Option<StoredObject>, StorageError> {
        let answer = self
            .client
            .head_object()
            .bucket(self.bucket())
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| StorageError::from_sdk("HeadObject", error));
        match answer {
            Ok(object) => Ok(Some(described(&object))),
            Err(error) if error.kind == StorageErrorKind::NoSuchObject => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the parts of a multipart upload are protected, as its first part tells. `None` where there is no part, and
    /// on stores that do not list checksums (SeaweedFS 4.48).
    ///
    /// # Errors
    /// [`StorageError`]; `NoSuchUpload` when storage does not know the multipart upload.
    pub async fn checksum_kind_of(
        &self,
        key: &str,
        s3_upload_id: &S3UploadId,
    ) -> Result<ChecksumAlgorithm, StorageError> {
        let page = self
            .client
            .list_parts()
            .bucket(self.bucket())
            .key(key)
            .upload_id(&s3_upload_id.0)
            .max_parts(1)
            .send()
            .await
            .map_err(|error| StorageError::from_sdk("ListParts", error))?;
        let Some(part) = page.parts().first() else { return Ok(ChecksumAlgorithm::None) };
        let kinds = [
            (ChecksumAlgorithm::Crc64nvme, part.checksum_crc64_nvme()),
            (ChecksumAlgorithm::Crc32c, part.checksum_crc32_c()),
            (ChecksumAlgorithm::Crc32, part.checksum_crc32()),
            (ChecksumAlgorithm::Sha1, part.checksum_sha1()),
            (ChecksumAlgorithm::Sha256, part.checksum_sha256()),
        ];
        let kind = kinds.into_iter().find(|(_, checksum)| checksum.is_some());
        Ok(kind.map_or(ChecksumAlgorithm::None, |(kind, _)| kind))
    }
}

fn described(object: &HeadObjectOutput) -> StoredObject {
    let entries = object.metadata().into_iter().flatten();
    let theirs = entries.filter(|(name, _)| *name != METADATA_UPLOAD_ID);
    StoredObject {
        content_type: object.content_type().map(str::to_owned),
        // What another program has put there need not keep to our rules, and nothing depends on it.
        metadata: Metadata::new(theirs.map(|(name, value)| (name.clone(), value.clone())))
            .unwrap_or_default(),
        proof: proof(object),
        modified_at: object
            .last_modified()
            .and_then(|at| time_of(at.secs()))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH),
    }
}

fn time_of(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}
