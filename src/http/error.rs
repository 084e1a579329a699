//! Every error that a caller can see: one table of codes, statuses and titles.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use partgate_api::{FieldError, PartProblem, Problem};

use super::wire;
use crate::causes::causes;
use crate::service::{FieldProblem, ServiceError};
use crate::upload::State;

/// A client is asked to come back after so long, where nothing better is known.
const RETRY_AFTER_SECONDS: u64 = 2;
/// Parts named in one problem.
const MAX_PARTS_NAMED: usize = 1_000;

/// The stable kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidRequest,
    Unauthorized,
    Forbidden,
    QuotaExceeded,
    NoSuchRoute,
    UploadNotFound,
    MethodNotAllowed,
    RequestTimeout,
    UploadClosed,
    PartsMissing,
    PartMismatch,
    ObjectExists,
    UploadGone,
    TooLarge,
    UnsupportedMediaType,
    MisdirectedRequest,
    ChecksumMismatch,
    RateLimited,
    Internal,
    StorageRejected,
    StorageUnavailable,
    DatabaseUnavailable,
    AuthUnavailable,
    Overloaded,
    Busy,
}

impl Code {
    /// Code, status and title: the one table.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::InvalidRequest => ("invalid_request", 400, "The request cannot be used"),
            Self::Unauthorized => ("unauthorized", 401, "The caller is not known"),
            Self::Forbidden => ("forbidden", 403, "The caller may not do this"),
            Self::QuotaExceeded => ("quota_exceeded", 403, "A limit would be passed"),
            Self::NoSuchRoute => ("no_such_route", 404, "There is nothing at this path"),
            Self::UploadNotFound => ("upload_not_found", 404, "There is no such upload"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "This path has other methods"),
            Self::RequestTimeout => ("request_timeout", 408, "The request took too long to arrive"),
            Self::UploadClosed => ("upload_closed", 409, "The upload does not take this any more"),
            Self::PartsMissing => ("parts_missing", 409, "Parts are missing in storage"),
            Self::PartMismatch => ("part_mismatch", 409, "Parts in storage are not the declared ones"),
            Self::ObjectExists => ("object_exists", 409, "There is an object at the key"),
            Self::UploadGone => ("upload_gone", 410, "The upload was taken back"),
            Self::TooLarge => ("too_large", 413, "Larger than allowed"),
            Self::UnsupportedMediaType => ("unsupported_media_type", 415, "The body is not JSON"),
            Self::MisdirectedRequest => ("misdirected_request", 421, "The gateway does not have this name"),
            Self::ChecksumMismatch => ("checksum_mismatch", 422, "The bytes are not the declared ones"),
            Self::RateLimited => ("rate_limited", 429, "Too many calls"),
            Self::Internal => ("internal", 500, "The gateway failed"),
            Self::StorageRejected => ("storage_rejected", 502, "Storage refused"),
            Self::StorageUnavailable => ("storage_unavailable", 503, "Storage does not answer for now"),
            Self::DatabaseUnavailable => {
                ("database_unavailable", 503, "The gateway's database does not answer for now")
            }
            Self::AuthUnavailable => ("auth_unavailable", 503, "Callers cannot be told apart for now"),
            Self::Overloaded => ("overloaded", 503, "The gateway has too much to do for now"),
            Self::Busy => ("busy", 503, "Not done yet; the same request may be sent again"),
        }
    }
}

/// An error on its way to a caller, with the seconds after which they may come back where these are known.
#[derive(Debug, Clone)]
pub(super) struct ApiError(Box<Problem>, Option<u64>);

impl ApiError {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let (name, status, title) = code.row();
        let problem = Problem {
            problem_type: format!("/problems/{name}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            code: name.to_owned(),
            request_id: String::new(),
            errors: Vec::new(),
            state: None,
            missing: Vec::new(),
            parts: Vec::new(),
            limit: None,
            quota: None,
        };
        Self(Box::new(problem), None)
    }

    /// Bad fields, all of them.
    pub(super) fn invalid(problems: Vec<FieldProblem>) -> Self {
        let detail = match problems.as_slice() {
            [FieldProblem { field, detail }] => format!("{field}: {detail}"),
            _ => format!("{} fields cannot be used; see errors", problems.len()),
        };
        let mut error = Self::new(Code::InvalidRequest, detail);
        error.0.errors =
            problems.into_iter().map(|FieldProblem { field, detail }| FieldError { field, detail }).collect();
        error
    }

    pub(super) fn too_large(detail: impl Into<String>, limit: u64) -> Self {
        Self::new(Code::TooLarge, detail).with_limit(limit)
    }

    /// Nobody, or nobody who is known.
    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, detail)
    }

    /// An answer that cannot be put into JSON: a time after the year 9999, say.
    pub(super) fn unwritable(error: &std::io::Error) -> Self {
        tracing::error!(cause = causes(error), "an answer could not be written");
        Self::new(Code::Internal, "the operator finds the reason in the log under the request id")
    }

    fn with_limit(mut self, limit: u64) -> Self {
        self.0.limit = Some(limit);
        self
    }

    /// Too many calls; the next one is allowed in so many seconds.
    pub(super) fn rate_limited(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        Self(Self::new(Code::RateLimited, detail).0, Some(retry_after_seconds))
    }

    fn with_state(mut self, state: State) -> Self {
        self.0.state = Some(wire::state(state));
        self
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        log(&error);
        match error {
            ServiceError::Invalid(problems) => Self::invalid(problems),
            ServiceError::NotFound => {
                Self::new(Code::UploadNotFound, "no upload has this id, or it is not yours")
            }
            ServiceError::Closed(state) => {
                let detail = format!("the upload is {}; see its status", state.name());
                Self::new(Code::UploadClosed, detail).with_state(state)
            }
            ServiceError::Gone(state) => {
                let detail = format!("the upload is {}; init a new one", state.name());
                Self::new(Code::UploadGone, detail).with_state(state)
            }
            ServiceError::PartsMissing(missing) => {
                let count: u64 = missing.iter().map(|[first, last]| u64::from(last - first) + 1).sum();
                let detail =
                    format!("{count} parts are not in storage; sign and send them, then complete again");
                let mut error = Self::new(Code::PartsMissing, detail);
                error.0.missing = missing;
                error
            }
            ServiceError::PartMismatch(mismatches) => {
                let detail = format!("{} parts must be sent again, then complete again", mismatches.len());
                let mut error = Self::new(Code::PartMismatch, detail);
                let named = mismatches.into_iter().take(MAX_PARTS_NAMED);
                error.0.parts = named
                    .map(|mismatch| PartProblem { number: mismatch.number, detail: mismatch.detail })
                    .collect();
                error
            }
            ServiceError::ObjectExists => {
                let detail =
                    "an object of somebody else is at the key and overwrite is false; use another key";
                Self::new(Code::ObjectExists, detail)
            }
            ServiceError::TooLarge { size_bytes, limit_bytes } => {
                let detail = format!("size: {size_bytes} bytes; at most {limit_bytes} are allowed");
                Self::too_large(detail, limit_bytes)
            }
            ServiceError::Forbidden(detail) => Self::new(Code::Forbidden, detail),
            ServiceError::QuotaExceeded { quota, detail, limit } => {
                let mut error = Self::new(Code::QuotaExceeded, detail).with_limit(limit);
                error.0.quota = Some(quota.to_owned());
                error
            }
            ServiceError::ChecksumMismatch(detail) => Self::new(Code::ChecksumMismatch, detail),
            ServiceError::BodyBroken => Self::invalid(vec![FieldProblem::new(
                "body",
                "it does not have the bytes that the part has; nothing was changed, send the part again",
            )]),
            ServiceError::Busy => Self::new(
                Code::Busy,
                "the upload has just been changed by others; send the same request again",
            ),
            ServiceError::StorageRejected(cause) => {
                let detail =
                    format!("{} was refused; the operator finds the reason in the log", cause.operation);
                Self::new(Code::StorageRejected, detail)
            }
            ServiceError::StorageUnavailable(_) => {
                Self::new(Code::StorageUnavailable, "nothing is lost; send the same request again")
            }
            ServiceError::Database(_) => {
                Self::new(Code::DatabaseUnavailable, "nothing is lost; send the same request again")
            }
            ServiceError::Internal(_) => {
                Self::new(Code::Internal, "the operator finds the reason in the log under the request id")
            }
        }
    }
}

/// Failures that are not the caller's go to the log, once, with their causes.
fn log(error: &ServiceError) {
    match error {
        ServiceError::StorageRejected(cause) => {
            tracing::error!(cause = %cause, "storage refused; check credentials, bucket and settings");
        }
        ServiceError::StorageUnavailable(cause) => tracing::warn!(cause = %cause, "storage is not available"),
        ServiceError::Database(cause) => {
            tracing::error!(cause = causes(&**cause), "the database is not available")
        }
        ServiceError::Internal(cause) => tracing::error!(cause = causes(&**cause), "the gateway failed"),
        ServiceError::Invalid(_)
        | ServiceError::NotFound
        | ServiceError::Closed(_)
        | ServiceError::Gone(_)
        | ServiceError::PartsMissing(_)
        | ServiceError::PartMismatch(_)
        | ServiceError::ObjectExists
        | ServiceError::TooLarge { .. }
        | ServiceError::Forbidden(_)
        | ServiceError::QuotaExceeded { .. }
        | ServiceError::ChecksumMismatch(_)
        | ServiceError::BodyBroken
        | ServiceError::Busy => {}
    }
}

impl IntoResponse for ApiError {
    /// Leaves the problem beside the response: the outermost layer knows the request id and writes the body.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let usual = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS);
        if let Some(seconds) = self.1.or(usual) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"partgate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a response that carries a problem.
pub(super) fn finish(mut response: Response, request_id: &str) -> Response {
    let Some(ApiError(mut problem, _)) = response.extensions_mut().remove::<ApiError>() else {
        return response;
    };
    request_id.clone_into(&mut problem.request_id);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = Body::from(body);
    response
}

pub(super) async fn no_such_route(uri: axum::http::Uri) -> ApiError {
    let detail = format!("{} is not a path of this API; see /openapi.json", uri.path());
    ApiError::new(Code::NoSuchRoute, detail)
}

pub(super) async fn method_not_allowed(method: axum::http::Method) -> ApiError {
    ApiError::new(Code::MethodNotAllowed, format!("{method} is not a method of this path; see Allow"))
}

/// The panic's hook has logged it, under the request's id (`telemetry`).
pub(super) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    ApiError::new(Code::Internal, "the operator finds the reason in the log under the request id")
        .into_response()
}
