//! A thin, typed client of the gateway's HTTP API: one method a route, retries and time limits in one place.

mod call;
mod problem;
mod routes;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::redirect;
use url::Url;

pub(crate) use call::retry_after;
pub use routes::{CompleteAnswer, FileLink, Initialised, ListQuery};

use crate::error::Error;

/// How long a call may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one attempt of a call may take. Complete answers within about 20 s, with 202 if need be.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a call, or an upload, is tried without any progress.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// What the token hook returns: a new bearer token, or none.
pub type TokenFuture = Pin<Box<dyn Future<Output = Option<String>> + Send>>;
type TokenHook = Arc<dyn Fn() -> TokenFuture + Send + Sync>;

/// A gateway: its address, credentials and connections. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    base: Url,
    http: reqwest::Client,
    /// Another client for storage: other time limits, one connection a part, no redirects, no credentials.
    storage: reqwest::Client,
    token: RwLock<Option<String>>,
    token_hook: Option<TokenHook>,
    give_up_after: Duration,
    /// Some call was answered: the address is right.
    reached: Arc<AtomicBool>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// Settings of a [`Gateway`].
pub struct GatewayBuilder {
    address: String,
    token: Option<String>,
    token_hook: Option<TokenHook>,
    give_up_after: Duration,
}

impl Gateway {
    /// A gateway at `address` (`https://upload.example.com`, a path in front is kept) with default settings.
    ///
    /// # Errors
    /// [`Error::InvalidGatewayUrl`], [`Error::HttpSetup`].
    pub fn new(address: &str) -> Result<Self, Error> {
        Self::builder(address).build()
    }

    /// Starts the settings of a gateway at `address`.
    #[must_use]
    pub fn builder(address: &str) -> GatewayBuilder {
        GatewayBuilder {
            address: address.to_owned(),
            token: None,
            token_hook: None,
            give_up_after: GIVE_UP_AFTER,
        }
    }

    /// The gateway's address, always with a slash at the end.
    #[must_use]
    pub fn address(&self) -> &str {
        self.inner.base.as_str()
    }

    /// How long a call is tried without success before it ends as [`Error::Stalled`].
    #[must_use]
    pub fn give_up_after(&self) -> Duration {
        self.inner.give_up_after
    }

    /// Uses a token from now on, if there is none: the one that init answers is good for its upload alone.
    pub(crate) fn adopt_token(&self, token: Option<&str>) -> Self {
        match token {
            Some(token) if self.token().is_none() => Self {
                inner: Arc::new(Inner {
                    base: self.inner.base.clone(),
                    http: self.inner.http.clone(),
                    storage: self.inner.storage.clone(),
                    token: RwLock::new(Some(token.to_owned())),
                    token_hook: self.inner.token_hook.clone(),
                    give_up_after: self.inner.give_up_after,
                    reached: Arc::clone(&self.inner.reached),
                }),
            },
            _ => self.clone(),
        }
    }

    pub(crate) fn storage_client(&self) -> &reqwest::Client {
        &self.inner.storage
    }

    fn token(&self) -> Option<String> {
        self.inner.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the hook for a new token; false when there is no hook or it gave none.
    async fn renew_token(&self) -> bool {
        let Some(hook) = &self.inner.token_hook else { return false };
        let token = hook().await;
        let renewed = token.is_some();
        if renewed {
            *self.inner.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        }
        renewed
    }
}

impl GatewayBuilder {
    /// A bearer token, sent as `Authorization` to the gateway and to nobody else.
    #[must_use]
    pub fn token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// Called once when the gateway answers 401: returns a new token, or none to give up.
    #[must_use]
    pub fn token_hook(mut self, hook: impl Fn() -> TokenFuture + Send + Sync + 'static) -> Self {
        self.token_hook = Some(Arc::new(hook));
        self
    }

    /// How long a call, or an upload, is tried without progress before it ends as [`Error::Stalled`]; 10 minutes
    /// unless set.
    #[must_use]
    pub fn give_up_after(mut self, give_up_after: Duration) -> Self {
        self.give_up_after = give_up_after;
        self
    }

    /// Checks the settings and sets up the connections. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::InvalidGatewayUrl`], [`Error::HttpSetup`].
    pub fn build(self) -> Result<Gateway, Error> {
        let base = parse_address(&self.address).ok_or(Error::InvalidGatewayUrl(self.address))?;
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(Error::HttpSetup)?;
        let storage = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .http1_only()
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .map_err(Error::HttpSetup)?;
        Ok(Gateway {
            inner: Arc::new(Inner {
                base,
                http,
                storage,
                token: RwLock::new(self.token),
                token_hook: self.token_hook,
                give_up_after: self.give_up_after,
                reached: Arc::default(),
            }),
        })
    }
}

const USER_AGENT: &str = concat!("partgate-client/", env!("CARGO_PKG_VERSION"));

fn parse_address(address: &str) -> Option<Url> {
    let mut base = Url::parse(address.trim()).ok()?;
    if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
        return None;
    }
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_front_of_the_gateway_is_kept() {
        let gateway = Gateway::new("https://example.com/files/?x=1#y").unwrap();
        assert_eq!(gateway.address(), "https://example.com/files/");
    }

    #[test]
    fn only_http_addresses_are_taken() {
        for address in ["example.com", "ftp://example.com", "", "http://"] {
            assert!(matches!(Gateway::new(address), Err(Error::InvalidGatewayUrl(_))), "{address}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let gateway =
            Gateway::builder("http://127.0.0.1:1").token(Some("secret-token".into())).build().unwrap();
        assert!(!format!("{gateway:?}").contains("secret-token"));
    }
}
