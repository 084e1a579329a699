//! What clients send.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::ChecksumAlgorithm;

/// `POST /upload/init`: opens an upload.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InitRequest {
    /// The file's name, 1 to 1,024 bytes; shown to people and made safe for the object's key.
    #[schema(min_length = 1, max_length = 1024)]
    pub filename: String,
    /// The file's size in bytes; absent for a stream of unknown length. 0 is legal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The wished size of a part in bytes; the answer's `part_size` is the rule.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// The object's Content-Type; `application/octet-stream` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How each part is protected on its way; `none` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// SHA-256 of the whole file, 64 hex digits: completion is then answered only after a read-back.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Kept as the object's user metadata (`x-amz-meta-*`); at most 2,048 bytes of ASCII in all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The object's key below the configured prefix, where the caller may name keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether completion may replace an object that is already at the key; false when absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrite: bool,
    /// The caller's own name for this content, 1 to 256 characters of printable ASCII: an open upload of the same
    /// caller with this fingerprint and size is answered (200) instead of a new one.
    #[schema(min_length = 1, max_length = 256, pattern = "^[ -~]+$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Sign the first parts in the same call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<SignFirst>,
}

/// Which parts `init` signs: how many of the first, or the very parts (with their checksums).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SignFirst {
    /// The first so many parts, or all if there are fewer; of those at most 1,000.
    #[schema(value_type = u64)]
    Count(u32),
    /// These parts, as in `sign`.
    Parts(Vec<PartToSign>),
}

/// `POST /upload/{id}/sign`: presigned URLs for a batch of parts; reports stored ones in the same call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The parts to sign, at most 1,000, each once.
    #[schema(max_items = 1000)]
    pub parts: Vec<PartToSign>,
    /// The parts that storage has accepted since the last report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<StoredPart>,
}

/// One part to sign: a bare number, or an object where its checksum or size matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "PartToSignWire")]
pub struct PartToSign {
    /// The part's number, from 1.
    pub number: u32,
    /// Base64 checksum of the part's bytes, of the upload's `checksum_algorithm`; needed unless that is `none`.
    pub checksum: Option<String>,
    /// The part's size in bytes: only for the short last part of a stream of unknown length.
    pub size: Option<u64>,
}

impl PartToSign {
    /// A part without checksum, of the planned size.
    #[must_use]
    pub const fn number(number: u32) -> Self {
        Self { number, checksum: None, size: None }
    }
}

/// How a [`PartToSign`] is written: `7`, or `{"number": 7, "checksum": "…"}`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PartToSignWire {
    /// The part's number, from 1.
    Number(u32),
    /// A part with its checksum or size.
    Part(PartToSignObject),
}

/// A part to sign with its checksum or size.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartToSignObject {
    /// The part's number, from 1.
    #[schema(minimum = 1, maximum = 10000)]
    number: u32,
    /// Base64 checksum of the part's bytes, of the upload's `checksum_algorithm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    /// The part's size in bytes: only for the short last part of a stream of unknown length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl From<PartToSign> for PartToSignWire {
    fn from(part: PartToSign) -> Self {
        match part {
            PartToSign { number, checksum: None, size: None } => Self::Number(number),
            PartToSign { number, checksum, size } => Self::Part(PartToSignObject { number, checksum, size }),
        }
    }
}

// By hand and not `untagged`: an untagged enum can only say "did not match any variant", and a caller deserves to
// hear which field is wrong.
impl<'de> Deserialize<'de> for PartToSign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> Visitor<'de> for PartVisitor {
            type Value = PartToSign;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part number or an object with `number`, `checksum`, `size`")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                u32::try_from(number)
                    .map(PartToSign::number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let part = PartToSignObject::deserialize(MapAccessDeserializer::new(map))?;
                let PartToSignObject { number, checksum, size } = part;
                Ok(PartToSign { number, checksum, size })
            }
        }
        deserializer.deserialize_any(PartVisitor)
    }
}

impl<'de> Deserialize<'de> for SignFirst {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstVisitor;
        impl<'de> Visitor<'de> for FirstVisitor {
            type Value = SignFirst;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("how many parts to sign, or a list of parts")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Self::Value, E> {
                u32::try_from(count)
                    .map(SignFirst::Count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(count), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(SignFirst::Parts)
            }
        }
        deserializer.deserialize_any(FirstVisitor)
    }
}

impl PartialSchema for PartToSign {
    fn schema() -> RefOr<Schema> {
        PartToSignWire::schema()
    }
}

impl ToSchema for PartToSign {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        PartToSignWire::schemas(schemas);
    }
}

/// A part that storage has accepted, as the client saw it. A hint: storage's own list is what complete acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredPart {
    /// The part's number, from 1.
    #[schema(minimum = 1, maximum = 10000)]
    pub number: u32,
    /// The ETag of storage's answer, quotes included; absent where the browser may not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The checksum that was sent with the part, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// The part's size in bytes: only for the short last part of a stream of unknown length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// `POST /upload/{id}/parts`: reports stored parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// The parts that storage has accepted since the last report, at most 1,000, each once.
    #[schema(max_items = 1000)]
    pub stored: Vec<StoredPart>,
}

/// `POST /upload/{id}/complete`: finishes an upload. Every field is optional; so is the body.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteRequest {
    /// The parts not yet reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<StoredPart>,
    /// The file's size in bytes; needed when init gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of the whole file, 64 hex digits, where init gave none.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Checksum of the whole file, base64, of the upload's `checksum_algorithm` (one of the CRC kinds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}
