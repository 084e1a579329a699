//! What every call to storage has around it that uploads and the sweep make: its span, its metrics, its error in our
//! words.

use std::pin::Pin;
use std::time::{Instant, SystemTime};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use tracing::Instrument as _;

use super::{StorageError, StorageErrorKind};
use crate::trace;

/// Waits for what was sent to storage. Invariant: every call that a gateway makes for uploads goes through here, by S3's
/// name of its operation, so that none is missing in metrics and traces. What commands ask once is not counted.
///
/// The SDK's futures are large and lie within each other, so each has a place of its own: on the stack, a debug build
/// has overflowed by them.
///
/// # Errors
/// [`StorageError`].
pub(super) fn call<'a, T, E>(
    operation: &'static str,
    sent: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>
where
    T: Send + 'a,
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    Box::pin(observed(operation, sent))
}

async fn observed<T, E>(
    operation: &'static str,
    sent: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, StorageError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let span = tracing::debug_span!(
        "storage",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        storage.operation = operation,
        storage.result = tracing::field::Empty,
    );
    let under_way = UnderWay::begin();
    let answer = sent.instrument(span.clone()).await;
    let answer = answer.map_err(|error| StorageError::from_sdk(operation, error));
    let result = answer.as_ref().map_or_else(|error| name(error.kind), |_| "ok");
    span.record("storage.result", result);
    if matches!(result, "rejected" | "unavailable") {
        span.record("otel.status_code", "ERROR");
    }
    metrics::counter!("partgate_storage_calls_total", "operation" => operation, "result" => result)
        .increment(1);
    metrics::histogram!("partgate_storage_call_duration_seconds", "operation" => operation)
        .record(under_way.started.elapsed());
    answer
}

/// The label of a result. What a client or a race brings about is told from what an operator has to look at.
fn name(kind: StorageErrorKind) -> &'static str {
    match kind {
        StorageErrorKind::NoSuchUpload | StorageErrorKind::NoSuchObject => "not_found",
        StorageErrorKind::PreconditionFailed => "precondition_failed",
        StorageErrorKind::InvalidPart | StorageErrorKind::BadDigest | StorageErrorKind::BodyBroken => {
            "bad_part"
        }
        StorageErrorKind::Rejected => "rejected",
        StorageErrorKind::Unavailable => "unavailable",
    }
}

/// A call that is counted as under way until this is dropped, also when nobody waits for it any more.
struct UnderWay {
    started: Instant,
}

impl UnderWay {
    fn begin() -> Self {
        metrics::gauge!("partgate_storage_calls_in_flight").increment(1);
        Self { started: Instant::now() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        metrics::gauge!("partgate_storage_calls_in_flight").decrement(1);
    }
}

/// Reads and writes headers of every attempt: tells storage of the trace, and hears its clock.
#[derive(Debug)]
pub(super) struct Headers;

impl Intercept for Headers {
    fn name(&self) -> &'static str {
        "partgate headers"
    }

    /// After signing: a proxy on the way may change this header, and need not break the signature.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(value) = trace::traceparent() {
            context.request_mut().headers_mut().insert(trace::TRACEPARENT, value);
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(seconds) = context.response().headers().get("date").and_then(seconds_ahead) {
            metrics::gauge!("partgate_storage_clock_ahead_seconds").set(seconds);
        }
        Ok(())
    }
}

/// How far storage's clock is ahead of ours, by its `Date`, which has whole seconds.
fn seconds_ahead(date: &str) -> Option<f64> {
    let theirs = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    let ours = DateTime::from(SystemTime::now());
    Some((theirs.secs() - ours.secs()) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_of_storage_is_read_from_its_date() {
        let hour_ago = DateTime::from_secs(DateTime::from(SystemTime::now()).secs() - 3_600);
        let seconds = seconds_ahead(&hour_ago.fmt(DateTimeFormat::HttpDate).unwrap()).unwrap();
        assert!((-3_605.0..=-3_600.0).contains(&seconds), "{seconds}");
        assert_eq!(seconds_ahead("yesterday"), None);
    }
}
