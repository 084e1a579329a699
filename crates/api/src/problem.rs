//! Errors as RFC 9457 `application/problem+json`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PartRange, UploadState};

/// Every error answer of the gateway. Branch on `code`: it is stable, the words are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem: `/problems/{code}`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind of problem in words; the same for every occurrence.
    pub title: String,
    /// The HTTP status of this answer.
    pub status: u16,
    /// What was wrong this time, and what to do.
    pub detail: String,
    /// Stable name of the kind of problem.
    pub code: String,
    /// Names this request in the gateway's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// `invalid_request`: every bad field at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// `upload_closed`, `upload_gone`: the state the upload is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<UploadState>,
    /// `parts_missing`: the inclusive ranges of part numbers to send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Vec<u32>>)]
    pub missing: Vec<PartRange>,
    /// `part_mismatch`: the parts to send again, at most the first 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartProblem>,
    /// `too_large`, `quota_exceeded`: the limit that was exceeded, in its own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `quota_exceeded`: which limit: `open_uploads`, `bytes_in_flight`, `bytes_per_day`, `grant_uploads`,
    /// `grant_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
}

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where: `size`, `parts[3].number`, `query.limit`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub detail: String,
}

/// One part that storage holds differently from what was declared or reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartProblem {
    /// The part's number.
    pub number: u32,
    /// What differs.
    pub detail: String,
}
