//! What a call has to pass before it is looked at.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;

use super::address;
use super::error::ApiError;
use super::limits::RateLimits;
use super::load::{InFlight, Place, bound};

/// The gate of some routes.
#[derive(Debug)]
pub(super) struct Gate {
    /// The proxies whose word on addresses counts.
    pub(super) trusted_proxies: Vec<IpNet>,
    /// How many calls an address may make.
    pub(super) limits: RateLimits,
    /// How many may be under way at once, where that is bounded.
    pub(super) in_flight: Option<InFlight>,
    /// How long a call may take, where that is bounded.
    pub(super) longest: Option<Duration>,
}

impl Gate {
    fn enter(&self, request: &Request) -> Result<Option<Place>, ApiError> {
        let neighbourhood = address::find(&self.trusted_proxies, request);
        self.limits.check_address(neighbourhood)?;
        self.in_flight.as_ref().map(|in_flight| in_flight.take(neighbourhood)).transpose()
    }
}

/// Lets a call in, or refuses it.
pub(super) async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let _place = match gate.enter(&request) {
        Ok(place) => place,
        Err(error) => return error.into_response(),
    };
    match gate.longest {
        Some(longest) => bound(longest, next.run(request)).await,
        None => next.run(request).await,
    }
}
