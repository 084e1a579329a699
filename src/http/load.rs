//! Sheds load before memory grows, and lets no call last for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::error::{ApiError, Code};

/// How many calls may be under way at once; who comes after is asked to come back.
#[derive(Debug, Clone)]
pub(super) struct InFlight(Arc<Semaphore>);

impl InFlight {
    pub(super) fn at_most(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(calls)))
    }
}

/// Refuses a call when too many are under way already. Waiting in a queue would only make all of them late.
pub(super) async fn shed(State(in_flight): State<InFlight>, request: Request, next: Next) -> Response {
    let Ok(_permit) = in_flight.0.try_acquire() else {
        metrics::counter!("partgate_http_shed_total").increment(1);
        return ApiError::new(Code::Overloaded, "nothing was done; send the same request again")
            .into_response();
    };
    next.run(request).await
}

/// Gives a call up after a while. That is safe at any moment, as a crash is: what storage was asked for was written
/// down before.
pub(super) async fn bound(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(after_s = longest.as_secs(), "a call was given up");
            let detail = "storage or database took too long; nothing is lost, send the same request again";
            ApiError::new(Code::Busy, detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn call_that_hangs_is_given_up() {
        let hang = get(std::future::pending::<()>);
        let bound = axum::middleware::from_fn_with_state(Duration::from_millis(10), bound);
        let router: Router = Router::new().route("/", hang).layer(bound);
        let answer = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
    }
}
