//! An identity provider's keys: fetched, kept for a while, and fetched again when a token names one that is not known.
//!
//! The URL comes from the settings alone. Nothing in a token leads to a request to anywhere else.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::redirect;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Host, Url};

use super::jwk::KeySet;
use super::key_cache::{KeyCache, KeysUnavailable, Need, Patience};

/// How long a provider may take to answer, body included.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that is read of an answer. Sets of large providers are a tenth of it.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// The keys behind one URL. Clones share them.
#[derive(Clone)]
pub(super) struct Jwks(Arc<Shared>);

struct Shared {
    issuer: String,
    url: Url,
    client: reqwest::Client,
    patience: Patience,
    cache: RwLock<KeyCache>,
    /// Held by the one request that is under way.
    flight: Arc<Mutex<()>>,
}

impl Jwks {
    /// Keys of this issuer (its name in logs) at a URL that passed [`url_problem`].
    ///
    /// # Errors
    /// What keeps TLS from being set up.
    pub(super) fn new(issuer: String, url: Url, patience: Patience) -> Result<Self, reqwest::Error> {
        let mut client = reqwest::Client::builder().redirect(redirect::Policy::none()).timeout(FETCH_TIMEOUT);
        client = if is_loopback(&url) { client.no_proxy() } else { client.https_only(true) };
        let (cache, flight) = (RwLock::default(), Arc::default());
        Ok(Self(Arc::new(Shared { issuer, url, client: client.build()?, patience, cache, flight })))
    }

    /// The keys to look for this `kid` in. A caller who waits learns what one request brings; nobody starts a second.
    pub(super) async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self.need(kid) {
            Need::Nothing(keys) => return keys,
            Need::Fetch { meanwhile: Some(keys) } if self.0.flight.try_lock().is_err() => return Ok(keys),
            Need::Fetch { .. } => {}
        }
        let flight = self.0.flight.clone().lock_owned().await;
        // Whoever held the flight may have brought what is needed.
        if let Need::Nothing(keys) = self.need(kid) {
            return keys;
        }
        let (jwks, sought) = (self.clone(), kid.map(str::to_owned));
        // A task of its own: a caller who hangs up must not use up the one request that others wait for.
        let fetch = tokio::spawn(async move {
            jwks.refresh(sought.as_deref()).await;
            drop(flight);
        });
        // A task that panicked has brought nothing, and the cache says so.
        drop(fetch.await);
        self.read(|cache| cache.answer(kid, Instant::now(), &self.0.patience))
    }

    async fn refresh(&self, kid: Option<&str>) {
        let fetched = fetch(&self.0.client, &self.0.url).await;
        let (now, issuer) = (Instant::now(), &self.0.issuer);
        let mut cache = self.0.cache.write().unwrap_or_else(PoisonError::into_inner);
        match &fetched {
            Ok(keys) => {
                tracing::debug!(auth.issuer = %issuer, count = keys.len(), "fetched an issuer's keys")
            }
            Err(error) if cache.answer(None, now, &self.0.patience).is_ok() => {
                tracing::warn!(auth.issuer = %issuer, %error, "cannot fetch an issuer's keys; the old ones stay in use");
            }
            Err(error) => {
                tracing::warn!(auth.issuer = %issuer, %error, "cannot fetch an issuer's keys; its grants are refused");
            }
        }
        cache.record(fetched.ok(), kid, now);
    }

    fn need(&self, kid: Option<&str>) -> Need {
        self.read(|cache| cache.need(kid, Instant::now(), &self.0.patience))
    }

    fn read<T>(&self, read: impl FnOnce(&KeyCache) -> T) -> T {
        read(&self.0.cache.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a set could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// No answer, or not to its end.
    #[error("the provider does not answer: {}", causes(.0))]
    Network(reqwest::Error),
    /// An answer, but not 200; redirects are not followed.
    #[error("the provider answers {0}")]
    Status(reqwest::StatusCode),
    /// More than a set of keys can be.
    #[error("the provider's answer is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// Not a JWKS document.
    #[error("the provider's answer is no set of keys: {0}")]
    Document(serde_json::Error),
}

async fn fetch(client: &reqwest::Client, url: &Url) -> Result<KeySet, FetchError> {
    let network = |error: reqwest::Error| FetchError::Network(error.without_url());
    let mut answer = client.get(url.clone()).send().await.map_err(network)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let mut document = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(network)? {
        if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(FetchError::TooLarge);
        }
        document.extend_from_slice(&chunk);
    }
    KeySet::parse(&document).map_err(FetchError::Document)
}

/// reqwest says only "error sending request"; what happened is in the causes.
fn causes(error: &reqwest::Error) -> String {
    let first: &dyn std::error::Error = error;
    let all = std::iter::successors(Some(first), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What is wrong with a JWKS URL from the settings.
pub(super) fn url_problem(url: &Url) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must hold no user name and password: it is shown in settings");
    }
    match url.scheme() {
        "https" => None,
        "http" if is_loopback(url) => None,
        _ => Some("must begin with https:// (http:// is for 127.0.0.1, ::1 and localhost)"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
