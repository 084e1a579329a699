//! Who a bearer credential proves its holder to be.

use std::sync::Arc;

use time::Duration;

use super::{Principal, ServiceError, Tenants};
use crate::access::{
    API_KEY_PREFIX, ApiKey, Caller, GrantError, Grants, Role, Roles, Tenant, TokenKeys, UPLOAD_TOKEN_PREFIX,
};
use crate::clock::Clock;
use crate::store::Store;
use crate::upload::Upload;

/// The last use of a key is written down at most so often.
const NOTE_USE_EVERY: Duration = Duration::MINUTE;

/// Why a caller is nobody.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// There was no credential.
    #[error(
        "this gateway wants to know who calls: send Authorization: Bearer with an API key, a grant or an upload's token"
    )]
    Missing,
    /// The credential proves nothing; the words say why, without a secret.
    #[error("{0}")]
    Refused(String),
    /// It could not be looked up now.
    #[error("the keys that grants are signed with cannot be fetched now")]
    KeysUnavailable,
    /// The database did not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Tells callers apart. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Authenticator {
    /// Everybody is this caller.
    Open(Principal),
    /// Everybody has to prove who they are.
    Required(Arc<Required>),
}

/// What credentials are held against.
#[derive(Debug)]
pub struct Required {
    /// Where API keys are.
    pub store: Store,
    /// The time that credentials end by.
    pub clock: Clock,
    /// Whom they speak for.
    pub tenants: Tenants,
    /// The keys of upload tokens.
    pub tokens: TokenKeys,
    /// Who may sign grants.
    pub grants: Grants,
}

impl Authenticator {
    /// Whether nobody is asked who they are.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// The caller who has this credential.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate(&self, bearer: Option<&str>) -> Result<Principal, AuthError> {
        match (self, bearer) {
            (Self::Open(principal), _) => Ok(principal.clone()),
            (Self::Required(_), None) => Err(AuthError::Missing),
            (Self::Required(required), Some(bearer)) => required.authenticate(bearer).await,
        }
    }

    /// A token that is good for this upload alone, until it expires; none in open mode.
    #[must_use]
    pub fn upload_token(&self, upload: &Upload) -> Option<String> {
        match self {
            Self::Open(_) => None,
            Self::Required(required) => {
                Some(required.tokens.issue(upload.id, &upload.spec.tenant, upload.expires_at))
            }
        }
    }
}

impl Required {
    async fn authenticate(&self, bearer: &str) -> Result<Principal, AuthError> {
        if bearer.starts_with(API_KEY_PREFIX) {
            self.by_key(bearer).await
        } else if bearer.starts_with(UPLOAD_TOKEN_PREFIX) {
            self.by_upload_token(bearer).await
        } else {
            self.by_grant(bearer).await
        }
    }

    /// Whoever guesses hears the same of a key that never was and of one whose secret is another.
    async fn by_key(&self, bearer: &str) -> Result<Principal, AuthError> {
        let refused = || AuthError::Refused("there is no such API key".to_owned());
        let key = ApiKey::parse(bearer).ok_or_else(refused)?;
        let record = self.store.key(key.id()).await.map_err(ServiceError::from)?;
        let record = record.filter(|record| key.matches(&record.secret_hash)).ok_or_else(refused)?;
        let now = self.clock.now();
        if record.revoked_at.is_some() {
            return Err(AuthError::Refused(format!("the API key {} is revoked", record.id)));
        }
        if record.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::Refused(format!("the API key {} has expired", record.id)));
        }
        let tenant = match &record.tenant {
            Some(name) => self.tenant(name).await?,
            // An operator's own: it has no tenant, so it cannot upload.
            None => Arc::new(Tenant::nobody()),
        };
        if record.last_used_at.is_none_or(|used| used <= now - NOTE_USE_EVERY) {
            // Whether it can be written down does not decide whether the key is good.
            if let Err(error) = self.store.key_used(&record.id, now, now - NOTE_USE_EVERY).await {
                tracing::warn!(key = record.id, %error, "the use of an API key could not be written down");
            }
        }
        let roles = record.roles.split(',').filter_map(Role::from_name).collect();
        Ok(Principal { tenant, caller: Caller::ApiKey { id: record.id }, roles })
    }

    async fn by_upload_token(&self, bearer: &str) -> Result<Principal, AuthError> {
        let claims = self.tokens.verify(bearer, self.clock.now());
        let claims = claims.map_err(|error| AuthError::Refused(error.to_string()))?;
        let tenant = self.tenant(&claims.tenant).await?;
        let caller = Caller::UploadToken { upload: claims.upload };
        Ok(Principal { tenant, caller, roles: Roles::from_iter([Role::Upload]) })
    }

    async fn by_grant(&self, bearer: &str) -> Result<Principal, AuthError> {
        let verified = self.grants.verify(bearer, self.clock.now()).await.map_err(|error| match error {
            GrantError::KeysUnavailable => AuthError::KeysUnavailable,
            other => AuthError::Refused(other.to_string()),
        })?;
        let tenant = self.tenant(&verified.tenant).await?;
        Ok(Principal { tenant, caller: Caller::Grant(Box::new(verified.grant)), roles: verified.roles })
    }

    async fn tenant(&self, name: &str) -> Result<Arc<Tenant>, AuthError> {
        let tenant = self.tenants.find(name).await?;
        tenant.ok_or_else(|| AuthError::Refused(format!("there is no tenant {name:?} here (any more)")))
    }
}
