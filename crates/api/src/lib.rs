//! The wire types of partgate's HTTP API, shared by the gateway and its clients.
//!
//! JSON, snake_case, times RFC 3339 in UTC, sizes in bytes, ETags exactly as storage sent them (quotes included).
//! Requests refuse unknown fields, so that a typo cannot be silent; answers may grow fields, so clients ignore
//! what they do not know. Types here change only additively.

mod checksum;
mod problem;
mod requests;
mod responses;

pub use checksum::{ChecksumAlgorithm, ChecksumType, ObjectChecksum};
pub use problem::{FieldError, PartProblem, Problem};
pub use requests::{
    CompleteRequest, InitRequest, PartToSign, ReportRequest, SignFirst, SignRequest, StoredPart,
};
pub use responses::{
    Completion, FileUrl, Health, PartRange, Progress, ProxiedPart, Readiness, ReceivedPart, SignResponse,
    SignedPart, SweepReport, SweptOrphan, SweptUpload, UploadCreated, UploadFailure, UploadList, UploadState,
    UploadStatus, UploadSummary,
};
