//! The HTTP API: parse, one call of `service`, map. What a request may look like is checked here, what an upload may
//! do is decided elsewhere.

mod auth;
mod context;
mod error;
mod json;
mod load;
mod openapi;
mod operations;
mod page;
mod params;
mod proxied;
mod uploads;
mod wire;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::routing::{get, post, put};
use metrics_exporter_prometheus::PrometheusHandle;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;

pub use openapi::document as openapi_document;
pub use wire::sweep_report;

use crate::service::{Authenticator, Service};

/// The largest JSON body, bytes: a complete call that reports 10,000 parts with SHA-256 each fits.
pub const MAX_JSON_BYTES: usize = 1536 * 1024;
/// A body of which nothing arrives for so long is given up.
const BODY_IDLE: Duration = Duration::from_secs(60);
/// A call may take so long beyond what complete waits for: a storage call with all its attempts, and some.
const LONGEST_CALL: Duration = Duration::from_secs(60);

/// What the handlers need.
#[derive(Clone)]
pub struct Gateway {
    /// The capabilities.
    pub service: Service,
    /// Before the paths in answers, where the gateway is reached by another address than it sees; or nothing.
    pub public_url: String,
    /// Tells callers apart.
    pub auth: Authenticator,
    /// The origins whose pages may call; `*` for any.
    pub cors_origins: Vec<String>,
    /// How many calls of the API, and how many proxied parts, may be under way at once.
    pub max_in_flight: usize,
    /// The metrics of this process.
    pub metrics: PrometheusHandle,
}

/// The whole API as one service.
pub fn router(gateway: Gateway) -> Router {
    let in_flight =
        || middleware::from_fn_with_state(load::InFlight::at_most(gateway.max_in_flight), load::shed);
    let longest = gateway.service.rules().complete_wait + LONGEST_CALL;
    let uploads = Router::new()
        .route("/upload", get(uploads::list))
        .route("/upload/init", post(uploads::init))
        .route("/upload/{id}", axum::routing::delete(uploads::abort))
        .route("/upload/{id}/sign", post(uploads::sign))
        .route("/upload/{id}/parts", post(uploads::report))
        .route("/upload/{id}/status", get(uploads::status))
        .route("/upload/{id}/complete", post(uploads::complete))
        .route("/upload/{id}/file", get(uploads::file))
        .route("/sweep", post(operations::sweep))
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .layer(middleware::from_fn_with_state(longest, load::bound))
        .layer(in_flight());
    let proxied = Router::new()
        .route("/upload/{id}/parts/{number}", put(proxied::part))
        .route("/upload/{id}/chunk/{index}", post(proxied::chunk))
        // Bytes stream through and are counted against the part's length instead.
        .layer(DefaultBodyLimit::disable())
        .layer(in_flight());
    let operations = Router::new()
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
        .route("/openapi.json", get(openapi::serve));
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(context::observe))
        .layer(cors(&gateway.cors_origins))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(RequestBodyTimeoutLayer::new(BODY_IDLE));
    uploads
        .merge(proxied)
        .merge(operations)
        .merge(page::routes(&gateway.service.terms()))
        .method_not_allowed_fallback(error::method_not_allowed)
        .fallback(error::no_such_route)
        .layer(layers)
        .with_state(gateway)
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.to_vec();
    let allowed = AllowOrigin::predicate(move |origin: &HeaderValue, _| {
        origin.to_str().is_ok_and(|origin| origins.iter().any(|allowed| allows(allowed, origin)))
    });
    let checksums = ["crc64nvme", "crc32c", "crc32", "sha1", "sha256"];
    let checksums = checksums.map(|kind| HeaderName::try_from(format!("x-amz-checksum-{kind}")));
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("content-md5"),
        HeaderName::from_static("idempotency-key"),
        context::REQUEST_ID,
    ];
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(headers.into_iter().chain(checksums.into_iter().flatten()).collect::<Vec<_>>())
        // Date: how long a URL is good for is told by this clock, which need not be the browser's.
        .expose_headers([header::DATE, header::LOCATION, header::RETRY_AFTER, context::REQUEST_ID])
        .max_age(Duration::from_secs(600))
}

/// Whether an entry of `cors.origins` allows an origin: `*` any, `http://localhost:*` any port, else the very one.
fn allows(allowed: &str, origin: &str) -> bool {
    let any_port = || allowed.strip_suffix(":*").zip(origin.rsplit_once(':'));
    allowed == "*"
        || allowed == origin
        || any_port().is_some_and(|(allowed, (host, port))| {
            allowed == host && port.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::allows;

    #[test]
    fn origins_match_exactly_or_by_port() {
        assert!(allows("*", "https://anything.example"));
        assert!(allows("https://app.example.com", "https://app.example.com"));
        assert!(!allows("https://app.example.com", "https://app.example.com.evil.example"));
        assert!(allows("http://localhost:*", "http://localhost:5173"));
        assert!(!allows("http://localhost:*", "http://localhost.evil.example:80"));
        assert!(!allows("http://localhost:*", "http://localhost:80.evil.example"));
    }
}
