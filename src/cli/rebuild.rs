//! `partgate rebuild`: the database is lost, the bucket is not.

use partgate::app;
use partgate::clock::Clock;
use partgate::service::{Found, RebuildCall, RebuildReport, ServiceError};
use partgate::store::Migrations;
use partgate::telemetry::start_log;
use serde_json::json;

use super::CliError;
use super::output::{print_json, print_line, words};
use super::settings::SettingsArgs;

/// Objects between two words about how far it is.
const TELL_EVERY: u64 = 1_000;

/// Write uploads that the database has lost down again, as far as the bucket tells of them
///
/// Finished objects become completed uploads. Multipart uploads at keys of partgate's own making become open uploads of
/// unknown size, which their clients can finish. Nothing is deleted, and what the database has stays as it is. Make
/// the tenants again before: whose an upload is follows from the prefix that it is under. Nobody else may use the
/// prefix. Owners, fingerprints and file names as they were given are lost; so are open uploads at keys that callers
/// named, and below a prefix on MinIO, which lists no multipart uploads by prefix, all open ones.
#[derive(Debug, clap::Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only what is under this tenant's prefix
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

pub(crate) async fn run(args: RebuildArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    start_log(settings.log);
    let (service, store) = app::service(&settings, Clock::System, Migrations::Refuse)
        .await
        .map_err(|error| CliError::Failed(words(&error)))?;
    let call = RebuildCall { tenant: args.tenant.clone(), dry_run: args.dry_run };
    let mut looked_at = 0;
    let mut tell = |key: &str, found: &Found| {
        looked_at += 1;
        if !args.json {
            tell_of(key, found);
        }
        if looked_at % TELL_EVERY == 0 {
            eprintln!("looked at {looked_at}");
        }
    };
    let report = service.rebuild(&call, &mut tell).await;
    store.close().await;
    let report = report.map_err(|error| match error {
        ServiceError::Invalid(problems) => {
            CliError::Usage(problems.into_iter().map(|problem| problem.detail).collect::<Vec<_>>().join("; "))
        }
        error => CliError::Failed(words(&error)),
    })?;
    print(&report, &args);
    if report.failed > 0 { Err(CliError::Reported) } else { Ok(()) }
}

/// What was rebuilt, and what may need somebody's eyes; the rest is only counted.
fn tell_of(key: &str, found: &Found) {
    match found {
        Found::Completed(id) => print_line(&format!("{id}  completed  {key}")),
        Found::Open(id, parts) => print_line(&format!("{id}  open, parts: {parts}  {key}")),
        Found::Unclear(reason) => print_line(&format!("left: {reason}  {key}")),
        Found::Failed(reason) => print_line(&format!("failed: {reason}  {key}")),
        Found::Known | Found::Strange | Found::TooOld => {}
    }
}

fn print(report: &RebuildReport, args: &RebuildArgs) {
    let RebuildReport { completed, open, known, strange, too_old, unclear, failed, multiparts_listed } =
        report;
    if args.json {
        print_json(&json!({
            "dry_run": args.dry_run,
            "completed": completed,
            "open": open,
            "known": known,
            "strange": strange,
            "too_old": too_old,
            "unclear": unclear,
            "failed": failed,
            "multiparts_listed": multiparts_listed,
        }));
        return;
    }
    let verb = if args.dry_run { "would be" } else { "were" };
    print_line(&format!("{completed} completed and {open} open uploads {verb} written down"));
    print_line(&format!(
        "left: {known} known already, {strange} not of partgate, {too_old} too old, {unclear} unclear; {failed} failed"
    ));
    if *multiparts_listed == 0 {
        print_line(
            "storage lists no multipart upload; MinIO lists none by prefix, so there open uploads are not found",
        );
    }
}
