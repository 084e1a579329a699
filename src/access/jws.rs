//! The form of a signed token (JWS, compact), before anybody believes what it says.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// Our own bound, bytes: tokens travel in headers, for which many proxies allow 8 KiB in all.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Why a text is no token that could be verified. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Too long to look at.
    #[error("longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not header, claims and signature.
    #[error("not three segments between dots")]
    Segments,
    /// A segment is not base64url without padding.
    #[error("its segments are not base64url")]
    Base64,
    /// The header is not a JSON object, or a field of it has the wrong type.
    #[error("its header is not that of a signed token")]
    Header,
    /// The claims are not a JSON object, or not one of ours.
    #[error("its claims are not as they have to be")]
    Claims,
    /// `none`, or one that we do not verify.
    #[error("signed with none of HS256, RS256, ES256 and EdDSA")]
    Algorithm,
    /// Asks for extensions to be understood; there are none that we know
    /// (<https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11>).
    #[error("its header has `crit`")]
    Critical,
}

/// What we read of a header. `jku`, `x5u`, `jwk` and `x5c` bring keys along; they are not even looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// A token of the right form. Nothing in it is proven until [`is_signed_by`](Self::is_signed_by) says so.
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    claims: Vec<u8>,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwsError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwsError::Segments)?;
        let (header, claims) = message.split_once('.').ok_or(JwsError::Segments)?;
        if claims.contains('.') {
            return Err(JwsError::Segments);
        }
        // Strict: the bits that the last character has too many must be zero, so a token has one spelling.
        let decode = |segment| BASE64_URL_SAFE_NO_PAD.decode(segment).map_err(|_| JwsError::Base64);
        let (header, claims, _) = (decode(header)?, decode(claims)?, decode(signature)?);
        let header: Header = serde_json::from_slice(&header).map_err(|_| JwsError::Header)?;
        if header.crit {
            return Err(JwsError::Critical);
        }
        let algorithm = algorithm(&header.alg).ok_or(JwsError::Algorithm)?;
        Ok(Self { algorithm, kid: header.kid, typ: header.typ, claims, message, signature })
    }

    /// Whether this key, used for this algorithm and no other, made the signature.
    pub(super) fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        self.algorithm == algorithm
            && jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, algorithm)
                .is_ok_and(|is_valid| is_valid)
    }

    pub(super) fn claims<T: DeserializeOwned>(&self) -> Result<T, JwsError> {
        serde_json::from_slice(&self.claims).map_err(|_| JwsError::Claims)
    }
}

/// The algorithm of exactly this name.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// True for a field that is there, even as null.
fn present<'de, D: Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(field).map(|_| true)
}
