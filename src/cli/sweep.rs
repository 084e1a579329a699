//! `partgate sweep`: one sweep, now.

use partgate::app;
use partgate::clock::Clock;
use partgate::service::{SweepMode, SweepReport};
use partgate::store::Migrations;
use partgate::telemetry::start_log;
use serde_json::json;

use super::CliError;
use super::output::words;
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
    print(&report, &args);
    let failed = report.actions.iter().any(|action| action.outcome.is_err());
    if failed { Err(CliError::Reported) } else { Ok(()) }
}

fn print(report: &SweepReport, args: &SweepArgs) {
    if args.json {
        let actions: Vec<_> = report
            .actions
            .iter()
            .map(|action| {
                json!({
                    "upload_id": action.upload_id.to_string(),
                    "action": action.action,
                    "state": action.outcome.as_ref().ok().map(|state| state.name()),
                    "error": action.outcome.as_ref().err(),
                })
            })
            .collect();
        println!("{}", json!({ "dry_run": args.dry_run, "actions": actions, "forgotten": report.forgotten }));
        return;
    }
    for action in &report.actions {
        match &action.outcome {
            Ok(state) => println!("{}  {}  {}", action.upload_id, action.action, state.name()),
            Err(error) => println!("{}  {}  failed: {error}", action.upload_id, action.action),
        }
    }
    let verb = if args.dry_run { "would be" } else { "were" };
    println!("{} uploads {verb} swept, {} old ones {verb} forgotten", report.actions.len(), report.forgotten);
}
