//! Takes an upload back: the intent first, then storage, until storage holds nothing of it.

use super::refresh::is_ours;
use super::{Principal, Service, ServiceError};
use crate::storage::StorageError;
use crate::upload::{AbortReason, State, Transfer, Upload, UploadId};

/// A part that is under way when a multipart upload is aborted may land after it, so the abort is repeated
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>).
const ABORT_ROUNDS: usize = 3;

impl Service {
    /// Takes an upload back. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::Closed`] for an upload that is completing or completed.
    pub async fn abort(&self, principal: &Principal, id: UploadId) -> Result<(), ServiceError> {
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
            Transfer::Put => self.take_back_put(&upload).await?,
            Transfer::Multipart => self.take_back_multipart(&upload).await?,
        };
        if !is_gone {
            return Ok(upload);
        }
        let gone = self.transition(upload.clone(), |current, now| current.taken_back(now)).await;
        match gone {
            Err(ServiceError::Gone(_)) => self.reload(upload.id).await,
            other => other,
        }
    }

    /// A signed PUT works until it expires, so the key has to be looked at once more after that.
    async fn take_back_put(&self, upload: &Upload) -> Result<bool, StorageError> {
        if let Some(object) = self.storage.head(upload).await?
            && is_ours(upload, &object)
        {
            self.storage.delete(upload, object.version_id.as_deref()).await?;
        }
        Ok(!upload.has_live_urls(self.clock.now()))
    }

    async fn take_back_multipart(&self, upload: &Upload) -> Result<bool, StorageError> {
        let key = upload.spec.key.as_str();
        let ids = match &upload.s3_upload_id {
            Some(id) => vec![id.clone()],
            // Opened by a gateway that died before it could write the id down. Only a key that holds our own id
            // tells that what is there is ours.
            None if key.contains(&upload.id.to_string()) => self.storage.multiparts_at(key).await?,
            None => Vec::new(),
        };
        for id in ids {
            let mut rounds = 0;
            loop {
                self.storage.abort_multipart(key, &id).await?;
                rounds += 1;
                if !self.storage.multipart_exists(key, &id).await? {
                    break;
                }
                if rounds == ABORT_ROUNDS {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Refusals that mean "somebody else did it".
pub(super) fn is_settled(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Closed(_) | ServiceError::Gone(_) | ServiceError::NotFound)
}
