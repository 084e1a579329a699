//! Parts for clients that cannot reach storage: bytes stream through, nothing is kept.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;

use super::refresh::is_ours;
use super::requested::parts_to_send;
use super::{Principal, RequestedPart, Service, ServiceError, count_received, require};
use crate::access::Role;
use crate::storage::{PartBody, ProxiedTarget, StorageErrorKind};
use crate::upload::{ChecksumAlgorithm, PartEvidence, PartNumber, PartRecord, Transfer, Upload, UploadId};

/// Why a body broke off, as the HTTP server says it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A part's bytes as a client sends them.
pub struct ProxiedBody {
    /// The bytes as they arrive.
    pub bytes: BoxStream<'static, Result<Bytes, BoxError>>,
    /// How many there are, where the client says so.
    pub content_length: Option<u64>,
    /// Their checksums, base64: some HTTP libraries add one of their own choice.
    pub checksums: Vec<(ChecksumAlgorithm, String)>,
}

impl ProxiedBody {
    /// The checksum of this kind; else any, which is then refused with the reason.
    fn checksum(&self, kind: ChecksumAlgorithm) -> Option<String> {
        let of_kind = self.checksums.iter().find(|(given, _)| *given == kind);
        of_kind.or(self.checksums.first()).map(|(_, text)| text.clone())
    }
}

/// A part that storage accepted from us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxiedResult {
    /// Which part.
    pub number: PartNumber,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its ETag, quotes included.
    pub etag: String,
}

impl Service {
    /// Sends a part's bytes on to storage as they arrive. Repeating it replaces the part with the same bytes.
    ///
    /// # Errors
    /// [`ServiceError`]: the part is not of this upload, its length or checksum is wrong, storage is out of reach.
    /// A good part that is there already stays.
    #[tracing::instrument(level = "debug", name = "proxy", skip_all)]
    pub async fn proxy_part(
        &self,
        principal: &Principal,
        id: UploadId,
        number: u32,
        body: ProxiedBody,
    ) -> Result<ProxiedResult, ServiceError> {
        require(principal, &[Role::Upload])?;
        let upload = self.load(principal, id).await?;
        upload.check_takes_parts(self.clock.now())?;
        let checksum = body.checksum(upload.spec.checksum_algorithm);
        let requested = RequestedPart { number, checksum, size_bytes: body.content_length };
        let resolved =
            parts_to_send(&upload, &[requested], self.part_limits(principal)).map_err(named_for_proxy)?;
        let [part] = resolved[..] else { return Err(ServiceError::NotFound) };
        let upload = self.ensure_open(upload).await?;
        self.reserve(principal, &upload, &[part]).await?;
        let expected_bytes = part.span.size_bytes;
        let broken = Arc::new(AtomicBool::new(false));
        let bytes = ExactLength { inner: body.bytes, left: expected_bytes, broken: Arc::clone(&broken) };
        let body = PartBody::from_stream(bytes, expected_bytes, part.checksum);
        let etag = match self.send(&upload, part.number, body).await {
            Err(_) if broken.load(Ordering::Acquire) => return Err(ServiceError::BodyBroken),
            other => other?,
        };
        let record = PartRecord {
            number: part.number,
            size_bytes: expected_bytes,
            etag: Some(etag.clone()),
            checksum: part.checksum,
            evidence: PartEvidence::Listed,
        };
        let records = [record];
        self.store.record_parts(id, &records, self.clock.now()).await?;
        count_received("proxied", &records);
        Ok(ProxiedResult { number: part.number, size_bytes: expected_bytes, etag })
    }

    async fn send(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: PartBody,
    ) -> Result<String, ServiceError> {
        let target = match (upload.spec.transfer, &upload.s3_upload_id) {
            (Transfer::Multipart, Some(s3_upload_id)) => ProxiedTarget::Part(s3_upload_id, number),
            (Transfer::Put | Transfer::Empty | Transfer::Multipart, _) => ProxiedTarget::Object,
        };
        match self.storage_of(upload)?.put_proxied(upload, target, body).await {
            Err(error) if error.kind == StorageErrorKind::PreconditionFailed => {
                match self.storage_of(upload)?.head(upload).await? {
                    Some(object) if is_ours(upload, &object) => Ok(object.etag),
                    _ => Err(ServiceError::ObjectExists),
                }
            }
            Err(error) if error.kind == StorageErrorKind::NoSuchUpload => {
                // The bytes are spent; the client's repetition finds a new multipart upload.
                self.recover_lost(upload.clone()).await?;
                Err(ServiceError::Busy)
            }
            other => Ok(other?),
        }
    }
}

/// In a proxied part the fields are a path segment and headers.
fn named_for_proxy(error: ServiceError) -> ServiceError {
    let ServiceError::Invalid(mut problems) = error else { return error };
    for problem in &mut problems {
        problem.field = match problem.field.rsplit('.').next() {
            Some("size") => "header.Content-Length".to_owned(),
            Some("checksum") => "header.x-amz-checksum-* (or Content-MD5)".to_owned(),
            _ => "path.number".to_owned(),
        };
    }
    ServiceError::Invalid(problems)
}

/// Passes exactly so many bytes, and fails the request to storage when the sender gives more or fewer.
struct ExactLength {
    inner: BoxStream<'static, Result<Bytes, BoxError>>,
    left: u64,
    broken: Arc<AtomicBool>,
}

impl ExactLength {
    fn fail(&self, error: BoxError) -> Poll<Option<Result<Bytes, BoxError>>> {
        self.broken.store(true, Ordering::Release);
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for ExactLength {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::task::ready!(self.inner.as_mut().poll_next(context)) {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left => {
                self.left -= bytes.len() as u64;
                metrics::counter!("partgate_proxied_bytes_total").increment(bytes.len() as u64);
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Ok(_)) => self.fail("more bytes than the part has".into()),
            Some(Err(error)) => self.fail(error),
            None if self.left > 0 => self.fail("fewer bytes than the part has".into()),
            None => Poll::Ready(None),
        }
    }
}
