//! Takes back what nobody wants any more, and finishes what was left half done.

use futures_util::{StreamExt as _, stream};
use time::Duration;

use super::abort::is_settled;
use super::{Service, ServiceError};
use crate::store::SweepLimits;
use crate::upload::{AbortReason, Declaration, State, Upload, UploadId};

/// Uploads looked at in one sweep; the next sweep takes the rest.
const BATCH: u32 = 1_000;
/// Uploads that storage is asked about at once.
const PARALLEL: usize = 8;
/// A completion that has not moved for so long has lost its gateway: longer than any attempt may take.
const STUCK_AFTER: Duration = Duration::minutes(20);

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
    /// `expire`, `abort`, `complete`, or `clean` for what came after a failure.
    pub action: &'static str,
    /// The state it is in now, or why nothing could be done.
    pub outcome: Result<State, String>,
}

/// What a sweep did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Upload by upload.
    pub actions: Vec<SweepAction>,
    /// How many old finished uploads were forgotten.
    pub forgotten: u64,
}

impl Service {
    /// Looks once for uploads that are overdue, being taken back, stuck, or long finished.
    ///
    /// # Errors
    /// [`ServiceError::Database`]; what storage does not do is told upload by upload.
    pub async fn sweep(&self, mode: SweepMode) -> Result<SweepReport, ServiceError> {
        let now = self.clock.now();
        let limits = SweepLimits { now, stuck_before: now - STUCK_AFTER, limit: BATCH };
        let due = self.store.due_for_sweep(limits).await?;
        let keep_since = now - self.rules.keep_finished;
        if mode == SweepMode::DryRun {
            let actions = due.iter().map(planned).collect();
            let forgotten = self.store.count_finished_before(keep_since).await?;
            return Ok(SweepReport { actions, forgotten });
        }
        let actions =
            stream::iter(due).map(|upload| self.sweep_one(upload)).buffer_unordered(PARALLEL).collect().await;
        let forgotten = self.store.forget_finished_before(keep_since).await?;
        let report = SweepReport { actions, forgotten };
        log(&report);
        Ok(report)
    }

    async fn sweep_one(&self, upload: Upload) -> SweepAction {
        let SweepAction { upload_id, action, .. } = planned(&upload);
        let done = match upload.state {
            State::Creating | State::Open => self.begin_abort(upload, AbortReason::Expired).await,
            State::Completing => self.finish(upload_id, Declaration::default()).await,
            State::Failed => self.look_at_failed(upload).await,
            State::Aborting | State::Completed | State::Aborted | State::Expired => {
                self.take_back(upload).await
            }
        };
        let outcome = match done {
            Ok(upload) => Ok(upload.state),
            // Somebody else got there first: as good as done.
            Err(error) if is_settled(&error) => {
                self.reload(upload_id).await.map(|upload| upload.state).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        SweepAction { upload_id, action, outcome }
    }

    /// A small file's signed PUT outlives the deletion of its wrong object, so the key is looked at until the URL is
    /// dead and its last bytes have landed.
    async fn look_at_failed(&self, upload: Upload) -> Result<Upload, ServiceError> {
        self.take_back_object(&upload).await?;
        if !upload.has_live_urls(self.clock.now()) {
            self.store.forget_urls(upload.id).await?;
        }
        Ok(upload)
    }
}

fn planned(upload: &Upload) -> SweepAction {
    let action = match upload.state {
        State::Creating | State::Open => "expire",
        State::Completing => "complete",
        State::Failed => "clean",
        State::Aborting | State::Completed | State::Aborted | State::Expired => "abort",
    };
    SweepAction { upload_id: upload.id, action, outcome: Ok(upload.state) }
}

fn log(report: &SweepReport) {
    for SweepAction { upload_id, action, outcome } in &report.actions {
        let result = if outcome.is_ok() { "ok" } else { "failed" };
        metrics::counter!("partgate_sweep_actions_total", "action" => *action, "result" => result)
            .increment(1);
        match outcome {
            Ok(state) => {
                tracing::info!(upload.id = %upload_id, upload.state = state.name(), "sweep: {action}")
            }
            Err(error) => {
                tracing::warn!(upload.id = %upload_id, error, "sweep: {action} failed, will be tried again")
            }
        }
    }
    if report.forgotten > 0 {
        tracing::info!(count = report.forgotten, "sweep: forgot old finished uploads");
    }
}
