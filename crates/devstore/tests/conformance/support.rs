//! The endpoint under test, its clients, and small makers of requests and bytes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use partgate_devstore::{DevStore, DevStoreConfig, Durability, S3_MIN_PART_SIZE_BYTES};

/// The smallest part that S3 accepts before another.
pub(crate) const PART: usize = 5 * 1024 * 1024;

/// Where a store listens, and its keys.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    access_key_id: String,
    secret_access_key: String,
    region: String,
    bucket: Option<String>,
    /// `None` for a foreign store.
    store: Option<DevStore>,
}

/// A test's own place: its bucket, or its prefix in a shared one.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    /// Sends only what a test says: no checksums of its own.
    pub(crate) s3: Client,
    pub(crate) http: reqwest::Client,
    pub(crate) endpoint: Endpoint,
    pub(crate) bucket: String,
    prefix: String,
}

/// A presigned request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Presign {
    pub(crate) method: &'static str,
    pub(crate) key: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) signed_at: SystemTime,
    pub(crate) expires_in: Duration,
}

/// A status with the S3 code of its body, if it is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) body: String,
}

/// The endpoint under test, with a bucket or prefix of the test's own.
pub(crate) async fn space() -> Space {
    Space::on(endpoint().clone()).await
}

/// The embedded store, or `None` after a printed SKIP: for what no foreign store can be asked.
pub(crate) fn embedded(test: &str) -> Option<&'static Endpoint> {
    if endpoint().store.is_none() {
        println!("SKIP {test}: needs the embedded store");
        return None;
    }
    Some(endpoint())
}

impl Space {
    pub(crate) async fn on(endpoint: Endpoint) -> Self {
        let s3 = endpoint.client(RequestChecksumCalculation::WhenRequired);
        let bucket = match &endpoint.bucket {
            Some(bucket) => bucket.clone(),
            None => {
                let bucket = format!("conformance-{}", unique());
                s3.create_bucket().bucket(&bucket).send().await.unwrap();
                bucket
            }
        };
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { s3, http, endpoint, bucket, prefix: format!("{}/", unique()) }
    }

    /// The same place on a store that was opened again.
    pub(crate) fn moved_to(self, endpoint: Endpoint) -> Self {
        let s3 = endpoint.client(RequestChecksumCalculation::WhenRequired);
        Self { s3, endpoint, ..self }
    }

    /// A key of this test's own.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn store(&self) -> &DevStore {
        self.endpoint.store.as_ref().unwrap()
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let body = ByteStream::from(body.into());
        let put = self.s3.put_object().bucket(&self.bucket).key(key).body(body).send().await.unwrap();
        put.e_tag.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.s3.get_object().bucket(&self.bucket).key(key).send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }

    pub(crate) async fn exists(&self, key: &str) -> bool {
        self.s3.head_object().bucket(&self.bucket).key(key).send().await.is_ok()
    }

    /// Opens a multipart upload without checksums.
    pub(crate) async fn create(&self, key: &str) -> String {
        let created = self.s3.create_multipart_upload().bucket(&self.bucket).key(key).send().await.unwrap();
        created.upload_id.unwrap()
    }

    /// Uploads a part and returns what Complete needs of it.
    pub(crate) async fn part(&self, key: &str, upload_id: &str, number: i32, body: &[u8]) -> CompletedPart {
        let body = ByteStream::from(body.to_vec());
        let part = self.s3.upload_part().bucket(&self.bucket).key(key).upload_id(upload_id);
        let part = part.part_number(number).body(body).send().await.unwrap();
        CompletedPart::builder().part_number(number).e_tag(part.e_tag.unwrap()).build()
    }

    pub(crate) fn completing(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[CompletedPart],
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder
    {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        self.s3
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .multipart_upload(parts)
    }

    /// A presigned PUT of one part, valid for a minute.
    pub(crate) fn presign_part(&self, key: &str, upload_id: &str, number: u32) -> Presign {
        self.presign("PUT", key).query("partNumber", &number.to_string()).query("uploadId", upload_id)
    }

    pub(crate) fn presign(&self, method: &'static str, key: &str) -> Presign {
        Presign {
            method,
            key: key.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            signed_at: SystemTime::now(),
            expires_in: Duration::from_secs(60),
        }
    }

    /// The presigned URL.
    pub(crate) fn url(&self, presign: &Presign) -> String {
        self.endpoint.sign(&self.bucket, presign)
    }

    /// Sends a presigned request with exactly these headers.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), url);
        for (name, value) in headers.iter().filter(|(name, _)| name != "content-length") {
            request = request.header(name, value);
        }
        if method != "GET" && method != "HEAD" {
            request = request.body(body.to_vec());
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Sends a request whose signature is in the Authorization header, with an aws-chunked body.
    pub(crate) async fn send_chunked(
        &self,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let url = format!("{}/{}/{path_and_query}", self.endpoint.url, self.bucket);
        let mut all = vec![("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
        all.extend_from_slice(headers);
        let mut request = self.http.put(&url).body(body);
        for (name, value) in self
            .endpoint
            .authorization("PUT", &url, &all)
            .into_iter()
            .chain(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        {
            request = request.header(name, value);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Signs and sends a request as it is meant to be sent.
    pub(crate) async fn send_signed(&self, presign: &Presign, body: &[u8]) -> Answer {
        self.send(presign.method, &self.url(presign), &presign.headers, body).await
    }
}

impl Presign {
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A signed header, which the request must carry.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        Self { status, code: code.map(|(code, _)| code.to_owned()).unwrap_or_default(), body }
    }

    pub(crate) fn assert_ok(&self) {
        assert_eq!(self.status, 200, "{}", self.body);
    }

    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code.as_str()), (status, code), "{}", self.body);
    }
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

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key_id, &self.secret_access_key, None, None, "conformance")
    }

    /// The headers that sign a request with an aws-chunked body.
    fn authorization(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = self.credentials().into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = SignableBody::StreamingUnsignedPayloadTrailer;
        let request = SignableRequest::new(method, url, headers.iter().copied(), body).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn sign(&self, bucket: &str, presign: &Presign) -> String {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(presign.expires_in);
        let identity = self.credentials().into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(presign.signed_at)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let query: Vec<String> = presign
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
            .collect();
        let url = format!("{}/{bucket}/{}?{}", self.url, encode(&presign.key, true), query.join("&"));
        let url = url.trim_end_matches('?').to_owned();
        let headers = presign.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request =
            SignableRequest::new(presign.method, url.clone(), headers, SignableBody::UnsignedPayload);
        let (instructions, _) = sign(request.unwrap(), &params).unwrap().into_parts();
        let mut signed = reqwest::Url::parse(&url).unwrap();
        let appended: Vec<String> = instructions
            .params()
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
            .collect();
        let query = signed.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&"));
        signed.set_query(Some(&format!("{}{}", query.unwrap_or_default(), appended.join("&"))));
        signed.to_string()
    }
}

/// Percent-encodes all but the unreserved characters, and slashes if they are to stay.
pub(crate) fn encode(text: &str, keep_slashes: bool) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            b'/' if keep_slashes => "/".to_owned(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The S3 code of a failed SDK call.
pub(crate) fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(error) => error.code().unwrap_or("no code").to_owned(),
    }
}

/// Bytes that differ by `seed` and do not repeat.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn unique() -> String {
    format!("{:016x}", rand::random::<u64>())
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

/// The names of the files that hold object and part bytes.
pub(crate) fn blob_files(data_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data_dir.join("blobs")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
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
fn endpoint() -> &'static Endpoint {
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
    let variable = |name: &str| std::env::var(format!("CONFORMANCE_{name}")).ok();
    Endpoint {
        url: url.trim_end_matches('/').to_owned(),
        access_key_id: variable("ACCESS_KEY_ID").unwrap_or_default(),
        secret_access_key: variable("SECRET_ACCESS_KEY").unwrap_or_default(),
        region: variable("REGION").unwrap_or_else(|| "us-east-1".to_owned()),
        bucket: variable("BUCKET"),
        store: None,
    }
}
