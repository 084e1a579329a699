//! Storage as a plain value, for the model: the service's calls, put as questions to a [`Bucket`].
//!
//! `service::model_tests::conformance` holds it against the embedded store.

mod bucket;
mod habits;

use bytes::Bytes;

use self::bucket::{Answer, Ending, Parts};
use super::{
    CompletedPart, CreatedMultipart, FoundMultipart, MultipartMarker, PartBody, ProxiedTarget, Storage,
    StorageError, StorageErrorKind, StoredBody,
};
use crate::model::{Effect, NoAnswer, Port, Value};
use crate::upload::{
    ChecksumAlgorithm, ChecksumType, ListedPart, ObjectChecksum, ObjectProof, PartSet, S3UploadId, Upload,
};

pub(crate) use bucket::{Bucket, Object, Write, checksum_of};
pub(crate) use habits::{
    AWS, Completion, Conditions, DEVSTORE, GARAGE, Habits, Listing, MINIO, NO_LISTING, PartChecksums, SEAWEED,
};

/// Storage that asks a [`Port`]. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ModelStorage(Port<Bucket>);

impl Storage {
    /// This storage with a model in the place of the store; URLs are signed as ever.
    pub(crate) fn with_model(&self, port: Port<Bucket>) -> Self {
        Self { model: Some(ModelStorage(port)), ..self.clone() }
    }

    fn write_of(&self, upload: &Upload) -> Write {
        let is_exclusive = !upload.spec.overwrite && self.settings.profile.conditional_writes;
        if is_exclusive { Write::Create } else { Write::Replace }
    }
}

impl ModelStorage {
    async fn ask<T: Value + Clone + PartialEq>(
        &self,
        (operation, effect): (&'static str, Effect),
        detail: String,
        act: impl Fn(&mut Bucket) -> Answer<T> + Send + Sync + 'static,
    ) -> Result<T, StorageError> {
        let answer = self.0.ask(effect, format!("{operation} {detail}"), act).await;
        let answer = answer.unwrap_or_else(|none| {
            Err(match none {
                NoAnswer::Silence => StorageErrorKind::Unavailable,
                NoAnswer::Refusal => StorageErrorKind::Rejected,
            })
        });
        answer.map_err(|kind| StorageError { operation, kind, detail: "the model says so".to_owned() })
    }

    pub(super) async fn check(&self) -> Result<(), StorageError> {
        self.ask(("HeadBucket", Effect::Reads), String::new(), |_| Ok(())).await
    }

    pub(super) async fn head(&self, upload: &Upload) -> Result<Option<ObjectProof>, StorageError> {
        let key = upload.spec.key.as_str().to_owned();
        self.ask(("HeadObject", Effect::Reads), String::new(), move |bucket| Ok(bucket.head(&key))).await
    }

    pub(super) async fn put_empty(&self, storage: &Storage, upload: &Upload) -> Result<(), StorageError> {
        let (key, owner) = (upload.spec.key.as_str().to_owned(), upload.id.to_string());
        let (kind, write) = (upload.spec.checksum_algorithm, storage.write_of(upload));
        let text = format!("{key} empty {write:?}");
        self.ask(("PutObject", Effect::Writes), text, move |bucket| {
            bucket.put_object(&key, Some(&owner), ("", kind), write).map(|_| ())
        })
        .await
    }

    /// Proxied bytes are not modelled: a proxied part is a part like any other.
    pub(super) async fn put_proxied(
        &self,
        _: &Upload,
        _: ProxiedTarget<'_>,
        _: PartBody,
    ) -> Result<String, StorageError> {
        Err(StorageError::rejected("UploadPart", "not modelled"))
    }

    pub(super) async fn read(&self, upload: &Upload) -> Result<StoredBody, StorageError> {
        let key = upload.spec.key.as_str().to_owned();
        let read = move |bucket: &mut Bucket| {
            let object = bucket.objects.get(&key).ok_or(StorageErrorKind::NoSuchObject)?;
            Ok(object.content.clone())
        };
        let content = self.ask(("GetObject", Effect::Reads), String::new(), read).await?;
        Ok(StoredBody::from(Bytes::from(content)))
    }

    pub(super) async fn delete(&self, upload: &Upload) -> Result<(), StorageError> {
        let key = upload.spec.key.as_str().to_owned();
        self.ask(("DeleteObject", Effect::Writes), key.clone(), move |bucket| {
            bucket.objects.remove(&key);
            Ok(())
        })
        .await
    }

    /// As the real one: an attempt without an answer is repeated once.
    pub(super) async fn create_multipart(&self, upload: &Upload) -> Result<CreatedMultipart, StorageError> {
        match self.create_once(upload).await {
            Ok(id) => Ok(CreatedMultipart { id, may_have_twin: false }),
            Err(error) if error.kind == StorageErrorKind::Unavailable => {
                Ok(CreatedMultipart { id: self.create_once(upload).await?, may_have_twin: true })
            }
            Err(error) => Err(error),
        }
    }

    async fn create_once(&self, upload: &Upload) -> Result<S3UploadId, StorageError> {
        let (key, owner) = (upload.spec.key.as_str().to_owned(), upload.id.to_string());
        let kind = upload.spec.checksum_algorithm;
        let text = format!("{key} for {owner}");
        self.ask(("CreateMultipartUpload", Effect::Writes), text, move |bucket| {
            Ok(S3UploadId(bucket.create(&key, &owner, kind)))
        })
        .await
    }

    pub(super) async fn complete_multipart(
        &self,
        storage: &Storage,
        (upload, s3_upload_id): (&Upload, &S3UploadId),
        parts: &[CompletedPart],
        expected: Option<&ObjectChecksum>,
    ) -> Result<(), StorageError> {
        let (key, id) = (upload.spec.key.as_str().to_owned(), s3_upload_id.0.clone());
        let expected = expected.filter(|sum| sum.checksum_type == ChecksumType::FullObject).cloned();
        let parts: Vec<_> = parts.iter().map(|part| (part.number.value(), part.etag.clone())).collect();
        let etags: Vec<_> = parts.iter().map(|(number, etag)| format!("{number}:{etag}")).collect();
        let completion = Parts { parts, expected, write: storage.write_of(upload) };
        let text = format!("{key} {id} of {} {:?}", etags.join(" "), completion.write);
        self.ask(("CompleteMultipartUpload", Effect::Writes), text, move |bucket| {
            bucket.complete(&key, &id, &completion)
        })
        .await
    }

    pub(super) async fn abort_multipart(
        &self,
        key: &str,
        s3_upload_id: &S3UploadId,
    ) -> Result<(), StorageError> {
        let (key, id) = (key.to_owned(), s3_upload_id.0.clone());
        let text = format!("{key} {id}");
        self.ask(("AbortMultipartUpload", Effect::Writes), text, move |bucket| {
            // 204 or 404 for an unknown one: both are "gone" to our caller.
            if bucket.find(&key, &id).is_ok() {
                bucket.end(&id, Ending::Aborted);
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn multiparts_at(&self, key: &str) -> Result<Vec<S3UploadId>, StorageError> {
        let key = key.to_owned();
        let list = move |bucket: &mut Bucket| bucket.multiparts_at(&key);
        self.ask(("ListMultipartUploads", Effect::Reads), String::new(), list).await
    }

    /// All at once: a model has no pages.
    pub(super) async fn multiparts_under(
        &self,
        prefix: &str,
    ) -> Result<(Vec<FoundMultipart>, Option<MultipartMarker>), StorageError> {
        let prefix = prefix.to_owned();
        let list = move |bucket: &mut Bucket| bucket.multiparts_under(&prefix);
        let found =
            self.ask(("ListMultipartUploads", Effect::Reads), "of the bucket".to_owned(), list).await?;
        Ok((found, None))
    }

    pub(super) async fn list_parts(
        &self,
        key: &str,
        s3_upload_id: &S3UploadId,
        _: ChecksumAlgorithm,
        _: &PartSet,
    ) -> Result<Vec<ListedPart>, StorageError> {
        let (key, id) = (key.to_owned(), s3_upload_id.0.clone());
        let list = move |bucket: &mut Bucket| bucket.list_parts(&key, &id);
        self.ask(("ListParts", Effect::Reads), s3_upload_id.0.clone(), list).await
    }

    pub(super) async fn multipart_exists(&self, key: &str, id: &S3UploadId) -> Result<bool, StorageError> {
        match self.list_parts(key, id, ChecksumAlgorithm::None, &PartSet::new()).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::NoSuchUpload => Ok(false),
            Err(error) => Err(error),
        }
    }
}
