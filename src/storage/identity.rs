//! As whom URLs are signed, and until when that identity lasts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
use time::OffsetDateTime;
use tokio::sync::RwLock;

use super::StorageError;
use crate::sigv4;

/// Temporary credentials are renewed when less than this is left of them.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// A key pair from the settings. `Debug` does not show the secret.
#[derive(Clone)]
pub struct StaticKeys {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
}

impl std::fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticKeys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Credentials for signing, cached until shortly before they expire.
#[derive(Debug, Clone)]
pub struct Identity {
    provider: SharedCredentialsProvider,
    current: Arc<RwLock<Option<Arc<Current>>>>,
}

/// Credentials and the end of their life.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) credentials: sigv4::Credentials,
    pub(super) expires_at: Option<OffsetDateTime>,
}

impl Identity {
    /// An identity that asks this provider.
    #[must_use]
    pub fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, current: Arc::default() }
    }

    /// Credentials that last a while from `now` on.
    pub(super) async fn current(&self, now: OffsetDateTime) -> Result<Arc<Current>, StorageError> {
        let fresh = |current: &Current| current.expires_at.is_none_or(|end| end - now > RENEW_BEFORE);
        if let Some(current) = self.current.read().await.as_ref().filter(|current| fresh(current)) {
            return Ok(Arc::clone(current));
        }
        let mut slot = self.current.write().await;
        if let Some(current) = slot.as_ref().filter(|current| fresh(current)) {
            return Ok(Arc::clone(current));
        }
        let provided = self
            .provider
            .provide_credentials()
            .await
            .map_err(|error| StorageError::unavailable("credentials", error.to_string()))?;
        let current = Arc::new(Current {
            credentials: sigv4::Credentials::new(
                provided.access_key_id(),
                provided.secret_access_key(),
                provided.session_token().map(str::to_owned),
            ),
            expires_at: provided.expiry().map(SystemTime::into),
        });
        *slot = Some(Arc::clone(&current));
        Ok(current)
    }
}
