//! The pure core: what an upload is, how its bytes are cut into parts, and which change may follow which.
//!
//! Nothing here knows a clock, a socket, a database or a runtime: `now` is an argument and every decision is a
//! value. The rooms around it (`service`, `store`, `storage`) act on what is decided here.

mod checksum;
mod limits;
mod names;
mod part;
mod part_set;
mod plan;
mod reconcile;
mod session;
mod state;

#[cfg(test)]
mod session_tests;

pub use checksum::{
    Checksum, ChecksumAlgorithm, ChecksumError, ChecksumType, CrcHasher, ObjectChecksum, Sha256Digest,
    combine,
};
pub use limits::Limits;
pub use names::{
    Fingerprint, METADATA_UPLOAD_ID, Metadata, NameError, ObjectKey, S3UploadId, UploadId,
    default_object_key, validate_filename,
};
pub use part::{ListedPart, PartClaim, PartEvidence, PartNumber, PartRecord};
pub use part_set::PartSet;
pub use plan::{PartSpan, Plan, PlanError, PutSupport, Transfer};
pub use reconcile::{Mismatch, Reconciled, reconcile};
pub use session::{
    AbortReason, COMPLETION_LEASE, Declaration, DeclarationError, Failure, ObjectProof, Outcome, ProofError,
    Refusal, Upload, UploadSpec,
};
pub use state::State;
