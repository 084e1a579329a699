//! Who calls.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Gateway;
use super::error::ApiError;
use crate::config::AuthMode;
use crate::service::Principal;

/// The caller, known before a handler runs.
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<Gateway> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, gateway: &Gateway) -> Result<Self, Self::Rejection> {
        match gateway.auth {
            AuthMode::Open => {
                gateway.limits.check_caller("anybody")?;
                Ok(Self(Principal::open()))
            }
        }
    }
}
