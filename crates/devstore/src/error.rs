//! Errors of the store's own API, and the way from internal failures to S3's answers.

use std::io;
use std::path::PathBuf;

use s3s::S3Error;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory could not be made, read or cleaned.
    #[error("cannot prepare the data directory {}", path.display())]
    Directory {
        /// The directory or file concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another store has the directory open.
    #[error("the data directory {} is in use by another process", path.display())]
    InUse {
        /// The directory concerned.
        path: PathBuf,
    },
    /// The database could not be opened or its schema not be made.
    #[error("cannot open the database {}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
}

/// A failure of the disk or the database below the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed.
    #[error("the store's database failed")]
    Database(#[from] sqlx::Error),
    /// A part file could not be written, read or removed.
    #[error("the store's files failed")]
    Files(#[from] io::Error),
    /// A stored configuration is not what this version writes.
    #[error("a stored configuration cannot be read")]
    Configuration(#[from] serde_json::Error),
    /// The bucket name is not one that S3 allows.
    #[error("invalid bucket name {0:?}")]
    BucketName(String),
    /// A background task of the store ended without an answer.
    #[error("a task of the store was cut off")]
    Task(#[from] tokio::task::JoinError),
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BucketName(_) => s3s::s3_error!(error, InvalidBucketName),
            StoreError::Database(_)
            | StoreError::Files(_)
            | StoreError::Configuration(_)
            | StoreError::Task(_) => {
                tracing::error!(
                    target: "devstore",
                    error = &error as &dyn std::error::Error,
                    "a request failed inside the store"
                );
                s3s::s3_error!(error, InternalError, "We encountered an internal error. Please try again.")
            }
        }
    }
}
