//! `partgate migrate`: brings the database's schema up to date.

use partgate::store::{Migrations, Store};

use super::CliError;
use super::output::words;
use super::settings::SettingsArgs;

/// Bring the database schema up to date
#[derive(Debug, clap::Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) async fn run(args: MigrateArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    let store = Store::open(settings.database.expose(), settings.database_connections, Migrations::Run)
        .await
        .map_err(|error| CliError::Failed(words(&error)))?;
    store.close().await;
    println!("the database schema is up to date");
    Ok(())
}
