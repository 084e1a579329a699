//! JSON bodies, with every bad field told at once.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{ApiError, Code};
use super::{Gateway, MAX_JSON_BYTES};
use crate::service::FieldProblem;

/// Wrong members named in one answer. Each costs another look at the body, so a body of nothing else must not be
/// looked at for ever.
const MAX_PROBLEMS: usize = 100;

/// A request type of `service` that is made from one of the wire.
pub(super) trait FromWire: Sized {
    /// How it is written.
    type Wire: DeserializeOwned;

    /// Checks every field; all that is wrong is answered at once.
    fn from_wire(wire: Self::Wire) -> Result<Self, Vec<FieldProblem>>;
}

/// A JSON body, parsed into what `service` takes.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: FromWire> FromRequest<Arc<Gateway>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Self::Rejection> {
        let is_json = is_json(request.headers());
        // A body that drips is never idle, so its whole time is bounded too.
        let arriving =
            tokio::time::timeout(gateway.body_timeout, to_bytes(request.into_body(), MAX_JSON_BYTES));
        let arrived = arriving.await.map_err(|_| {
            let seconds = gateway.body_timeout.as_secs_f64();
            let detail = format!("body: not all of it arrived within {seconds} s; nothing was done");
            ApiError::new(Code::RequestTimeout, detail)
        })?;
        let bytes = arrived.map_err(|error| {
            if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
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
    match read(bytes) {
        Some(wire) => T::from_wire(wire),
        None => examine(bytes),
    }
}

/// What a body says if nothing is wrong with its shape, without a tree of it.
fn read<W: DeserializeOwned>(bytes: &[u8]) -> Option<W> {
    // serde would take a list for an object too.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    if is_object { serde_json::from_slice(bytes).ok() } else { None }
}

/// The same for any body, with all that is wrong with it.
fn examine<T: FromWire>(bytes: &[u8]) -> Result<T, Vec<FieldProblem>> {
    let mut value: Value = serde_json::from_slice(bytes)
        .map_err(|error| vec![FieldProblem::new("body", format!("not JSON: {error}"))])?;
    if !value.is_object() {
        return Err(vec![FieldProblem::new("body", "not a JSON object")]);
    }
    let mut shape = Shape::default();
    let wire = loop {
        match serde_path_to_error::deserialize::<_, T::Wire>(&value) {
            Ok(wire) => break wire,
            Err(error) => {
                if !shape.mend(&mut value, BadShape::from(error)) {
                    return Err(shape.problems);
                }
            }
        }
    };
    let Shape { named, mut problems } = shape;
    match T::from_wire(wire) {
        Ok(parsed) if problems.is_empty() => Ok(parsed),
        Ok(_) => Err(problems),
        Err(more) => {
            // What was said of a member is not said again of its stand-in.
            problems.extend(more.into_iter().filter(|problem| !named.contains(top_of(&problem.field))));
            Err(problems)
        }
    }
}

/// Mends a body, so that the fields after a wrong one are looked at too, and remembers what was wrong.
#[derive(Default)]
struct Shape {
    named: BTreeSet<String>,
    problems: Vec<FieldProblem>,
}

impl Shape {
    /// Takes a wrong member out, or puts a stand-in for a needed one in; says whether to go on.
    fn mend(&mut self, value: &mut Value, bad: BadShape) -> bool {
        let Some(object) = value.as_object_mut() else { return false };
        if self.named.insert(bad.top.clone()) {
            self.problems.push(FieldProblem::new(bad.field, bad.detail));
        }
        let is_mended = match object.remove(&bad.top) {
            // Needed members are texts or lists.
            None if bad.is_missing => object.insert(bad.top, "".into()).is_none(),
            None => false,
            Some(Value::String(text)) if text.is_empty() => object.insert(bad.top, json!([])).is_none(),
            Some(_) => true,
        };
        is_mended && self.problems.len() < MAX_PROBLEMS
    }
}

/// Where the shape of a body is wrong, and how.
struct BadShape {
    field: String,
    /// The member of the body that holds the field.
    top: String,
    /// The member itself is not there.
    is_missing: bool,
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
            // A caller need not know how Rust names its numbers.
            let plain = words.replace("expected u64", "expected a whole number, 0 or more");
            (path, plain.replace("expected u32", "expected a whole number, 0 or more"))
        };
        let top = top_of(&field).to_owned();
        Self { is_missing: field == top && detail == "missing", field, top, detail }
    }
}

/// The member of the body that holds a field.
fn top_of(field: &str) -> &str {
    field.split(['.', '[']).next().unwrap_or_default()
}

fn join(parent: &str, name: &str) -> String {
    match parent {
        "" | "." => name.to_owned(),
        parent => format!("{parent}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use partgate_api::{CompleteRequest, InitRequest, SignRequest};
    use proptest::prelude::*;

    use super::*;

    /// As it comes.
    #[derive(Debug, PartialEq)]
    struct Raw<W>(W);

    impl<W: DeserializeOwned> FromWire for Raw<W> {
        type Wire = W;

        fn from_wire(wire: W) -> Result<Self, Vec<FieldProblem>> {
            Ok(Self(wire))
        }
    }

    fn check<W: DeserializeOwned + PartialEq + std::fmt::Debug>(body: &str) {
        assert_eq!(parse::<Raw<W>>(body.as_bytes()), examine(body.as_bytes()), "{body}");
    }

    #[test]
    fn short_way_and_long_way_read_the_same() {
        for body in [
            "{}",
            "[]",
            "[[1]]",
            " \n{\"parts\": [1, {\"number\": 2, \"size\": 3}]}\t",
            "{\"parts\": [1]} x",
            "{\"parts\": [1], \"parts\": [2]}",
            "{\"parts\": [1.0]}",
            "{\"parts\": [1e0]}",
            "{\"parts\": [-0]}",
            "{\"parts\": [4294967296, 18446744073709551616]}",
            "{\"parts\": [[1, null, null]]}",
            "{\"parts\": [1], \"stored\": [[1, null, null, null]]}",
            "{\"parts\": [1], \"stored\": null}",
            "{\"parts\": [1], \"stored\": [{\"number\": 1, \"etag\": \"\\ud800\"}]}",
            "\u{c}{\"parts\": [1]}",
            "\u{feff}{\"parts\": [1]}",
            "null",
            "",
        ] {
            check::<SignRequest>(body);
        }
        check::<InitRequest>(
            "{\"filename\": \"a\", \"metadata\": {\"a\": \"1\", \"a\": \"2\"}, \"sign\": 2}",
        );
        check::<InitRequest>("[\"a\"]");
        check::<CompleteRequest>("{\"size\": 1, \"size\": null}");
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("\"\"".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| number.to_string()),
            (0..5u32).prop_map(|number| number.to_string()),
        ];
        let name = prop::sample::select(vec!["parts", "stored", "number", "etag", "checksum", "size", "x"]);
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let member =
                (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_ways_agree_on_any_body(parts in json(), stored in json(), other in json()) {
            check::<SignRequest>(&format!("{{\"parts\":{parts},\"stored\":{stored}}}"));
            check::<SignRequest>(&format!("{{\"parts\":{parts}}}"));
            check::<SignRequest>(&other);
        }
    }
}
