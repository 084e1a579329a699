//! What the gateway can do, one file a capability.
//!
//! Each capability loads an upload, lets `upload` decide, writes the intent, acts on storage and writes the outcome.
//! Nothing here knows HTTP, SQL or the SDK.

mod abort;
mod adopt;
mod authenticate;
mod complete;
mod download;
mod error;
mod finish;
mod init;
mod keys;
mod lease;
mod list;
mod orphans;
mod proxy;
mod quota;
mod read_back;
mod rebuild;
mod refresh;
mod report;
mod requested;
mod sign;
mod signed;
mod status;
mod sweep;
mod tenants;
mod terms;

#[cfg(test)]
mod model_tests;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::access::{Role, Tenant, TenantDefaults};
use crate::clock::Clock;
use crate::storage::{Storage, StorageError, UrlWindow};
use crate::store::{Store, Written};
use crate::upload::{PartRecord, Refusal, State, Upload, UploadId};

pub use crate::access::Principal;
pub use crate::store::ReceivedParts;
pub use authenticate::{AuthError, Authenticator, Required};
pub use complete::{CompleteCall, Completing};
pub use error::{FieldProblem, ServiceError};
pub use init::{Initiated, NewUpload, SignAtInit};
pub use keys::{CreateKeyError, NewKey, create_key};
pub use list::{ListQuery, UploadPage};
pub use orphans::{OrphanAction, Orphans};
pub use proxy::{ProxiedBody, ProxiedResult};
pub use rebuild::{Found, RebuildCall, RebuildReport};
pub use requested::{RequestedPart, StoredClaim};
pub use sign::SignedBatch;
pub use signed::{SignedUploadPart, SignedWindow};
pub use status::{StatusQuery, StatusView};
pub use sweep::{SweepAction, SweepMode, SweepReport};
pub use tenants::{TenantMap, Tenants};
pub use terms::Terms;

/// The rules of uploads, from the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Before every key that the caller does not name fully.
    pub key_prefix: String,
    /// How long an upload may take, where its tenant says nothing else.
    pub lifetime: time::Duration,
    /// How long a signed URL works, where the tenant says nothing else.
    pub url_ttl: Duration,
    /// The usual part size, bytes.
    pub part_size_bytes: u64,
    /// The usual part size of a stream of unknown length, bytes.
    pub stream_part_size_bytes: u64,
    /// The largest file, bytes, where there is a limit below the store's and the tenant says nothing else.
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

impl Rules {
    /// What tenants in this bucket have where they say nothing else.
    #[must_use]
    pub fn tenant_defaults(&self, bucket: &str) -> TenantDefaults {
        TenantDefaults {
            bucket: bucket.to_owned(),
            prefix: self.key_prefix.clone(),
            max_size_bytes: self.max_size_bytes,
            lifetime: self.lifetime,
            url_ttl: self.url_ttl,
        }
    }
}

/// The gateway's capabilities over one database and one store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    storage: Storage,
    clock: Clock,
    rules: Arc<Rules>,
    tenants: Tenants,
    completions: complete::Completions,
}

/// How often a decision is taken anew when others change the upload in between.
const MAX_CONFLICTS: usize = 10;

impl Service {
    /// Puts the rooms together, for one tenant that has all of the prefix.
    #[must_use]
    pub fn new(store: Store, storage: Storage, clock: Clock, rules: Rules) -> Self {
        let tenants = Tenants::only(Tenant::only(&rules.tenant_defaults(storage.bucket())));
        let completions = complete::Completions::default();
        Self { store, storage, clock, rules: Arc::new(rules), tenants, completions }
    }

    /// The same for these tenants.
    #[must_use]
    pub fn with_tenants(self, tenants: Tenants) -> Self {
        Self { tenants, ..self }
    }

    /// The tenants whose uploads these are.
    #[must_use]
    pub fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// Everybody, where nobody is told apart: the one tenant that has all of the prefix.
    #[must_use]
    pub fn anybody(&self) -> Principal {
        let defaults = self.rules.tenant_defaults(self.storage.bucket());
        Principal::anybody(Arc::new(Tenant::only(&defaults)))
    }

    /// The rules that are in force.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The URL of an upload's object, without any right to it.
    ///
    /// # Errors
    /// [`ServiceError::StorageRejected`] when its bucket's name cannot be part of a URL.
    pub fn object_url(&self, upload: &Upload) -> Result<String, ServiceError> {
        Ok(self.storage_of(upload)?.object_url(upload.spec.key.as_str()))
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
        upload.filter(|upload| may_see(principal, upload)).ok_or(ServiceError::NotFound)
    }

    /// As [`load`](Self::load), and what need not be sent again of it.
    async fn load_with_progress(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<(Upload, ReceivedParts), ServiceError> {
        let loaded = self.store.load_with_progress(id).await?;
        loaded.filter(|(upload, _)| may_see(principal, upload)).ok_or(ServiceError::NotFound)
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

    /// Storage as the upload was opened in it: tenants have buckets of their own.
    fn storage_of(&self, upload: &Upload) -> Result<Storage, StorageError> {
        self.storage.in_bucket(&upload.spec.bucket)
    }

    fn url_window(&self, principal: &Principal) -> UrlWindow {
        UrlWindow { now: self.clock.now(), ttl: principal.tenant.url_ttl }
    }
}

/// Refuses a caller who has none of these roles.
fn require(principal: &Principal, any_of: &[Role]) -> Result<(), ServiceError> {
    if any_of.iter().any(|role| principal.roles.has(*role)) {
        return Ok(());
    }
    let names: Vec<_> = any_of.iter().map(|role| role.name()).collect();
    Err(ServiceError::Forbidden(format!("this needs the role {}", names.join(" or "))))
}

fn may_see(principal: &Principal, upload: &Upload) -> bool {
    principal.may_see(upload.id, &upload.spec.tenant, upload.spec.owner.as_deref())
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

/// Counts parts by who says that storage has them.
fn count_received<'a>(evidence: &'static str, parts: impl IntoIterator<Item = &'a PartRecord>) {
    let (mut count, mut bytes) = (0, 0);
    for part in parts {
        count += 1;
        bytes += part.size_bytes;
    }
    if count > 0 {
        metrics::counter!("partgate_parts_received_total", "evidence" => evidence).increment(count);
        metrics::counter!("partgate_part_bytes_received_total", "evidence" => evidence).increment(bytes);
    }
}

/// The state as a caller should see it: an overdue upload is expired, whether or not the sweep has come by.
fn visible_state(upload: &Upload, now: OffsetDateTime) -> State {
    if upload.is_overdue(now) { State::Expired } else { upload.state }
}
