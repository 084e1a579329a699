//! Path segments, queries and headers.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use uuid::Uuid;

use super::error::ApiError;
use crate::service::{FieldProblem, ListQuery, ServiceError, StatusQuery, SweepMode};
use crate::upload::{Fingerprint, State, UploadId};

/// The most uploads in one page of the list.
const MAX_PAGE: u32 = 1_000;
const USUAL_PAGE: u32 = 100;

/// The `{id}` of a path. What is no id names no upload.
pub(super) struct UploadPath(pub(super) UploadId);

impl<S: Send + Sync> FromRequestParts<S> for UploadPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let segments = RawPathParams::from_request_parts(parts, state).await;
        let id = segments.ok().and_then(|segments| {
            let (_, text) = segments.iter().find(|(name, _)| *name == "id")?;
            Uuid::parse_str(text).ok()
        });
        id.map(|id| Self(UploadId(id))).ok_or_else(|| ServiceError::NotFound.into())
    }
}

/// The `{number}` or `{index}` of a proxied part's path.
pub(super) fn number(segments: &BTreeMap<String, String>, name: &str) -> Result<u32, ApiError> {
    let text = segments.get(name).map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| {
        let problem = FieldProblem::new(format!("path.{name}"), format!("{text:?} is not a number"));
        ApiError::invalid(vec![problem])
    })
}

/// The query of a request, taken apart name by name; what nobody takes is refused.
struct Query {
    values: BTreeMap<String, String>,
    problems: Vec<FieldProblem>,
}

impl Query {
    fn new(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let values = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { values, problems: Vec::new() }
    }

    fn take<T>(&mut self, name: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.values.remove(name)?;
        let value = parse(&text);
        if value.is_none() {
            let detail = format!("{text:?} is not {expected}");
            self.problems.push(FieldProblem::new(format!("query.{name}"), detail));
        }
        value
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name, "true or false", |text| bool::from_str(text).ok()).unwrap_or(false)
    }

    fn finish<T>(mut self, value: T) -> Result<T, ApiError> {
        let unknown = self.values.into_keys();
        self.problems.extend(
            unknown.map(|name| FieldProblem::new(format!("query.{name}"), "there is no such parameter")),
        );
        if self.problems.is_empty() { Ok(value) } else { Err(ApiError::invalid(self.problems)) }
    }
}

/// What a status call asks for.
pub(super) struct StatusParams(pub(super) StatusQuery);

impl<S: Send + Sync> FromRequestParts<S> for StatusParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut query = Query::new(parts);
        let status = StatusQuery { refresh: query.flag("refresh"), parts: query.flag("parts") };
        query.finish(Self(status))
    }
}

/// Which uploads a list call wants.
pub(super) struct ListParams(pub(super) ListQuery);

impl<S: Send + Sync> FromRequestParts<S> for ListParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut query = Query::new(parts);
        let limit = query.take("limit", "a number from 1 to 1000", |text| {
            text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit))
        });
        let before = query.take("cursor", "a next_cursor of an earlier answer", |text| {
            Uuid::parse_str(text).ok().map(UploadId)
        });
        let list = ListQuery {
            tenant: query.take("tenant", "a name", |text| (!text.is_empty()).then(|| text.to_owned())),
            state: query.take("state", "a state of an upload", State::from_name),
            before,
            limit: limit.unwrap_or(USUAL_PAGE),
        };
        query.finish(Self(list))
    }
}

/// Whether a sweep acts.
pub(super) struct SweepParams(pub(super) SweepMode);

impl<S: Send + Sync> FromRequestParts<S> for SweepParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut query = Query::new(parts);
        let mode = if query.flag("dry_run") { SweepMode::DryRun } else { SweepMode::Act };
        query.finish(Self(mode))
    }
}

/// How a file is answered.
pub(super) struct FileParams {
    /// By a redirect, or by its URL in JSON for callers who cannot follow one: a page that sends a credential.
    pub(super) redirect: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for FileParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut query = Query::new(parts);
        let redirect = query.take("redirect", "true or false", |text| bool::from_str(text).ok());
        query.finish(Self { redirect: redirect.unwrap_or(true) })
    }
}

/// The Idempotency-Key of an init call.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<Fingerprint>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or("\u{0}").to_owned();
    Fingerprint::new(text)
        .map(Some)
        .map_err(|error| ApiError::invalid(vec![FieldProblem::new("header.Idempotency-Key", error)]))
}
