//! The log and the metrics of this process.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;

/// Upper bounds of latency histograms, seconds: from a signing call to a completion that is waited for.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];

/// Starts the log on standard error. `RUST_LOG` chooses what is told; without it, our own `info` and others' `warn`.
///
/// A level without a name (`RUST_LOG=trace`) is for our own lines only: below `warn`, the crates that we use log signed
/// URLs, keys of objects and headers with credentials. Whoever needs theirs names the crate
/// (`RUST_LOG=debug,aws_smithy_runtime=debug`) and keeps such a log to themselves.
///
/// Panics are logged too, without what was formatted into their words, for that may be what a client sent.
pub fn start_log(format: LogFormat) {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let filter = EnvFilter::try_new(directives(wanted.as_deref().unwrap_or("info")));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(directives("info")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start (in tests) is of no consequence: the first log stays.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let words = literal_words(panic.payload());
        let backtrace = Backtrace::capture();
        let frames = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, words, backtrace = frames, "a thread panicked");
    }));
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

/// The metrics of this process; started by the first call.
///
/// # Panics
/// When another recorder was installed before, which no code of ours does.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .expect("the bounds are not empty")
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).expect("only this function installs a recorder, and only once");
    describe();
    handle
}

/// Every metric with its meaning; counters start at 0, so that a rate exists from the first scrape.
fn describe() {
    use metrics::{counter, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("partgate_uploads", "Uploads in the database, by state");
    describe_counter!("partgate_upload_transitions_total", "Changes of state, by the new state");
    describe_counter!("partgate_urls_signed_total", "Presigned part URLs handed out");
    describe_counter!("partgate_bytes_completed_total", "Bytes of objects proven to be in storage");
    describe_counter!("partgate_proxied_bytes_total", "File bytes that went through the gateway");
    describe_counter!("partgate_uploads_reopened_total", "Uploads whose multipart upload storage had lost");
    describe_gauge!(
        "partgate_orphans_left",
        "Multipart uploads under the prefix that are in no database of ours and were left, at the last look"
    );
    describe_counter!("partgate_sweep_actions_total", "What the sweep did, by action and result");
    describe_counter!("partgate_http_shed_total", "Calls refused because too many were under way");
    describe_counter!(
        "partgate_http_rate_limited_total",
        "Calls refused because their address or caller had made too many, or their address had too many under way"
    );
    describe_counter!("partgate_http_requests_total", "Requests, by method, route and status");
    describe_histogram!(
        "partgate_http_request_duration_seconds",
        "Time to the answer's head, by method and route"
    );
    for name in [
        "partgate_urls_signed_total",
        "partgate_bytes_completed_total",
        "partgate_proxied_bytes_total",
        "partgate_uploads_reopened_total",
        "partgate_http_shed_total",
    ] {
        counter!(name).increment(0);
    }
    for by in ["address", "caller", "in_flight"] {
        counter!("partgate_http_rate_limited_total", "by" => by).increment(0);
    }
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
