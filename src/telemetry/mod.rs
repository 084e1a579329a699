//! What this process tells of itself: log, metrics, traces. docs/metrics.md describes all three for operators.

mod json;
mod log;
mod metrics;
mod metrics_table;
mod traces;

pub use log::{start, start_log};
pub use metrics::{keep_up, metrics};
pub use metrics_table::{METRICS, Metric, MetricKind, VALUES_OF_ANY};
pub use traces::{Traces, TracesError};
