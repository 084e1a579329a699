//! Every metric that there is. docs/metrics.md has a row for each, which a test holds to this table; another test holds
//! the table to what a gateway exposes.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises, until the process ends.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts values by size, in buckets of seconds.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// Its labels, each with its values; [`VALUES_OF_ANY`] where they are few but not told here. Invariant: no label has
    /// values that callers choose, so that the number of series stays bounded.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// What it tells.
    pub meaning: &'static str,
}

/// The values of a label that are not told one by one: routes, codes of answers, S3's operations, calls of the database.
pub const VALUES_OF_ANY: &[&str] = &[];

const STATES: &[&str] =
    &["creating", "open", "completing", "completed", "failed", "aborting", "aborted", "expired"];
const EVIDENCE: &[&str] = &["reported", "proxied", "listed"];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"];

const fn counter(
    name: &'static str,
    labels: &'static [(&'static str, &'static [&'static str])],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, meaning }
}

const fn gauge(
    name: &'static str,
    labels: &'static [(&'static str, &'static [&'static str])],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, meaning }
}

const fn histogram(
    name: &'static str,
    labels: &'static [(&'static str, &'static [&'static str])],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Histogram, labels, meaning }
}

/// Every metric, in the order of docs/metrics.md.
pub const METRICS: &[Metric] = &[
    // The process.
    gauge("partgate_build_info", &[("version", VALUES_OF_ANY)], "1, with the version that runs"),
    gauge("partgate_process_start_time_seconds", &[], "When the process started, Unix time"),
    gauge(
        "partgate_dependency_up",
        &[("dependency", &["database", "storage"])],
        "1 when the database or storage answered when last asked, else 0",
    ),
    // Calls of the API.
    counter(
        "partgate_http_requests_total",
        &[("method", METHODS), ("route", VALUES_OF_ANY), ("status", VALUES_OF_ANY)],
        "Requests, by method, route and status",
    ),
    histogram(
        "partgate_http_request_duration_seconds",
        &[("method", METHODS), ("route", VALUES_OF_ANY)],
        "Time to the answer's head, by method and route",
    ),
    gauge(
        "partgate_http_in_flight",
        &[("kind", &["api", "proxied"])],
        "Calls under way that have a place; proxied parts have places of their own",
    ),
    gauge("partgate_http_in_flight_limit", &[], "How many places there are of each kind: max_in_flight"),
    counter("partgate_http_shed_total", &[], "Calls refused because too many were under way"),
    counter(
        "partgate_http_rate_limited_total",
        &[("by", &["address", "caller", "in_flight"])],
        "Calls refused because their address or caller had made too many, or their address had too many under way",
    ),
    // Uploads.
    gauge("partgate_uploads", &[("state", STATES)], "Uploads in the database, by state"),
    counter("partgate_upload_transitions_total", &[("to", STATES)], "Changes of state, by the new state"),
    counter("partgate_uploads_reopened_total", &[], "Uploads whose multipart upload storage had lost"),
    counter(
        "partgate_parts_received_total",
        &[("evidence", EVIDENCE)],
        "Parts received, by who says so: client, storage at a proxied part, storage's list",
    ),
    counter("partgate_part_bytes_received_total", &[("evidence", EVIDENCE)], "Their bytes"),
    counter("partgate_bytes_completed_total", &[], "Bytes of objects proven to be in storage"),
    counter("partgate_proxied_bytes_total", &[], "File bytes that went through the gateway"),
    gauge("partgate_completions_running", &[], "Completions that this gateway works on"),
    gauge("partgate_completions_waited_for", &[], "Calls that wait for a completion"),
    gauge("partgate_read_backs_waiting", &[], "Completions that wait for their turn to read an object back"),
    // Signing.
    counter("partgate_urls_signed_total", &[], "Presigned part URLs handed out"),
    histogram(
        "partgate_sign_duration_seconds",
        &[],
        "Time to sign all URLs of one call, without the database",
    ),
    // Storage and database.
    counter(
        "partgate_storage_calls_total",
        &[
            ("operation", VALUES_OF_ANY),
            ("result", &["ok", "not_found", "precondition_failed", "bad_part", "rejected", "unavailable"]),
        ],
        "Calls to storage, with all their attempts, by S3's operation and result",
    ),
    histogram(
        "partgate_storage_call_duration_seconds",
        &[("operation", VALUES_OF_ANY)],
        "Time of a call to storage, with all its attempts",
    ),
    gauge("partgate_storage_calls_in_flight", &[], "Calls to storage under way"),
    gauge(
        "partgate_storage_clock_ahead_seconds",
        &[],
        "How far storage's clock is ahead of this machine's, by its last answer; it tells whole seconds",
    ),
    histogram(
        "partgate_database_call_duration_seconds",
        &[("call", VALUES_OF_ANY)],
        "Time of a call to the database, with the wait for a connection",
    ),
    counter(
        "partgate_database_failures_total",
        &[("call", VALUES_OF_ANY)],
        "Calls to the database that failed",
    ),
    // The sweep.
    gauge("partgate_sweep_interval_seconds", &[], "How often this gateway sweeps: sweep.interval"),
    gauge(
        "partgate_sweep_last_success_timestamp_seconds",
        &[],
        "When this gateway's last sweep ended well, Unix time; 0 before the first",
    ),
    histogram("partgate_sweep_duration_seconds", &[], "Time of a sweep"),
    counter("partgate_sweep_failures_total", &[], "Sweeps that could not look"),
    counter(
        "partgate_sweep_actions_total",
        &[
            ("action", &["expire", "abort", "complete", "look", "orphan"]),
            ("result", &["ok", "left", "failed"]),
        ],
        "What the sweep did, by action and result",
    ),
    gauge(
        "partgate_orphans_left",
        &[],
        "Multipart uploads under the prefix that are in no database of ours and were left, at the last look",
    ),
    gauge(
        "partgate_orphans_looked_timestamp_seconds",
        &[],
        "When this gateway last looked for orphans, Unix time; 0 before the first look",
    ),
];
