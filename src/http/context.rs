//! Around every request: its id, its log line, its metrics, and the last touch of its problem.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use opentelemetry_http::HeaderExtractor;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::fmt::Hyphenated;

use super::calls::{Calls, method_name};
use super::security::{self, Transport};
use super::{error, host};
use crate::trace;

/// So many headers are added to an answer here: room for them is made once.
const ADDED_HEADERS: usize = 6;
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the requests of a listener have around them.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) hosts: Option<Vec<String>>,
    pub(super) transport: Transport,
    pub(super) calls: Calls,
}

/// Names the request, runs it, and tells log and metrics how it went.
pub(super) async fn observe(
    State(surroundings): State<Arc<Surroundings>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let request_id = request_id(&request);
    let method = method_name(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.name = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
        request.id = request_id.to_str().unwrap_or_default(),
        trace.id = Empty,
    );
    trace::begin(&span, (method, route), &HeaderExtractor(request.headers()));
    let answering = async {
        match host::check(surroundings.hosts.as_deref(), &request) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        }
    };
    let mut response = answering.instrument(span.clone()).await;
    response.headers_mut().reserve(ADDED_HEADERS);
    security::protect(surroundings.transport, response.headers_mut());
    let mut response = error::finish(response, request_id.to_str().unwrap_or_default());
    let elapsed = started.elapsed();
    let status = response.status();
    trace::answered(&span, (method, route), status.as_u16());
    span.in_scope(|| {
        let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            http.method = method,
            http.route = route,
            http.status = status.as_u16(),
            duration_ms,
            "answered"
        );
    });
    surroundings.calls.count((method, route), status, elapsed);
    response.headers_mut().insert(REQUEST_ID, request_id);
    response
}

/// The caller's own id where it is fit for a log, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID).filter(|value| is_fit(value.as_bytes()));
    given.cloned().unwrap_or_else(new_request_id)
}

fn is_fit(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=128).contains(&id.len()) && id.iter().all(is_plain)
}

/// A UUID of version 7, so that ids sort by time. `Uuid::now_v7` asks the system for randomness twice.
fn new_request_id() -> HeaderValue {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
    let mut text = [0; Hyphenated::LENGTH];
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text))
        .expect("hex digits and hyphens are a header's value")
}
