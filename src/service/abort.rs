//! Takes an upload back: the intent first, then storage, until storage holds nothing of it.

use super::refresh::is_ours;
use super::{Principal, Service, ServiceError, require};
use crate::access::Role;
use crate::storage::{StorageError, StorageErrorKind};
use crate::upload::{AbortReason, S3UploadId, State, Transfer, Upload, UploadId};

/// A part that is under way when a multipart upload is aborted may land after it, so the abort is repeated
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>).
const ABORT_ROUNDS: usize = 3;

impl Service {
    /// Takes an upload back. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::Closed`] for an upload that is completing or completed.
    #[tracing::instrument(level = "debug", name = "abort", skip_all)]
    pub async fn abort(&self, principal: &Principal, id: UploadId) -> Result<(), ServiceError> {
        require(principal, &[Role::Upload, Role::Admin])?;
        let upload = self.load(principal, id).await?;
        if upload.state == State::Failed {
            return Ok(());
        }
        match self.begin_abort(upload, AbortReason::Requested).await {
            Err(ServiceError::Gone(_)) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Writes the intent, then acts on it; what storage does not do now the sweep repeats.
    pub(super) async fn begin_abort(
        &self,
        upload: Upload,
        reason: AbortReason,
    ) -> Result<Upload, ServiceError> {
        let aborting = self.transition(upload, |current, now| current.aborting(reason, now)).await?;
        // Read anew: a URL may have been signed between our look and our write, none can be any more.
        let aborting = self.reload(aborting.id).await?;
        match self.take_back(aborting.clone()).await {
            Ok(upload) => Ok(upload),
            Err(error) => {
                tracing::warn!(upload.id = %aborting.id, %error, "abort is left to the sweep");
                Ok(aborting)
            }
        }
    }

    /// Acts on an abort: afterwards the upload is `aborted` or `expired`, or still `aborting` where bytes may
    /// yet arrive.
    pub(super) async fn take_back(&self, upload: Upload) -> Result<Upload, ServiceError> {
        let is_gone = match upload.spec.transfer {
            Transfer::Empty => true,
            Transfer::Put => {
                self.take_back_object(&upload).await?;
                // A signed PUT works until it expires, so the key has to be looked at once more after that.
                !upload.has_live_urls(self.clock.now())
            }
            Transfer::Multipart => {
                let is_gone = self.take_back_multipart(&upload).await?;
                // A completion that storage carried out but did not show may have left it.
                self.take_back_object(&upload).await?;
                is_gone
            }
        };
        if !is_gone {
            let next_look = upload.next_look(self.clock.now());
            // Whoever has changed it in between decides what comes next.
            let _ = self.store.looked(upload.id, upload.version, next_look).await?;
            return Ok(upload);
        }
        let gone = self.transition(upload.clone(), |current, now| current.taken_back(now)).await;
        match gone {
            Err(ServiceError::Gone(_)) => self.reload(upload.id).await,
            other => other,
        }
    }

    /// Deletes the object at the key if it is this upload's, which was never said to be completed.
    pub(super) async fn take_back_object(&self, upload: &Upload) -> Result<(), StorageError> {
        if let Some(object) = self.storage_of(upload)?.head(upload).await?
            && is_ours(upload, &object)
        {
            self.storage_of(upload)?.delete(upload, object.version_id.as_deref()).await?;
        }
        Ok(())
    }

    async fn take_back_multipart(&self, upload: &Upload) -> Result<bool, StorageError> {
        let (storage, key) = (self.storage_of(upload)?, upload.spec.key.as_str());
        for id in self.multiparts_of(upload).await? {
            let mut rounds = 0;
            loop {
                storage.abort_multipart(key, &id).await?;
                rounds += 1;
                if !storage.multipart_exists(key, &id).await? {
                    break;
                }
                if rounds == ABORT_ROUNDS {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// All multipart uploads of an upload: the one that is written down, and those of which storage's answer was
    /// lost, or whose gateway died before it could write the id down.
    async fn multiparts_of(&self, upload: &Upload) -> Result<Vec<S3UploadId>, StorageError> {
        let key = upload.spec.key.as_str();
        // Only a key that holds our own id tells that what is there is ours.
        let is_own_key = key.contains(&upload.id.to_string());
        let listed =
            if is_own_key { self.storage_of(upload)?.multiparts_at(key).await } else { Ok(Vec::new()) };
        let mut ids = match listed {
            Ok(ids) => ids,
            // An identity that may not list: what is written down can be taken back all the same.
            Err(error) if error.kind == StorageErrorKind::Rejected && upload.s3_upload_id.is_some() => {
                tracing::warn!(upload.id = %upload.id, %error, "cannot look for lost multipart uploads");
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        if let Some(written) = upload.s3_upload_id.as_ref().filter(|id| !ids.contains(id)) {
            ids.push(written.clone());
        }
        Ok(ids)
    }

    /// Takes back every multipart upload of an upload but the one that is written down while it is wanted.
    pub(super) async fn abort_strays(&self, upload: &Upload) -> Result<(), ServiceError> {
        if upload.spec.transfer != Transfer::Multipart {
            return Ok(());
        }
        let ids = self.multiparts_of(upload).await?;
        // Looked at after the list. Whoever opens another one writes that down before, which changes the version; then
        // one of the list may be the next one that is wanted, and they are left to whoever opens it.
        let current = self.reload(upload.id).await?;
        if current.version != upload.version {
            return Ok(());
        }
        let wanted = upload.s3_upload_id.as_ref().filter(|_| !upload.state.is_final());
        for id in ids.iter().filter(|id| wanted != Some(id)) {
            self.storage_of(upload)?.abort_multipart(upload.spec.key.as_str(), id).await?;
        }
        Ok(())
    }
}

/// Refusals that mean "somebody else did it".
pub(super) fn is_settled(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Closed(_) | ServiceError::Gone(_) | ServiceError::NotFound)
}
