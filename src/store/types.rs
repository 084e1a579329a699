//! What the store takes and answers.

use std::fmt;

use time::OffsetDateTime;

use super::OverQuota;
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
    /// The caller's idempotency key or fingerprint names an upload already. Said also when a limit is reached.
    Duplicate,
    /// It would have passed a limit.
    OverQuota(OverQuota),
}

/// Which uploads a page of the list holds, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFilter {
    /// Whose uploads; none for those of all tenants.
    pub tenant: Option<String>,
    /// Only this owner's of them.
    pub owner: Option<String>,
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

/// How far an upload is once a report is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The parts that need not be sent again, these among them.
    pub received: ReceivedParts,
    /// When a part was last reported: the upload has changed then, if not later.
    pub reported_at: OffsetDateTime,
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

/// An API key as it is stored. Roles and hash are the caller's to understand.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ApiKeyRecord {
    /// Its public name.
    pub id: String,
    /// Whose key it is; none for an operator's.
    pub tenant: Option<String>,
    /// What people call it.
    pub name: String,
    /// What its holder may do.
    pub roles: String,
    /// What its secret hashes to.
    pub secret_hash: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last used, as far as that was written down.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it ends.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

impl fmt::Debug for ApiKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, tenant, name, roles, created_at, last_used_at, expires_at, revoked_at, .. } = self;
        f.debug_struct("ApiKeyRecord")
            .field("id", id)
            .field("tenant", tenant)
            .field("name", name)
            .field("roles", roles)
            .field("created_at", created_at)
            .field("last_used_at", last_used_at)
            .field("expires_at", expires_at)
            .field("revoked_at", revoked_at)
            .finish_non_exhaustive()
    }
}

/// A tenant as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantRecord {
    /// Its name.
    pub name: String,
    /// Its settings, JSON. The caller's to understand.
    pub settings: String,
    /// When it was first written.
    pub created_at: OffsetDateTime,
    /// When it was last written.
    pub updated_at: OffsetDateTime,
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
    #[error("a row of {of} cannot be read: {detail}")]
    Corrupt {
        /// The upload, API key or tenant that the row is about.
        of: String,
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
