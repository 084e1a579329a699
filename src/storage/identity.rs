//! As whom URLs are signed, and until when that identity lasts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
use time::OffsetDateTime;
use tokio::sync::RwLock;

use super::StorageError;
use crate::sigv4::{self, SignError, SigningKey};

/// Temporary credentials are renewed when less than this is left of them.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// Keys from the settings. `Debug` does not show the secrets.
#[derive(Clone)]
pub struct StaticKeys {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
    /// What temporary keys come with (STS). Nobody renews keys from the settings: when they end, so do signing and
    /// every call of storage.
    pub session_token: Option<String>,
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
    credentials: sigv4::Credentials,
    pub(super) expires_at: Option<OffsetDateTime>,
    /// The signing key that was asked for last: good for a day, and a third of what a single URL costs.
    key: Mutex<Option<Arc<SigningKey>>>,
}

impl Current {
    /// The key that signs in this region on the day of `now`.
    pub(super) fn signing_key(
        &self,
        region: &str,
        now: OffsetDateTime,
    ) -> Result<Arc<SigningKey>, SignError> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept.as_ref().filter(|key| key.is_for(region, now)) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(SigningKey::derive(&self.credentials, region, now)?);
        *kept = Some(Arc::clone(&key));
        Ok(key)
    }
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
        let provided = match self.provider.provide_credentials().await {
            Ok(provided) => provided,
            Err(error) => {
                let still_valid = |current: &&Arc<Current>| current.expires_at.is_some_and(|end| end > now);
                let Some(current) = slot.as_ref().filter(still_valid) else {
                    return Err(StorageError::unavailable("credentials", error.to_string()));
                };
                tracing::warn!(%error, "storage credentials could not be renewed; using the old ones to their end");
                return Ok(Arc::clone(current));
            }
        };
        let current = Arc::new(Current {
            credentials: sigv4::Credentials::new(
                provided.access_key_id(),
                provided.secret_access_key(),
                provided.session_token().map(str::to_owned),
            ),
            expires_at: provided.expiry().map(SystemTime::into),
            key: Mutex::default(),
        });
        *slot = Some(Arc::clone(&current));
        Ok(current)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;
    use aws_sdk_s3::config::Credentials;
    use time::macros::datetime;

    use super::*;

    // Thursday, 1 January 2026, 12:00 UTC.
    const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

    /// Gives key `1` for an hour, then key `2` for an hour, and then nothing more.
    #[derive(Debug, Default)]
    struct Rotating(AtomicUsize);

    impl ProvideCredentials for Rotating {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let call = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            if call > 2 {
                return future::ProvideCredentials::ready(Err(CredentialsError::provider_timed_out(
                    Duration::from_secs(1),
                )));
            }
            let expires = NOW + Duration::from_secs(3600) * call as u32;
            let credentials =
                Credentials::new(call.to_string(), "s", None, Some(SystemTime::from(expires)), "test");
            future::ProvideCredentials::ready(Ok(credentials))
        }
    }

    async fn key_at(identity: &Identity, minutes: i64) -> Result<String, StorageError> {
        let now = NOW + time::Duration::minutes(minutes);
        identity.current(now).await.map(|current| current.credentials.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn credentials_are_renewed_before_they_end_and_used_to_their_end() {
        let identity = Identity::new(SharedCredentialsProvider::new(Rotating::default()));
        assert_eq!(key_at(&identity, 0).await.unwrap(), "1");
        assert_eq!(key_at(&identity, 54).await.unwrap(), "1");
        assert_eq!(key_at(&identity, 56).await.unwrap(), "2", "within five minutes of the end");
        assert_eq!(key_at(&identity, 119).await.unwrap(), "2", "the provider fails, the key still works");
        assert!(key_at(&identity, 121).await.is_err(), "the key has expired");
    }

    #[tokio::test]
    async fn signing_key_is_kept_for_its_day_and_region() {
        let provider = Credentials::new("id", "secret", None, None, "test");
        let current = Identity::new(SharedCredentialsProvider::new(provider)).current(NOW).await.unwrap();
        let key_at = |region, hours| current.signing_key(region, NOW + time::Duration::hours(hours)).unwrap();
        let noon = key_at("us-east-1", 0);
        assert!(Arc::ptr_eq(&noon, &key_at("us-east-1", 11)));
        for (region, hours) in [("us-east-1", 12), ("us-east-1", -13), ("eu-west-1", 0)] {
            let now = NOW + time::Duration::hours(hours);
            assert!(key_at(region, hours).is_for(region, now), "{region} {now}");
        }
    }
}
