//! Multipart uploads in the bucket that no upload wants, as the sweep sees them.

use super::Check::Orphans;
use super::report::Findings;
use crate::app;
use crate::causes::causes;
use crate::clock::Clock;
use crate::config::Settings;
use crate::service::{self, OrphanAction, Service, SweepMode};
use crate::storage::Storage;
use crate::store::Store;

/// Looks as `partgate sweep --dry-run` does, and changes nothing.
pub(super) async fn check(settings: &Settings, store: &Store, findings: &Findings) {
    if settings.rules.orphans == service::Orphans::Leave {
        findings.note(Orphans, "sweep.orphans is \"leave\": nobody looks for them", "");
        return;
    }
    let Ok(storage) = Storage::connect(settings.storage.clone()).await else { return };
    let service = Service::new(store.clone(), storage, Clock::System, settings.rules.clone());
    let service = service.with_tenants(app::tenants(settings, store));
    match service.sweep(SweepMode::DryRun).await {
        Ok(report) => tell(&report.orphans, findings),
        Err(error) => findings.warning(Orphans, causes(&error), "see what `partgate sweep --dry-run` says"),
    }
}

fn tell(orphans: &[OrphanAction], findings: &Findings) {
    if orphans.is_empty() {
        findings.good(Orphans, "none that is older than an hour");
        return;
    }
    let ours = orphans.iter().filter(|orphan| orphan.outcome == Ok(true)).count();
    let others = orphans.len() - ours;
    let oldest = orphans.iter().filter_map(|orphan| orphan.initiated_at).min();
    let oldest = oldest.map_or_else(String::new, |at| format!("; the oldest is of {}", at.date()));
    let found = format!("{ours} that the sweep aborts, {others} in no database of ours{oldest}");
    let mend = if others == 0 {
        "run `partgate sweep`, or let a gateway run: it sweeps every sweep.interval"
    } else {
        "run `partgate sweep`; those in no database are aborted only with sweep.orphans = \"all\" (if the prefix is \
         this gateway's alone) or by a lifecycle rule: partgate bucket apply"
    };
    findings.warning(Orphans, found, mend);
}
