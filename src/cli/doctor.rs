//! `partgate doctor`: what is wrong with a set-up, why it matters and how to mend it.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use partgate::config::Settings;
use partgate::doctor::{self, FoundProfile, Health, Paint, Report};
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
        let paint = if std::io::stdout().is_terminal() { Paint::Colours } else { Paint::Plain };
        print_line(report.to_text(&settings.storage.profile, paint).trim_end());
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
