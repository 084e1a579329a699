//! `partgate dev`: gateway, embedded store and page in one process, nothing else to install.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use partgate::app::{App, serve};
use partgate::clock::Clock;
use partgate::config::Settings;
use partgate::store::Migrations;
use partgate::telemetry;
use partgate_devstore::{DevStore, DevStoreConfig, Durability, S3_MIN_PART_SIZE_BYTES};
use tokio::net::TcpListener;

use super::output::words;
use super::settings::usage;
use super::{CliError, stop_on_signal};

/// Fixed and documented, so that any S3 client can look inside.
const BUCKET: &str = "uploads";
const REGION: &str = "us-east-1";
const ACCESS_KEY_ID: &str = "partgate";
const SECRET_ACCESS_KEY: &str = "partgate-dev-secret";

/// How often the store aborts what its lifecycle rules say.
const LIFECYCLE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Run gateway and embedded store for development
#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Where everything is kept; delete it to start anew
    #[arg(long, value_name = "DIR", default_value = "partgate-data")]
    data: PathBuf,
    /// Where the gateway listens (loopback)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the store listens (loopback)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    store_listen: SocketAddr,
    /// Smallest part in bytes, for tests with tiny parts
    #[arg(long, value_name = "BYTES", default_value_t = S3_MIN_PART_SIZE_BYTES, hide = true)]
    min_part_size: u64,
}

pub(crate) async fn run(args: DevArgs) -> Result<(), CliError> {
    if !args.store_listen.ip().is_loopback() {
        let detail = "its credentials are public, so it is for loopback only";
        return Err(CliError::Usage(format!("--store-listen {}: {detail}", args.store_listen)));
    }
    let store = open_store(&args).await?;
    let store_listener = listen(args.store_listen).await?;
    let store_address = store_listener.local_addr().map_err(|error| CliError::Failed(error.to_string()))?;
    let settings = settings(&args, store_address).map_err(usage)?;
    let traces = telemetry::start(settings.log, settings.traces.as_ref())
        .map_err(|error| CliError::Failed(words(&error)))?;
    let failed = |error: partgate::app::AppError| CliError::Failed(words(&error));
    let app = App::start(&settings, Clock::System, Migrations::Run).await.map_err(failed)?;
    let stop = stop_on_signal();
    greet(&args, app.address().unwrap_or(args.listen), store_address);

    let lifecycle_store = store.clone();
    let lifecycle =
        tokio::spawn(async move { lifecycle_store.run_lifecycle_every(LIFECYCLE_INTERVAL).await });
    // The gateway stops first: what it is finishing needs the store.
    let store_stop = tokio_util::sync::CancellationToken::new();
    let store_server = tokio::spawn(serve(store_listener, store.router(), store_stop.clone()));
    app.run(stop).await;
    traces.stop().await;
    store_stop.cancel();
    lifecycle.abort();
    let store_served = store_server.await;
    store.close().await;
    store_served.map_err(|error| CliError::Failed(format!("the embedded store failed: {error}")))
}

async fn open_store(args: &DevArgs) -> Result<DevStore, CliError> {
    let config = DevStoreConfig {
        data_dir: args.data.join("store"),
        region: REGION.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        min_part_size_bytes: args.min_part_size,
        durability: Durability::Full,
    };
    let store = DevStore::open(config).await.map_err(|error| CliError::Failed(words(&error)))?;
    store.ensure_bucket(BUCKET).await.map_err(|error| CliError::Failed(words(&error)))?;
    Ok(store)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = "is another one running? choose with --listen and --store-listen";
        CliError::Failed(format!("cannot listen on {address}: {error} ({hint})"))
    })
}

fn settings(args: &DevArgs, store: SocketAddr) -> Result<Settings, partgate::config::ConfigError> {
    let database = format!("sqlite://{}", args.data.join("gateway.db").display());
    Settings::load(
        None,
        &[
            ("listen", args.listen.to_string()),
            ("database", database),
            ("auth.mode", "open".to_owned()),
            // Pages on this machine, on whatever port their tools choose; no page from elsewhere.
            ("cors.origins", "http://localhost:*,http://127.0.0.1:*".to_owned()),
            ("storage.endpoint", format!("http://{store}")),
            ("storage.public_endpoint", String::new()),
            ("storage.region", REGION.to_owned()),
            ("storage.bucket", BUCKET.to_owned()),
            ("storage.path_style", "true".to_owned()),
            ("storage.access_key_id", ACCESS_KEY_ID.to_owned()),
            ("storage.secret_access_key", SECRET_ACCESS_KEY.to_owned()),
            ("storage.min_part_size", args.min_part_size.to_string()),
        ],
    )
}

fn greet(args: &DevArgs, gateway: SocketAddr, store: SocketAddr) {
    println!("partgate {} is ready", env!("CARGO_PKG_VERSION"));
    println!("  gateway  http://{gateway}");
    println!("  store    http://{store}  bucket {BUCKET}, region {REGION}");
    println!("           access key {ACCESS_KEY_ID}, secret {SECRET_ACCESS_KEY}");
    println!("  data     {}", args.data.display());
    println!("Upload with: partgate put FILE   (stop with Ctrl-C; uploads go on after a restart)");
}
