//! Metrics, traces and log: that they are what docs/metrics.md says, and that dashboard and alerts name what exists.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod collector;
mod log;
mod page;
mod rules;
mod scrape;
mod traces;

use std::fs;
use std::path::{Path, PathBuf};

use partgate::telemetry::{METRICS, Metric, MetricKind};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl Into<PathBuf>) -> String {
    let path = repository().join(path.into());
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metric that a series is of: a histogram has three series.
fn metric_of(series: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.kind {
        MetricKind::Counter | MetricKind::Gauge => metric.name == series,
        MetricKind::Histogram => {
            series.strip_prefix(metric.name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
        }
    })
}

/// Every name of ours in a text, with where it ends.
fn names(text: &str) -> Vec<(&str, usize)> {
    let ends = |start: usize| {
        let rest = &text[start..];
        start + rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
    };
    let starts = text.match_indices("partgate_").map(|(start, _)| start);
    starts.map(|start| (&text[start..ends(start)], ends(start))).collect()
}
