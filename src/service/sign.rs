//! Signs a window of parts, and takes the report of the last one in the same call.

use std::time::Instant;

use time::OffsetDateTime;

use super::requested::{PartToSend, claims, parts_to_send};
use super::signed::{Requests, SignedWindow};
use super::{Principal, RequestedPart, Service, ServiceError, StoredClaim, count_received, require};
use crate::access::Role;
use crate::storage::{StorageErrorKind, UrlWindow};
use crate::store::{ReceivedParts, Written};
use crate::upload::{PartRecord, Refusal, S3UploadId, Transfer, Upload, UploadId};

/// Signed parts of an upload, and how far it is.
pub struct SignedBatch {
    /// The upload.
    pub upload: Upload,
    /// The parts, in the order asked.
    pub parts: SignedWindow,
    /// Until when the URLs work.
    pub expires_at: OffsetDateTime,
    /// What need not be sent again.
    pub received: ReceivedParts,
}

impl Service {
    /// Signs parts and remembers reported ones.
    ///
    /// # Errors
    /// [`ServiceError`]: the upload is not open, a part is not of this upload, storage or database are out of reach.
    #[tracing::instrument(level = "debug", name = "sign", skip_all)]
    pub async fn sign(
        &self,
        principal: &Principal,
        id: UploadId,
        parts: &[RequestedPart],
        stored: &[StoredClaim],
    ) -> Result<SignedBatch, ServiceError> {
        require(principal, &[Role::Upload])?;
        let (upload, mut received) = self.load_with_progress(principal, id).await?;
        upload.check_takes_parts(self.clock.now())?;
        let limit = self.rules.sign_limit;
        let claims = claims(&upload, stored, limit);
        let wanted = parts_to_send(&upload, parts, self.part_limits(principal));
        let (claims, wanted) = both(claims, wanted)?;
        let upload = self.ensure_open(upload).await?;
        self.reserve(principal, &upload, &wanted).await?;
        let records: Vec<_> = claims.into_iter().map(PartRecord::reported).collect();
        if let Some(recorded) = self.store.record_parts(id, &records, self.clock.now()).await? {
            received = recorded.received;
        }
        count_received("reported", &records);
        let (parts, expires_at) = self.sign_resolved(principal, &upload, wanted).await?;
        Ok(SignedBatch { upload, parts, expires_at, received })
    }

    /// Signs parts that were held against the upload.
    pub(super) async fn sign_resolved(
        &self,
        principal: &Principal,
        upload: &Upload,
        wanted: Vec<PartToSend>,
    ) -> Result<(SignedWindow, OffsetDateTime), ServiceError> {
        let window = self.url_window(principal);
        let started = Instant::now();
        let (requests, expires_at) = self.sign_requests(upload, &wanted, window).await?;
        let signed = SignedWindow::new(wanted, requests);
        if !signed.is_empty() {
            metrics::histogram!("partgate_sign_duration_seconds").record(started.elapsed());
        }
        // The row must know it before the URL can be used: abort has to outlast it.
        if upload.spec.transfer == Transfer::Put
            && self.store.extend_urls(upload.id, expires_at).await? == Written::Conflict
        {
            self.reload(upload.id).await?.check_takes_parts(window.now)?;
            return Err(ServiceError::Busy);
        }
        metrics::counter!("partgate_urls_signed_total").increment(signed.len() as u64);
        Ok((signed, expires_at))
    }

    async fn sign_requests(
        &self,
        upload: &Upload,
        wanted: &[PartToSend],
        window: UrlWindow,
    ) -> Result<(Requests, OffsetDateTime), ServiceError> {
        let storage = self.storage_of(upload)?;
        match (&upload.spec.transfer, &upload.s3_upload_id, wanted) {
            (Transfer::Put, _, [part]) => {
                let (request, until) = storage.sign_put(upload, part.checksum, window).await?;
                Ok((Requests::Put(request), until))
            }
            (Transfer::Multipart, Some(s3_upload_id), _) => {
                let parts = wanted.iter().map(|part| (part.number, part.span.size_bytes, part.checksum));
                let (signed, until) = storage.sign_batch(upload, s3_upload_id, parts, window).await?;
                Ok((Requests::Parts(signed), until))
            }
            // A file that is one PUT has one part, so no more of them can be wanted.
            (Transfer::Put | Transfer::Empty, _, _) | (Transfer::Multipart, None, _) => {
                Ok((Requests::Empty, window.now + window.ttl))
            }
        }
    }

    /// An upload that storage knows: one whose opening was cut off is opened now.
    pub(super) async fn ensure_open(&self, upload: Upload) -> Result<Upload, ServiceError> {
        if upload.spec.transfer != Transfer::Multipart || upload.s3_upload_id.is_some() {
            return Ok(upload);
        }
        // Its future is large, and hardly any call needs it.
        Box::pin(self.open_multipart(upload, Opening::Again)).await
    }

    /// Opens a (new) multipart upload behind the same id.
    pub(super) async fn open_multipart(
        &self,
        upload: Upload,
        opening: Opening,
    ) -> Result<Upload, ServiceError> {
        let replaced = upload.s3_upload_id.clone();
        // Once somebody else has opened it, what they wrote stands.
        let is_ours_to_open = |current: &Upload| {
            if current.s3_upload_id == replaced { Ok(()) } else { Err(Refusal::Closed(current.state)) }
        };
        let upload = match opening {
            Opening::First => upload,
            // Invariant: the intent is written before storage acts. Without it nobody would look for what we open,
            // should we die before we can write it down and the upload be completed by means of another.
            Opening::Again => {
                let opening = |current: &Upload, now| {
                    is_ours_to_open(current)?;
                    current.opening_again(now)
                };
                match self.transition(upload.clone(), opening).await {
                    Ok(upload) => upload,
                    Err(ServiceError::Closed(_)) => return self.opened_by_another(upload.id).await,
                    Err(error) => return Err(error),
                }
            }
        };
        let created = self.storage_of(&upload)?.create_multipart(&upload).await?;
        let s3_upload_id = created.id;
        let may_have_twins = created.may_have_twin || opening == Opening::Again;
        let opened = self
            .transition(upload.clone(), |current, now| {
                is_ours_to_open(current)?;
                let opened = current.opened(s3_upload_id.clone(), now)?;
                Ok(if may_have_twins { opened.with_twins() } else { opened })
            })
            .await;
        if let Ok(opened) = opened {
            if may_have_twins && let Err(error) = self.abort_strays(&opened).await {
                tracing::warn!(upload.id = %opened.id, %error, "lost multipart uploads are left to the sweep");
            }
            return Ok(opened);
        }
        match self.not_opened(&upload, s3_upload_id).await? {
            current if current.s3_upload_id.is_some() => Ok(current),
            _ => opened,
        }
    }

    /// A multipart upload of ours that could not be written down: somebody was faster, or the database is away.
    async fn not_opened(&self, upload: &Upload, s3_upload_id: S3UploadId) -> Result<Upload, ServiceError> {
        let current = self.reload(upload.id).await?;
        if current.s3_upload_id.as_ref() == Some(&s3_upload_id) {
            // Written after all: only the database's answer was lost, and clients may have begun to send to it.
            current.check_takes_parts(self.clock.now())?;
            return Ok(current);
        }
        // Ours is not written anywhere, so nobody else would ever take it back.
        let aborted = self.storage_of(upload)?.abort_multipart(upload.spec.key.as_str(), &s3_upload_id).await;
        if let Err(error) = aborted
            && error.kind != StorageErrorKind::NoSuchUpload
        {
            tracing::warn!(upload.id = %upload.id, %error, "a second multipart upload could not be aborted");
        }
        self.opened_by_another(upload.id).await
    }

    async fn opened_by_another(&self, id: UploadId) -> Result<Upload, ServiceError> {
        let current = self.reload(id).await?;
        current.check_takes_parts(self.clock.now())?;
        Ok(current)
    }
}

/// Whether a multipart upload may have been opened for the upload before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// By this call for the first time.
    First,
    /// Perhaps: by a call that was cut off, or in place of one that storage lost.
    Again,
}

/// Both results, or the bad fields of both.
fn both<A, B>(
    first: Result<A, ServiceError>,
    second: Result<B, ServiceError>,
) -> Result<(A, B), ServiceError> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(ServiceError::Invalid(mut problems)), Err(ServiceError::Invalid(more))) => {
            problems.extend(more);
            Err(ServiceError::Invalid(problems))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}
