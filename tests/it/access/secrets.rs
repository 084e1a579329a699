//! What a gateway writes about itself, its log at the highest level and its metrics, holds nothing that gives a right
//! to anything, and nothing of people's files.

use std::path::Path;

use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    EVERY_TIME, Fault, FaultProxy, Fleet, Gateway, SECRET_ACCESS_KEY, bytes, checksum, embedded_only,
    sha256_hex,
};

const FILENAME: &str = "Gehälter von Jörg 2026?.pdf";
/// What of it is in its key, as it is and as URLs have it.
const FILENAME_IN_KEYS: [&str; 3] = ["von_Jörg_2026", "Geh%C3%A4lter", "von_J%C3%B6rg"];
const KEY: &str = "payroll of somebody/list.bin";
const FINGERPRINT: &str = "fingerprint-of-the-payroll";
const METADATA: &str = "metadata-about-somebody";
const PART_SIZE: usize = 1_000;

/// Texts that must not be written, each with what it is.
pub(super) const NOT_TO_BE_WRITTEN: [(&str, &str); 14] = [
    ("the secret of storage", SECRET_ACCESS_KEY),
    ("a signed URL", "X-Amz-Signature"),
    ("a signed URL", "X-Amz-Credential"),
    ("a signed header", "AWS4-HMAC-SHA256"),
    ("a signed header", "Signature="),
    ("a name of a file", FILENAME),
    ("a name of a file in a key", FILENAME_IN_KEYS[0]),
    ("a name of a file in a key", FILENAME_IN_KEYS[1]),
    ("a name of a file in a key", FILENAME_IN_KEYS[2]),
    ("a key", KEY),
    ("a key", "payroll%20of"),
    ("a key", "payroll of"),
    ("a fingerprint", FINGERPRINT),
    ("metadata", METADATA),
];

/// Fails with every line of a text that says what must not be said.
#[track_caller]
pub(super) fn assert_tells_nothing(text: &str, forbidden: &[(&str, &str)]) {
    let tells =
        |line: &&str| forbidden.iter().find(|(_, secret)| line.contains(secret)).map(|(what, _)| *what);
    let told: Vec<_> = text.lines().filter_map(|line| Some(format!("{}: {line}", tells(&line)?))).collect();
    assert!(
        told.is_empty(),
        "{} lines tell what they must not:\n{}",
        told.len(),
        told[..told.len().min(20)].join("\n")
    );
}

/// A client of one gateway, which takes whatever it is answered.
struct Caller {
    url: String,
    http: reqwest::Client,
}

impl Caller {
    async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, body.to_string()).await
    }

    async fn get(&self, path: &str) -> StatusCode {
        self.call(Method::GET, path, Body::default()).await.0
    }

    async fn init(&self, data: &[u8], more: Value) -> String {
        let mut body = json!({
            "filename": FILENAME, "size": data.len(), "part_size": PART_SIZE, "checksum_algorithm": "crc64nvme",
            "metadata": {"about": METADATA}, "sha256": sha256_hex(data),
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, created) = self.post("/upload/init", body).await;
        assert_eq!(status, 201, "{created}");
        created["upload_id"].as_str().unwrap().to_owned()
    }

    /// Sends a part through the gateway.
    async fn proxy(&self, upload: &str, number: usize, part: &[u8], checksum: &str) -> StatusCode {
        let url = format!("{}/upload/{upload}/parts/{number}", self.url);
        let request = self.http.put(url).header("x-amz-checksum-crc64nvme", checksum).body(part.to_vec());
        request.send().await.unwrap().status()
    }

    /// A whole upload: its first part by a signed URL, the others through the gateway, one of them wrong at first.
    async fn upload(&self, more: Value) -> String {
        let data = bytes(90, 2 * PART_SIZE + 10);
        let upload = self.init(&data, more).await;
        let parts: Vec<_> = data.chunks(PART_SIZE).map(|part| (part, checksum("crc64nvme", part))).collect();
        let wanted = json!({"parts": [{"number": 1, "checksum": parts[0].1}]});
        let (_, signed) = self.post(&format!("/upload/{upload}/sign"), wanted).await;
        let url = signed["parts"][0]["url"].as_str().unwrap();
        let put =
            self.http.put(url).header("x-amz-checksum-crc64nvme", &parts[0].1).body(parts[0].0.to_vec());
        let etag = put.send().await.unwrap().headers()["etag"].to_str().unwrap().to_owned();
        let report = json!({"parts": [{"number": 1, "size": PART_SIZE, "etag": etag}]});
        self.post(&format!("/upload/{upload}/parts"), report).await;
        assert_eq!(self.proxy(&upload, 2, parts[1].0, &parts[0].1).await, 422);
        assert_eq!(self.proxy(&upload, 2, &parts[1].0[1..], &parts[1].1).await, 400);
        for number in [2, 3] {
            let (part, checksum) = &parts[number - 1];
            assert_eq!(self.proxy(&upload, number, part, checksum).await, 200);
        }
        upload
    }

    async fn complete(&self, upload: &str) -> StatusCode {
        self.post(&format!("/upload/{upload}/complete"), json!({})).await.0
    }

    async fn abort(&self, upload: &str) -> StatusCode {
        self.call(Method::DELETE, &format!("/upload/{upload}"), Body::default()).await.0
    }
}

/// What cannot be parsed, what is of the wrong kind, and what does not exist.
async fn bad_requests(caller: &Caller, upload: &str) {
    let broken = format!("{{\"filename\": \"{FILENAME}\", \"fingerprint\": \"{FINGERPRINT}");
    assert_eq!(caller.call(Method::POST, "/upload/init", broken).await.0, 400);
    let wrong = json!({"filename": FILENAME, "size": METADATA, "key": format!("{KEY}/../x"), FINGERPRINT: 1});
    assert_eq!(caller.post("/upload/init", wrong).await.0, 400);
    assert_eq!(caller.get(&format!("/upload?fingerprint={FINGERPRINT}&state={METADATA}")).await, 400);
    assert_eq!(caller.get("/payroll%20of%20somebody").await, 404);
    let part = json!({"parts": [{"number": 1, "size": 1, "etag": METADATA}, {"number": 99, "size": 1, "etag": "e"}]});
    caller.post(&format!("/upload/{upload}/parts"), part).await;
}

/// Every call while storage refuses, breaks off, or is gone.
async fn bad_weather(caller: &Caller, proxy: &FaultProxy) {
    let faults = [
        (Fault::Refuse(403, "AccessDenied"), json!({})),
        (Fault::Refuse(400, "InvalidArgument"), json!({"key": KEY})),
        (Fault::Reset, json!({"key": KEY})),
        (Fault::SlowDown, json!({})),
    ];
    for (fault, more) in faults {
        let upload = caller.upload(more).await;
        proxy.fail("*", fault, EVERY_TIME);
        assert!(caller.complete(&upload).await.is_server_error());
        caller.proxy(&upload, 1, b"x", METADATA).await;
        caller.get(&format!("/upload/{upload}/status?refresh=true")).await;
        caller.get("/readyz").await;
        let unopened = json!({"filename": FILENAME, "size": 10_000, "part_size": PART_SIZE, "sign": 1});
        assert!(caller.post("/upload/init", unopened).await.0.is_server_error());
        caller.abort(&upload).await;
        proxy.clear();
    }
    let upload = caller.upload(json!({"key": KEY})).await;
    proxy.go_away().await;
    assert!(caller.complete(&upload).await.is_server_error());
    caller.abort(&upload).await;
    proxy.come_back().await;
}

// The proxy goes on while the sweep is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn log_at_its_highest_level_and_metrics_tell_nothing() {
    embedded_only!("the log is that of the real command, which is given the embedded store");
    let folder = tempfile::tempdir().unwrap();
    let (store, proxy) = (Gateway::start().await, FaultProxy::start().await);
    proxy.forward_to(&store.store_url);
    let fleet = fleet(folder.path(), &proxy.url).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let caller = Caller { url: fleet.url(0).unwrap(), http };

    let upload = caller.upload(json!({"fingerprint": FINGERPRINT})).await;
    assert_eq!(caller.get(&format!("/upload/{upload}/status")).await, 200);
    assert_eq!(caller.complete(&upload).await, 200);
    assert_eq!(caller.get(&format!("/upload/{upload}/file")).await, 200);
    assert_eq!(caller.get("/upload?limit=10").await, 200);
    let named = caller.upload(json!({"key": KEY})).await;
    assert_eq!(caller.abort(&named).await, 204);
    bad_requests(&caller, &upload).await;
    bad_weather(&caller, &proxy).await;
    let swept = fleet.sweep().wait().unwrap();
    assert!(swept.success(), "{}", fleet.logs().lines().rev().take(20).collect::<Vec<_>>().join("\n"));

    let metrics =
        caller.http.get(format!("{}/metrics", caller.url)).send().await.unwrap().text().await.unwrap();
    assert_tells_nothing(&metrics, &NOT_TO_BE_WRITTEN);
    let log = fleet.logs();
    assert!(log.contains("\"answered\"") && log.contains(&upload), "this is not the log:\n{log}");
    assert_tells_nothing(&log, &NOT_TO_BE_WRITTEN);
}

async fn fleet(folder: &Path, storage: &str) -> Fleet {
    let database = format!("sqlite://{}", folder.join("gateway.db").display());
    Fleet::start_logging("trace", folder, &Fleet::settings(&database, storage), 1).await
}
