//! `partgate serve`: the gateway, for production.

use std::net::SocketAddr;

use partgate::app::App;
use partgate::clock::Clock;
use partgate::config::Settings;
use partgate::doctor;
use partgate::store::Migrations;
use partgate::telemetry;

use super::output::words;
use super::settings::SettingsArgs;
use super::{CliError, stop_on_signal};

/// Run the gateway
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where to listen, over the settings
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Refuse to start on an older database schema instead of bringing it up to date
    #[arg(long)]
    no_migrate: bool,
}

pub(crate) async fn run(args: ServeArgs) -> Result<(), CliError> {
    let listen = args.listen.map(|address| ("listen", address.to_string()));
    let settings = args.settings.load(listen.as_slice())?;
    let traces = telemetry::start(settings.log, settings.traces.as_ref())
        .map_err(|error| CliError::Failed(words(&error)))?;
    let migrations = if args.no_migrate { Migrations::Refuse } else { Migrations::Run };
    let failed = |error: partgate::app::AppError| CliError::Failed(words(&error));
    let app = App::start(&settings, Clock::System, migrations).await.map_err(failed)?;
    let stop = stop_on_signal();
    let address = app.address().map_or_else(String::new, |address| address.to_string());
    tracing::info!(address, bucket = settings.storage.connection.bucket, "partgate is ready");
    // A gateway serves what it can, so what is wrong with the set-up is told and stops nothing.
    let look = tokio::spawn(async move { look_around(&settings).await });
    app.run(stop).await;
    look.abort();
    traces.stop().await;
    tracing::info!("partgate has stopped");
    Ok(())
}

async fn look_around(settings: &Settings) {
    for finding in doctor::glance(settings).await {
        tracing::warn!(
            check = finding.check.name(),
            found = finding.found,
            mend = finding.mend,
            "the set-up needs attention; `partgate doctor` tells more"
        );
    }
}
