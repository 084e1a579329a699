//! Whole objects, and bytes that go through the gateway.

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{ChecksumMode, ChecksumType as SdkType};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;
use sync_wrapper::SyncStream;

use super::call::call;
use super::{Storage, StorageError, StorageErrorKind};
use crate::upload::{
    Checksum, ChecksumAlgorithm, ChecksumType, METADATA_UPLOAD_ID, ObjectChecksum, ObjectProof, PartNumber,
    S3UploadId, Upload,
};

/// The bytes of a proxied part with their length and their checksum, of the upload's algorithm.
#[derive(Debug)]
pub struct PartBody {
    body: SdkBody,
    size_bytes: u64,
    checksum: Option<Checksum>,
}

impl PartBody {
    /// A body of exactly `size_bytes`, sent as it arrives. The stream must fail rather than end early.
    pub fn from_stream<S, E>(stream: S, size_bytes: u64, checksum: Option<Checksum>) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        // The SDK wants a body that may be shared between threads; it never is, and SyncStream proves that.
        let frames = SyncStream::new(stream.map_ok(Frame::data));
        Self { body: SdkBody::from_body_1_x(StreamBody::new(frames)), size_bytes, checksum }
    }
}

/// Where proxied bytes go.
#[derive(Debug, Clone, Copy)]
pub enum ProxiedTarget<'a> {
    /// Into a multipart upload.
    Part(&'a S3UploadId, PartNumber),
    /// They are the whole object.
    Object,
}

/// An object's bytes as they come back from storage.
#[derive(Debug)]
pub struct StoredBody(ByteStream);

#[cfg(test)]
impl From<Bytes> for StoredBody {
    fn from(bytes: Bytes) -> Self {
        Self(ByteStream::from(bytes))
    }
}

impl StoredBody {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// [`StorageError`] when storage breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        self.0.try_next().await.map_err(|error| StorageError::unavailable("GetObject", error.to_string()))
    }
}

impl Storage {
    /// What is at the upload's key; none when nothing is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn head(&self, upload: &Upload) -> Result<Option<ObjectProof>, StorageError> {
        ask_model_if_any!(self => model.head(upload));
        let request = self
            .client
            .head_object()
            .bucket(&upload.spec.bucket)
            .key(upload.spec.key.as_str())
            .checksum_mode(ChecksumMode::Enabled);
        let answer = call("HeadObject", request.send()).await;
        match answer {
            Ok(object) => Ok(Some(proof(&object))),
            Err(error) if error.kind == StorageErrorKind::NoSuchObject => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores an empty object at the upload's key.
    ///
    /// # Errors
    /// [`StorageError`]; `PreconditionFailed` when something is there that may not be replaced.
    pub async fn put_empty(&self, upload: &Upload) -> Result<(), StorageError> {
        ask_model_if_any!(self => model.put_empty(self, upload));
        let body = PartBody { body: SdkBody::empty(), size_bytes: 0, checksum: None };
        let usual = aws_sdk_s3::config::Config::builder();
        self.put_object(upload, body, usual).await.map(|_| ())
    }

    /// Sends bytes to storage in the gateway's own name; answers the ETag.
    ///
    /// # Errors
    /// [`StorageError`]; never retried, because the bytes cannot be had twice.
    pub async fn put_proxied(
        &self,
        upload: &Upload,
        target: ProxiedTarget<'_>,
        body: PartBody,
    ) -> Result<String, StorageError> {
        ask_model_if_any!(self => model.put_proxied(upload, target, body));
        match target {
            ProxiedTarget::Part(s3_upload_id, number) => {
                self.put_part(upload, s3_upload_id, number, body).await
            }
            ProxiedTarget::Object => self.put_object(upload, body, self.patient()).await,
        }
    }

    async fn put_part(
        &self,
        upload: &Upload,
        s3_upload_id: &S3UploadId,
        number: PartNumber,
        part: PartBody,
    ) -> Result<String, StorageError> {
        let header = upload.spec.checksum_algorithm.header().zip(part.checksum);
        let headers = header.map(|(name, checksum)| (name.to_owned(), checksum.to_base64()));
        let request = self
            .client
            .upload_part()
            .bucket(&upload.spec.bucket)
            .key(upload.spec.key.as_str())
            .upload_id(&s3_upload_id.0)
            .part_number(number.value() as i32)
            .content_length(i64::try_from(part.size_bytes).unwrap_or(i64::MAX))
            .body(ByteStream::new(part.body))
            .customize()
            .mutate_request(move |request| add_headers(request, headers.iter()))
            .disable_payload_signing()
            .config_override(self.patient());
        let stored = call("UploadPart", request.send()).await?;
        Ok(stored.e_tag.unwrap_or_default())
    }

    async fn put_object(
        &self,
        upload: &Upload,
        object: PartBody,
        limits: Builder,
    ) -> Result<String, StorageError> {
        // The same headers as a client's signed PUT, so that the object is the same whoever sent it.
        let headers = self.put_headers(upload, object.checksum);
        let request = self
            .client
            .put_object()
            .bucket(&upload.spec.bucket)
            .key(upload.spec.key.as_str())
            .content_length(i64::try_from(object.size_bytes).unwrap_or(i64::MAX))
            .body(ByteStream::new(object.body))
            .customize()
            .mutate_request(move |request| add_headers(request, headers.iter()))
            .disable_payload_signing()
            .config_override(limits);
        let stored = call("PutObject", request.send()).await?;
        Ok(stored.e_tag.unwrap_or_default())
    }

    /// The bytes of an object, of that version where there is one.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn read(&self, upload: &Upload, version: Option<&str>) -> Result<StoredBody, StorageError> {
        ask_model_if_any!(self => model.read(upload));
        let request = self
            .client
            .get_object()
            .bucket(&upload.spec.bucket)
            .key(upload.spec.key.as_str())
            .set_version_id(version.map(str::to_owned));
        let answer = call("GetObject", request.send()).await?;
        Ok(StoredBody(answer.body))
    }

    /// Deletes the object at the upload's key, that version where there is one.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn delete(&self, upload: &Upload, version: Option<&str>) -> Result<(), StorageError> {
        ask_model_if_any!(self => model.delete(upload));
        let request = self
            .client
            .delete_object()
            .bucket(&upload.spec.bucket)
            .key(upload.spec.key.as_str())
            .set_version_id(version.map(str::to_owned));
        let deleted = call("DeleteObject", request.send()).await;
        match deleted {
            Err(error) if error.kind != StorageErrorKind::NoSuchObject => Err(error),
            _ => Ok(()),
        }
    }
}

fn add_headers<'a>(request: &mut HttpRequest, headers: impl Iterator<Item = &'a (String, String)>) {
    for (name, value) in headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
}

pub(super) fn proof(object: &HeadObjectOutput) -> ObjectProof {
    let upload_id = object.metadata().and_then(|metadata| metadata.get(METADATA_UPLOAD_ID));
    ObjectProof {
        upload_id: upload_id.cloned(),
        size_bytes: object.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        etag: object.e_tag().unwrap_or_default().to_owned(),
        // A bucket that once kept versions says "null" for objects without one.
        version_id: object.version_id().filter(|version| *version != "null").map(str::to_owned),
        checksum: object_checksum(object),
    }
}

fn object_checksum(object: &HeadObjectOutput) -> Option<ObjectChecksum> {
    let (algorithm, value) = [
        (ChecksumAlgorithm::Crc64nvme, object.checksum_crc64_nvme()),
        (ChecksumAlgorithm::Crc32c, object.checksum_crc32_c()),
        (ChecksumAlgorithm::Crc32, object.checksum_crc32()),
        (ChecksumAlgorithm::Sha1, object.checksum_sha1()),
        (ChecksumAlgorithm::Sha256, object.checksum_sha256()),
    ]
    .into_iter()
    .find_map(|(algorithm, value)| Some((algorithm, value?)))?;
    let checksum_type = match object.checksum_type() {
        Some(SdkType::Composite) => ChecksumType::Composite,
        Some(SdkType::FullObject) => ChecksumType::FullObject,
        // Older stores do not say; only composite values carry the number of parts.
        _ if value.contains('-') => ChecksumType::Composite,
        _ => ChecksumType::FullObject,
    };
    Some(ObjectChecksum { algorithm, checksum_type, value: value.to_owned() })
}
