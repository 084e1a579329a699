//! Sheds load before memory grows, leaves room for others than the greedy, and lets no call last for ever.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::Neighbourhood;
use super::error::{ApiError, Code};

/// Who may hold how many of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fairness {
    /// Anybody all of them.
    Whoever,
    /// No address more than half, so that a flood of slow calls shuts nobody else out.
    HalfEach,
}

/// How many calls may be under way at once; who comes after is asked to come back.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    places: Arc<Semaphore>,
    taken: Gauge,
    shares: Option<Shares>,
}

/// Who has a place gives it back when this is dropped.
pub(super) struct Place {
    taken: Gauge,
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

impl InFlight {
    /// `kind` is what the metrics call these calls.
    pub(super) fn new(kind: &'static str, calls: usize, fairness: Fairness) -> Self {
        metrics::gauge!("partgate_http_in_flight_limit").set(calls as f64);
        let shares = match fairness {
            Fairness::Whoever => None,
            Fairness::HalfEach => Some(Shares { most: (calls / 2).max(1), held: Arc::default() }),
        };
        let taken = metrics::gauge!("partgate_http_in_flight", "kind" => kind);
        Self { places: Arc::new(Semaphore::new(calls)), taken, shares }
    }

    /// Refuses when too many are under way already. Waiting in a queue would only make all of them late.
    pub(super) fn take(&self, neighbourhood: Option<Neighbourhood>) -> Result<Place, ApiError> {
        let share = self.shares.as_ref().zip(neighbourhood);
        let share = share.map(|(shares, neighbourhood)| shares.take(neighbourhood)).transpose()?;
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            metrics::counter!("partgate_http_shed_total").increment(1);
            ApiError::new(Code::Overloaded, "nothing was done; send the same request again")
        })?;
        self.taken.increment(1);
        Ok(Place { taken: self.taken.clone(), _permit: permit, _share: share })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.decrement(1);
    }
}

/// How many places each address holds. There are never more addresses than places.
#[derive(Debug, Clone)]
struct Shares {
    most: usize,
    held: Arc<Mutex<HashMap<Neighbourhood, usize>>>,
}

struct Share {
    shares: Shares,
    neighbourhood: Neighbourhood,
}

impl Shares {
    fn take(&self, neighbourhood: Neighbourhood) -> Result<Share, ApiError> {
        let mut held = self.lock();
        let count = held.entry(neighbourhood).or_default();
        if *count >= self.most {
            metrics::counter!("partgate_http_rate_limited_total", "by" => "in_flight").increment(1);
            let detail = "too many calls of this address are under way; wait for some of them";
            return Err(ApiError::rate_limited(detail, 1));
        }
        *count += 1;
        drop(held);
        Ok(Share { shares: self.clone(), neighbourhood })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Neighbourhood, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.lock();
        if let Some(count) = held.get_mut(&self.neighbourhood) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.neighbourhood);
            }
        }
    }
}

/// Gives a call up after a while. That is safe at any moment, as a crash is: what storage was asked for was written
/// down before.
pub(super) async fn bound(longest: Duration, answering: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(longest, answering).await {
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
    use axum::http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn call_that_hangs_is_given_up() {
        let answer = bound(Duration::from_millis(10), std::future::pending()).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
    }

    fn neighbourhood(last: u8) -> Option<Neighbourhood> {
        Some(Neighbourhood::of([192, 0, 2, last].into()))
    }

    fn status(taken: Result<Place, ApiError>) -> u16 {
        taken.map_or_else(|error| error.into_response().status().as_u16(), |_| 200)
    }

    #[test]
    fn greedy_address_leaves_half_of_the_places() {
        let in_flight = InFlight::new("api", 4, Fairness::HalfEach);
        let greedy: Vec<_> = (0..2).map(|_| in_flight.take(neighbourhood(1)).ok().unwrap()).collect();
        assert_eq!(status(in_flight.take(neighbourhood(1))), 429);
        let others: Vec<_> = [2, 3].map(|last| in_flight.take(neighbourhood(last)).ok().unwrap()).into();
        assert_eq!(status(in_flight.take(neighbourhood(4))), 503);
        drop(greedy);
        assert_eq!(status(in_flight.take(neighbourhood(1))), 200);
        drop(others);
        assert!(in_flight.shares.unwrap().lock().is_empty(), "nobody is remembered for nothing");
    }

    #[test]
    fn without_shares_an_address_may_hold_all_places() {
        let in_flight = InFlight::new("api", 2, Fairness::Whoever);
        let _held: Vec<_> = (0..2).map(|_| in_flight.take(neighbourhood(1)).ok().unwrap()).collect();
        assert_eq!(status(in_flight.take(neighbourhood(2))), 503);
    }
}
