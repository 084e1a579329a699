//! Whether the gateways of this run want to know who calls.
//!
//! `TEST_AUTH` chooses, as `TEST_STORE` does the store; nothing else differs between the runs.

use std::sync::OnceLock;

use partgate::access::Role;
use partgate::app;
use partgate::config::Settings;
use partgate::service::{NewKey, create_key};
use partgate::store::Migrations;
use reqwest::{Client, Method, RequestBuilder};
use time::OffsetDateTime;

/// What such a gateway cannot start without. As in open mode nobody's calls are counted, because all tests call from one
/// address.
pub(super) const REQUIRED: [(&str, &str); 4] = [
    ("auth.mode", "required"),
    ("auth.token_secrets", "k1:a secret for the tokens of a run of tests"),
    ("limits.per_address", "off"),
    ("limits.per_caller", "off"),
];

/// Who may call the gateways of tests that do not say so themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestAuth {
    Open,
    Required,
}

impl TestAuth {
    /// What `TEST_AUTH` says; without it everybody may.
    pub(crate) fn chosen() -> Self {
        static CHOSEN: OnceLock<TestAuth> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var("TEST_AUTH").as_deref() {
            Err(_) | Ok("open") => Self::Open,
            Ok("required") => Self::Required,
            Ok(other) => panic!("TEST_AUTH={other}: only open and required are known"),
        })
    }
}

/// An HTTP client without proxies that shows an API key to gateways, if there is one, and never to the store: what is
/// signed must work, or be refused, for itself alone.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    store_url: String,
    key: Option<String>,
}

impl Http {
    pub(super) fn new(store_url: &str, key: Option<String>) -> Self {
        Self { client: Client::builder().no_proxy().build().unwrap(), store_url: store_url.to_owned(), key }
    }

    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The same caller, who stays where they are sent from.
    pub(crate) fn without_redirects(&self) -> Self {
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { client: client.build().unwrap(), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        let url = url.as_ref();
        let request = self.client.request(method, url);
        match &self.key {
            Some(key) if !url.starts_with(&self.store_url) => request.bearer_auth(key),
            Some(_) | None => request,
        }
    }

    pub(crate) fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    pub(crate) fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    pub(crate) fn put(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// The line of a request's head that says who calls, for requests that a test writes by hand; or nothing.
    pub(crate) fn head_line(&self) -> String {
        self.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default()
    }
}

/// An API key that may do what everybody may in open mode. It goes into the database before the gateway starts.
pub(super) async fn key(settings: &Settings, now: OffsetDateTime) -> String {
    let store = app::store(settings, Migrations::Run).await.unwrap();
    let new = NewKey {
        tenant: Some("default".to_owned()),
        name: "tests".to_owned(),
        roles: Role::ALL.into_iter().collect(),
        expires_at: None,
    };
    let minted = create_key(&store, new, now).await.unwrap();
    store.close().await;
    minted.secret_text
}
