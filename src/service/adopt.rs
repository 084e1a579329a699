//! An object that was finished although the database says that its upload is open: it is an older copy of itself, or an
//! answer of storage was believed too late.

use std::sync::atomic::AtomicU64;

use super::refresh::is_ours;
use super::{Service, ServiceError};
use crate::upload::{State, Upload};

impl Service {
    /// Completes an open upload whose object is at its key, ours and of the declared size; none when there is no such
    /// object. Also when the upload's time is over: what was completed must not be taken for abandoned.
    ///
    /// # Errors
    /// [`ServiceError`]: storage or database are out of reach, the upload is no longer open, or the object has not the
    /// SHA-256 that was declared.
    pub(super) async fn adopt_finished(&self, upload: &Upload) -> Result<Option<Upload>, ServiceError> {
        if upload.state != State::Open {
            return Ok(None);
        }
        let object = self.storage_of(upload)?.head(upload).await?;
        let Some(object) = object.filter(|object| is_ours(upload, object)) else { return Ok(None) };
        if upload.prove(&object, None).is_err() {
            return Ok(None);
        }
        let completing = self.transition(upload.clone(), |current, now| current.found_finished(now)).await?;
        let work = async |verified: &AtomicU64| {
            self.conclude(completing.clone(), object.clone(), (None, verified)).await
        };
        Ok(Some(self.leased(&completing, work).await?))
    }
}
