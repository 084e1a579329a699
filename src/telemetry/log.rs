//! The log of this process, and the spans that go with it.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;

use tracing::Metadata;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::json::{Json, JsonFields};
use super::{Traces, TracesError};
use crate::config::{LogFormat, TraceSettings};
use crate::trace;

/// Starts the log, and traces where a collector is set. What is returned sends the last spans when it is stopped.
///
/// # Errors
/// [`TracesError`], with the log started.
pub fn start(format: LogFormat, settings: Option<&TraceSettings>) -> Result<Traces, TracesError> {
    match settings.map(Traces::start).transpose() {
        Ok(traces) => {
            let traces = traces.unwrap_or_default();
            start_with(format, &traces);
            Ok(traces)
        }
        Err(error) => {
            start_log(format);
            Err(error)
        }
    }
}

/// Starts the log on standard error. `RUST_LOG` chooses what is told; without it, our own `info` and others' `warn`.
///
/// A level without a name (`RUST_LOG=trace`) is for our own lines only: below `warn`, the crates that we use log signed
/// URLs, keys of objects and headers with credentials. Whoever needs theirs names the crate
/// (`RUST_LOG=debug,aws_smithy_runtime=debug`) and keeps such a log to themselves.
///
/// Panics are logged too, without what was formatted into their words, for that may be what a client sent.
pub fn start_log(format: LogFormat) {
    start_with(format, &Traces::default());
}

fn start_with(format: LogFormat, traces: &Traces) {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let filter = EnvFilter::try_new(directives(wanted.as_deref().unwrap_or("info")));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(directives("info")));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.fmt_fields(JsonFields).event_format(Json).boxed(),
    };
    // Spans of our own and nothing else: no lines of the log, which say more than a trace should, and no other crate's.
    let spans = traces.tracer().map(|tracer| {
        let layer =
            OpenTelemetryLayer::new(tracer).with_location(false).with_threads(false).with_target(false);
        layer
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_own_span).with_max_level_hint(LevelFilter::DEBUG))
    });
    let is_traced = spans.is_some();
    // A second start (in tests) is of no consequence: the first log stays.
    let started = tracing_subscriber::registry().with(spans).with(lines.with_filter(filter)).try_init();
    if is_traced && started.is_ok() {
        trace::switch_on();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let words = literal_words(panic.payload());
        let backtrace = Backtrace::capture();
        let frames = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, words, backtrace = frames, "a thread panicked");
    }));
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("partgate")
}

/// The words of a panic that are in the code as they are. Formatted ones may hold anything: a broken index into a text
/// tells the text.
fn literal_words(payload: &dyn Any) -> Option<&'static str> {
    payload.downcast_ref::<&'static str>().copied()
}

/// `RUST_LOG` with its levels that name no crate turned into ours. What comes later and is more precise goes before.
fn directives(wanted: &str) -> String {
    let ours = |directive: &str| match directive.trim().parse::<LevelFilter>() {
        Ok(level) => format!("{},partgate={level}", level.min(LevelFilter::WARN)),
        Err(_) => directive.trim().to_owned(),
    };
    // The embedded store's protocol crate logs whole requests also where it warns.
    let all = ["warn", "s3s=off"].map(str::to_owned).into_iter().chain(wanted.split(',').map(ours));
    all.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_does_not_tell_what_was_formatted_into_its_words() {
        let words = |panic: fn()| literal_words(&*std::panic::catch_unwind(panic).unwrap_err());
        assert_eq!(words(|| panic!("the list is empty")), Some("the list is empty"));
        let filename = std::hint::black_box("é");
        assert_eq!(words(|| panic!("{} is not a name", std::hint::black_box("salary.pdf"))), None);
        let broken = std::panic::catch_unwind(|| filename[1..].len()).unwrap_err();
        assert_eq!(literal_words(&*broken), None);
    }

    #[test]
    fn level_without_a_name_is_for_our_own_lines() {
        for (wanted, expected) in [
            ("info", "warn,s3s=off,warn,partgate=info"),
            ("TRACE", "warn,s3s=off,warn,partgate=trace"),
            ("error", "warn,s3s=off,error,partgate=error"),
            ("5, hyper=debug", "warn,s3s=off,warn,partgate=trace,hyper=debug"),
            ("partgate=debug", "warn,s3s=off,partgate=debug"),
            ("debug,partgate=info", "warn,s3s=off,warn,partgate=debug,partgate=info"),
            ("off", "warn,s3s=off,off,partgate=off"),
        ] {
            assert_eq!(directives(wanted), expected);
            assert!(EnvFilter::try_new(directives(wanted)).is_ok(), "{wanted}");
        }
    }
}
