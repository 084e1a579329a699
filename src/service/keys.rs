//! API keys: made, listed and revoked by the operator.

use time::OffsetDateTime;

use super::ServiceError;
use crate::access::{MintedKey, Roles, mint};
use crate::store::{ApiKeyRecord, Store};

/// An API key that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Whose it is; none for an operator's.
    pub tenant: Option<String>,
    /// What it is for, in the operator's words.
    pub name: String,
    /// What it may do.
    pub roles: Roles,
    /// When it ends, if ever.
    pub expires_at: Option<OffsetDateTime>,
}

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// The operating system has no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    NoRandomness(String),
    /// It could not be written down.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Makes a key. Its secret is in the answer and nowhere else: the database has only a hash of it.
///
/// # Errors
/// [`CreateKeyError`].
pub async fn create_key(
    store: &Store,
    new: NewKey,
    now: OffsetDateTime,
) -> Result<MintedKey, CreateKeyError> {
    let minted = mint().map_err(|error| CreateKeyError::NoRandomness(error.to_string()))?;
    let roles: Vec<_> = new.roles.iter().map(|role| role.name()).collect();
    let record = ApiKeyRecord {
        id: minted.id.clone(),
        tenant: new.tenant,
        name: new.name,
        roles: roles.join(","),
        secret_hash: minted.hash.clone(),
        created_at: now,
        last_used_at: None,
        expires_at: new.expires_at,
        revoked_at: None,
    };
    store.insert_key(&record).await.map_err(ServiceError::from)?;
    Ok(minted)
}
