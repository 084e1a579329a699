//! What an upload can end with, other than success.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use partgate_api::{Problem, UploadState};
use uuid::Uuid;

/// Why a call or an upload failed. Variants exist because a caller acts differently on them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway's address is not one.
    #[error("the gateway address {0:?} is not an http:// or https:// URL")]
    InvalidGatewayUrl(String),
    /// The HTTP client could not be set up (no usable TLS roots, for example).
    #[error("the HTTP client cannot be set up")]
    HttpSetup(#[source] reqwest::Error),
    /// The gateway was never reached: it is not running, or the address is wrong.
    #[error("cannot reach the gateway at {address}: {detail}")]
    Unreachable {
        /// The gateway's address.
        address: String,
        /// What the network said.
        detail: String,
    },
    /// The file, or the stream, cannot be read. The upload stays and can be resumed.
    #[error("cannot read {}", path.display())]
    FileUnreadable {
        /// The file; the given name for a stream.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The downloaded file cannot be written.
    #[error("cannot write {}", path.display())]
    FileUnwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not the one whose parts are already in storage. Nothing was spliced.
    #[error("{} has changed since its upload began: {detail}", path.display())]
    FileChanged {
        /// The file.
        path: PathBuf,
        /// How the change was noticed.
        detail: String,
    },
    /// Another process is uploading the same file to the same gateway.
    #[error("another process is uploading {} already", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The notes about unfinished uploads cannot be written.
    #[error("cannot write {}", path.display())]
    StateUnwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The upload was aborted, expired, failed, or never was. Start anew.
    #[error("upload {upload_id} is gone ({})", state.map_or("not found", state_name))]
    Gone {
        /// The upload.
        upload_id: Uuid,
        /// The state it ended in, where the gateway told.
        state: Option<UploadState>,
    },
    /// The gateway wants (other) credentials.
    #[error("the gateway refused the credentials: {}", .0.detail)]
    Unauthorized(Box<Problem>),
    /// The gateway refused: branch on the problem's `code`.
    #[error("the gateway refused ({}): {}", .0.code, problem_words(.0))]
    Rejected(Box<Problem>),
    /// Storage refused a part for a reason that trying again does not cure.
    #[error("storage refused part {number} with {status} {code}: {message}")]
    StorageRefused {
        /// The part.
        number: u32,
        /// The HTTP status.
        status: u16,
        /// Storage's own error code; empty when it gave none.
        code: String,
        /// Storage's own words.
        message: String,
    },
    /// Storage refused three fresh URLs in a row: clocks or credentials of the gateway are wrong.
    #[error(
        "storage refused three freshly signed URLs in a row ({status} {code}); run `partgate doctor` on the gateway"
    )]
    SignatureRefused {
        /// The HTTP status.
        status: u16,
        /// Storage's own error code.
        code: String,
    },
    /// Nothing moved for a long time. The upload stays and can be resumed.
    #[error("no progress for {} s: {detail}", after.as_secs())]
    Stalled {
        /// How long was tried.
        after: Duration,
        /// What happened last.
        detail: String,
    },
    /// The upload was cancelled by its caller. It stays and can be resumed.
    #[error("cancelled")]
    Cancelled,
    /// A part of a stream must be sent again, and its bytes are no longer there.
    #[error("part {number} must be sent again, and a stream cannot be read twice")]
    NotRepeatable {
        /// The part.
        number: u32,
    },
    /// The finished object is not the file that was read here. Do not trust it.
    #[error("the object in storage is NOT the file: {0}")]
    WrongObject(String),
    /// An answer that is not what the contract says: another service, a proxy's page, a newer major version.
    #[error("the answer of {call} cannot be understood: {detail}")]
    InvalidAnswer {
        /// Which call.
        call: &'static str,
        /// What was wrong with it.
        detail: String,
    },
}

impl Error {
    /// Whether running the same upload again goes on where this one stopped.
    #[must_use]
    pub fn resumable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::FileUnreadable { .. }
            | Self::FileUnwritable { .. }
            | Self::Unauthorized(_)
            | Self::SignatureRefused { .. }
            | Self::StorageRefused { .. }
            | Self::Stalled { .. }
            | Self::Cancelled => true,
            Self::InvalidGatewayUrl(_)
            | Self::HttpSetup(_)
            | Self::FileChanged { .. }
            | Self::Locked { .. }
            | Self::StateUnwritable { .. }
            | Self::Gone { .. }
            | Self::Rejected(_)
            | Self::NotRepeatable { .. }
            | Self::WrongObject(_)
            | Self::InvalidAnswer { .. } => false,
        }
    }

    /// A stable name: the gateway's own code where it is the gateway that refused.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::InvalidGatewayUrl(_) => "invalid_gateway_url",
            Self::HttpSetup(_) => "http_setup",
            Self::Unreachable { .. } => "unreachable",
            Self::FileUnreadable { .. } => "file_unreadable",
            Self::FileUnwritable { .. } => "file_unwritable",
            Self::FileChanged { .. } => "file_changed",
            Self::Locked { .. } => "locked",
            Self::StateUnwritable { .. } => "state_unwritable",
            Self::Gone { .. } => "gone",
            Self::Unauthorized(problem) | Self::Rejected(problem) => &problem.code,
            Self::StorageRefused { .. } => "storage_refused",
            Self::SignatureRefused { .. } => "signature_refused",
            Self::Stalled { .. } => "stalled",
            Self::Cancelled => "cancelled",
            Self::NotRepeatable { .. } => "not_repeatable",
            Self::WrongObject(_) => "wrong_object",
            Self::InvalidAnswer { .. } => "invalid_answer",
        }
    }

    /// The gateway's problem, where it is the gateway that refused.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Unauthorized(problem) | Self::Rejected(problem) => Some(problem),
            _ => None,
        }
    }
}

fn state_name(state: UploadState) -> &'static str {
    match state {
        UploadState::Creating => "creating",
        UploadState::Open => "open",
        UploadState::Completing => "completing",
        UploadState::Completed => "completed",
        UploadState::Failed => "failed",
        UploadState::Aborting => "aborting",
        UploadState::Aborted => "aborted",
        UploadState::Expired => "expired",
    }
}

/// The detail, and every bad field with its own.
fn problem_words(problem: &Problem) -> String {
    let fields = problem.errors.iter().map(|error| format!("; {}: {}", error.field, error.detail));
    let limit = problem.limit.map(|limit| format!(" (limit {limit})"));
    std::iter::once(problem.detail.clone()).chain(fields).chain(limit).collect()
}

/// All the words of an error and its causes, for details that are kept as text. Never contains a URL of storage:
/// callers strip it from reqwest's errors first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words
}
