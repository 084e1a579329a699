//! `partgate sweep`: one sweep, now.

use partgate::app;
use partgate::clock::Clock;
use partgate::http::sweep_report;
use partgate::service::{OrphanAction, SweepMode, SweepReport};
use partgate::store::Migrations;
use partgate::telemetry::start_log;

use super::CliError;
use super::output::{print_json, words};
use super::settings::SettingsArgs;

/// Take back uploads that are overdue or stuck, and forget old finished ones
#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: SweepArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    start_log(settings.log);
    let (service, store) = app::service(&settings, Clock::System, Migrations::Refuse)
        .await
        .map_err(|error| CliError::Failed(words(&error)))?;
    let mode = if args.dry_run { SweepMode::DryRun } else { SweepMode::Act };
    let report = service.sweep(mode).await.map_err(|error| CliError::Failed(words(&error)));
    store.close().await;
    let report = report?;
    print(&report, &args, mode);
    let failed = report.actions.iter().any(|action| action.outcome.is_err())
        || report.orphans.iter().any(|orphan| orphan.outcome.is_err());
    if failed { Err(CliError::Reported) } else { Ok(()) }
}

fn print(report: &SweepReport, args: &SweepArgs, mode: SweepMode) {
    if args.json {
        print_json(&sweep_report(report.clone(), mode));
        return;
    }
    for action in &report.actions {
        match &action.outcome {
            Ok(state) => println!("{}  {}  {}", action.upload_id, action.action, state.name()),
            Err(error) => println!("{}  {}  failed: {error}", action.upload_id, action.action),
        }
    }
    for orphan in &report.orphans {
        let OrphanAction { key, s3_upload_id, outcome, .. } = orphan;
        match outcome {
            Ok(true) => println!("{}  orphan  at {key}", s3_upload_id.0),
            Ok(false) => println!("{}  orphan  at {key}, in no database of ours: left", s3_upload_id.0),
            Err(error) => println!("{}  orphan  at {key}, failed: {error}", s3_upload_id.0),
        }
    }
    let verb = if args.dry_run { "would be" } else { "were" };
    let aborted = report.orphans.iter().filter(|orphan| orphan.outcome == Ok(true)).count();
    println!(
        "{} uploads {verb} swept, {aborted} orphans {verb} aborted, {} old uploads {verb} forgotten",
        report.actions.len(),
        report.forgotten
    );
}
