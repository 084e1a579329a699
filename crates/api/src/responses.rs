//! What the gateway answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{ChecksumAlgorithm, ObjectChecksum};

/// An inclusive range of part numbers, `[first, last]`.
pub type PartRange = [u32; 2];

/// Where an upload is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UploadState {
    /// Written down, not yet opened in storage.
    Creating,
    /// Takes parts.
    Open,
    /// Storage is putting the parts together, or the object is being proven.
    Completing,
    /// The object is in storage, proven.
    Completed,
    /// The object was proven wrong and deleted.
    Failed,
    /// Being taken back from storage.
    Aborting,
    /// Taken back on request.
    Aborted,
    /// Taken back because its lifetime was over.
    Expired,
}

/// How far an upload is, by what the gateway knows without asking storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The number of parts; null for a stream of unknown length.
    pub total_parts: Option<u32>,
    /// How many parts were reported or seen in storage.
    pub received_parts: u32,
    /// Their bytes.
    pub bytes_received: u64,
    /// Percent of the file's bytes, 0 to 100, two decimals; null for a stream of unknown length.
    pub percent: Option<f64>,
}

/// One presigned part: send exactly these bytes with exactly these headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedPart {
    /// The part's number, from 1.
    pub number: u32,
    /// The HTTP method, always `PUT`.
    pub method: String,
    /// The presigned URL: good for this part of this upload only, until `expires_at`. A secret: do not log it.
    pub url: String,
    /// Headers the client must send; Content-Length is signed too, and set by the HTTP client from the body.
    pub headers: BTreeMap<String, String>,
    /// Where the part starts in the file, bytes.
    pub offset: u64,
    /// The part's size, bytes.
    pub size: u64,
}

/// Answer of `init`: 201 for a new upload, 200 for one found by fingerprint or Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UploadCreated {
    /// The upload's id.
    pub upload_id: Uuid,
    /// A token that is good for this upload alone, where the gateway issues them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The bucket the object will be in.
    pub bucket: String,
    /// The key the object will have.
    pub key: String,
    /// The file's name as given.
    pub filename: String,
    /// The file's size in bytes; null for a stream of unknown length.
    pub size: Option<u64>,
    /// The size of every part but the last, bytes.
    pub part_size: u64,
    /// The number of parts; null for a stream of unknown length.
    pub total_parts: Option<u32>,
    /// How each part is protected on its way.
    pub checksum_algorithm: ChecksumAlgorithm,
    /// The upload's state.
    pub state: UploadState,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it will be taken back if it is not completed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
    /// The parts signed in this call.
    pub parts: Vec<SignedPart>,
    /// When the URLs in `parts` stop working; null when there are none.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub parts_expire_at: Option<OffsetDateTime>,
}

/// Answer of `sign`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignResponse {
    /// When these URLs stop working.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
    /// The signed parts, in the order asked.
    pub parts: Vec<SignedPart>,
    /// How far the upload is.
    #[serde(flatten)]
    pub progress: Progress,
}

/// One part that was reported or seen in storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceivedPart {
    /// The part's number.
    pub number: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag, quotes included, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its checksum, base64, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// Answer of `status`, `parts` and of `complete` while it goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UploadStatus {
    /// The upload's id.
    pub upload_id: Uuid,
    /// Where it is in its life.
    pub state: UploadState,
    /// The bucket of the object.
    pub bucket: String,
    /// The key of the object.
    pub key: String,
    /// The file's name as given.
    pub filename: String,
    /// The file's size in bytes; null for a stream of unknown length.
    pub size: Option<u64>,
    /// The size of every part but the last, bytes.
    pub part_size: u64,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// The inclusive ranges of part numbers still to send; for a stream, the gaps below the highest received.
    #[schema(value_type = Vec<Vec<u32>>)]
    pub missing: Vec<PartRange>,
    /// How each part is protected on its way.
    pub checksum_algorithm: ChecksumAlgorithm,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
    /// When it will be taken back if it is not completed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
    /// While it is `completing`: how many of its bytes were read back so far, to prove a declared hash. 0 while storage
    /// is putting the parts together; absent when no gateway is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_bytes: Option<u64>,
    /// Why it failed: a code and words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<UploadFailure>,
    /// With `?parts=true`: every received part, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<ReceivedPart>>,
}

/// Why an upload failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadFailure {
    /// A stable code, as in problems.
    pub code: String,
    /// What was found.
    pub detail: String,
}

/// Answer of `complete`: the object is in storage, and proven to be the declared one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Completion {
    /// The upload's id.
    pub upload_id: Uuid,
    /// Always `completed`.
    pub state: UploadState,
    /// The object's bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The object's URL (it needs credentials or a presigned GET: see `/upload/{id}/file`).
    pub location: String,
    /// The object's size in bytes.
    pub size: u64,
    /// The object's ETag, quotes included.
    pub etag: String,
    /// The object's version, in a bucket that keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The object's checksum as storage keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<ObjectChecksum>,
    /// The SHA-256 that the read-back proved, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When it was completed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub completed_at: OffsetDateTime,
}

/// Answer of a proxied part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProxiedPart {
    /// The part's number.
    pub number: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag, quotes included.
    pub etag: String,
}

/// One upload in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadSummary {
    /// The upload's id.
    pub upload_id: Uuid,
    /// Whose it is: told to those who see the uploads of all tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Where it is in its life.
    pub state: UploadState,
    /// The key of the object.
    pub key: String,
    /// The file's name as given.
    pub filename: String,
    /// The file's size in bytes; null for a stream of unknown length.
    pub size: Option<u64>,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
    /// When it will be taken back if it is not completed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
}

/// Answer of `GET /upload`: a page of uploads, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadList {
    /// The uploads of this page.
    pub uploads: Vec<UploadSummary>,
    /// Give it as `?cursor=` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Answer of `GET /upload/{id}/file?redirect=false`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileUrl {
    /// A presigned URL of the finished object, as a download under its file name. A secret: do not log it.
    pub url: String,
}

/// Answer of `POST /sweep`: what a sweep did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweepReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Upload by upload.
    pub actions: Vec<SweptUpload>,
    /// Multipart uploads in storage that no upload wants.
    pub orphans: Vec<SweptOrphan>,
    /// How many old finished uploads were forgotten.
    pub forgotten: u64,
}

/// What a sweep did with one upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweptUpload {
    /// Which upload.
    pub upload_id: Uuid,
    /// `expire`, `abort`, `complete`, or `look` for what may have landed since.
    pub action: String,
    /// The state it is in now; null when nothing could be done.
    pub state: Option<UploadState>,
    /// Why nothing could be done.
    pub error: Option<String>,
}

/// What a sweep did with a multipart upload that no upload wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweptOrphan {
    /// The key of its object.
    pub key: String,
    /// Storage's name of it.
    pub s3_upload_id: String,
    /// The upload that it was of, where that is known.
    pub upload_id: Option<Uuid>,
    /// Whether it was aborted; one that is in no database of ours is only told. Null when that failed.
    pub aborted: Option<bool>,
    /// Why it could not be aborted.
    pub error: Option<String>,
}

/// Answer of `/healthz`: the process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
    /// The gateway's version.
    pub version: String,
}

/// Answer of `/readyz`: whether the gateway can do its work now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready` (200) or `not_ready` (503).
    pub status: String,
    /// `ok`, or what is wrong with the database.
    pub database: String,
    /// `ok`, or what is wrong with storage.
    pub storage: String,
}
