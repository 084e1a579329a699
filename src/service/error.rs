//! Why a capability was not carried out.

use std::sync::Arc;

use crate::storage::{StorageError, StorageErrorKind};
use crate::store::StoreError;
use crate::upload::{Mismatch, Refusal, State};

/// A field of a request that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// Where: `size`, `parts[3].number`.
    pub field: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl FieldProblem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self { field: field.into(), detail: detail.to_string() }
    }
}

/// Why a capability was not carried out. Clones share the cause, because a completion may have many waiters.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// Fields of the request cannot be; all of them are named.
    #[error("{} of the request's fields cannot be used", .0.len())]
    Invalid(Vec<FieldProblem>),
    /// The caller has no such upload.
    #[error("there is no such upload")]
    NotFound,
    /// The upload is finishing or finished.
    #[error("the upload is {}", .0.name())]
    Closed(State),
    /// The upload was taken back.
    #[error("the upload is {}", .0.name())]
    Gone(State),
    /// Storage has not all parts.
    #[error("{} ranges of parts are missing", .0.len())]
    PartsMissing(Vec<[u32; 2]>),
    /// Storage has other parts than declared or reported.
    #[error("{} parts are not as declared", .0.len())]
    PartMismatch(Vec<Mismatch>),
    /// There is an object at the key already.
    #[error("there is an object at the key already")]
    ObjectExists,
    /// The file is larger than allowed.
    #[error("{size_bytes} bytes are more than the {limit_bytes} allowed")]
    TooLarge {
        /// The declared size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// A limit of the tenant or the grant would be passed.
    #[error("{detail}")]
    QuotaExceeded {
        /// Which limit, as the API names it.
        quota: &'static str,
        /// Which limit, how much of it is used, and what can be done.
        detail: String,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not the declared ones.
    #[error("{0}")]
    ChecksumMismatch(String),
    /// The body of a proxied part broke off.
    #[error("the body ended before all of its bytes arrived")]
    BodyBroken,
    /// Others keep changing the upload.
    #[error("the upload is being changed by others")]
    Busy,
    /// Storage refuses for good.
    #[error("storage refused")]
    StorageRejected(#[source] Arc<StorageError>),
    /// Storage does not answer for now.
    #[error("storage is not available")]
    StorageUnavailable(#[source] Arc<StorageError>),
    /// The database does not answer for now.
    #[error("the database is not available")]
    Database(#[source] Arc<StoreError>),
    /// A row that cannot be read, or a bug.
    #[error("the gateway failed")]
    Internal(#[source] Arc<StoreError>),
}

impl ServiceError {
    /// One bad field.
    pub fn invalid(field: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![FieldProblem::new(field, detail)])
    }
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed(state) => Self::Closed(state),
            Refusal::Gone(state) => Self::Gone(state),
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(_) => Self::Database(Arc::new(error)),
            StoreError::Migration(_)
            | StoreError::SchemaOutdated
            | StoreError::Url(_)
            | StoreError::Corrupt { .. } => Self::Internal(Arc::new(error)),
        }
    }
}

impl From<StorageError> for ServiceError {
    fn from(error: StorageError) -> Self {
        match error.kind {
            StorageErrorKind::Unavailable => Self::StorageUnavailable(Arc::new(error)),
            StorageErrorKind::BadDigest => Self::ChecksumMismatch(
                "storage refused the bytes: they do not have the declared checksum".into(),
            ),
            StorageErrorKind::BodyBroken => Self::BodyBroken,
            StorageErrorKind::NoSuchUpload
            | StorageErrorKind::NoSuchObject
            | StorageErrorKind::PreconditionFailed
            | StorageErrorKind::InvalidPart
            | StorageErrorKind::Rejected => Self::StorageRejected(Arc::new(error)),
        }
    }
}
