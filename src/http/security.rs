//! What every answer tells browsers.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // It binds only what is loaded without CORS (https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header):
    // pages that may call the API call it with CORS, and the page loads its files from its own origin.
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];
/// A year, for this host alone: what else is under its name is not ours to decide.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Whether browsers shall know the gateway by TLS only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Callers reach it by TLS, its own or a proxy's.
    Tls,
    /// It is plain HTTP, at least for some.
    Plain,
}

/// Adds what an answer does not say itself.
pub(super) async fn protect(State(transport): State<Transport>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    // Answers are about one caller's uploads, and URLs in them are credentials.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if transport == Transport::Tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
    response
}
