//! Counts calls, and how long they took, by method and route.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// The series of calls, each found once: to look one up in the recorder costs ten times what counting does.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_route: RwLock<HashMap<Box<str>, Vec<Series>>>,
}

#[derive(Debug)]
struct Series {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

impl Calls {
    /// Counts a call that was answered. `route` is its pattern and not its path: paths hold ids, and metrics want few
    /// labels.
    pub(super) fn count(&self, (method, route): (&'static str, &str), status: StatusCode, elapsed: Duration) {
        let by_route = self.by_route.read().unwrap_or_else(PoisonError::into_inner);
        let known = by_route.get(route).and_then(|series| series.iter().find(|it| it.is(method, status)));
        if let Some(series) = known {
            return series.count(elapsed);
        }
        drop(by_route);
        let series = Series::new((method, route), status);
        series.count(elapsed);
        // Where two calls are the first of their kind at once, the series is known twice, and is the same.
        let mut by_route = self.by_route.write().unwrap_or_else(PoisonError::into_inner);
        by_route.entry(route.into()).or_default().push(series);
    }
}

impl Series {
    fn new((method, route): (&'static str, &str), status: StatusCode) -> Self {
        let (route, code) = (route.to_owned(), status.as_str().to_owned());
        Self {
            method,
            status,
            requests: metrics::counter!("partgate_http_requests_total", "method" => method, "route" => route.clone(), "status" => code),
            duration: metrics::histogram!("partgate_http_request_duration_seconds", "method" => method, "route" => route),
        }
    }

    fn is(&self, method: &'static str, status: StatusCode) -> bool {
        self.status == status && self.method == method
    }

    fn count(&self, elapsed: Duration) {
        self.requests.increment(1);
        self.duration.record(elapsed);
    }
}

/// A method's name; one name for all that HTTP does not have, because callers may make up any, and each would be a
/// series of its own in the metrics.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
