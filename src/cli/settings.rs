//! Where the commands that run a gateway find its settings.

use std::path::PathBuf;

use partgate::config::{ConfigError, Settings};

use super::CliError;

/// The settings file, for every command that needs one.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// The settings file (TOML); the environment (PARTGATE_…) goes over it
    #[arg(long, value_name = "FILE", env = "PARTGATE_CONFIG")]
    config: Option<PathBuf>,
}

impl SettingsArgs {
    pub(crate) fn load(&self, overrides: &[(&str, String)]) -> Result<Settings, CliError> {
        Settings::load(self.config.as_deref(), overrides).map_err(usage)
    }
}

pub(crate) fn usage(error: ConfigError) -> CliError {
    CliError::Usage(error.to_string())
}
