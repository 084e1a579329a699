//! JSON bodies, with every bad field told at once.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::MAX_JSON_BYTES;
use super::error::{ApiError, Code};
use crate::service::FieldProblem;

/// A request type of `service` that is made from one of the wire.
pub(super) trait FromWire: Sized {
    /// How it is written.
    type Wire: DeserializeOwned;

    /// Checks every field; all that is wrong is answered at once.
    fn from_wire(wire: Self::Wire) -> Result<Self, Vec<FieldProblem>>;
}

/// A JSON body, parsed into what `service` takes.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: FromWire> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let is_json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let detail = format!("body: more than {MAX_JSON_BYTES} bytes of JSON; use several calls");
                ApiError::too_large(detail, MAX_JSON_BYTES as u64)
            } else {
                ApiError::invalid(vec![FieldProblem::new("body", "it ended before all of it arrived")])
            }
        })?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self).map_err(ApiError::invalid);
        }
        // A page of another origin can send text/plain without asking; JSON makes the browser ask first.
        if !is_json {
            let detail = "send the body as Content-Type: application/json";
            return Err(ApiError::new(Code::UnsupportedMediaType, detail));
        }
        parse(&bytes).map(Self).map_err(ApiError::invalid)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

fn parse<T: FromWire>(bytes: &[u8]) -> Result<T, Vec<FieldProblem>> {
    let mut value: Value = serde_json::from_slice(bytes)
        .map_err(|error| vec![FieldProblem::new("body", format!("not JSON: {error}"))])?;
    if !value.is_object() {
        return Err(vec![FieldProblem::new("body", "not a JSON object")]);
    }
    let mut problems = Vec::new();
    let wire = loop {
        match serde_path_to_error::deserialize::<_, T::Wire>(&value) {
            Ok(wire) => break wire,
            Err(error) => {
                let bad = BadShape::from(error);
                // Taken out, so that the fields after it are looked at too.
                let removed = value.as_object_mut().and_then(|object| object.remove(&bad.top));
                problems.push(FieldProblem::new(bad.field, bad.detail));
                if removed.is_none() {
                    return Err(problems);
                }
            }
        }
    };
    match T::from_wire(wire) {
        Ok(parsed) if problems.is_empty() => Ok(parsed),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// Where the shape of a body is wrong, and how.
struct BadShape {
    field: String,
    /// The member of the body that holds the field.
    top: String,
    detail: String,
}

impl From<serde_path_to_error::Error<serde_json::Error>> for BadShape {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        let words = error.inner().to_string();
        let named = words.split('`').nth(1).unwrap_or_default();
        let (field, detail) = if words.starts_with("missing field") {
            (join(&path, named), "missing".to_owned())
        } else if let Some(known) = words.strip_prefix("unknown field ") {
            let known = known.split_once(", ").map_or("", |(_, known)| known);
            let parent = path.strip_suffix(named).unwrap_or(&path).trim_end_matches('.');
            (join(parent, named), format!("there is no such field; {}", known.replace('`', "")))
        } else {
            (path, words)
        };
        let top = field.split(['.', '[']).next().unwrap_or_default().to_owned();
        Self { field, top, detail }
    }
}

fn join(parent: &str, name: &str) -> String {
    match parent {
        "" | "." => name.to_owned(),
        parent => format!("{parent}.{name}"),
    }
}
