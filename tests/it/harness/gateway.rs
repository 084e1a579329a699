//! A gateway and its store in this process.

use std::net::SocketAddr;

use partgate::app::{App, serve, service};
use partgate::clock::{Clock, ManualClock};
use partgate::config::Settings;
use partgate::service::{SweepMode, SweepReport};
use partgate::store::Migrations;
use partgate_devstore::{DevStore, DevStoreConfig, Durability};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const BUCKET: &str = "uploads";
pub(crate) const ACCESS_KEY_ID: &str = "partgate";
pub(crate) const SECRET_ACCESS_KEY: &str = "partgate-test-secret";

/// What differs from the usual gateway of a test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Settings over the usual ones.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// How the gateway reaches the store, where that is not the store itself (a fault proxy).
    pub(crate) endpoint: Option<String>,
}

impl Options {
    pub(crate) fn with(mut self, setting: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((setting, value.into()));
        self
    }
}

/// A gateway on the embedded store, with a clock that the test moves. Stops when dropped.
pub(crate) struct Gateway {
    /// `http://127.0.0.1:port` of the API.
    pub(crate) url: String,
    /// `http://127.0.0.1:port` of the store.
    pub(crate) store_url: String,
    /// The store, to look at what was asked of it.
    pub(crate) store: DevStore,
    /// The gateway's clock.
    pub(crate) clock: ManualClock,
    /// An HTTP client without proxies.
    pub(crate) http: reqwest::Client,
    /// Where everything is kept.
    pub(crate) data: TempDir,
    store_address: SocketAddr,
    options: Options,
    stop: CancellationToken,
    store_stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Gateway {
    /// The usual gateway: parts of any size, so that tests stay small.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = DevStore::open(DevStoreConfig {
            data_dir: data.path().join("store"),
            region: "us-east-1".to_owned(),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
            min_part_size_bytes: 1,
            durability: Durability::Process,
        })
        .await
        .unwrap();
        store.ensure_bucket(BUCKET).await.unwrap();
        let store_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store_address = store_listener.local_addr().unwrap();
        let store_stop = CancellationToken::new();
        tokio::spawn(serve(store_listener, store.router(), store_stop.clone()));
        let clock = ManualClock::starting_at(OffsetDateTime::now_utc());
        let (url, stop, server) = run(&options, &data, store_address, &clock).await;
        Self {
            url,
            store_url: format!("http://{store_address}"),
            store,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            data,
            store_address,
            options,
            stop,
            store_stop,
            server,
        }
    }

    /// Stops the gateway (not the store) and starts it anew on the same data, at another port.
    pub(crate) async fn restart(&mut self) {
        self.stop.cancel();
        (&mut self.server).await.unwrap();
        let (url, stop, server) = run(&self.options, &self.data, self.store_address, &self.clock).await;
        (self.url, self.stop, self.server) = (url, stop, server);
    }

    /// A second gateway over the same database and bucket; answers its URL. It stops with this one.
    pub(crate) async fn another(&self) -> String {
        let (url, stop, _) = run(&self.options, &self.data, self.store_address, &self.clock).await;
        let parent = self.stop.clone();
        tokio::spawn(async move {
            parent.cancelled().await;
            stop.cancel();
        });
        url
    }

    /// One sweep over the same database and bucket, as `partgate sweep` does it, at the gateway's time.
    pub(crate) async fn sweep(&self, mode: SweepMode) -> SweepReport {
        let settings = settings(&self.options, &self.data, self.store_address);
        let clock = Clock::Manual(self.clock.clone());
        let (service, store) = service(&settings, clock, Migrations::Refuse).await.unwrap();
        let report = service.sweep(mode).await.unwrap();
        store.close().await;
        report
    }

    /// How many parts (and whole objects) were PUT to the store.
    pub(crate) fn puts(&self) -> u64 {
        self.store.requests().count("UploadPart") + self.store.requests().count("PutObject")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
        self.store_stop.cancel();
    }
}

async fn run(
    options: &Options,
    data: &TempDir,
    store: SocketAddr,
    clock: &ManualClock,
) -> (String, CancellationToken, JoinHandle<()>) {
    let settings = settings(options, data, store);
    let app = App::start(&settings, Clock::Manual(clock.clone()), Migrations::Run).await.unwrap();
    let url = format!("http://{}", app.address().unwrap());
    let stop = CancellationToken::new();
    let token = stop.clone();
    let server = tokio::spawn(async move { app.run(token).await.unwrap() });
    (url, stop, server)
}

fn settings(options: &Options, data: &TempDir, store: SocketAddr) -> Settings {
    let endpoint = options.endpoint.clone().unwrap_or_else(|| format!("http://{store}"));
    let mut overrides = vec![
        ("listen", "127.0.0.1:0".to_owned()),
        ("database", format!("sqlite://{}", data.path().join("gateway.db").display())),
        ("cors.origins", "http://app.example".to_owned()),
        ("sweep.interval", "6d".to_owned()),
        ("storage.endpoint", endpoint),
        ("storage.public_endpoint", format!("http://{store}")),
        ("storage.bucket", BUCKET.to_owned()),
        ("storage.access_key_id", ACCESS_KEY_ID.to_owned()),
        ("storage.secret_access_key", SECRET_ACCESS_KEY.to_owned()),
        ("storage.min_part_size", "1".to_owned()),
    ];
    overrides.extend(options.settings.iter().cloned());
    Settings::of(&overrides).unwrap()
}
