//! One gateway at a time works on a completion: it holds a lease, renews it while it lives, and others wait.
//!
//! A lease spares work, it does not make anything right: a gateway that was thought dead may wake up and go on, so
//! what it writes is decided by the version of the upload, as always.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Service, ServiceError};
use crate::store::{Lease, Written};
use crate::upload::{COMPLETION_LEASE, State, Upload};

/// How often a lease is renewed: two renewals may fail before it is lost.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often a gateway looks whether another has finished.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Service {
    /// The upload with the lease of its completion; none when somebody else has just taken it.
    pub(super) async fn take_lease(&self, upload: Upload) -> Result<Option<Upload>, ServiceError> {
        let until = self.clock.now() + COMPLETION_LEASE;
        let lease = Lease { held_until: upload.sweep_at, until, verified_bytes: 0 };
        match self.store.lease(upload.id, upload.version, lease).await? {
            Written::Done => Ok(Some(Upload { sweep_at: Some(until), verified_bytes: Some(0), ..upload })),
            Written::Conflict => Ok(None),
        }
    }

    /// Does the work of a completion while renewing its lease, and gives the lease back if it fails.
    ///
    /// # Errors
    /// What the work says; [`ServiceError::Closed`] when somebody else has taken the lease.
    pub(super) async fn leased(
        &self,
        upload: &Upload,
        work: impl AsyncFnOnce(&AtomicU64) -> Result<Upload, ServiceError>,
    ) -> Result<Upload, ServiceError> {
        let verified = AtomicU64::new(0);
        let done = tokio::select! {
            biased;
            done = work(&verified) => done,
            lost = self.renew(upload, &verified) => Err(lost),
        };
        if done.is_err() {
            self.give_back(upload).await;
        }
        done
    }

    /// Renews until the lease is lost.
    async fn renew(&self, upload: &Upload, verified: &AtomicU64) -> ServiceError {
        let mut held_until = upload.sweep_at;
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let until = self.clock.now() + COMPLETION_LEASE;
            let verified_bytes = verified.load(Ordering::Relaxed);
            let lease = Lease { held_until, until, verified_bytes };
            match self.store.lease(upload.id, upload.version, lease).await {
                Ok(Written::Done) => held_until = Some(until),
                Ok(Written::Conflict) => match self.reload(upload.id).await {
                    Ok(current) if current.version == upload.version => {
                        return ServiceError::Closed(State::Completing);
                    }
                    // The work has moved it on itself, or will find out when it writes: it ends by itself.
                    _ => std::future::pending().await,
                },
                // The work may get done all the same; if not, it is taken up by whoever comes next.
                Err(error) => tracing::warn!(upload.id = %upload.id, %error, "cannot renew the lease"),
            }
        }
    }

    /// What stopped halfway may be taken up by the next call at once, and by the sweep after a while.
    async fn give_back(&self, upload: &Upload) {
        let look_at = upload.next_look(self.clock.now()).unwrap_or(upload.expires_at);
        if let Err(error) = self.store.postpone(upload.id, upload.version, (look_at, 0)).await {
            tracing::warn!(upload.id = %upload.id, %error, "the lease ends by itself");
        }
    }

    /// Waits while another gateway is at the completion.
    pub(super) async fn wait_for_another(&self, leased: &Upload) -> Result<(), ServiceError> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let current = self.reload(leased.id).await?;
            if current.version != leased.version || !current.is_leased(self.clock.now()) {
                return Ok(());
            }
        }
    }
}
