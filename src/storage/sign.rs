//! Signed URLs for clients: parts, whole small files, downloads.

use std::time::Duration;

use time::OffsetDateTime;

use super::identity::Current;
use super::{Storage, StorageError};
use crate::sigv4::{
    ChecksumHeader, Method, PartBatch, PartSigner, PresignRequest, SignError, SigningContext, presign,
};
use crate::upload::{Checksum, ChecksumAlgorithm, METADATA_UPLOAD_ID, PartNumber, S3UploadId, Upload};

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

impl Storage {
    /// Signs parts of a multipart upload: number, length in bytes and checksum each.
    ///
    /// # Errors
    /// [`StorageError`] when there are no credentials or the settings cannot be signed for.
    pub async fn sign_parts(
        &self,
        upload: &Upload,
        s3_upload_id: &S3UploadId,
        parts: &[(PartNumber, u64, Option<Checksum>)],
        window: UrlWindow,
    ) -> Result<(Vec<SignedRequest>, OffsetDateTime), StorageError> {
        let current = self.identity.current(window.now).await?;
        let (context, until) = self.context(&current, window)?;
        let checksum_header = checksum_header(upload.spec.checksum_algorithm);
        let batch = PartBatch {
            context,
            key: upload.spec.key.as_str(),
            s3_upload_id: &s3_upload_id.0,
            checksum_header,
        };
        let signer = PartSigner::new(&batch).map_err(not_signed)?;
        let signed = parts
            .iter()
            .map(|(number, size_bytes, checksum)| {
                let value = checksum.map(Checksum::to_base64);
                let url = signer.sign_part(number.value(), *size_bytes, value.as_deref())?;
                let header = checksum_header.map(|header| header.name().to_owned());
                Ok(SignedRequest { url, headers: header.into_iter().zip(value).collect() })
            })
            .collect::<Result<_, SignError>>()
            .map_err(not_signed)?;
        Ok((signed, until))
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
        let current = self.identity.current(window.now).await?;
        let (context, until) = self.context(&current, window)?;
        let headers = self.put_headers(upload, checksum);
        let length = upload.plan.size_bytes().unwrap_or(0).to_string();
        let signed: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([("content-length", length.as_str())])
            .collect();
        let key = upload.spec.key.as_str();
        let request = PresignRequest { context, method: Method::Put, key, query: &[], headers: &signed };
        let url = presign(&request).map_err(not_signed)?;
        Ok((SignedRequest { url, headers }, until))
    }

    /// Signs a GET of a finished object, as a download under its file name.
    ///
    /// # Errors
    /// [`StorageError`] when there are no credentials or the settings cannot be signed for.
    pub async fn sign_get(
        &self,
        upload: &Upload,
        disposition: &str,
        window: UrlWindow,
    ) -> Result<String, StorageError> {
        let current = self.identity.current(window.now).await?;
        let (context, _) = self.context(&current, window)?;
        let mut query = vec![("response-content-disposition", disposition)];
        let version = upload.outcome.as_ref().and_then(|outcome| outcome.version_id.as_deref());
        query.extend(version.map(|version| ("versionId", version)));
        let key = upload.spec.key.as_str();
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
    fn context<'a>(
        &'a self,
        current: &'a Current,
        window: UrlWindow,
    ) -> Result<(SigningContext<'a>, OffsetDateTime), StorageError> {
        let left = current.expires_at.map(|end| Duration::try_from(end - window.now).unwrap_or_default());
        let ttl = left.map_or(window.ttl, |left| window.ttl.min(left));
        let expires = Duration::from_secs(ttl.as_secs());
        if expires.is_zero() {
            return Err(StorageError::unavailable("sign", "the storage credentials have expired"));
        }
        let context = SigningContext {
            credentials: &current.credentials,
            region: &self.settings.connection.region,
            address: &self.public_address,
            now: window.now,
            expires,
        };
        // X-Amz-Date has whole seconds, and the URL's life starts there.
        let signed_at = window.now.replace_nanosecond(0).unwrap_or(window.now);
        Ok((context, signed_at + expires))
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
mod tests {
    use std::time::SystemTime;

    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
    use time::macros::datetime;

    use super::super::{
        Connection, Identity, ServerSide, StaticKeys, StorageSettings, StoreProfile, TimeLimits,
    };
    use super::*;
    use crate::sigv4::AddressingStyle;

    // Thursday, 1 January 2026, 12:00 UTC.
    const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

    fn connection() -> Connection {
        let keys = StaticKeys { access_key_id: "id".into(), secret_access_key: "secret".into() };
        Connection {
            endpoint: Some("http://minio:9000".into()),
            public_endpoint: Some("http://localhost:9000".into()),
            region: "us-east-1".into(),
            bucket: "b".into(),
            style: AddressingStyle::Path,
            keys: Some(keys),
            signer: None,
        }
    }

    async fn storage_at(connection: Connection) -> Storage {
        let settings = StorageSettings {
            connection,
            server_side: ServerSide::default(),
            profile: StoreProfile::default(),
            time_limits: TimeLimits::default(),
        };
        Storage::connect(settings).await.unwrap()
    }

    async fn storage_with_credentials_for(life: Duration) -> Storage {
        let storage = storage_at(connection()).await;
        let end = SystemTime::from(NOW + life);
        let credentials = Credentials::new("id", "secret", Some("token".into()), Some(end), "test");
        Storage { identity: Identity::new(SharedCredentialsProvider::new(credentials)), ..storage }
    }

    #[tokio::test]
    async fn no_url_outlives_the_credentials() {
        let hour = Duration::from_secs(3600);
        for (life, ttl, expected) in [(hour * 2, hour, hour), (hour, hour * 2, hour)] {
            let storage = storage_with_credentials_for(life).await;
            let current = storage.identity.current(NOW).await.unwrap();
            let (context, until) = storage.context(&current, UrlWindow { now: NOW, ttl }).unwrap();
            assert_eq!((context.expires, until), (expected, NOW + expected));
        }
    }

    #[tokio::test]
    async fn expired_credentials_sign_nothing() {
        let storage = storage_with_credentials_for(Duration::from_millis(500)).await;
        let current = storage.identity.current(NOW).await.unwrap();
        assert!(storage.context(&current, UrlWindow { now: NOW, ttl: Duration::from_secs(60) }).is_err());
    }

    #[tokio::test]
    async fn urls_are_for_the_public_endpoint() {
        let storage = storage_with_credentials_for(Duration::from_secs(3600)).await;
        assert_eq!(storage.object_url("a b"), "http://localhost:9000/b/a%20b");
    }

    async fn signed_part(storage: &Storage) -> String {
        let current = storage.identity.current(NOW).await.unwrap();
        let window = UrlWindow { now: NOW, ttl: Duration::from_secs(60) };
        let (context, _) = storage.context(&current, window).unwrap();
        let batch = PartBatch { context, key: "k", s3_upload_id: "u", checksum_header: None };
        PartSigner::new(&batch).unwrap().sign_part(1, 5, None).unwrap()
    }

    #[tokio::test]
    async fn every_url_begins_with_the_public_origin() {
        let public = |endpoint: &str| Connection { public_endpoint: Some(endpoint.into()), ..connection() };
        let aws = Connection { endpoint: None, public_endpoint: None, ..connection() };
        let virtual_host = |connection| Connection { style: AddressingStyle::VirtualHost, ..connection };
        for (connection, expected) in [
            (connection(), "http://localhost:9000"),
            (Connection { public_endpoint: None, ..connection() }, "http://minio:9000"),
            (public("https://Files.Example:443/s3"), "https://files.example"),
            (public("http://[0:0::1]:9000"), "http://[::1]:9000"),
            (virtual_host(public("https://files.example:8443")), "https://b.files.example:8443"),
            (aws.clone(), "https://s3.us-east-1.amazonaws.com"),
            (virtual_host(aws), "https://b.s3.us-east-1.amazonaws.com"),
        ] {
            let storage = storage_at(connection).await;
            assert_eq!(storage.public_origin(), expected);
            let signed = signed_part(&storage).await;
            assert!(signed.starts_with(&format!("{expected}/")), "{signed} is not at {expected}");
        }
    }
}
