//! The command line: one file a command.

mod abort;
mod bucket;
mod completions;
mod config;
mod dev;
mod doctor;
mod get;
mod key;
mod list;
mod migrate;
mod openapi;
mod output;
mod put;
mod rebuild;
mod serve;
mod settings;
mod status;
mod sweep;
mod tenant;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

/// Resumable, proven uploads straight from clients to S3-compatible storage.
#[derive(Debug, Parser)]
#[command(name = "partgate", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Serve(serve::ServeArgs),
    Put(put::PutArgs),
    Get(get::GetArgs),
    Status(status::StatusArgs),
    List(list::ListArgs),
    Abort(abort::AbortArgs),
    Sweep(sweep::SweepArgs),
    Doctor(doctor::DoctorArgs),
    Bucket(bucket::BucketArgs),
    Rebuild(rebuild::RebuildArgs),
    Key(key::KeyArgs),
    Tenant(tenant::TenantArgs),
    Migrate(migrate::MigrateArgs),
    Config(config::ConfigArgs),
    Openapi(openapi::OpenapiArgs),
    Completions(completions::CompletionsArgs),
}

/// How a command ended badly.
#[derive(Debug)]
pub(crate) enum CliError {
    /// It was called wrongly, or the settings are wrong: exit code 2.
    Usage(String),
    /// It could not do what was asked: exit code 1.
    Failed(String),
    /// The same, and it has already said why.
    Reported,
    /// It did what was asked, which was to tell that something is left to do: exit code 3.
    Unsettled,
    /// A person stopped it: exit code 130, as shells have it for Ctrl-C.
    Interrupted,
}

/// Parses, runs, and answers the exit code.
pub(crate) fn main() -> ExitCode {
    // clap itself prints usage errors and exits with 2.
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("partgate: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(cli.command));
    // A blocking read (of a pipe, say) must not keep a finished command alive.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Usage(words)) => {
            eprintln!("partgate: {words}");
            ExitCode::from(2)
        }
        Err(CliError::Failed(words)) => {
            eprintln!("partgate: {words}");
            ExitCode::FAILURE
        }
        Err(CliError::Reported) => ExitCode::FAILURE,
        Err(CliError::Unsettled) => ExitCode::from(3),
        Err(CliError::Interrupted) => ExitCode::from(130),
    }
}

async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Dev(args) => dev::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Put(args) => put::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::List(args) => list::run(args).await,
        Command::Abort(args) => abort::run(args).await,
        Command::Sweep(args) => sweep::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Bucket(args) => bucket::run(args).await,
        Command::Rebuild(args) => rebuild::run(args).await,
        Command::Key(args) => key::run(args).await,
        Command::Tenant(args) => tenant::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Config(args) => config::run(&args),
        Command::Openapi(args) => openapi::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// Ends when somebody asks the process to stop: Ctrl-C, or SIGTERM from a supervisor. Heard from this call on.
pub(crate) fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    let mut signals = Signals::listen();
    tokio::spawn(async move {
        signals.next().await;
        token.cancel();
        // Somebody who asks twice means it.
        signals.next().await;
        std::process::exit(130);
    });
    stop
}

/// The signals that ask to stop. A signal that cannot be listened for keeps its usual effect.
#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn next(&mut self) {
        let signals = &mut self.0;
        std::future::poll_fn(|context| {
            let is_ready = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if is_ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
