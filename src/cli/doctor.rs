//! `partgate doctor`: what is wrong with a set-up, why it matters and how to mend it.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use partgate::config::Settings;
use partgate::doctor::{self, Finding, FoundProfile, Health, Report, Verdict};
use time::OffsetDateTime;

use super::output::{print_json, print_line};
use super::settings::SettingsArgs;
use super::{CliError, stop_on_signal};

/// Find what is wrong with storage, database and addresses, by a tiny real upload
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write what the store can do into a file for the setting storage.profile
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

pub(crate) async fn run(args: DoctorArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    let stop = stop_on_signal();
    let report = doctor::examine(&settings, &stop).await;
    if args.json {
        print_json(&report);
    } else {
        print(&report, &settings);
    }
    if stop.is_cancelled() {
        return Err(CliError::Interrupted);
    }
    if let Some(file) = &args.profile {
        write_profile(file, &report, &settings)?;
    }
    if report.verdict == Health::Sick { Err(CliError::Reported) } else { Ok(()) }
}

/// What was not seen is not written: an older file stays as it is.
fn write_profile(file: &Path, report: &Report, settings: &Settings) -> Result<(), CliError> {
    if report.profile == FoundProfile::default() {
        let words = format!("{} is not written: nothing could be seen of the store", file.display());
        return Err(CliError::Failed(words));
    }
    let text = report.profile.to_file(&store_name(settings), OffsetDateTime::now_utc());
    std::fs::write(file, text).map_err(|error| CliError::Failed(format!("{}: {error}", file.display())))
}

fn store_name(settings: &Settings) -> String {
    let connection = &settings.storage.connection;
    let endpoint = connection.endpoint.as_deref().unwrap_or("Amazon S3");
    format!("{endpoint} (bucket {})", connection.bucket)
}

fn print(report: &Report, settings: &Settings) {
    let is_terminal = std::io::stdout().is_terminal();
    let width = report.findings.iter().map(|finding| finding.check.name().len()).max().unwrap_or(0);
    for finding in &report.findings {
        print_finding(finding, width, is_terminal);
    }
    let lines = report.profile.lines_against(&settings.storage.profile);
    if !lines.is_empty() {
        print_line("\nThe store differs from what the settings say. In the section [storage]:");
        lines.iter().for_each(|line| print_line(&format!("  {line}")));
    }
    let count = |verdict| report.findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (bad, warnings) = (count(Verdict::Bad), count(Verdict::Warning));
    print_line(&match report.verdict {
        Health::Healthy => "\nhealthy".to_owned(),
        Health::Warnings => format!("\nworks, with {warnings} warnings"),
        Health::Sick => format!("\nsick: {bad} things do not work, {warnings} warnings"),
    });
}

fn print_finding(finding: &Finding, width: usize, is_terminal: bool) {
    let (sign, colour) = match finding.verdict {
        Verdict::Good => ("ok", "32"),
        Verdict::Note => ("note", "36"),
        Verdict::Warning => ("warn", "33"),
        Verdict::Bad => ("BAD", "31"),
        Verdict::Skipped => ("-", "90"),
    };
    let sign = format!("{sign:<4}");
    let sign = if is_terminal { format!("\u{1b}[{colour}m{sign}\u{1b}[0m") } else { sign };
    print_line(&format!("{sign}  {:<width$}  {}", finding.check.name(), finding.found));
    let indent = " ".repeat(width + 8);
    if matches!(finding.verdict, Verdict::Bad | Verdict::Warning) {
        print_line(&format!("{indent}why: {}", finding.why));
    }
    if !finding.mend.is_empty() {
        print_line(&format!("{indent}mend: {}", finding.mend));
    }
}
