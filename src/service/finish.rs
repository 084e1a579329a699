//! The work of a completion: ask storage, state the intent, put together, prove, state the outcome.
//!
//! Every step may be repeated, by this gateway or another, after any crash: what storage has is looked at before it
//! is believed or acted on.

use std::sync::atomic::AtomicU64;

use super::complete::{check_declaration, expected_checksum, is_whole};
use super::read_back::ReadBack;
use super::refresh::{Purpose, is_ours};
use super::{Service, ServiceError};
use crate::storage::{CompletedPart, StorageError, StorageErrorKind};
use crate::store::Written;
use crate::upload::{
    ChecksumType, Declaration, Failure, ObjectChecksum, ObjectProof, Outcome, PartRecord, PartSet,
    ProofError, State, Transfer, Upload, UploadId, reconcile,
};

/// What storage made of the request to put the parts together.
enum Assembled {
    /// It says the object is there.
    Maybe,
    /// It will not do it, for this reason; the upload is open again.
    Refused(ServiceError),
}

impl Service {
    /// Brings an upload from whatever state it is in to `completed`, or says why not.
    pub(super) async fn finish(
        &self,
        id: UploadId,
        declaration: Declaration,
    ) -> Result<Upload, ServiceError> {
        for _ in 0..super::MAX_CONFLICTS {
            let upload = self.reload(id).await?;
            match upload.state {
                State::Completed => return Ok(upload),
                State::Completing if upload.is_leased(self.clock.now()) => {
                    self.wait_for_another(&upload).await?;
                }
                State::Completing => {
                    let Some(upload) = self.take_lease(upload).await? else { continue };
                    let work = async |verified: &AtomicU64| {
                        let records = self.records_of_completing(&upload).await?;
                        Box::pin(self.put_together(upload.clone(), records, verified)).await
                    };
                    match self.leased(&upload, work).await {
                        // Another gateway has moved it on in between: what it is now decides.
                        Err(ServiceError::Closed(_)) => {}
                        finished => return finished,
                    }
                }
                State::Failed => {
                    let detail = upload.failure.map_or_else(String::new, |failure| failure.detail);
                    return Err(ServiceError::ChecksumMismatch(detail));
                }
                State::Aborting | State::Aborted | State::Expired => {
                    return Err(ServiceError::Gone(upload.state));
                }
                State::Creating | State::Open => {
                    let upload = self.ensure_open(upload).await?;
                    let declared = check_declaration(&upload, &declaration)?;
                    let version = declared.version;
                    let (ready, records) = match self.check_parts(declared).await {
                        // What storage said may be of an upload that somebody has aborted or finished since.
                        Err(_) if self.reload(id).await?.version != version => continue,
                        checked => checked?,
                    };
                    let next = ready.completing(self.clock.now())?;
                    if self.store.update(&next).await? == Written::Conflict {
                        continue;
                    }
                    let work = async |verified: &AtomicU64| {
                        Box::pin(self.put_together(next.clone(), records.clone(), verified)).await
                    };
                    match self.leased(&next, work).await {
                        Err(ServiceError::Closed(_)) => {}
                        finished => return finished,
                    }
                }
            }
        }
        Err(ServiceError::Busy)
    }

    /// Asks storage whether every part is there and as declared. Invariant: what a client reports is a hint;
    /// storage's list is what complete acts on. It is answered with the upload, because a report that arrives late
    /// may overwrite it in the database.
    async fn check_parts(&self, declared: Upload) -> Result<(Upload, Vec<PartRecord>), ServiceError> {
        let total = declared.plan.total_parts().unwrap_or(0);
        if total == 0 {
            self.check_holds_no_parts(&declared).await?;
            return Ok((self.check_key_is_free(declared).await?, Vec::new()));
        }
        let refreshed = self.refresh(declared, Purpose::Completion).await?;
        if refreshed.finished {
            let records = self.records_of_completing(&refreshed.upload).await?;
            return Ok((refreshed.upload, records));
        }
        if refreshed.key_taken {
            return Err(ServiceError::ObjectExists);
        }
        if !refreshed.mismatches.is_empty() {
            return Err(ServiceError::PartMismatch(refreshed.mismatches));
        }
        let received: PartSet = refreshed.records.iter().map(|record| record.number).collect();
        let missing = received.missing(total);
        if !missing.is_empty() {
            return Err(ServiceError::PartsMissing(missing));
        }
        check_declared_checksum(&refreshed.upload, &refreshed.records)?;
        if refreshed.upload.spec.transfer == Transfer::Put {
            return Ok((refreshed.upload, refreshed.records));
        }
        Ok((self.check_key_is_free(refreshed.upload).await?, refreshed.records))
    }

    /// A stream that is declared empty although storage has parts of it would lose them.
    async fn check_holds_no_parts(&self, declared: &Upload) -> Result<(), ServiceError> {
        let refreshed = self.refresh(declared.clone(), Purpose::Completion).await?;
        if refreshed.mismatches.is_empty() {
            Ok(())
        } else {
            Err(ServiceError::PartMismatch(refreshed.mismatches))
        }
    }

    /// The parts of an upload that somebody else began to complete, as the database has them; as storage lists them
    /// where a late report has overwritten that.
    async fn records_of_completing(&self, upload: &Upload) -> Result<Vec<PartRecord>, ServiceError> {
        let kind = upload.spec.checksum_algorithm;
        let records = self.store.parts(upload.id, kind).await?;
        let is_usable = is_whole(upload, &records) && records.iter().all(|record| record.etag.is_some());
        let (Some(s3_upload_id), Transfer::Multipart, false) =
            (&upload.s3_upload_id, upload.spec.transfer, is_usable)
        else {
            return Ok(records);
        };
        let known = records.iter().map(|record| record.number).collect();
        match self.storage_of(upload)?.list_parts(upload.spec.key.as_str(), s3_upload_id, kind, &known).await
        {
            Ok(listed) => Ok(reconcile(&upload.plan, &records, &listed).records),
            // Put together already: the object at the key tells.
            Err(error) if error.kind == StorageErrorKind::NoSuchUpload => Ok(records),
            Err(error) => Err(error.into()),
        }
    }

    /// Our own look, for stores that ignore `If-None-Match`.
    async fn check_key_is_free(&self, upload: Upload) -> Result<Upload, ServiceError> {
        if upload.spec.overwrite || self.storage.profile().conditional_writes {
            return Ok(upload);
        }
        match self.storage_of(&upload)?.head(&upload).await? {
            Some(object) if !is_ours(&upload, &object) => Err(ServiceError::ObjectExists),
            _ => Ok(upload),
        }
    }

    async fn put_together(
        &self,
        upload: Upload,
        records: Vec<PartRecord>,
        verified: &AtomicU64,
    ) -> Result<Upload, ServiceError> {
        let expected = expected_checksum(&upload, &records);
        if let Assembled::Refused(error) = self.assemble(&upload, &records, expected.as_ref()).await? {
            return Err(error);
        }
        match self.storage_of(&upload)?.head(&upload).await? {
            Some(object) => self.conclude(upload, object, (expected.as_ref(), verified)).await,
            // Said to be there and not there: not proven, so not said. The next call looks again.
            None => {
                self.reopen(upload).await?;
                let error = StorageError {
                    operation: "HeadObject",
                    kind: StorageErrorKind::Unavailable,
                    detail: "the object is not at its key although storage accepted it".to_owned(),
                };
                Err(error.into())
            }
        }
    }

    async fn assemble(
        &self,
        upload: &Upload,
        records: &[PartRecord],
        expected: Option<&ObjectChecksum>,
    ) -> Result<Assembled, ServiceError> {
        let done = match (upload.spec.transfer, &upload.s3_upload_id) {
            // Nothing to put together: the client's PUT made the object.
            (Transfer::Put, _) => Ok(()),
            (Transfer::Empty, _) => self.storage_of(upload)?.put_empty(upload).await,
            // A stream that turned out to be empty: there is no multipart upload without parts.
            (Transfer::Multipart, s3_upload_id) if upload.plan.total_parts() == Some(0) => {
                if let Some(s3_upload_id) = s3_upload_id {
                    self.storage_of(upload)?.abort_multipart(upload.spec.key.as_str(), s3_upload_id).await?;
                }
                self.storage_of(upload)?.put_empty(upload).await
            }
            // Put together already, with parts that nobody knows any more: the object at the key tells.
            (Transfer::Multipart, Some(_)) if !is_whole(upload, records) => Ok(()),
            (Transfer::Multipart, Some(s3_upload_id)) => {
                let parts: Vec<_> = records.iter().filter_map(completed_part).collect();
                self.storage_of(upload)?.complete_multipart(upload, s3_upload_id, &parts, expected).await
            }
            (Transfer::Multipart, None) => Ok(()),
        };
        let Err(error) = done else { return Ok(Assembled::Maybe) };
        match error.kind {
            // Finished before (MinIO forgets the upload, AWS finds the key taken by it), or lost, or not ours:
            // the object at the key tells.
            StorageErrorKind::NoSuchUpload | StorageErrorKind::PreconditionFailed => {
                self.look_at_key(upload, error).await
            }
            StorageErrorKind::InvalidPart | StorageErrorKind::BadDigest => {
                tracing::warn!(upload.id = %upload.id, %error, "storage refused the parts that it lists");
                let upload = self.reopen(upload.clone()).await?;
                Ok(Assembled::Refused(self.why_refused(upload, error).await?))
            }
            StorageErrorKind::Rejected | StorageErrorKind::NoSuchObject | StorageErrorKind::BodyBroken => {
                self.reopen(upload.clone()).await?;
                Ok(Assembled::Refused(error.into()))
            }
            // Storage may have done it: the upload stays `completing`, and whoever comes next looks again.
            StorageErrorKind::Unavailable => Err(error.into()),
        }
    }

    async fn look_at_key(&self, upload: &Upload, error: StorageError) -> Result<Assembled, ServiceError> {
        match self.storage_of(upload)?.head(upload).await? {
            Some(object) if is_ours(upload, &object) => Ok(Assembled::Maybe),
            Some(_) if error.kind == StorageErrorKind::PreconditionFailed => {
                self.reopen(upload.clone()).await?;
                Ok(Assembled::Refused(ServiceError::ObjectExists))
            }
            _ => {
                let upload = self.reopen(upload.clone()).await?;
                Ok(Assembled::Refused(self.why_refused(upload, error).await?))
            }
        }
    }

    async fn reopen(&self, upload: Upload) -> Result<Upload, ServiceError> {
        self.transition(upload, |current, now| current.back_to_open(now)).await
    }

    /// Asks storage which parts it objects to.
    async fn why_refused(&self, upload: Upload, error: StorageError) -> Result<ServiceError, ServiceError> {
        let total = upload.plan.total_parts().unwrap_or(0);
        let refreshed = self.refresh(upload, Purpose::Progress).await?;
        if !refreshed.mismatches.is_empty() {
            return Ok(ServiceError::PartMismatch(refreshed.mismatches));
        }
        let received: PartSet = refreshed.records.iter().map(|record| record.number).collect();
        let missing = received.missing(total);
        if missing.is_empty() { Ok(error.into()) } else { Ok(ServiceError::PartsMissing(missing)) }
    }

    /// Invariant: `completed` is said only of an object that was seen to be ours, of its size and checksum.
    pub(super) async fn conclude(
        &self,
        upload: Upload,
        object: ObjectProof,
        (expected, verified): (Option<&ObjectChecksum>, &AtomicU64),
    ) -> Result<Upload, ServiceError> {
        match upload.prove(&object, expected) {
            Ok(()) => {}
            Err(ProofError::Foreign) => {
                self.reopen(upload).await?;
                return Err(ServiceError::ObjectExists);
            }
            Err(wrong @ (ProofError::Size { .. } | ProofError::Checksum { .. })) => {
                return self.fail(upload, &object, wrong.to_string()).await;
            }
        }
        let sha256 = match self.read_back(&upload, &object, verified).await? {
            ReadBack::Proven(sha256) => sha256,
            ReadBack::Wrong(detail) => return self.fail(upload, &object, detail).await,
        };
        let outcome = Outcome {
            etag: object.etag,
            version_id: object.version_id,
            size_bytes: object.size_bytes,
            checksum: object.checksum,
            sha256,
            completed_at: self.clock.now(),
        };
        let completed =
            self.transition(upload.clone(), |current, now| current.completed(outcome.clone(), now));
        match completed.await {
            // Another gateway was faster with the same object: its answer is the answer.
            Err(ServiceError::Closed(State::Completed)) => self.reload(upload.id).await,
            Err(error) => Err(error),
            Ok(completed) => {
                // Only by the one whose write counted: a race must not count the bytes twice.
                metrics::counter!("partgate_bytes_completed_total").increment(outcome.size_bytes);
                Ok(completed)
            }
        }
    }

    /// The object is proven wrong: the upload has failed, and it (that version of it) is deleted.
    ///
    /// In this order, because another gateway may have proven otherwise: only the one whose verdict stands acts on
    /// it. What is not deleted now the sweep deletes.
    async fn fail(
        &self,
        upload: Upload,
        object: &ObjectProof,
        detail: String,
    ) -> Result<Upload, ServiceError> {
        tracing::error!(upload.id = %upload.id, detail, "the finished object is not the declared one; deleting it");
        let failure = Failure { code: "checksum_mismatch".to_owned(), detail: detail.clone() };
        let failed = self.transition(upload, |current, now| current.failed(failure.clone(), now)).await?;
        let deleted = async {
            self.storage_of(&failed)?.delete(&failed, object.version_id.as_deref()).await?;
            self.look_again(failed.clone()).await
        };
        if let Err(error) = deleted.await {
            tracing::warn!(upload.id = %failed.id, %error, "the wrong object is left to the sweep");
        }
        Err(ServiceError::ChecksumMismatch(detail))
    }
}

/// A declared checksum that the parts' own checksums contradict is refused before anything is put together.
fn check_declared_checksum(upload: &Upload, records: &[PartRecord]) -> Result<(), ServiceError> {
    let Some(declared) = upload.checksum else { return Ok(()) };
    let Some(expected) = expected_checksum(upload, records) else { return Ok(()) };
    let declared = declared.to_base64();
    if expected.checksum_type == ChecksumType::FullObject && expected.value != declared {
        return Err(ServiceError::ChecksumMismatch(format!(
            "the stored parts make {}, declared was {declared}; send the wrong parts again or abort",
            expected.value
        )));
    }
    Ok(())
}

fn completed_part(record: &PartRecord) -> Option<CompletedPart> {
    Some(CompletedPart { number: record.number, etag: record.etag.clone()?, checksum: record.checksum })
}
