//! `partgate bucket`: what the bucket should be set to.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::builder::PossibleValuesParser;
use clap::{Subcommand, builder::TypedValueParser as _};
use partgate::bucket::{Format, Outcome, Plan, Wanted, What, apply, plan};
use partgate::config::Settings;
use partgate::storage::{BucketConfiguration, Storage};

use super::CliError;
use super::output::{failed, print_line, words};
use super::settings::SettingsArgs;

/// Plan and apply what the bucket needs: CORS, clean-up, no public access
#[derive(Debug, clap::Args)]
pub(crate) struct BucketArgs {
    #[command(subcommand)]
    command: BucketCommand,
}

#[derive(Debug, Subcommand)]
enum BucketCommand {
    Plan(PlanArgs),
    Apply(ApplyArgs),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Leave this as it is; may be repeated
    #[arg(long, value_name = "WHAT", value_parser = whats())]
    except: Vec<What>,
}

/// Show what would change in the buckets of these settings; change nothing
///
/// Exit code 0, or with --detailed-exitcode 3 when there is something to do.
#[derive(Debug, clap::Args)]
struct PlanArgs {
    #[command(flatten)]
    common: Common,
    /// Do not ask storage: what a bucket without any rules needs
    #[arg(long)]
    offline: bool,
    /// For whom: text, json, terraform, cloudformation, aws-cli, mc
    #[arg(long, default_value = "text", hide_possible_values = true, value_parser = formats())]
    format: Format,
    /// End with 3 when there is something to do, and with 0 only when there is not
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Change what the plan says, after asking
///
/// Exit code 0 when the buckets are as wanted then, as far as storage can be asked; 1 when not.
#[derive(Debug, clap::Args)]
struct ApplyArgs {
    #[command(flatten)]
    common: Common,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .map(|name| Format::ALL.into_iter().find(|format| format.name() == name).unwrap_or(Format::Text))
}

fn whats() -> impl clap::builder::TypedValueParser<Value = What> {
    PossibleValuesParser::new(What::ALL.map(What::name))
        .map(|name| What::ALL.into_iter().find(|what| what.name() == name).unwrap_or(What::Cors))
}

pub(crate) async fn run(args: BucketArgs) -> Result<(), CliError> {
    match args.command {
        BucketCommand::Plan(args) => show(args).await,
        BucketCommand::Apply(args) => change(args).await,
    }
}

async fn show(args: PlanArgs) -> Result<(), CliError> {
    let settings = args.common.settings.load(&[])?;
    let mut is_settled = true;
    for wanted in Wanted::all(&settings) {
        let plan = if args.offline {
            Plan::offline(wanted)
        } else {
            let storage = storage(&settings, &wanted.bucket).await?;
            let found = configuration(&storage).await?;
            plan(wanted, &found)
        };
        let plan = plan.without(&args.common.except);
        is_settled &= plan.is_settled();
        print_line(args.format.print(&plan).trim_end());
    }
    if args.detailed_exitcode && !is_settled { Err(CliError::Unsettled) } else { Ok(()) }
}

async fn storage(settings: &Settings, bucket: &str) -> Result<Storage, CliError> {
    let storage = Storage::connect(settings.storage.clone()).await.map_err(failed)?;
    storage.in_bucket(bucket).map_err(failed)
}

async fn configuration(storage: &Storage) -> Result<BucketConfiguration, CliError> {
    storage.bucket_configuration().await.map_err(|error| {
        let bucket = storage.bucket();
        CliError::Failed(format!(
            "the bucket {bucket} (storage.bucket, or a tenant's) cannot be asked: {}",
            words(&error)
        ))
    })
}

async fn change(args: ApplyArgs) -> Result<(), CliError> {
    let settings = args.common.settings.load(&[])?;
    let mut is_settled = true;
    for wanted in Wanted::all(&settings) {
        let storage = storage(&settings, &wanted.bucket).await?;
        let found = configuration(&storage).await?;
        let plan = plan(wanted, &found).without(&args.common.except);
        print_line(plan.to_string().trim_end());
        if !plan.has_writes() {
            is_settled &= plan.is_settled();
            continue;
        }
        if !args.yes {
            confirm(&plan)?;
        }
        is_settled &= carry_out(&storage, &plan).await?;
    }
    if is_settled { Ok(()) } else { Err(CliError::Reported) }
}

/// Asks the person at the terminal.
fn confirm(plan: &Plan) -> Result<(), CliError> {
    if !std::io::stdin().is_terminal() {
        let words = "there is no terminal to ask at: look at the plan, and say --yes to apply it";
        return Err(CliError::Usage(words.to_owned()));
    }
    print!("\nApply this to the bucket {}? Only \"yes\" does it: ", plan.wanted.bucket);
    // What cannot be shown was not asked, and the answer will not be yes.
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(CliError::Failed("nothing was changed".to_owned())) }
}

async fn carry_out(storage: &Storage, plan: &Plan) -> Result<bool, CliError> {
    let applied = apply(storage, plan).await.map_err(failed)?;
    print_line("");
    for (what, outcome) in &applied.outcomes {
        let (words, lines) = match outcome {
            Outcome::Done => ("applied", &[][..]),
            Outcome::Differs(lines) => ("applied, but storage shows something else", lines.as_slice()),
            Outcome::ByHand(_, lines) => ("to be done by hand", lines.as_slice()),
            Outcome::Refused(why) => ("refused", std::slice::from_ref(why)),
        };
        print_line(&format!("  {}: {words}", what.name()));
        for line in lines {
            print_line(&format!("      {line}"));
        }
    }
    Ok(applied.is_settled())
}
