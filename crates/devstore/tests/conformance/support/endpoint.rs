//! Where the store under test is, and how an embedded one is served.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use partgate_devstore::{DevStore, DevStoreConfig, Durability, S3_MIN_PART_SIZE_BYTES};

/// Where a store listens, and its keys.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) region: String,
    pub(super) bucket: Option<String>,
    /// `None` for a foreign store.
    pub(super) store: Option<DevStore>,
}

impl Endpoint {
    pub(crate) fn client(&self, checksums: RequestChecksumCalculation) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_checksum_calculation(checksums)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Client::from_conf(config)
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key_id, &self.secret_access_key, None, None, "conformance")
    }
}

/// A store of this test's own, for what the shared one cannot show: tiny parts, restarts, files on disk.
pub(crate) struct OwnStore {
    pub(crate) endpoint: Endpoint,
    pub(crate) store: DevStore,
    server: tokio::task::JoinHandle<()>,
}

impl OwnStore {
    /// Opens a store with parts of any size in `data_dir`.
    pub(crate) async fn open(data_dir: &Path) -> Self {
        let mut config = config(data_dir.to_owned());
        config.min_part_size_bytes = 1;
        let (endpoint, store, server) = serve(config).await;
        Self { endpoint, store, server }
    }

    /// Stops serving and closes the store.
    pub(crate) async fn close(self) {
        self.server.abort();
        let _ = self.server.await;
        self.store.close().await;
    }
}

pub(crate) fn config(data_dir: PathBuf) -> DevStoreConfig {
    DevStoreConfig {
        data_dir,
        region: "us-east-1".to_owned(),
        access_key_id: "conformance".to_owned(),
        secret_access_key: "conformance-secret".to_owned(),
        min_part_size_bytes: S3_MIN_PART_SIZE_BYTES,
        durability: Durability::Process,
    }
}

/// An embedded store in another process.
pub(crate) fn own_endpoint(url: String) -> Endpoint {
    let config = config(PathBuf::new());
    Endpoint {
        url,
        access_key_id: config.access_key_id,
        secret_access_key: config.secret_access_key,
        region: config.region,
        bucket: None,
        store: None,
    }
}

async fn serve(config: DevStoreConfig) -> (Endpoint, DevStore, tokio::task::JoinHandle<()>) {
    let store = DevStore::open(config.clone()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = store.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let endpoint = Endpoint {
        url,
        access_key_id: config.access_key_id,
        secret_access_key: config.secret_access_key,
        region: config.region,
        bucket: None,
        store: Some(store.clone()),
    };
    (endpoint, store, server)
}

/// One server for the whole binary, on threads of its own: a test's runtime ends with the test.
pub(super) fn shared() -> &'static Endpoint {
    static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
    ENDPOINT.get_or_init(|| match std::env::var("CONFORMANCE_ENDPOINT") {
        Ok(url) => foreign(url),
        Err(_) => {
            let (sender, receiver) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
                // Left over from the last run: statics are never dropped.
                let _ = std::fs::remove_dir_all(&data_dir);
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let (endpoint, _, server) = serve(config(data_dir)).await;
                    sender.send(endpoint).unwrap();
                    server.await.unwrap();
                });
            });
            receiver.recv().unwrap()
        }
    })
}

fn foreign(url: String) -> Endpoint {
    let variable =
        |name: &str| std::env::var(format!("CONFORMANCE_{name}")).ok().filter(|value| !value.is_empty());
    Endpoint {
        url: url.trim_end_matches('/').to_owned(),
        access_key_id: variable("ACCESS_KEY_ID").unwrap_or_default(),
        secret_access_key: variable("SECRET_ACCESS_KEY").unwrap_or_default(),
        region: variable("REGION").unwrap_or_else(|| "us-east-1".to_owned()),
        bucket: variable("BUCKET"),
        store: None,
    }
}
