//! Tokens as honest and dishonest people make them, and a provider of keys on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;
use url::Url;

use super::*;

mod forgeries;
mod grants;
mod issuers;
mod key_sets;
mod providers;
mod upload_tokens;

/// 2026-03-01 12:00 UTC, in seconds.
const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const SECRET: &str = "a secret of thirty-two bytes or so";

/// A key pair of a provider.
struct Pair {
    algorithm: Algorithm,
    signing: EncodingKey,
    /// The public key as JWK, without `kid`.
    public: Value,
}

static RSA: LazyLock<Pair> = LazyLock::new(|| Pair::new(Algorithm::RS256));
static P256: LazyLock<Pair> = LazyLock::new(|| Pair::new(Algorithm::ES256));
static ED25519: LazyLock<Pair> = LazyLock::new(|| Pair::new(Algorithm::EdDSA));

impl Pair {
    fn new(algorithm: Algorithm) -> Self {
        let (kind, read): (_, fn(&[u8]) -> _) = match algorithm {
            Algorithm::RS256 => (&rcgen::PKCS_RSA_SHA256, EncodingKey::from_rsa_pem),
            Algorithm::ES256 => (&rcgen::PKCS_ECDSA_P256_SHA256, EncodingKey::from_ec_pem),
            Algorithm::EdDSA => (&rcgen::PKCS_ED25519, EncodingKey::from_ed_pem),
            other => panic!("no provider signs with {other:?}"),
        };
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let signing = read(pair.serialize_pem().as_bytes()).unwrap();
        let public = match algorithm {
            // jsonwebtoken reads the public key of the older form of PKCS #8 only.
            Algorithm::EdDSA => {
                let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key_raw());
                json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x })
            }
            _ => serde_json::to_value(Jwk::from_encoding_key(&signing, algorithm).unwrap()).unwrap(),
        };
        Self { algorithm, signing, public }
    }

    /// The public key as a provider lists it.
    fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }

    fn header(&self, kid: &str) -> Value {
        json!({ "alg": format!("{:?}", self.algorithm), "kid": kid, "typ": "JWT" })
    }

    fn grant(&self, kid: &str) -> String {
        signed(&self.header(kid), &claims(json!({})), &self.signing, self.algorithm)
    }
}

fn encoded(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn signed_with_secret(header: &Value, claims: &Value, secret: &str) -> String {
    signed(header, claims, &EncodingKey::from_secret(secret.as_bytes()), Algorithm::HS256)
}

/// A grant by [`secret_issuer`], with these claims changed.
fn grant_with(changes: Value) -> String {
    signed_with_secret(&json!({ "alg": "HS256" }), &claims(changes), SECRET)
}

/// What a grant has to say, with these claims changed; [`without`] takes one out.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "aud": "partgate",
        "exp": NOW.unix_timestamp() + 3600,
        "sub": "user-1",
        "tenant": "acme",
    });
    for (claim, value) in changes.as_object().unwrap() {
        claims[claim] = value.clone();
    }
    claims
}

fn without(claim: &str) -> Value {
    let mut claims = claims(json!({}));
    claims.as_object_mut().unwrap().remove(claim).unwrap();
    claims
}

fn issuer(name: &str, keys: IssuerKeys) -> IssuerSettings {
    IssuerSettings {
        name: name.to_owned(),
        issuer: None,
        audience: "partgate".to_owned(),
        tenant: None,
        leeway: Duration::ZERO,
        max_lifetime: Duration::from_secs(24 * 60 * 60),
        keys,
    }
}

fn secret_issuer() -> IssuerSettings {
    issuer("backend", IssuerKeys::Secret(SigningSecret::new(SECRET.to_owned())))
}

fn grants(issuers: Vec<IssuerSettings>) -> Grants {
    Grants::new(issuers).unwrap()
}

/// Every text that differs from this one in one character, which becomes one of a few.
fn one_character_off(text: &str) -> impl Iterator<Item = String> + '_ {
    let letters: Vec<_> = text.chars().collect();
    (0..letters.len()).flat_map(move |place| {
        let letters = letters.clone();
        ['A', 'B', 'w', '0', '-', '_', '.', '=', ' ', 'é'].into_iter().filter_map(move |letter| {
            let mut changed = letters.clone();
            let was = std::mem::replace(&mut changed[place], letter);
            (was != letter).then(|| changed.into_iter().collect())
        })
    })
}

/// A provider of keys on loopback. It ends with its value.
struct Provider {
    url: Url,
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Provider {
    async fn start(keys: &[Value]) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, String::new())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (answers, count) = (answer.clone(), asked.clone());
        let respond = async move |State(()): State<()>| -> Response {
            count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answers.lock().unwrap().clone();
            // Where a redirect would lead, there is the same again, and it would be counted.
            (status, [("location", "/keys")], body).into_response()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
        let routes = Router::new().route("/keys", get(respond)).with_state(());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let provider = Self { url, answer, asked, server };
        provider.list(keys);
        provider
    }

    fn list(&self, keys: &[Value]) {
        self.answer(StatusCode::OK, json!({ "keys": keys }).to_string());
    }

    fn answer(&self, status: StatusCode, body: impl Into<String>) {
        *self.answer.lock().unwrap() = (status, body.into());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn issuer(&self) -> IssuerSettings {
        issuer("provider", IssuerKeys::Jwks(self.url.clone()))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}
