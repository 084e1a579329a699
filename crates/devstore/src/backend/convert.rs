//! Between the rows and s3s's types.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::OrInternal as _;
use crate::db::objects::Object;

/// Writes a base64 value into the field of its algorithm; every S3 output has the same five fields.
macro_rules! set_checksum {
    ($output:expr, $algorithm:expr, $value:expr) => {{
        let value = Some($value);
        match $algorithm {
            $crate::checksum::Algorithm::Crc32 => $output.checksum_crc32 = value,
            $crate::checksum::Algorithm::Crc32c => $output.checksum_crc32c = value,
            $crate::checksum::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
            $crate::checksum::Algorithm::Sha1 => $output.checksum_sha1 = value,
            $crate::checksum::Algorithm::Sha256 => $output.checksum_sha256 = value,
        }
    }};
}

/// The checksum fields of an S3 input as (algorithm, base64 value) pairs.
macro_rules! given_checksums {
    ($input:expr) => {
        [
            ($crate::checksum::Algorithm::Crc32, &$input.checksum_crc32),
            ($crate::checksum::Algorithm::Crc32c, &$input.checksum_crc32c),
            ($crate::checksum::Algorithm::Crc64Nvme, &$input.checksum_crc64nvme),
            ($crate::checksum::Algorithm::Sha1, &$input.checksum_sha1),
            ($crate::checksum::Algorithm::Sha256, &$input.checksum_sha256),
        ]
        .into_iter()
        .filter_map(|(algorithm, value)| Some((algorithm, value.clone()?)))
    };
}

/// Reads the headers that an object keeps from any input that has them.
macro_rules! object_headers {
    ($input:expr) => {
        $crate::backend::convert::ObjectHeaders {
            content_type: $input.content_type.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $crate::backend::convert::stored_encoding($input.content_encoding.as_deref()),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            expires: $input.expires.clone(),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
        }
    };
}

/// Writes the kept headers into an output that has them.
macro_rules! apply_object_headers {
    ($output:expr, $headers:expr) => {{
        let headers: $crate::backend::convert::ObjectHeaders = $headers;
        // What S3 itself answers for an object that was stored without a type.
        let default_type = || String::from("binary/octet-stream");
        $output.content_type = Some(headers.content_type.unwrap_or_else(default_type));
        $output.content_disposition = headers.content_disposition;
        $output.content_encoding = headers.content_encoding;
        $output.content_language = headers.content_language;
        $output.cache_control = headers.cache_control;
        $output.expires = headers.expires;
        $output.metadata = Some(headers.metadata.into_iter().collect());
    }};
}

pub(super) use {apply_object_headers, given_checksums, object_headers, set_checksum};

/// The headers that come back with an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ObjectHeaders {
    pub(super) content_type: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl ObjectHeaders {
    pub(super) fn to_json(&self) -> S3Result<String> {
        serde_json::to_string(self).or_internal()
    }

    pub(super) fn from_json(json: &str) -> S3Result<Self> {
        serde_json::from_str(json).or_internal()
    }
}

/// `aws-chunked` describes the transfer, not the object, so S3 does not store it.
pub(super) fn stored_encoding(encoding: Option<&str>) -> Option<String> {
    let kept: Vec<&str> = encoding?
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && *coding != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// S3 shows whole seconds everywhere.
pub(super) fn timestamp(ms: i64) -> Timestamp {
    let seconds = u64::try_from(ms / 1000).unwrap_or_default();
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

pub(super) fn strong(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}

/// Sizes in S3's types are signed.
pub(super) fn signed(size_bytes: u64) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX)
}

/// Part numbers and counts in S3's types are signed.
pub(super) fn int(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Applies `If-Match` and `If-None-Match` of a write to what is at the key now.
///
/// # Errors
/// `PreconditionFailed`, or `NoSuchKey` for an `If-Match` where nothing is, as AWS.
pub(super) fn check_write_conditions(
    current: Option<&Object>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    match if_none_match {
        Some(ETagCondition::Any) if current.is_some() => return Err(precondition_failed()),
        Some(ETagCondition::ETag(_)) => {
            return Err(s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented"
            ));
        }
        Some(ETagCondition::Any) | None => {}
    }
    let Some(condition) = if_match else { return Ok(()) };
    let Some(current) = current else {
        return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
    };
    if matches(condition, &current.etag) { Ok(()) } else { Err(precondition_failed()) }
}

pub(super) fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(expected) => expected.value() == etag,
    }
}

pub(super) fn precondition_failed() -> s3s::S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}
