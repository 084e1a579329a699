//! Upload tokens: what a page needs for one upload and nothing else.
//!
//! `pgu_` and a JWT that the gateway signs and verifies itself. Its `typ` and `aud` are its own, so that no token that was
//! signed for another purpose, even with the same secret, can pass for one.

use std::collections::BTreeSet;
use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::SigningSecret;
use super::jws::{Jws, JwsError};
use super::words::rfc3339;
use crate::upload::UploadId;

/// What every upload token begins with.
pub const UPLOAD_TOKEN_PREFIX: &str = "pgu_";

/// The JWT's `typ`; a grant must not have it.
pub(super) const TOKEN_TYPE: &str = "partgate-upload+jwt";
const AUDIENCE: &str = "partgate-upload";
const MAX_KEY_ID_BYTES: usize = 32;

/// What an upload token says, once it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTokenClaims {
    /// The upload that it is good for.
    pub upload: UploadId,
    /// Whose upload it is.
    pub tenant: String,
    /// When it ends, in whole seconds.
    pub expires_at: OffsetDateTime,
}

/// Why an upload token is refused. Says nothing of what is in it but its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours by its form.
    #[error("this is not an upload token: {0}")]
    Form(JwsError),
    /// Another prefix, `typ` or algorithm than upload tokens have.
    #[error("this is not an upload token of partgate")]
    NotOurs,
    /// Signed with a key that is not among `auth.token_secrets` (any more).
    #[error("the upload token was signed with a key that is not known here")]
    UnknownKey,
    /// Forged, changed or cut.
    #[error("the upload token's signature is wrong")]
    BadSignature,
    /// Signed by us, for another purpose.
    #[error("the upload token's audience is not {AUDIENCE}")]
    WrongAudience,
    /// Over.
    #[error("the upload token expired at {}", rfc3339(*.at))]
    Expired {
        /// Since when.
        at: OffsetDateTime,
    },
}

/// What is wrong with a signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKeyProblem {
    /// Its place in the settings, from 0. Its name is not told: a swapped `secret:kid` would show the secret.
    pub index: usize,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// The keys of upload tokens: the first signs, all verify. So a new key is put in front, and the old one taken out when
/// its tokens have ended.
#[derive(Clone)]
pub struct TokenKeys {
    first: TokenKey,
    others: Vec<TokenKey>,
}

#[derive(Clone)]
struct TokenKey {
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    sub: Uuid,
    tenant: String,
    exp: i64,
}

impl TokenKeys {
    /// Takes pairs of a key's name (1 to 32 of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-`; each once) and its secret (at least
    /// [32 bytes](super::MIN_SECRET_BYTES)).
    ///
    /// # Errors
    /// Everything that is wrong, and a problem of index 0 when there is no key.
    pub fn new(keys: Vec<(String, SigningSecret)>) -> Result<Self, Vec<TokenKeyProblem>> {
        let mut names = BTreeSet::new();
        let mut problems = Vec::new();
        for (index, (id, secret)) in keys.iter().enumerate() {
            let name_problem = (!is_key_id(id)).then(|| {
                format!("the key's name is not 1 to {MAX_KEY_ID_BYTES} of A-Z, a-z, 0-9, ., _ and -")
            });
            let twice = (!names.insert(id)).then(|| "another key has the same name".to_owned());
            let details = [name_problem, twice, secret.problem()].into_iter().flatten();
            problems.extend(details.map(|detail| TokenKeyProblem { index, detail }));
        }
        let mut keys = keys.into_iter().map(|(id, secret)| TokenKey::new(id, &secret));
        match keys.next() {
            Some(first) if problems.is_empty() => Ok(Self { first, others: keys.collect() }),
            Some(_) => Err(problems),
            None => Err(vec![TokenKeyProblem { index: 0, detail: "at least one key is needed".to_owned() }]),
        }
    }

    /// A token that is good for this upload until the whole second before `expires_at`.
    #[must_use]
    pub fn issue(&self, upload: UploadId, tenant: &str, expires_at: OffsetDateTime) -> String {
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.first.id.clone());
        let claims = Claims {
            aud: AUDIENCE.to_owned(),
            sub: upload.0,
            tenant: tenant.to_owned(),
            exp: expires_at.unix_timestamp(),
        };
        let token = jsonwebtoken::encode(&header, &claims, &self.first.signing)
            .expect("claims of text and a number are JSON, and HS256 signs with every secret");
        format!("{UPLOAD_TOKEN_PREFIX}{token}")
    }

    /// Proves a token and reads it.
    ///
    /// # Errors
    /// [`TokenError`]; a token is refused from the second in which it expires.
    pub fn verify(&self, text: &str, now: OffsetDateTime) -> Result<UploadTokenClaims, TokenError> {
        let token = text.strip_prefix(UPLOAD_TOKEN_PREFIX).ok_or(TokenError::NotOurs)?;
        let token = Jws::parse(token).map_err(TokenError::Form)?;
        if token.typ.as_deref() != Some(TOKEN_TYPE) || token.algorithm != Algorithm::HS256 {
            return Err(TokenError::NotOurs);
        }
        let mut keys = std::iter::once(&self.first).chain(&self.others);
        let key = keys.find(|key| token.kid.as_ref() == Some(&key.id)).ok_or(TokenError::UnknownKey)?;
        if !token.is_signed_by(&key.verifying, Algorithm::HS256) {
            return Err(TokenError::BadSignature);
        }
        let claims: Claims = token.claims().map_err(TokenError::Form)?;
        if claims.aud != AUDIENCE {
            return Err(TokenError::WrongAudience);
        }
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp)
            .map_err(|_| TokenError::Form(JwsError::Claims))?;
        if now >= expires_at {
            return Err(TokenError::Expired { at: expires_at });
        }
        Ok(UploadTokenClaims { upload: UploadId(claims.sub), tenant: claims.tenant, expires_at })
    }
}

impl TokenKey {
    fn new(id: String, secret: &SigningSecret) -> Self {
        let signing = EncodingKey::from_secret(secret.as_bytes());
        Self { id, signing, verifying: DecodingKey::from_secret(secret.as_bytes()) }
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = std::iter::once(&self.first).chain(&self.others);
        f.debug_set().entries(keys.map(|key| &key.id)).finish()
    }
}

fn is_key_id(id: &str) -> bool {
    (1..=MAX_KEY_ID_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
