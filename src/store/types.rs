//! What the store takes and answers.

use time::OffsetDateTime;

use crate::upload::{PartSet, State, Upload, UploadId};

/// Which database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// `sqlite://path`.
    Sqlite,
    /// `postgres://…` or `postgresql://…`.
    Postgres,
}

impl DatabaseKind {
    /// The kind of a URL, by its scheme; none where there is no such database.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        // The drivers would take nearly any text for the name of a file or a host.
        match url.split_once(':')? {
            ("sqlite", _) => Some(Self::Sqlite),
            ("postgres" | "postgresql", rest) if rest.starts_with("//") => Some(Self::Postgres),
            _ => None,
        }
    }
}

/// Whether opening the store may change its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrations {
    /// Bring the schema up to date.
    Run,
    /// Refuse to start on an older schema.
    Refuse,
}

/// Whether a write found the version that it was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It is on disk.
    Done,
    /// Somebody changed the upload in between: load it and decide again.
    Conflict,
}

/// What became of a new upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertOutcome {
    /// It is on disk.
    Inserted,
    /// The caller's idempotency key or fingerprint names an upload already.
    Duplicate,
}

/// Which uploads a page of the list holds, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFilter {
    /// Whose uploads.
    pub tenant: String,
    /// Only those in this state, as callers see it at `now`: what is overdue counts as expired.
    pub state: Option<State>,
    /// The time of the call.
    pub now: OffsetDateTime,
    /// Only those older than this one.
    pub before: Option<UploadId>,
    /// At most so many.
    pub limit: u32,
}

/// The parts of an upload that need not be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceivedParts {
    /// Their numbers.
    pub numbers: PartSet,
    /// Their bytes.
    pub total_bytes: u64,
}

/// Which uploads a sweep takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepClaim {
    /// The time of the sweep: what is due by then is taken.
    pub now: OffsetDateTime,
    /// Until when nobody else takes it: the next sweep does, should this one die.
    pub leased_until: OffsetDateTime,
    /// At most so many, those that are due longest first.
    pub limit: u32,
}

/// A gateway's hold on a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The end of the lease before: as it was loaded, or this gateway's own.
    pub held_until: Option<OffsetDateTime>,
    /// The end of the new one.
    pub until: OffsetDateTime,
    /// How many bytes of the object were read back so far.
    pub verified_bytes: u64,
}

/// An upload that the sweep has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueUpload {
    /// The upload.
    pub upload: Upload,
    /// How often the sweep has failed with it in a row.
    pub attempts: u32,
}

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed or is out of reach; the same call may work later.
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The schema is older than this program and may not be changed.
    #[error("the database schema is not up to date: run `partgate migrate`")]
    SchemaOutdated,
    /// The database's URL is not one that we know. Holds no more than its scheme: it may have a password in it.
    #[error("the database URL {0:?} is not of the form sqlite://path or postgres://user@host/name")]
    Url(String),
    /// A row that this program did not write.
    #[error("a row of upload {upload} cannot be read: {detail}")]
    Corrupt {
        /// The row's upload.
        upload: String,
        /// What is wrong.
        detail: String,
    },
}

impl StoreError {
    /// A database's URL that is not one that we know.
    pub(super) fn url(url: &str) -> Self {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        Self::Url(format!("{scheme}://…"))
    }
}
