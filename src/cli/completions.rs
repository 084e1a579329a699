//! `partgate completions`: for shells.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, CliError};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    clap_complete::generate(args.shell, &mut Cli::command(), "partgate", &mut std::io::stdout());
    Ok(())
}
