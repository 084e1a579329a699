//! `partgate config`: the settings in force.

use std::borrow::Cow;

use partgate::config::Origin;

use super::CliError;
use super::settings::SettingsArgs;

/// Print the settings in force, secrets hidden
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(args: &ConfigArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    for setting in &settings.effective {
        let origin = match &setting.origin {
            Origin::Default => Cow::Borrowed("default"),
            Origin::File => Cow::Borrowed("file"),
            Origin::Environment => Cow::Borrowed("environment"),
            Origin::Flag => Cow::Borrowed("flag"),
            Origin::SecretFile(file) | Origin::Profile(file) => Cow::Owned(format!("read from {file}")),
        };
        match &setting.value {
            Some(value) => println!("{} = {value:?}  # {origin}", setting.path),
            None => println!("# {} is not set", setting.path),
        }
    }
    Ok(())
}
