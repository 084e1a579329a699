//! The pure core: what an upload is, how its bytes are cut into parts, and which change may follow which.
//!
//! Nothing here knows a clock, a socket, a database or a runtime: `now` is an argument and every decision is a
//! value. The rooms around it (`service`, `store`, `storage`) act on what is decided here.

mod checksum;
mod declaration;
mod limits;
mod names;
mod part;
mod part_set;
mod plan;
mod proof;
mod rebuilt;
mod reconcile;
mod schedule;
mod session;
mod state;

#[cfg(test)]
mod session_tests;

pub use checksum::{
    Checksum, ChecksumAlgorithm, ChecksumError, ChecksumType, CrcHasher, ObjectChecksum, Sha256Digest,
    combine,
};
pub use declaration::{Declaration, DeclarationError};
pub use limits::Limits;
pub use names::{
    Fingerprint, METADATA_UPLOAD_ID, Metadata, NameError, ObjectKey, S3UploadId, UploadId,
    default_object_key, validate_filename,
};
pub use part::{ListedPart, PartClaim, PartEvidence, PartNumber, PartRecord};
pub use part_set::PartSet;
pub use plan::{PartSpan, Plan, PlanError, PutSupport, Transfer};
pub use proof::{ObjectProof, ProofError};
pub use rebuilt::{Home, StoredObject, StoredParts};
pub use reconcile::{Mismatch, Reconciled, reconcile};
pub use schedule::COMPLETION_LEASE;
pub use session::{AbortReason, Failure, Outcome, Refusal, Upload, UploadSpec};
pub use state::State;
