//! The way of a request through gateway and storage, told to OpenTelemetry. Where traces are off, each call here costs
//! the reading of one flag.
//!
//! The spans themselves are `tracing`'s; who exports them is `telemetry`'s business.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanId, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header that names the trace and the calling span (<https://www.w3.org/TR/trace-context/>).
pub(crate) const TRACEPARENT: &str = "traceparent";

static IS_ON: AtomicBool = AtomicBool::new(false);

/// From now on spans are exported.
pub(crate) fn switch_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// Whether spans are exported.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Makes a span that has just been created the server's side of a call: a part of the trace that the headers name, or
/// the first of a new one. The span has empty fields `otel.name`, `otel.kind` and `trace.id`.
pub(crate) fn begin(span: &Span, (method, route): (&str, &str), headers: &dyn Extractor) {
    // A span that the log is not interested in may be off although traces are on.
    if !is_on() || span.set_parent(TraceContextPropagator::new().extract(headers)).is_err() {
        return;
    }
    span.record("otel.name", format!("{method} {route}"));
    span.record("otel.kind", "server");
    // This starts the span, so it comes last.
    let trace_id = span.context().span().span_context().trace_id();
    span.record("trace.id", tracing::field::display(trace_id));
}

/// Puts how a call was answered on its span, by the names of OpenTelemetry
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>).
pub(crate) fn answered(span: &Span, (method, route): (&'static str, &str), status: u16) {
    if !is_on() {
        return;
    }
    span.set_attribute("http.request.method", method);
    span.set_attribute("http.route", route.to_owned());
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Makes a span without a parent a part of the trace that is under way here, so that work which outlives its call does
/// not keep the call's span open.
pub(crate) fn detached(span: Span) -> Span {
    if is_on() {
        // One that is off stays off.
        let _ = span.set_parent(Span::current().context());
    }
    span
}

/// What tells the callee of the span that is under way here, if any.
pub(crate) fn traceparent() -> Option<String> {
    if !is_on() {
        return None;
    }
    let context = Span::current().context();
    if context.span().span_context().span_id() == SpanId::INVALID {
        return None;
    }
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut headers);
    headers.remove(TRACEPARENT)
}
