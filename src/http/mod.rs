//! The HTTP API: parse, one call of `service`, map. What a request may look like is checked here, what an upload may
//! do is decided elsewhere.

mod address;
mod admission;
mod auth;
mod calls;
mod context;
mod error;
mod exposition;
mod host;
mod json;
mod limits;
mod load;
mod openapi;
mod operations;
mod page;
mod params;
mod proxied;
mod security;
mod signed;
mod uploads;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::routing::{get, post, put};
use ipnet::IpNet;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;

use admission::Gate;
use calls::Calls;
use context::Surroundings;
use load::InFlight;

pub use exposition::Exposition;
pub use limits::RateLimits;
pub use openapi::document as openapi_document;
pub use security::Transport;
pub use wire::sweep_report;

use crate::service::{Authenticator, Service};

/// The largest JSON body, bytes: a complete call that reports 10,000 parts with SHA-256 each fits.
pub const MAX_JSON_BYTES: usize = 1536 * 1024;
/// The body of a proxied part of which nothing arrives for so long is given up.
const BODY_IDLE: Duration = Duration::from_secs(60);
/// A call may take so long beyond what complete waits for: a storage call with all its attempts, and some.
const LONGEST_CALL: Duration = Duration::from_secs(60);

/// What the handlers need. They share one.
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
    /// The whole body of a JSON request has to arrive in so long.
    pub body_timeout: Duration,
    /// How many calls an address and a caller may make.
    pub limits: RateLimits,
    /// The proxies whose word on addresses counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The names that the gateway answers to beside this machine's; none for any.
    pub hosts: Option<Vec<String>>,
    /// How callers reach it.
    pub transport: Transport,
    /// Where metrics are.
    pub metrics_at: MetricsAt,
    /// The metrics of this process.
    pub metrics: Exposition,
}

/// Where metrics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsAt {
    /// Beside the API.
    Api,
    /// On the listener of [`operations_router`] only.
    Operations,
}

/// The whole API as one service.
pub fn router(gateway: Gateway) -> Router {
    let gateway = Arc::new(gateway);
    let uploads = Router::new()
        .route("/upload", get(uploads::list))
        .route("/upload/init", post(uploads::init))
        .route("/upload/{id}", axum::routing::delete(uploads::abort))
        .route("/upload/{id}/sign", post(uploads::sign))
        .route("/upload/{id}/parts", post(uploads::report))
        .route("/upload/{id}/status", get(uploads::status))
        .route("/upload/{id}/complete", post(uploads::complete))
        .route("/upload/{id}/file", get(uploads::file))
        .route("/sweep", post(operations::sweep));
    let proxied = Router::new()
        .route("/upload/{id}/parts/{number}", put(proxied::part))
        .route("/upload/{id}/chunk/{index}", post(proxied::chunk))
        .layer(RequestBodyTimeoutLayer::new(BODY_IDLE));
    let mut operations = health().route("/openapi.json", get(openapi::serve));
    if gateway.metrics_at == MetricsAt::Api {
        // A credential can be guessed here too.
        let metrics = Router::new().route("/metrics", get(operations::metrics));
        operations = operations.merge(gated(metrics, gate(&gateway)));
    }
    let longest = gateway.service.rules().complete_wait + LONGEST_CALL;
    let api = Gate { longest: Some(longest), ..gate_with_places(&gateway, "api") };
    let routes = gated(uploads, api)
        .merge(gated(proxied, gate_with_places(&gateway, "proxied")))
        .merge(operations)
        .merge(page::routes(&gateway.service.terms(), &gateway.auth))
        .method_not_allowed_fallback(error::method_not_allowed)
        .fallback(error::no_such_route);
    let cors = cors(&gateway);
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(surroundings(&gateway, gateway.transport), context::observe))
        .layer(cors)
        .layer(CatchPanicLayer::custom(error::panicked));
    routes.layer(layers).with_state(gateway)
}

/// What those who run the gateway ask, for a plain listener that only they reach: nobody is asked who they are.
pub fn operations_router(gateway: Gateway) -> Router {
    let gateway = Arc::new(gateway);
    let routes = health()
        .route("/metrics", get(operations::metrics_for_all))
        .method_not_allowed_fallback(error::method_not_allowed)
        .fallback(error::no_such_route);
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(surroundings(&gateway, Transport::Plain), context::observe))
        .layer(CatchPanicLayer::custom(error::panicked));
    routes.layer(layers).with_state(gateway)
}

fn health() -> Router<Arc<Gateway>> {
    Router::new().route("/healthz", get(operations::healthz)).route("/readyz", get(operations::readyz))
}

fn surroundings(gateway: &Gateway, transport: Transport) -> Arc<Surroundings> {
    Arc::new(Surroundings { hosts: gateway.hosts.clone(), transport, calls: Calls::default() })
}

fn gated(routes: Router<Arc<Gateway>>, gate: Gate) -> Router<Arc<Gateway>> {
    routes.layer(middleware::from_fn_with_state(Arc::new(gate), admission::admit))
}

/// A gate that counts calls by address.
fn gate(gateway: &Gateway) -> Gate {
    let (trusted_proxies, limits) = (gateway.trusted_proxies.clone(), gateway.limits.clone());
    Gate { trusted_proxies, limits, in_flight: None, longest: None }
}

/// One through which only so many calls of a kind are under way at once, too.
fn gate_with_places(gateway: &Gateway, kind: &'static str) -> Gate {
    let in_flight = InFlight::new(kind, gateway.max_in_flight, gateway.limits.fairness());
    Gate { in_flight: Some(in_flight), ..gate(gateway) }
}

/// A preflight does not say who will call, so an origin is allowed that the gateway or any tenant allows; the call itself
/// is held against its own tenant ([`auth`]).
fn cors(gateway: &Gateway) -> CorsLayer {
    let origins: Arc<[String]> = gateway.cors_origins.clone().into();
    let tenants = gateway.service.tenants().clone();
    let allowed = AllowOrigin::async_predicate(move |origin: HeaderValue, _| async move {
        let Ok(origin) = origin.to_str() else { return false };
        if origins.iter().any(|allowed| allows(allowed, origin)) {
            return true;
        }
        let of_tenants = tenants.all().await;
        of_tenants.is_ok_and(|tenants| {
            tenants.values().flat_map(|tenant| &tenant.cors_origins).any(|allowed| allows(allowed, origin))
        })
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
