//! What every answer tells browsers.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

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
pub(super) fn protect(transport: Transport, headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    // Answers are about one caller's uploads, and URLs in them are credentials.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if transport == Transport::Tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
}
