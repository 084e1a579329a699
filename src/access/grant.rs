//! Grants: JWTs by which a tenant's backend, or an identity provider, lets somebody upload.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::claims::Claims;
use super::issuer::{Issuer, IssuerProblem, IssuerSettings, Verifier};
use super::jws::{Jws, JwsError};
use super::upload_token::TOKEN_TYPE;
use super::words::rfc3339;
use super::{Grant, Roles};

/// The bytes of a token's SHA-256 that name a grant without `jti`.
const HASHED_ID_BYTES: usize = 16;

/// A grant that was proven, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedGrant {
    /// The tenant's name. Whether there is one, and whether its limits allow it, is not known here.
    pub tenant: String,
    /// What the bearer may do: never [`Role::Admin`](super::Role::Admin).
    pub roles: Roles,
    /// What was granted. Its id is the issuer's choice, so it is to be counted under the tenant.
    pub grant: Grant,
}

/// Why a grant is refused. The words are for the bearer; none repeats the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not a token by its form.
    #[error("this is no grant: {0}")]
    Form(JwsError),
    /// An upload token without its prefix.
    #[error("this is an upload token, not a grant")]
    UploadToken,
    /// No issuer has its `iss`.
    #[error("the grant's issuer is not known here")]
    UnknownIssuer,
    /// Another algorithm than the issuer's key is for.
    #[error("the grant's algorithm is not that of its issuer's key")]
    WrongAlgorithm,
    /// The issuer has no key of this `kid`; or there is no `kid`, and a choice.
    #[error("the grant's `kid` names no key of its issuer")]
    UnknownKey,
    /// Forged, changed or cut.
    #[error("the grant's signature is wrong")]
    BadSignature,
    /// The issuer's keys are not known, and its provider does not answer: nobody's fault who calls.
    #[error("the keys of the grant's issuer cannot be fetched at the moment")]
    KeysUnavailable,
    /// Something that every grant has to say.
    #[error("the grant has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim of ours that cannot be.
    #[error("the grant's claim `{claim}` is bad: {detail}")]
    BadClaim {
        /// Its name.
        claim: &'static str,
        /// What is wrong, and what would be right.
        detail: String,
    },
    /// Over.
    #[error("the grant expired at {}", rfc3339(*.at))]
    Expired {
        /// Since when.
        at: OffsetDateTime,
    },
    /// Not begun.
    #[error("the grant is not valid before {}", rfc3339(*.from))]
    NotYetValid {
        /// From when on.
        from: OffsetDateTime,
    },
    /// Ends later than the issuer's grants may.
    #[error("the grant ends at {}, later than its issuer's may ({} from now)", rfc3339(*.at), humantime::format_duration(*.max))]
    TooLong {
        /// Its end.
        at: OffsetDateTime,
        /// The issuer's limit.
        max: std::time::Duration,
    },
    /// For somebody else.
    #[error("the grant's audience is not {expected:?}")]
    WrongAudience {
        /// Ours, for this issuer.
        expected: String,
    },
    /// The issuer speaks for one tenant, and this is another.
    #[error("the grant's issuer cannot grant anything of its tenant")]
    OtherTenant,
}

/// Everybody who may sign grants. Clones share the keys that were fetched.
#[derive(Clone)]
pub struct Grants(Arc<[Issuer]>);

impl Grants {
    /// Takes the issuers, none for none. Fetches nothing yet.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(issuers: Vec<IssuerSettings>) -> Result<Self, Vec<IssuerProblem>> {
        Issuer::all(issuers).map(|issuers| Self(issuers.into()))
    }

    /// Proves a grant and reads it. May wait for the issuer's keys, at most the 5 s that a provider has to answer and as
    /// long again for one who asked before.
    ///
    /// # Errors
    /// [`GrantError`]; all but `KeysUnavailable` are final.
    pub async fn verify(&self, token: &str, now: OffsetDateTime) -> Result<VerifiedGrant, GrantError> {
        let jws = Jws::parse(token).map_err(GrantError::Form)?;
        if jws.typ.as_deref() == Some(TOKEN_TYPE) {
            return Err(GrantError::UploadToken);
        }
        let claims = Claims::new(jws.claims::<Map<String, Value>>().map_err(GrantError::Form)?);
        let issuer = self.signer(&jws, claims.text("iss")?).await?;
        issuer.settings.accept(&claims, now)?;
        let tenant = issuer.settings.tenant_of(&claims)?;
        Ok(VerifiedGrant { tenant, roles: claims.roles()?, grant: grant(&claims, token)? })
    }

    /// The first issuer that may say `iss` and has the key of the signature.
    async fn signer(&self, token: &Jws<'_>, iss: Option<&str>) -> Result<&Issuer, GrantError> {
        let mut refusal = GrantError::UnknownIssuer;
        for issuer in self.0.iter() {
            if issuer.settings.issuer.as_deref().is_some_and(|expected| iss != Some(expected)) {
                continue;
            }
            match issuer.verifier.prove(token).await {
                Ok(()) => return Ok(issuer),
                Err(error) => refusal = weightier(refusal, error),
            }
        }
        Err(refusal)
    }
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|issuer| &issuer.settings.name)).finish()
    }
}

/// Of what several issuers say of a token, that which came closest to proving it; but what could not be asked decides.
fn weightier(one: GrantError, other: GrantError) -> GrantError {
    let weight = |error: &GrantError| match error {
        GrantError::KeysUnavailable => 4,
        GrantError::BadSignature => 3,
        GrantError::UnknownKey => 2,
        GrantError::WrongAlgorithm => 1,
        _ => 0,
    };
    if weight(&other) > weight(&one) { other } else { one }
}

impl Verifier {
    async fn prove(&self, token: &Jws<'_>) -> Result<(), GrantError> {
        let is_symmetric = token.algorithm == Algorithm::HS256;
        match self {
            Self::Secret(key) if is_symmetric => proven(token.is_signed_by(key, Algorithm::HS256)),
            // Before anything is fetched: a public key is no secret, so HS256 with it would prove nothing.
            Self::Jwks(jwks) if !is_symmetric => {
                let keys = jwks.keys(token.kid.as_deref()).await.map_err(|_| GrantError::KeysUnavailable)?;
                let named = keys.candidates(token.kid.as_deref());
                let mut fitting = named.iter().filter(|key| key.algorithm == token.algorithm).peekable();
                match (named.is_empty(), fitting.peek()) {
                    (true, _) => Err(GrantError::UnknownKey),
                    (false, None) => Err(GrantError::WrongAlgorithm),
                    (false, Some(_)) => {
                        proven(fitting.any(|key| token.is_signed_by(&key.key, key.algorithm)))
                    }
                }
            }
            Self::Secret(_) | Self::Jwks(_) => Err(GrantError::WrongAlgorithm),
        }
    }
}

fn proven(is_signed: bool) -> Result<(), GrantError> {
    if is_signed { Ok(()) } else { Err(GrantError::BadSignature) }
}

impl IssuerSettings {
    /// Checks what makes a token one for us and for now. The `iss` was checked when the issuer was chosen.
    fn accept(&self, claims: &Claims, now: OffsetDateTime) -> Result<(), GrantError> {
        let audiences = claims.audiences()?.ok_or(GrantError::MissingClaim("aud"))?;
        if !audiences.contains(&self.audience.as_str()) {
            return Err(GrantError::WrongAudience { expected: self.audience.clone() });
        }
        let ends = claims.time("exp")?.ok_or(GrantError::MissingClaim("exp"))?;
        // Differences, because a time near the end of its type's range has no room for a leeway.
        if now - ends >= self.leeway {
            return Err(GrantError::Expired { at: ends });
        }
        if ends - now > self.max_lifetime + self.leeway {
            return Err(GrantError::TooLong { at: ends, max: self.max_lifetime });
        }
        if let Some(from) = claims.time("nbf")?
            && from - now > self.leeway
        {
            return Err(GrantError::NotYetValid { from });
        }
        // Says nothing that we need, but a grant that gets it wrong was made by mistake.
        claims.time("iat").map(|_| ())
    }

    fn tenant_of(&self, claims: &Claims) -> Result<String, GrantError> {
        match (self.tenant.as_deref(), claims.name("tenant")?) {
            (Some(ours), Some(claimed)) if ours != claimed => Err(GrantError::OtherTenant),
            (Some(tenant), _) | (None, Some(tenant)) => Ok(tenant.to_owned()),
            (None, None) => Err(GrantError::MissingClaim("tenant")),
        }
    }
}

fn grant(claims: &Claims, token: &str) -> Result<Grant, GrantError> {
    let hashed_id = || format!("h:{}", hex::encode(&Sha256::digest(token)[..HASHED_ID_BYTES]));
    Ok(Grant {
        id: claims.name("jti")?.map_or_else(hashed_id, str::to_owned),
        subject: claims.name("sub")?.ok_or(GrantError::MissingClaim("sub"))?.to_owned(),
        expires_at: claims.time("exp")?.ok_or(GrantError::MissingClaim("exp"))?,
        max_bytes: claims.count("max_bytes")?,
        max_uploads: claims.count("max_uploads")?,
        key_prefix: claims.key_prefix()?.map(str::to_owned),
        content_types: claims.content_types()?,
    })
}
