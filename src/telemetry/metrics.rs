//! The metrics of this process, in Prometheus's words.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use metrics::{Key, Label, with_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::metrics_table::{METRICS, Metric, MetricKind};

/// Upper bounds of latency histograms, seconds: from a status call to a completion that is waited for.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];
/// Of signing: a URL takes microseconds, a thousand of them milliseconds.
const SIGN_SECONDS: [f64; 9] = [0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.002_5, 0.01, 0.05, 0.25];
/// Of the database: from a read of one row to the end of its patience. Few, because there is a series for each call.
const DATABASE_SECONDS: [f64; 7] = [0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5, 5.0];
/// Of a sweep: from one that finds nothing to one that works for minutes.
const SWEEP_SECONDS: [f64; 7] = [0.01, 0.1, 1.0, 5.0, 30.0, 120.0, 600.0];

/// How often samples are put into their buckets when nobody asks for the metrics.
const KEEP_UP_EVERY: Duration = Duration::from_secs(5);

/// The metrics of this process; started by the first call.
///
/// # Panics
/// When another recorder was installed before, which no code of ours does.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

/// Keeps the memory of samples bounded where nobody scrapes: until they are put into their buckets, each is kept. Goes on
/// until it is dropped.
pub async fn keep_up(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(KEEP_UP_EVERY);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

fn install() -> PrometheusHandle {
    let full = |name: &str| Matcher::Full(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(full("partgate_sign_duration_seconds"), &SIGN_SECONDS)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(full("partgate_database_call_duration_seconds"), &DATABASE_SECONDS)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(full("partgate_sweep_duration_seconds"), &SWEEP_SECONDS)
        })
        .expect("no list of bounds is empty")
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).expect("only this function installs a recorder, and only once");
    METRICS.iter().for_each(describe);
    metrics::gauge!("partgate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("partgate_process_start_time_seconds").set(since_epoch.as_secs_f64());
    handle
}

/// Tells a metric's meaning. Counters whose labels' values are known start at 0, so that a rate exists from the first
/// scrape. So do gauges without labels; of those with labels, 0 uploads would be said before anybody has counted.
fn describe(metric: &Metric) {
    let metadata = metrics::Metadata::new(module_path!(), metrics::Level::INFO, Some(module_path!()));
    with_recorder(|recorder| match metric.kind {
        MetricKind::Counter => {
            recorder.describe_counter(metric.name.into(), None, metric.meaning.into());
            for key in keys(metric) {
                recorder.register_counter(&key, &metadata).increment(0);
            }
        }
        MetricKind::Gauge => {
            recorder.describe_gauge(metric.name.into(), None, metric.meaning.into());
            if metric.labels.is_empty() {
                recorder.register_gauge(&Key::from_static_name(metric.name), &metadata).increment(0.0);
            }
        }
        MetricKind::Histogram => recorder.describe_histogram(metric.name.into(), None, metric.meaning.into()),
    });
}

/// A metric with each combination of its labels' values; none where the values of one are not told.
fn keys(metric: &Metric) -> Vec<Key> {
    let mut combinations: Vec<Vec<Label>> = vec![Vec::new()];
    for (label, values) in metric.labels {
        let with_each = |labels: Vec<Label>| {
            values.iter().map(move |value| {
                let label = Label::from_static_parts(label, value);
                labels.iter().cloned().chain([label]).collect()
            })
        };
        combinations = combinations.into_iter().flat_map(with_each).collect();
    }
    combinations.into_iter().map(|labels| Key::from_parts(metric.name, labels)).collect()
}
