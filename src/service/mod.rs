//! What the gateway can do, one file a capability.
//!
//! Each capability loads an upload, lets `upload` decide, writes the intent, acts on storage and writes the outcome.
//! Nothing here knows HTTP, SQL or the SDK.

mod abort;
mod complete;
mod download;
mod error;
mod finish;
mod init;
mod lease;
mod list;
mod orphans;
mod proxy;
mod read_back;
mod refresh;
mod report;
mod requested;
mod sign;
mod status;
mod sweep;
mod terms;

#[cfg(test)]
mod model_tests;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::storage::{Storage, UrlWindow};
use crate::store::{Store, Written};
use crate::upload::{Refusal, State, Upload, UploadId};

pub use crate::store::ReceivedParts;
pub use complete::{CompleteCall, Completing};
pub use error::{FieldProblem, ServiceError};
pub use init::{Initiated, NewUpload, SignAtInit};
pub use list::{ListQuery, UploadPage};
pub use orphans::{OrphanAction, Orphans};
pub use proxy::{ProxiedBody, ProxiedResult};
pub use requested::{RequestedPart, StoredClaim};
pub use sign::{SignedBatch, SignedUploadPart};
pub use status::{StatusQuery, StatusView};
pub use sweep::{SweepAction, SweepMode, SweepReport};
pub use terms::Terms;

/// Who calls, and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose uploads they see and make.
    pub tenant: String,
    /// Whether they may choose the keys of objects.
    pub may_name_keys: bool,
}

impl Principal {
    /// Everybody, in open mode: one tenant, on loopback only.
    #[must_use]
    pub fn open() -> Self {
        Self { tenant: "default".to_owned(), may_name_keys: true }
    }
}

/// The rules of uploads, from the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Before every key that the caller does not name fully.
    pub key_prefix: String,
    /// How long an upload may take.
    pub lifetime: time::Duration,
    /// How long a signed URL works.
    pub url_ttl: Duration,
    /// The usual part size, bytes.
    pub part_size_bytes: u64,
    /// The usual part size of a stream of unknown length, bytes.
    pub stream_part_size_bytes: u64,
    /// The largest file, bytes, where there is a limit below the store's.
    pub max_size_bytes: Option<u64>,
    /// The most parts in one sign or report call.
    pub sign_limit: usize,
    /// How long a complete call waits before it answers "still at it".
    pub complete_wait: Duration,
    /// How long finished uploads are remembered.
    pub keep_finished: time::Duration,
    /// Which multipart uploads in the bucket the sweep aborts although no upload wants them.
    pub orphans: Orphans,
}

impl Default for Rules {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            key_prefix: String::new(),
            lifetime: time::Duration::days(7),
            url_ttl: Duration::from_secs(15 * 60),
            part_size_bytes: 10 * MIB,
            stream_part_size_bytes: 64 * MIB,
            max_size_bytes: None,
            sign_limit: 1_000,
            complete_wait: Duration::from_secs(20),
            keep_finished: time::Duration::days(30),
            orphans: Orphans::Known,
        }
    }
}

/// The gateway's capabilities over one store and one bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    storage: Storage,
    clock: Clock,
    rules: Arc<Rules>,
    completions: complete::Completions,
}

/// How often a decision is taken anew when others change the upload in between.
const MAX_CONFLICTS: usize = 10;

impl Service {
    /// Puts the rooms together.
    #[must_use]
    pub fn new(store: Store, storage: Storage, clock: Clock, rules: Rules) -> Self {
        Self { store, storage, clock, rules: Arc::new(rules), completions: complete::Completions::default() }
    }

    /// The rules that are in force.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The URL of an upload's object, without any right to it.
    #[must_use]
    pub fn object_url(&self, upload: &Upload) -> String {
        self.storage.object_url(upload.spec.key.as_str())
    }

    /// Whether the database and storage answer: what is wrong with each, if anything.
    pub async fn readiness(&self) -> (Result<(), ServiceError>, Result<(), ServiceError>) {
        let (store, storage) = tokio::join!(self.store.ping(), self.storage.check());
        (store.map_err(ServiceError::from), storage.map_err(ServiceError::from))
    }

    /// How many uploads are in each state.
    ///
    /// # Errors
    /// [`ServiceError::Database`].
    pub async fn count_by_state(&self) -> Result<Vec<(String, u64)>, ServiceError> {
        Ok(self.store.count_by_state().await?)
    }

    /// Waits for work that goes on after its call was answered.
    pub async fn drain(&self) {
        self.completions.drain().await;
    }

    /// The caller's upload. Invariant: another tenant's upload does not exist for the caller.
    async fn load(&self, principal: &Principal, id: UploadId) -> Result<Upload, ServiceError> {
        let upload = self.store.load(id).await?;
        upload.filter(|upload| upload.spec.tenant == principal.tenant).ok_or(ServiceError::NotFound)
    }

    async fn reload(&self, id: UploadId) -> Result<Upload, ServiceError> {
        self.store.load(id).await?.ok_or(ServiceError::NotFound)
    }

    /// Takes a decision on the upload and writes it; takes it anew on what others have written in between.
    async fn transition(
        &self,
        mut upload: Upload,
        decide: impl Fn(&Upload, OffsetDateTime) -> Result<Upload, Refusal>,
    ) -> Result<Upload, ServiceError> {
        for _ in 0..MAX_CONFLICTS {
            let next = decide(&upload, self.clock.now())?;
            match self.store.update(&next).await? {
                Written::Done => {
                    if next.state != upload.state {
                        log_transition(&upload, &next);
                    }
                    return Ok(next);
                }
                Written::Conflict => upload = self.reload(upload.id).await?,
            }
        }
        Err(ServiceError::Busy)
    }

    fn url_window(&self) -> UrlWindow {
        UrlWindow { now: self.clock.now(), ttl: self.rules.url_ttl }
    }
}

fn log_transition(before: &Upload, after: &Upload) {
    tracing::info!(
        upload.id = %after.id,
        upload.state = after.state.name(),
        upload.version = after.version,
        "upload went from {} to {}",
        before.state.name(),
        after.state.name(),
    );
    metrics::counter!("partgate_upload_transitions_total", "to" => after.state.name()).increment(1);
}

/// The state as a caller should see it: an overdue upload is expired, whether or not the sweep has come by.
fn visible_state(upload: &Upload, now: OffsetDateTime) -> State {
    if upload.is_overdue(now) { State::Expired } else { upload.state }
}
