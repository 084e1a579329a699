//! Takes back what nobody wants any more, and finishes what was left half done.
//!
//! Any number of gateways sweep at once: each claims uploads with a lease, and what fails is postponed, ever longer,
//! so that it does not keep others waiting.

use futures_util::{StreamExt as _, stream};
use time::{Duration, OffsetDateTime};

use super::abort::is_settled;
use super::{OrphanAction, Orphans, Service, ServiceError};
use crate::store::{DueUpload, SweepClaim, Written};
use crate::upload::{AbortReason, Declaration, State, Transfer, Upload, UploadId};

/// Uploads that are claimed at once.
const BATCH: u32 = 200;
/// Batches of one sweep; the next sweep takes the rest.
const MAX_BATCHES: usize = 50;
/// Uploads that storage is asked about at once.
const PARALLEL: usize = 8;
/// How long a claimed upload is nobody else's: ample for a batch, short enough for a sweep that died.
const LEASE: Duration = Duration::minutes(5);
/// The first wait after a failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::MINUTE;
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::hours(6);
/// The bucket is listed at most so often, by all gateways together.
const ORPHANS_EVERY: Duration = Duration::minutes(10);
/// Finished uploads that are forgotten in one statement, so that the database is not held for long.
const FORGET_BATCH: u32 = 1_000;

/// Whether a sweep acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepMode {
    /// Say what would be done.
    DryRun,
    /// Do it.
    Act,
}

/// What a sweep did, or would do, with one upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepAction {
    /// Which upload.
    pub upload_id: UploadId,
    /// `expire`, `abort`, `complete`, or `look` for what may have landed since.
    pub action: &'static str,
    /// The state it is in now, or why nothing could be done.
    pub outcome: Result<State, String>,
}

/// What a sweep did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Upload by upload.
    pub actions: Vec<SweepAction>,
    /// Multipart uploads in the bucket that no upload wants.
    pub orphans: Vec<OrphanAction>,
    /// How many old finished uploads were forgotten.
    pub forgotten: u64,
}

impl Service {
    /// Looks once for uploads that are overdue, being taken back, stuck, or long finished.
    ///
    /// # Errors
    /// [`ServiceError::Database`]; what storage does not do is told upload by upload.
    #[tracing::instrument(level = "debug", name = "sweep", skip_all)]
    pub async fn sweep(&self, mode: SweepMode) -> Result<SweepReport, ServiceError> {
        let now = self.clock.now();
        let keep_since = now - self.rules.keep_finished;
        if mode == SweepMode::DryRun {
            let due = self.store.due_for_sweep(now, BATCH * MAX_BATCHES as u32).await?;
            let forgotten = self.store.count_finished_before(keep_since).await?;
            let orphans = self.look_for_orphans(mode).await?;
            let actions = due.iter().map(|upload| planned(upload, now)).collect();
            return Ok(SweepReport { actions, orphans, forgotten });
        }
        let mut report = SweepReport::default();
        for _ in 0..MAX_BATCHES {
            let claim = SweepClaim { now, leased_until: now + LEASE, limit: BATCH };
            let due = self.store.claim_for_sweep(claim).await?;
            let is_last = due.len() < BATCH as usize;
            let mut actions = stream::iter(due).map(|due| self.sweep_one(due)).buffer_unordered(PARALLEL);
            while let Some(action) = actions.next().await {
                log(&action);
                report.actions.push(action);
            }
            if is_last {
                break;
            }
        }
        // One listing an interval is enough for a fleet.
        let due_again = now + ORPHANS_EVERY;
        if self.rules.orphans != Orphans::Leave && self.store.claim_job("orphans", now, due_again).await? {
            report.orphans = self.look_for_orphans(mode).await?;
        }
        report.forgotten = self.forget_finished(keep_since).await?;
        Ok(report)
    }

    /// What cannot be listed now does not keep the sweep from the rest of its work.
    async fn look_for_orphans(&self, mode: SweepMode) -> Result<Vec<OrphanAction>, ServiceError> {
        if self.rules.orphans == Orphans::Leave {
            return Ok(Vec::new());
        }
        match self.sweep_orphans(mode).await {
            Ok(orphans) => {
                if mode == SweepMode::Act {
                    orphans.iter().for_each(log_orphan);
                }
                let nobodys = orphans.iter().filter(|orphan| orphan.outcome == Ok(false)).count();
                metrics::gauge!("partgate_orphans_left").set(nobodys as f64);
                let looked_at = self.clock.now().unix_timestamp() as f64;
                metrics::gauge!("partgate_orphans_looked_timestamp_seconds").set(looked_at);
                Ok(orphans)
            }
            Err(error @ (ServiceError::StorageUnavailable(_) | ServiceError::StorageRejected(_))) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(cause, "the sweep could not list the bucket's multipart uploads");
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn sweep_one(&self, due: DueUpload) -> SweepAction {
        let SweepAction { upload_id, action, .. } = planned(&due.upload, self.clock.now());
        let (version, attempts) = (due.upload.version, due.attempts + 1);
        let done = match self.sweep_upload(due.upload).await {
            // Somebody else got there first: as good as done.
            Err(error) if is_settled(&error) => self.reload(upload_id).await,
            done => done,
        };
        let outcome = match done {
            Ok(upload) => Ok(upload.state),
            Err(error) => {
                self.postpone((upload_id, version), attempts).await;
                Err(error.to_string())
            }
        };
        SweepAction { upload_id, action, outcome }
    }

    async fn sweep_upload(&self, upload: Upload) -> Result<Upload, ServiceError> {
        match upload.state {
            State::Creating | State::Open if upload.is_overdue(self.clock.now()) => self.expire(upload).await,
            State::Completing => {
                // Our claim is not a completion's lease: it takes one of its own.
                let now = self.clock.now();
                let _ = self.store.postpone(upload.id, upload.version, (now, 0)).await?;
                match self.finish_in_background(upload.id, Declaration::default()).await? {
                    Some(finished) => Ok(finished),
                    None => self.reload(upload.id).await,
                }
            }
            State::Aborting => self.take_back(upload).await,
            State::Creating
            | State::Open
            | State::Completed
            | State::Failed
            | State::Aborted
            | State::Expired => self.look_again(upload).await,
        }
    }

    /// Takes an overdue upload back. Only a completion puts parts together, so where that has happened the upload was
    /// completed, and the database is an older copy of itself.
    async fn expire(&self, upload: Upload) -> Result<Upload, ServiceError> {
        if upload.spec.transfer == Transfer::Multipart
            && let Some(completed) = self.adopt_finished(&upload).await?
        {
            tracing::warn!(upload.id = %upload.id, "an overdue upload has a finished object: it is completed, not expired");
            return Ok(completed);
        }
        self.begin_abort(upload, AbortReason::Expired).await
    }

    /// Takes back what has come to be in storage since it was last looked at: a multipart upload whose creation was
    /// never answered, a part or a small file that landed late. A completed object stays.
    pub(super) async fn look_again(&self, upload: Upload) -> Result<Upload, ServiceError> {
        let now = self.clock.now();
        match upload.state {
            State::Creating | State::Open | State::Completing | State::Completed => {}
            State::Failed | State::Aborting | State::Aborted | State::Expired => {
                self.take_back_object(&upload).await?;
            }
        }
        self.abort_strays(&upload).await?;
        match self.store.looked(upload.id, upload.version, upload.next_look(now)).await? {
            Written::Done => Ok(upload),
            Written::Conflict => self.reload(upload.id).await,
        }
    }

    /// An upload that the sweep failed with waits, the longer the more often it did. One that has got into another
    /// state on the way has a moment of its own for the next look.
    async fn postpone(&self, (id, version): (UploadId, i64), attempts: u32) {
        let wait = FIRST_WAIT * 2_i32.pow((attempts - 1).min(16));
        let until = self.clock.now() + wait.min(LONGEST_WAIT);
        if let Err(error) = self.store.postpone(id, version, (until, attempts)).await {
            tracing::warn!(upload.id = %id, %error, "the sweep tries it again when its lease is over");
        }
    }

    async fn forget_finished(&self, keep_since: OffsetDateTime) -> Result<u64, ServiceError> {
        let mut forgotten = 0;
        for _ in 0..MAX_BATCHES {
            let batch = self.store.forget_finished_before(keep_since, FORGET_BATCH).await?;
            forgotten += batch;
            if batch < u64::from(FORGET_BATCH) {
                break;
            }
        }
        if forgotten > 0 {
            tracing::info!(count = forgotten, "sweep: forgot old finished uploads");
        }
        Ok(forgotten)
    }
}

fn planned(upload: &Upload, now: OffsetDateTime) -> SweepAction {
    let action = match upload.state {
        State::Creating | State::Open if upload.is_overdue(now) => "expire",
        State::Creating | State::Open => "look",
        State::Completing => "complete",
        State::Aborting => "abort",
        State::Completed | State::Failed | State::Aborted | State::Expired => "look",
    };
    SweepAction { upload_id: upload.id, action, outcome: Ok(upload.state) }
}

fn log_orphan(orphan: &OrphanAction) {
    let result = match &orphan.outcome {
        Ok(true) => "ok",
        Ok(false) => "left",
        Err(_) => "failed",
    };
    metrics::counter!("partgate_sweep_actions_total", "action" => "orphan", "result" => result).increment(1);
    let upload_id = orphan.upload_id.map(|id| id.to_string());
    let s3_upload_id = &*orphan.s3_upload_id.0;
    match &orphan.outcome {
        Ok(true) => tracing::info!(upload.id = upload_id, s3_upload_id, "sweep: aborted an orphan"),
        Ok(false) => {
            tracing::info!(s3_upload_id, "sweep: left a multipart upload that is in no database of ours")
        }
        Err(error) => {
            tracing::warn!(upload.id = upload_id, s3_upload_id, error, "sweep: could not abort an orphan");
        }
    }
}

fn log(SweepAction { upload_id, action, outcome }: &SweepAction) {
    let result = if outcome.is_ok() { "ok" } else { "failed" };
    metrics::counter!("partgate_sweep_actions_total", "action" => *action, "result" => result).increment(1);
    match outcome {
        Ok(state) => {
            tracing::info!(upload.id = %upload_id, upload.state = state.name(), "sweep: {action}");
        }
        Err(error) => {
            tracing::warn!(upload.id = %upload_id, error, "sweep: {action} failed, will be tried again");
        }
    }
}
