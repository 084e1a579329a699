//! The public keys of an identity provider, as its JWKS lists them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::jws::algorithm;

/// The shortest RSA key that may sign, bits (<https://www.rfc-editor.org/rfc/rfc7518#section-3.3>).
const MIN_RSA_BITS: usize = 2048;
/// A coordinate of P-256, and a public key of Ed25519, bytes
/// (<https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.2>, <https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5>).
const POINT_BYTES: usize = 32;

/// A key that may verify grants, for one algorithm. Invariant: none for HS256, whose key would be no public one.
pub(super) struct VerifyingKey {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// The keys of a set that may verify grants. Others are left out: providers list keys for many purposes.
pub(super) struct KeySet(Vec<VerifyingKey>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// A key as listed; texts are base64url of big-endian numbers (<https://www.rfc-editor.org/rfc/rfc7517#section-4>).
#[derive(Deserialize)]
struct ListedKey {
    kty: String,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWKS document.
    pub(super) fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(document)?;
        let listed = document.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Ok(Self(listed.filter_map(verifying_key).collect()))
    }

    /// The keys that a token with this `kid` may have been signed with. One without is taken when there is no choice.
    pub(super) fn candidates(&self, kid: Option<&str>) -> Vec<&VerifyingKey> {
        match kid {
            Some(kid) => self.0.iter().filter(|key| key.id.as_deref() == Some(kid)).collect(),
            None if self.0.len() == 1 => self.0.iter().collect(),
            None => Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn verifying_key(listed: ListedKey) -> Option<VerifyingKey> {
    let may_verify = listed.r#use.as_deref().is_none_or(|purpose| purpose == "sig")
        && listed.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !may_verify {
        return None;
    }
    let (fitting, key) = match (listed.kty.as_str(), listed.crv.as_deref()) {
        ("RSA", _) => (Algorithm::RS256, rsa_key(&listed)?),
        ("EC", Some("P-256")) => (Algorithm::ES256, p256_key(&listed)?),
        ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, ed25519_key(&listed)?),
        _ => return None,
    };
    let is_for_it = listed.alg.is_none_or(|name| algorithm(&name) == Some(fitting));
    is_for_it.then_some(VerifyingKey { id: listed.kid, algorithm: fitting, key })
}

fn rsa_key(listed: &ListedKey) -> Option<DecodingKey> {
    let (modulus, exponent) = (decode(listed.n.as_ref())?, decode(listed.e.as_ref())?);
    let leading = modulus.iter().position(|byte| *byte != 0)?;
    let modulus = &modulus[leading..];
    let bits = modulus.len() * 8 - modulus[0].leading_zeros() as usize;
    (bits >= MIN_RSA_BITS).then(|| DecodingKey::from_rsa_raw_components(modulus, &exponent))
}

fn p256_key(listed: &ListedKey) -> Option<DecodingKey> {
    let (x, y) = (decode(listed.x.as_ref())?, decode(listed.y.as_ref())?);
    let is_point = x.len() == POINT_BYTES && y.len() == POINT_BYTES;
    // Uncompressed, as SEC 1 says: a 4 and both coordinates. What `from_ec_der` takes is this, whatever its name.
    is_point.then(|| DecodingKey::from_ec_der(&[&[4], &x[..], &y[..]].concat()))
}

fn ed25519_key(listed: &ListedKey) -> Option<DecodingKey> {
    let x = decode(listed.x.as_ref())?;
    (x.len() == POINT_BYTES).then(|| DecodingKey::from_ed_der(&x))
}

fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text?).ok()
}
