//! Around every request: its id, its log line, its metrics, and the last touch of its problem.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry_http::HeaderExtractor;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use super::error;
use crate::trace;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names the request, runs it, and tells log and metrics how it went.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(&request);
    let method = method_name(request.method());
    // The pattern, not the path: paths hold ids, and metrics want few labels.
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        otel.name = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
        request.id = %request_id,
        trace.id = Empty,
    );
    trace::begin(&span, (method, &route), &HeaderExtractor(request.headers()));
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = error::finish(response, &request_id);
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    trace::answered(&span, (method, &route), status);
    span.in_scope(|| {
        let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            http.method = method,
            http.route = route,
            http.status = status,
            duration_ms,
            "answered"
        );
    });
    let code = response.status().as_str().to_owned();
    metrics::counter!("partgate_http_requests_total", "method" => method, "route" => route.clone(), "status" => code)
        .increment(1);
    metrics::histogram!("partgate_http_request_duration_seconds", "method" => method, "route" => route)
        .record(elapsed);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A method's name; one name for all that HTTP does not have, because callers may make up any, and each would be a
/// series of its own in the metrics.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// The caller's own id where it is fit for a log, else a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_fit = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    given.filter(is_fit).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
