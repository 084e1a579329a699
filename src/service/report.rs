//! Remembers parts that a client says storage has accepted.

use super::requested::claims;
use super::{Principal, Service, ServiceError, StatusView, StoredClaim, count_received, require};
use crate::access::Role;
use crate::upload::{PartRecord, UploadId};

impl Service {
    /// Remembers reported parts; answers how far the upload is.
    ///
    /// # Errors
    /// [`ServiceError`]: the upload is not open, a part is not of this upload, the database is out of reach.
    #[tracing::instrument(level = "debug", name = "report", skip_all)]
    pub async fn report(
        &self,
        principal: &Principal,
        id: UploadId,
        stored: &[StoredClaim],
    ) -> Result<StatusView, ServiceError> {
        require(principal, &[Role::Upload])?;
        let (mut upload, mut received) = self.load_with_progress(principal, id).await?;
        upload.check_takes_parts(self.clock.now())?;
        let claims = claims(&upload, stored, self.rules.sign_limit)?;
        let records: Vec<_> = claims.into_iter().map(PartRecord::reported).collect();
        if let Some(recorded) = self.store.record_parts(id, &records, self.clock.now()).await? {
            upload.updated_at = upload.updated_at.max(recorded.reported_at);
            received = recorded.received;
        }
        count_received("reported", &records);
        Ok(self.view(upload, received))
    }
}
