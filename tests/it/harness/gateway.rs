//! A gateway and its store in this process.

use std::path::{Path, PathBuf};

use partgate::app::{App, serve, service};
use partgate::clock::{Clock, ManualClock};
use partgate::config::Settings;
use partgate::service::{RebuildCall, RebuildReport, SweepMode, SweepReport};
use partgate::store::Migrations;
use partgate_devstore::{DevStore, DevStoreConfig, Durability, RequestLog};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::auth::{REQUIRED, key};
use super::storage::client;
use super::stores::Server;
use super::{FaultProxy, Http, TestAuth, TestStore};

/// The bucket of the embedded store; on others each gateway has a bucket of its own.
pub(crate) const EMBEDDED_BUCKET: &str = "uploads";
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

    /// Whether the test itself says who may call.
    fn chooses_auth(&self) -> bool {
        self.settings.iter().any(|(setting, _)| *setting == "auth.mode")
    }
}

/// A gateway on a bucket of its own, with a clock that the test moves. Stops when dropped.
pub(crate) struct Gateway {
    /// `http://127.0.0.1:port` of the API.
    pub(crate) url: String,
    /// `http://127.0.0.1:port` of the store.
    pub(crate) store_url: String,
    /// The bucket, of this gateway alone.
    pub(crate) bucket: String,
    /// The gateway's clock.
    pub(crate) clock: ManualClock,
    /// Calls this gateway, those beside it and the store.
    pub(crate) http: Http,
    /// Where everything is kept.
    pub(crate) data: TempDir,
    store: Option<DevStore>,
    options: Options,
    stop: CancellationToken,
    store_stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Gateway {
    /// The usual gateway.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store_stop = CancellationToken::new();
        let (store, place) = match TestStore::chosen() {
            TestStore::Embedded => {
                let (store, place) = embedded(&data, store_stop.clone()).await;
                (Some(store), place)
            }
            TestStore::MinIo | TestStore::SeaweedFs => (None, Place::of_server().await),
        };
        let clock = ManualClock::starting_at(OffsetDateTime::now_utc());
        let key = match TestAuth::chosen() {
            TestAuth::Required if !options.chooses_auth() => {
                Some(key(&settings(&options, &data, &place), clock.now()).await)
            }
            TestAuth::Required | TestAuth::Open => None,
        };
        let (url, stop, server) = run(&options, &data, &place, &clock).await;
        let Place { store_url, bucket } = place;
        let http = Http::new(&store_url, key);
        Self { url, store_url, bucket, store, clock, http, data, options, stop, store_stop, server }
    }

    /// Stops the gateway (not the store) and starts it anew on the same data, at another port.
    pub(crate) async fn restart(&mut self) {
        self.stop.cancel();
        (&mut self.server).await.unwrap();
        let (url, stop, server) = run(&self.options, &self.data, &self.place(), &self.clock).await;
        (self.url, self.stop, self.server) = (url, stop, server);
    }

    /// Stops the gateway and deletes its database; starts it anew on an empty one, with a new key where it wants one.
    pub(crate) async fn lose_database(&mut self) {
        self.replace_database(None).await;
    }

    /// A copy of the database as it is now, as a backup makes it.
    pub(crate) async fn copy_database(&self) -> PathBuf {
        let copy = self.data.path().join(format!("{}.db", Uuid::new_v4()));
        let url = format!("sqlite://{}", self.database().display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        let vacuum = format!("VACUUM INTO '{}'", copy.display());
        sqlx::query(sqlx::AssertSqlSafe(vacuum)).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        copy
    }

    /// Stops the gateway, puts a copy of a database, or none, in the place of its own, and starts it anew.
    pub(crate) async fn replace_database(&mut self, copy: Option<&Path>) {
        self.stop.cancel();
        (&mut self.server).await.unwrap();
        for ending in ["", "-wal", "-shm"] {
            let mut file = self.database().into_os_string();
            file.push(ending);
            // Without a writer there is no log beside it.
            let _ = std::fs::remove_file(file);
        }
        if let Some(copy) = copy {
            std::fs::copy(copy, self.database()).unwrap();
        } else if self.http.has_key() {
            let settings = settings(&self.options, &self.data, &self.place());
            self.http = Http::new(&self.store_url, Some(key(&settings, self.clock.now()).await));
        }
        let (url, stop, server) = run(&self.options, &self.data, &self.place(), &self.clock).await;
        (self.url, self.stop, self.server) = (url, stop, server);
    }

    fn database(&self) -> PathBuf {
        self.data.path().join("gateway.db")
    }

    /// Other settings, from the next restart on.
    pub(crate) fn change(&mut self, options: Options) {
        self.options = options;
    }

    /// A second gateway over the same database and bucket; answers its URL. It stops with this one.
    pub(crate) async fn another(&self) -> String {
        let (url, stop, _) = run(&self.options, &self.data, &self.place(), &self.clock).await;
        let parent = self.stop.clone();
        tokio::spawn(async move {
            parent.cancelled().await;
            stop.cancel();
        });
        url
    }

    /// One sweep over the same database and bucket, as `partgate sweep` does it, at the gateway's time.
    pub(crate) async fn sweep(&self, mode: SweepMode) -> SweepReport {
        let settings = settings(&self.options, &self.data, &self.place());
        let clock = Clock::Manual(self.clock.clone());
        let (service, store) = service(&settings, clock, Migrations::Refuse).await.unwrap();
        let report = service.sweep(mode).await.unwrap();
        store.close().await;
        report
    }

    /// One rebuilding over the same database and bucket, as `partgate rebuild` does it, at the gateway's time.
    pub(crate) async fn rebuild(&self, call: &RebuildCall) -> RebuildReport {
        let settings = settings(&self.options, &self.data, &self.place());
        let clock = Clock::Manual(self.clock.clone());
        let (service, store) = service(&settings, clock, Migrations::Refuse).await.unwrap();
        let report = service.rebuild(call, &mut |_, _| {}).await.unwrap();
        store.close().await;
        report
    }

    /// What was asked of the embedded store; other stores keep no such list (see `embedded_only!`).
    pub(crate) fn requests(&self) -> RequestLog {
        self.store.as_ref().expect("the test is for the embedded store only").requests()
    }

    fn place(&self) -> Place {
        Place { store_url: self.store_url.clone(), bucket: self.bucket.clone() }
    }
}

/// A gateway that reaches its store through a proxy of faults; clients reach the store directly.
pub(crate) async fn behind_faults() -> (Gateway, FaultProxy) {
    behind_faults_with(Options::default()).await
}

/// The same, with other settings.
pub(crate) async fn behind_faults_with(options: Options) -> (Gateway, FaultProxy) {
    let proxy = FaultProxy::start().await;
    let options = Options { endpoint: Some(proxy.url.clone()), ..options };
    let gateway = Gateway::start_with(options).await;
    proxy.forward_to(&gateway.store_url);
    (gateway, proxy)
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
        self.store_stop.cancel();
    }
}

/// Where objects go.
struct Place {
    store_url: String,
    bucket: String,
}

impl Place {
    /// A new bucket on the server that all tests share.
    async fn of_server() -> Self {
        let store_url = Server::shared().await.url.clone();
        let bucket = format!("test-{}", Uuid::new_v4());
        client(&store_url).create_bucket().bucket(&bucket).send().await.unwrap();
        Self { store_url, bucket }
    }
}

async fn embedded(data: &TempDir, stop: CancellationToken) -> (DevStore, Place) {
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
    let bucket = EMBEDDED_BUCKET.to_owned();
    store.ensure_bucket(&bucket).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, store.router(), stop));
    (store, Place { store_url, bucket })
}

async fn run(
    options: &Options,
    data: &TempDir,
    place: &Place,
    clock: &ManualClock,
) -> (String, CancellationToken, JoinHandle<()>) {
    let settings = settings(options, data, place);
    let app = App::start(&settings, Clock::Manual(clock.clone()), Migrations::Run).await.unwrap();
    // Tests sweep at moments of their own; one that takes long would meet the janitor's first sweep.
    let wants_janitor = options.settings.iter().any(|(setting, _)| *setting == "sweep.interval");
    let app = if wants_janitor { app } else { app.without_janitor() };
    let url = format!("http://{}", app.address().unwrap());
    let stop = CancellationToken::new();
    let token = stop.clone();
    let server = tokio::spawn(async move { app.run(token).await });
    (url, stop, server)
}

fn settings(options: &Options, data: &TempDir, place: &Place) -> Settings {
    let endpoint = options.endpoint.clone().unwrap_or_else(|| place.store_url.clone());
    let mut overrides = vec![
        ("listen", "127.0.0.1:0".to_owned()),
        ("database", format!("sqlite://{}", data.path().join("gateway.db").display())),
        ("cors.origins", "http://app.example".to_owned()),
        ("storage.endpoint", endpoint),
        ("storage.public_endpoint", place.store_url.clone()),
        ("storage.bucket", place.bucket.clone()),
        ("storage.access_key_id", ACCESS_KEY_ID.to_owned()),
        ("storage.secret_access_key", SECRET_ACCESS_KEY.to_owned()),
    ];
    // What docs/stores.md tells operators to set.
    let (setting, value) = match TestStore::chosen() {
        TestStore::Embedded => ("storage.min_part_size", "1"),
        TestStore::MinIo => ("storage.lists_checksums", "true"),
        TestStore::SeaweedFs => ("storage.lists_checksums", "false"),
    };
    overrides.push((setting, value.to_owned()));
    if TestAuth::chosen() == TestAuth::Required && !options.chooses_auth() {
        overrides.extend(REQUIRED.map(|(setting, value)| (setting, value.to_owned())));
    }
    overrides.extend(options.settings.iter().cloned());
    Settings::of(&overrides).unwrap()
}
