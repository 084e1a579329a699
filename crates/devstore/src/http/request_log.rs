//! One log line per request, and counts that tests read.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, HeaderValue};

use super::drain::DrainOnDrop;
use super::target::Target;

/// Requests kept with their details; older ones are only counted.
const KEPT: usize = 32_768;

/// What was asked of the store since it was opened. Clones share the log.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    state: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    counts: HashMap<&'static str, u64>,
    recent: VecDeque<LoggedRequest>,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The HTTP method.
    pub method: String,
    /// S3's name of the operation, such as `UploadPart`; `Preflight` for OPTIONS.
    pub operation: &'static str,
    /// The bucket, if the address names one.
    pub bucket: Option<String>,
    /// The key, if the address names one.
    pub key: Option<String>,
    /// The S3 upload id, if the address names one.
    pub s3_upload_id: Option<String>,
    /// The part number, if the address names one.
    pub part_number: Option<u32>,
    /// The status of the answer.
    pub status: u16,
    /// The Content-Length of the request's body.
    pub size_bytes: Option<u64>,
}

impl RequestLog {
    /// How many requests of an operation were answered, with whatever status.
    #[must_use]
    pub fn count(&self, operation: &str) -> u64 {
        self.log().counts.get(operation).copied().unwrap_or_default()
    }

    /// The part numbers that were uploaded with success to an S3 upload id, in order of their answers.
    #[must_use]
    pub fn stored_parts(&self, s3_upload_id: &str) -> Vec<u32> {
        let log = self.log();
        let stored = log.recent.iter().filter(|request| {
            matches!(request.operation, "UploadPart" | "UploadPartCopy")
                && request.status < 300
                && request.s3_upload_id.as_deref() == Some(s3_upload_id)
        });
        stored.filter_map(|request| request.part_number).collect()
    }

    /// The latest requests, oldest first; at most the last 32,768.
    #[must_use]
    pub fn recent(&self) -> Vec<LoggedRequest> {
        self.log().recent.iter().cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.log() = Log::default();
    }

    fn add(&self, request: LoggedRequest) {
        let mut log = self.log();
        *log.counts.entry(request.operation).or_default() += 1;
        if log.recent.len() == KEPT {
            log.recent.pop_front();
        }
        log.recent.push_back(request);
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn record(State(log): State<RequestLog>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let target = Target::of(request.uri());
    let method = request.method().clone();
    let operation = target.operation(&method, request.headers());
    let path = request.uri().path().to_owned();
    let size_bytes = content_length(request.headers());
    // A client that asks first (Expect: 100-continue) waits for the refusal and sends no body to drain.
    let asks_first = request.headers().contains_key(EXPECT);
    let request = if asks_first { request } else { request.map(DrainOnDrop::wrap) };
    let mut unanswered = Unanswered::begin();
    let mut response = next.run(request).await;
    unanswered.is_answered = true;
    let status = response.status().as_u16();
    let entry = LoggedRequest {
        method: method.as_str().to_owned(),
        operation,
        s3_upload_id: target.parameter("uploadId").map(str::to_owned),
        part_number: target.parameter("partNumber").and_then(|number| number.parse().ok()),
        bucket: target.bucket,
        key: target.key,
        status,
        size_bytes,
    };
    // The query stays out of the log: on presigned requests it is a credential.
    tracing::info!(
        target: "devstore",
        method = method.as_str(),
        path,
        operation,
        part.number = entry.part_number,
        status,
        request_size_bytes = size_bytes,
        response_size_bytes = content_length(response.headers()),
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    log.add(entry);
    let request_id = uuid::Uuid::new_v4().simple().to_string();
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    response
}

/// Says when a request begins, and when it ends without an answer because its client has gone: so the log tells
/// whether anything is under way.
struct Unanswered {
    is_answered: bool,
}

impl Unanswered {
    fn begin() -> Self {
        tracing::debug!(target: "devstore", "began");
        Self { is_answered: false }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.is_answered {
            tracing::debug!(target: "devstore", "dropped: the client has gone");
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
