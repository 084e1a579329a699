//! Who calls, as what, and what their tenant may. Says nothing of HTTP servers, SQL or storage.

mod api_key;
mod claims;
mod grant;
mod issuer;
mod jwk;
mod jwks;
mod jws;
mod key_cache;
mod principal;
mod secret;
mod tenant;
mod upload_token;
mod words;

#[cfg(test)]
mod tests;

pub use api_key::{API_KEY_PREFIX, ApiKey, MintedKey, mint};
pub use grant::{GrantError, Grants, VerifiedGrant};
pub use issuer::{IssuerKeys, IssuerProblem, IssuerSettings};
pub use jws::JwsError;
pub use principal::{Caller, Grant, Principal, Role, Roles};
pub use secret::{MIN_SECRET_BYTES, SigningSecret};
pub use tenant::{
    ContentTypes, KeyNaming, Tenant, TenantDefaults, TenantLimits, TenantProblem, TenantSettings, overlapping,
};
pub use upload_token::{TokenError, TokenKeyProblem, TokenKeys, UPLOAD_TOKEN_PREFIX, UploadTokenClaims};
