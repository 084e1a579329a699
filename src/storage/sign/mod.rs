//! Signed URLs for clients: parts, whole small files, downloads.

mod parts;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Identity, Storage, StorageError};
use crate::sigv4::{
    ChecksumHeader, Method, PartBatch, PresignRequest, SignError, SigningContext, SigningKey, presign,
};
use crate::upload::{Checksum, ChecksumAlgorithm, METADATA_UPLOAD_ID, PartNumber, S3UploadId, Upload};

pub use parts::{SignedPart, SignedParts};

/// From when and for how long a URL works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlWindow {
    /// The time of signing.
    pub now: OffsetDateTime,
    /// The wished lifetime, 1 s to 7 days; cut to that of the credentials.
    pub ttl: Duration,
}

/// A request that a client may send as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The URL: whoever has it may send this request.
    pub url: String,
    /// The headers that must be sent; Content-Length is signed too.
    pub headers: Vec<(String, String)>,
}

impl From<SignedPart<'_>> for SignedRequest {
    fn from(part: SignedPart<'_>) -> Self {
        let header = part.checksum.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { url: part.url.to_owned(), headers: header.into_iter().collect() }
    }
}

impl Storage {
    /// Signs parts of a multipart upload: number, length in bytes and checksum each. Their URLs come in one buffer, so
    /// that a call for a thousand costs a few allocations.
    ///
    /// # Errors
    /// [`StorageError`] when there are no credentials or the settings cannot be signed for.
    pub async fn sign_batch(
        &self,
        upload: &Upload,
        s3_upload_id: &S3UploadId,
        parts: impl ExactSizeIterator<Item = (PartNumber, u64, Option<Checksum>)> + Send,
        window: UrlWindow,
    ) -> Result<(SignedParts, OffsetDateTime), StorageError> {
        let terms = self.terms(&self.signer, window).await?;
        let batch = PartBatch {
            context: self.context(&terms),
            key: upload.spec.key.as_str(),
            s3_upload_id: &s3_upload_id.0,
            checksum_header: checksum_header(upload.spec.checksum_algorithm),
        };
        Ok((SignedParts::sign(&batch, parts).map_err(not_signed)?, terms.until()))
    }

    /// [`Self::sign_batch`] with a request of its own for each part.
    ///
    /// # Errors
    /// As [`Self::sign_batch`].
    pub async fn sign_parts(
        &self,
        upload: &Upload,
        s3_upload_id: &S3UploadId,
        parts: &[(PartNumber, u64, Option<Checksum>)],
        window: UrlWindow,
    ) -> Result<(Vec<SignedRequest>, OffsetDateTime), StorageError> {
        let (signed, until) = self.sign_batch(upload, s3_upload_id, parts.iter().copied(), window).await?;
        Ok((signed.iter().map(SignedRequest::from).collect(), until))
    }

    /// Signs the one PUT of a small file. It can only create: `If-None-Match: *` is among the signed headers.
    ///
    /// # Errors
    /// [`StorageError`] when there are no credentials or the settings cannot be signed for.
    pub async fn sign_put(
        &self,
        upload: &Upload,
        checksum: Option<Checksum>,
        window: UrlWindow,
    ) -> Result<(SignedRequest, OffsetDateTime), StorageError> {
        let terms = self.terms(&self.signer, window).await?;
        let headers = self.put_headers(upload, checksum);
        let length = upload.plan.size_bytes().unwrap_or(0).to_string();
        let signed: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([("content-length", length.as_str())])
            .collect();
        let key = upload.spec.key.as_str();
        let context = self.context(&terms);
        let request = PresignRequest { context, method: Method::Put, key, query: &[], headers: &signed };
        let url = presign(&request).map_err(not_signed)?;
        Ok((SignedRequest { url, headers }, terms.until()))
    }

    /// Signs a GET of a finished object, as a download under its file name. Not as `storage.signer`, which need not be
    /// allowed to read.
    ///
    /// # Errors
    /// [`StorageError`] when there are no credentials or the settings cannot be signed for.
    pub async fn sign_get(
        &self,
        upload: &Upload,
        disposition: &str,
        window: UrlWindow,
    ) -> Result<String, StorageError> {
        let terms = self.terms(&self.identity, window).await?;
        let mut query = vec![("response-content-disposition", disposition)];
        let version = upload.outcome.as_ref().and_then(|outcome| outcome.version_id.as_deref());
        query.extend(version.map(|version| ("versionId", version)));
        let key = upload.spec.key.as_str();
        let context = self.context(&terms);
        presign(&PresignRequest { context, method: Method::Get, key, query: &query, headers: &[] })
            .map_err(not_signed)
    }

    /// The headers of a small file's PUT: what a multipart upload states when it is created.
    pub(super) fn put_headers(&self, upload: &Upload, checksum: Option<Checksum>) -> Vec<(String, String)> {
        let server_side = &self.settings.server_side;
        let mut headers = vec![
            ("content-type".to_owned(), upload.spec.content_type.clone()),
            (format!("x-amz-meta-{METADATA_UPLOAD_ID}"), upload.id.to_string()),
        ];
        if !upload.spec.overwrite && self.settings.profile.conditional_writes {
            headers.push(("if-none-match".to_owned(), "*".to_owned()));
        }
        let metadata = upload.spec.metadata.entries().iter();
        headers.extend(metadata.map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())));
        for (name, value) in [
            ("x-amz-server-side-encryption", &server_side.encryption),
            ("x-amz-server-side-encryption-aws-kms-key-id", &server_side.kms_key_id),
            ("x-amz-storage-class", &server_side.storage_class),
            ("x-amz-tagging", &server_side.tagging),
        ] {
            headers.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
        }
        let header = upload.spec.checksum_algorithm.header().zip(checksum);
        headers.extend(header.map(|(name, checksum)| (name.to_owned(), checksum.to_base64())));
        headers
    }

    /// Invariant: no URL outlives the credentials that signed it.
    async fn terms(&self, identity: &Identity, window: UrlWindow) -> Result<Terms, StorageError> {
        let current = identity.current(window.now).await?;
        let left = current.expires_at.map(|end| Duration::try_from(end - window.now).unwrap_or_default());
        let ttl = left.map_or(window.ttl, |left| window.ttl.min(left));
        let expires = Duration::from_secs(ttl.as_secs());
        if expires.is_zero() {
            return Err(StorageError::unavailable("sign", "the storage credentials have expired"));
        }
        let region = &self.settings.connection.region;
        let key = current.signing_key(region, window.now).map_err(not_signed)?;
        Ok(Terms { key, now: window.now, expires })
    }

    fn context<'a>(&'a self, terms: &'a Terms) -> SigningContext<'a> {
        let Terms { key, now, expires } = terms;
        SigningContext { key, address: &self.public_address, now: *now, expires: *expires }
    }
}

/// As whom, when and for how long the URLs of one call are signed.
struct Terms {
    key: Arc<SigningKey>,
    now: OffsetDateTime,
    expires: Duration,
}

impl Terms {
    /// X-Amz-Date has whole seconds, and the URL's life starts there.
    fn until(&self) -> OffsetDateTime {
        self.now.replace_nanosecond(0).unwrap_or(self.now) + self.expires
    }
}

fn checksum_header(algorithm: ChecksumAlgorithm) -> Option<ChecksumHeader> {
    match algorithm {
        ChecksumAlgorithm::None => None,
        ChecksumAlgorithm::Crc64nvme => Some(ChecksumHeader::Crc64Nvme),
        ChecksumAlgorithm::Crc32c => Some(ChecksumHeader::Crc32c),
        ChecksumAlgorithm::Crc32 => Some(ChecksumHeader::Crc32),
        ChecksumAlgorithm::Sha1 => Some(ChecksumHeader::Sha1),
        ChecksumAlgorithm::Sha256 => Some(ChecksumHeader::Sha256),
        ChecksumAlgorithm::Md5 => Some(ChecksumHeader::ContentMd5),
    }
}

fn not_signed(error: SignError) -> StorageError {
    StorageError::rejected("sign", error.to_string())
}

#[cfg(test)]
mod tests;
