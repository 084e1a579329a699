//! Finishes an upload: one completion at a time in this process, any number of waiters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::requested::claims;
use super::{Principal, Service, ServiceError, StatusView, StoredClaim, count_received, require};
use crate::access::Role;
use crate::trace;
use crate::upload::{
    Checksum, ChecksumAlgorithm, ChecksumType, Declaration, DeclarationError, ObjectChecksum, Outcome,
    PartNumber, PartRecord, Sha256Digest, State, Transfer, Upload, UploadId, combine,
};

type Finished = Result<Upload, ServiceError>;
type Waiter = Shared<oneshot::Receiver<Finished>>;

/// Objects that are read back at once: each takes a connection, a core's hashing and the store's bandwidth.
const PARALLEL_READS: usize = 8;

/// The completions that are under way in this process.
#[derive(Debug, Clone)]
pub(super) struct Completions {
    running: Arc<Mutex<HashMap<UploadId, Waiter>>>,
    tracker: TaskTracker,
    readers: Arc<Semaphore>,
}

impl Default for Completions {
    fn default() -> Self {
        let readers = Arc::new(Semaphore::new(PARALLEL_READS));
        Self { running: Arc::default(), tracker: TaskTracker::new(), readers }
    }
}

impl Completions {
    /// Waits until an object may be read back; others wait while the permit lives.
    pub(super) async fn turn_to_read(&self) -> Option<SemaphorePermit<'_>> {
        let _waiting = Counted::under("partgate_read_backs_waiting");
        // Never closed, so there always is one.
        self.readers.acquire().await.ok()
    }

    /// Waits until all that are under way have ended.
    pub(super) async fn drain(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// The completion of this upload that is under way, or a new one.
    fn join_or_start(&self, id: UploadId, work: impl Future<Output = Finished> + Send + 'static) -> Waiter {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = running.get(&id) {
            return waiter.clone();
        }
        let (sender, receiver) = oneshot::channel();
        let waiter = receiver.shared();
        running.insert(id, waiter.clone());
        metrics::gauge!("partgate_completions_running").increment(1);
        let entry = Entry { running: Arc::clone(&self.running), id };
        // A task of its own: a client that hangs up must not stop what storage is doing.
        // Its span is not the call's, which may be answered long before.
        let span = trace::detached(tracing::debug_span!(parent: None, "finish"));
        self.tracker.spawn(async move {
            let finished = work.instrument(span).await;
            // Before the answer: who calls after it must start anew, not hear it again.
            drop(entry);
            // Nobody may be waiting any more; the outcome is in the store.
            let _ = sender.send(finished);
        });
        waiter
    }
}

/// A completion's place among those under way; left when it ends, even by a panic.
struct Entry {
    running: Arc<Mutex<HashMap<UploadId, Waiter>>>,
    id: UploadId,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        metrics::gauge!("partgate_completions_running").decrement(1);
    }
}

/// Counted by a gauge until it is dropped, also when whoever waits gives up.
struct Counted(&'static str);

impl Counted {
    fn under(gauge: &'static str) -> Self {
        metrics::gauge!(gauge).increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1);
    }
}

/// What a complete call says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompleteCall {
    /// Parts that were not yet reported.
    pub stored: Vec<StoredClaim>,
    /// The file's size in bytes, for a stream.
    pub size_bytes: Option<u64>,
    /// The file's SHA-256.
    pub sha256: Option<Sha256Digest>,
    /// The file's checksum, base64, of the upload's algorithm.
    pub checksum: Option<String>,
}

/// What a complete call found.
#[derive(Debug, Clone)]
pub enum Completing {
    /// The object is in storage, proven.
    Done(Box<Upload>),
    /// Still at it: ask again.
    Pending(Box<StatusView>),
}

impl Service {
    /// Finishes an upload, or answers again what an earlier call finished.
    ///
    /// # Errors
    /// [`ServiceError`]: parts are missing or not as declared, the key is taken, the object is not the declared
    /// one, storage or database are out of reach. The upload stays open unless its object was proven wrong.
    #[tracing::instrument(level = "debug", name = "complete", skip_all)]
    pub async fn complete(
        &self,
        principal: &Principal,
        id: UploadId,
        call: &CompleteCall,
    ) -> Result<Completing, ServiceError> {
        require(principal, &[Role::Upload])?;
        let upload = self.load(principal, id).await?;
        if upload.state != State::Completed && upload.state != State::Completing {
            upload
                .check_takes_parts(self.clock.now())
                .or_else(|refusal| failed_as(&upload, refusal.into()))?;
        }
        let declaration = declaration(&upload, call)?;
        let declared = check_declaration(&upload, &declaration)?;
        if upload.state == State::Completed {
            return Ok(Completing::Done(Box::new(upload)));
        }
        check_stream_size(principal, &upload, &declared)?;
        let claims = claims(&declared, &call.stored, PartNumber::MAX as usize)?;
        if upload.state == State::Open {
            let records: Vec<_> = claims.into_iter().map(PartRecord::reported).collect();
            self.store.record_parts(id, &records, self.clock.now()).await?;
            count_received("reported", &records);
        }
        match self.finish_in_background(id, declaration).await? {
            Some(upload) => {
                // The completion that was joined may have proven less than this call declares.
                check_declaration(&upload, &declaration)?;
                Ok(Completing::Done(Box::new(upload)))
            }
            None => {
                let loaded = self.store.load_with_progress(id).await?;
                let (upload, received) = loaded.ok_or(ServiceError::NotFound)?;
                let view = self.view(upload, received);
                Ok(Completing::Pending(Box::new(view)))
            }
        }
    }

    /// Finishes in a task of its own, joining the one that is at it already; none when that takes longer than a call
    /// may wait.
    pub(super) async fn finish_in_background(
        &self,
        id: UploadId,
        declaration: Declaration,
    ) -> Result<Option<Upload>, ServiceError> {
        let service = self.clone();
        let work = async move { service.finish(id, declaration).await };
        let waiter = self.completions.join_or_start(id, work);
        let _waiting = Counted::under("partgate_completions_waited_for");
        match tokio::time::timeout(self.rules.complete_wait, waiter).await {
            Ok(Ok(finished)) => finished.map(Some),
            // The task is gone without an answer: the process is stopping. The call may be repeated.
            Ok(Err(_)) => Err(ServiceError::Busy),
            Err(_) => Ok(None),
        }
    }
}

/// The size of a stream is held against the limit when it is known: now.
fn check_stream_size(principal: &Principal, upload: &Upload, declared: &Upload) -> Result<(), ServiceError> {
    let limit_bytes = principal.tenant.limits.max_size_bytes;
    match (upload.plan.size_bytes(), declared.plan.size_bytes(), limit_bytes) {
        (None, Some(size_bytes), Some(limit_bytes)) if size_bytes > limit_bytes => {
            Err(ServiceError::TooLarge { size_bytes, limit_bytes })
        }
        _ => Ok(()),
    }
}

/// What the call declares, in the upload's own terms.
fn declaration(upload: &Upload, call: &CompleteCall) -> Result<Declaration, ServiceError> {
    let kind = upload.spec.checksum_algorithm;
    if call.checksum.is_some() && kind.object_type() != Some(ChecksumType::FullObject) {
        let detail = format!("{} has no checksum of the whole file; declare sha256 instead", kind.name());
        return Err(ServiceError::invalid("checksum", detail));
    }
    let checksum = call.checksum.as_deref().map(|text| Checksum::from_base64(kind, text)).transpose();
    let checksum = checksum.map_err(|error| ServiceError::invalid("checksum", error))?;
    Ok(Declaration { size_bytes: call.size_bytes, sha256: call.sha256, checksum })
}

/// A failed upload answers why it failed, not only that it is closed.
fn failed_as(upload: &Upload, otherwise: ServiceError) -> Result<(), ServiceError> {
    match &upload.failure {
        Some(failure) => Err(ServiceError::ChecksumMismatch(failure.detail.clone())),
        None => Err(otherwise),
    }
}

/// What the call declares, held against what init and earlier calls declared.
pub(super) fn check_declaration(upload: &Upload, declaration: &Declaration) -> Result<Upload, ServiceError> {
    let declared = upload.declared(declaration).map_err(|error| {
        let field = match error {
            DeclarationError::Sha256Changed => "sha256",
            DeclarationError::SizeMissing
            | DeclarationError::SizeChanged { .. }
            | DeclarationError::TooManyParts { .. } => "size",
        };
        ServiceError::invalid(field, error)
    })?;
    let outcome = upload.outcome.as_ref();
    if outcome.is_some_and(|outcome| declaration.sha256.is_some() && declaration.sha256 != outcome.sha256) {
        let detail = "the upload is completed and was not proven to have this SHA-256";
        return Err(ServiceError::invalid("sha256", detail));
    }
    if let (Some(outcome), Some(checksum)) = (outcome, declaration.checksum)
        && !proves(upload, outcome, checksum)
    {
        let detail = "the upload is completed and was not proven to have this checksum";
        return Err(ServiceError::invalid("checksum", detail));
    }
    Ok(declared)
}

/// Whether a finished upload has this checksum: completed with it, or kept by storage for the whole object.
fn proves(upload: &Upload, outcome: &Outcome, checksum: Checksum) -> bool {
    let stored = outcome.checksum.as_ref().filter(|stored| {
        (stored.algorithm, stored.checksum_type) == (checksum.algorithm(), ChecksumType::FullObject)
    });
    upload.checksum == Some(checksum) || stored.is_some_and(|stored| stored.value == checksum.to_base64())
}

/// Whether every part is known: not where storage has put them together already and the database is an older copy.
pub(super) fn is_whole(upload: &Upload, records: &[PartRecord]) -> bool {
    upload.plan.total_parts().is_none_or(|total| total as usize == records.len())
}

/// The object's checksum that the parts' make, where every part's is known.
pub(super) fn expected_checksum(upload: &Upload, records: &[PartRecord]) -> Option<ObjectChecksum> {
    let kind = upload.spec.checksum_algorithm;
    // Some parts' checksums make another file's.
    if !is_whole(upload, records) {
        return None;
    }
    let parts: Option<Vec<_>> =
        records.iter().map(|record| Some((record.checksum?, record.size_bytes))).collect();
    let parts = parts?;
    match (upload.spec.transfer, parts.as_slice()) {
        // One PUT: storage keeps the body's own checksum, whatever the kind.
        (Transfer::Put, [(checksum, _)])
            if !matches!(kind, ChecksumAlgorithm::None | ChecksumAlgorithm::Md5) =>
        {
            Some(ObjectChecksum {
                algorithm: kind,
                checksum_type: ChecksumType::FullObject,
                value: checksum.to_base64(),
            })
        }
        _ => combine(kind, &parts),
    }
}
