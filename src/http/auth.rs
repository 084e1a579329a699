//! Who calls.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

use super::error::{ApiError, Code};
use super::{Gateway, allows};
use crate::access::Role;
use crate::service::{AuthError, Principal};

/// The caller, known before a handler runs.
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<Arc<Gateway>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Self::Rejection> {
        // What a proxy before an open gateway has asked for is none of ours.
        let bearer = if gateway.auth.is_open() { None } else { bearer(&parts.headers)? };
        let principal = gateway.auth.authenticate(bearer).await?;
        gateway.limits.check_caller(&principal)?;
        check_origin(&principal, parts, gateway)?;
        Ok(Self(principal))
    }
}

/// A caller who runs the gateway.
pub(super) struct Operator;

impl FromRequestParts<Arc<Gateway>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Self::Rejection> {
        let Caller(principal) = Caller::from_request_parts(parts, gateway).await?;
        if principal.roles.has(Role::Admin) {
            Ok(Self)
        } else {
            Err(ApiError::new(Code::Forbidden, "this needs the role admin"))
        }
    }
}

/// The credential of a request (<https://www.rfc-editor.org/rfc/rfc6750#section-2.1>).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let unusable = || ApiError::unauthorized("send one Authorization header of the form: Bearer CREDENTIAL");
    if values.next().is_some() {
        return Err(unusable());
    }
    let (scheme, credential) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unusable)?;
    let credential = credential.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || credential.is_empty() {
        return Err(unusable());
    }
    Ok(Some(credential))
}

/// A tenant may say which pages call in its name. A preflight carries no credential, so it can only be asked whether any
/// tenant allows the origin; here it is known which one.
fn check_origin(principal: &Principal, parts: &Parts, gateway: &Gateway) -> Result<(), ApiError> {
    let allowed = &principal.tenant.cors_origins;
    let Some(origin) = parts.headers.get(header::ORIGIN).filter(|_| !allowed.is_empty()) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    if allowed.iter().any(|allowed| allows(allowed, origin)) || is_own_page(origin, parts, gateway) {
        return Ok(());
    }
    let detail = format!("pages of {origin} may not call in the name of this tenant; see its cors_origins");
    Err(ApiError::new(Code::Forbidden, detail))
}

/// Browsers send an Origin with calls of the gateway's own page too.
fn is_own_page(origin: &str, parts: &Parts, gateway: &Gateway) -> bool {
    // HTTP/2 names the host in the target, HTTP/1 in a header.
    let named = parts.uri.authority().map(Authority::as_str);
    let named = named.or_else(|| parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    let is_named = named.is_some() && origin.split_once("://").map(|(_, authority)| authority) == named;
    let public = url::Url::parse(&gateway.public_url).map(|url| url.origin().ascii_serialization());
    is_named || public.is_ok_and(|public| public == origin)
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Service(error) => error.into(),
            AuthError::KeysUnavailable => {
                let detail = format!("{error}; send the same request again");
                Self::new(Code::AuthUnavailable, detail)
            }
            AuthError::Missing | AuthError::Refused(_) => Self::unauthorized(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn credential(values: &[&str]) -> Option<Option<String>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bearer(&headers).ok().map(|credential| credential.map(str::to_owned))
    }

    #[test]
    fn one_bearer_credential_is_taken_and_nothing_else() {
        assert_eq!(credential(&[]), Some(None));
        assert_eq!(credential(&["Bearer abc"]), Some(Some("abc".to_owned())));
        assert_eq!(credential(&["bearer  abc "]), Some(Some("abc".to_owned())));
        for bad in [&["Basic abc"][..], &["Bearer"], &["Bearer "], &["abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(credential(bad), None, "{bad:?}");
        }
    }
}
