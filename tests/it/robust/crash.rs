//! `partgate dev`, killed and stopped at every moment of an upload.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::harness::{Dev, bytes};

/// The embedded store takes parts of any size.
const PART: usize = 1_000;
const PARTS: usize = 3;
/// No wait in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn dev() -> Dev {
    Dev::start_with(&["--min-part-size", "1"])
}

fn client() -> Client {
    // A connection of its own for each request: those to a killed gateway are dead.
    Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

/// Asks until the answer is yes.
async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let started = Instant::now();
    while !ask().await {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        tokio::task::yield_now().await;
    }
}

async fn json_of(answer: Response) -> Value {
    let (status, body) = (answer.status(), answer.bytes().await.unwrap());
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// A client of a gateway that may die at any moment.
struct Uploader {
    http: Client,
    id: String,
    data: Vec<u8>,
}

impl Uploader {
    async fn init(dev: &Dev, seed: u64) -> Self {
        let (http, data) = (client(), bytes(seed, PARTS * PART - 1));
        let body = json!({"filename": "a.bin", "size": data.len(), "part_size": PART});
        let created = http.post(format!("{}/upload/init", dev.url)).json(&body).send().await.unwrap();
        let id = json_of(created).await["upload_id"].as_str().unwrap().to_owned();
        Self { http, id, data }
    }

    fn path(&self, dev: &Dev, tail: &str) -> String {
        format!("{}/upload/{}/{tail}", dev.url, self.id)
    }

    async fn send(&self, dev: &Dev, numbers: &[u64]) {
        let sign = self.http.post(self.path(dev, "sign")).json(&json!({ "parts": numbers })).send();
        for part in json_of(sign.await.unwrap()).await["parts"].as_array().unwrap() {
            let at = |field: &str| usize::try_from(part[field].as_u64().unwrap()).unwrap();
            let body = self.data[at("offset")..at("offset") + at("size")].to_vec();
            let put = self.http.put(part["url"].as_str().unwrap()).body(body).send().await.unwrap();
            assert_eq!(put.status(), 200);
        }
    }

    async fn status(&self, dev: &Dev) -> Value {
        json_of(self.http.get(self.path(dev, "status?refresh=true")).send().await.unwrap()).await
    }

    /// Sends what storage lacks, nothing else, and completes; the object must be the file.
    async fn finish(&self, dev: &Dev) {
        let status = self.status(dev).await;
        let missing = status["missing"].as_array().unwrap().iter().flat_map(|range| {
            let [first, last] = [0, 1].map(|end| range[end].as_u64().unwrap());
            first..=last
        });
        let missing: Vec<_> = missing.collect();
        if status["state"] == "open" && !missing.is_empty() {
            self.send(dev, &missing).await;
        }
        let completed = self.http.post(self.path(dev, "complete")).json(&json!({})).send().await.unwrap();
        assert_eq!(json_of(completed).await["state"], "completed");
        let file = self.http.get(self.path(dev, "file")).send().await.unwrap();
        assert_eq!(file.status(), 200);
        assert!(file.bytes().await.unwrap() == self.data, "the object is not the file");
    }
}

/// How many parts the store has taken, over all its lives.
fn parts_taken(dev: &Dev) -> usize {
    dev.log().lines().filter(|line| line.contains("UploadPart") && line.contains("status=200")).count()
}

#[tokio::test]
async fn upload_survives_a_kill_after_init() {
    let mut dev = dev();
    let upload = Uploader::init(&dev, 1).await;
    dev.kill_and_restart();
    assert_eq!(upload.status(&dev).await["missing"], json!([[1, PARTS]]));
    upload.finish(&dev).await;
}

#[tokio::test]
async fn parts_in_storage_are_not_sent_again_after_a_kill() {
    let mut dev = dev();
    let upload = Uploader::init(&dev, 2).await;
    upload.send(&dev, &[2]).await;
    dev.kill_and_restart();
    assert_eq!(upload.status(&dev).await["missing"], json!([[1, 1], [3, 3]]));
    upload.send(&dev, &[3]).await;
    dev.kill_and_restart();
    assert_eq!(upload.status(&dev).await["missing"], json!([[1, 1]]));
    upload.finish(&dev).await;
    assert_eq!(parts_taken(&dev), PARTS);
}

#[tokio::test]
async fn completed_upload_survives_a_kill_with_its_answer() {
    let mut dev = dev();
    let upload = Uploader::init(&dev, 3).await;
    upload.finish(&dev).await;
    let complete = async |dev: &Dev| {
        let again = upload.http.post(upload.path(dev, "complete")).json(&json!({})).send().await.unwrap();
        json_of(again).await
    };
    let before = complete(&dev).await;
    dev.kill_and_restart();
    assert_eq!(complete(&dev).await, before);
}

#[tokio::test]
async fn complete_survives_a_kill_at_every_moment() {
    let mut dev = dev();
    let mut seen = Vec::new();
    for round in 0..12 {
        let upload = Uploader::init(&dev, round).await;
        upload.send(&dev, &[1, 2, 3]).await;
        let taken = parts_taken(&dev);
        let request = upload.http.post(upload.path(&dev, "complete")).json(&json!({})).send();
        let complete = tokio::spawn(request);
        // The delay is a number of round trips, one more each time.
        for _ in 0..round {
            upload.http.get(format!("{}/healthz", dev.url)).send().await.unwrap();
        }
        dev.kill_and_restart();
        // The answer was read by nobody, or never came.
        drop(complete.await.unwrap());
        seen.push(upload.status(&dev).await["state"].as_str().unwrap().to_owned());
        upload.finish(&dev).await;
        assert_eq!(parts_taken(&dev), taken, "a part was sent again");
    }
    assert!(seen.iter().all(|state| matches!(&**state, "open" | "completing" | "completed")), "{seen:?}");
}

#[tokio::test]
async fn init_survives_a_kill_at_every_moment() {
    let mut dev = dev();
    for round in 0..8 {
        let http = client();
        let body = json!({"filename": "a.bin", "size": PARTS * PART, "part_size": PART});
        let init = |dev: &Dev| {
            let request = http.post(format!("{}/upload/init", dev.url));
            request.header("Idempotency-Key", format!("round {round}")).json(&body).send()
        };
        let lost = tokio::spawn(init(&dev));
        for _ in 0..round {
            http.get(format!("{}/healthz", dev.url)).send().await.unwrap();
        }
        dev.kill_and_restart();
        let lost = lost.await.unwrap();
        let found = json_of(init(&dev).await.unwrap()).await;
        if let Ok(answer) = lost
            && let Ok(answer) = answer.json::<Value>().await
        {
            assert_eq!(answer["upload_id"], found["upload_id"]);
        }
        let id = found["upload_id"].as_str().unwrap().to_owned();
        let upload = Uploader { http, id, data: bytes(round, PARTS * PART) };
        upload.finish(&dev).await;
    }
}

/// A proxied part of which one half was sent; the other half goes when the sender is used.
async fn half_sent(
    dev: &Dev,
    upload: &Uploader,
) -> (oneshot::Sender<()>, tokio::task::JoinHandle<reqwest::Result<Response>>) {
    let part = Bytes::copy_from_slice(&upload.data[..PART]);
    let (go_on, wait) = oneshot::channel::<()>();
    let halves = stream::unfold((0, Some(wait)), move |(half, wait)| {
        let half_bytes = part.slice(half * PART / 2..(half + 1).min(2) * PART / 2);
        async move {
            match (half, wait) {
                (0, wait) => Some((Ok::<_, std::io::Error>(half_bytes), (1, wait))),
                (1, Some(wait)) => wait.await.ok().map(|()| (Ok(half_bytes), (2, None))),
                _ => None,
            }
        }
    });
    let put = upload.http.put(upload.path(dev, "parts/1")).header("content-length", PART.to_string());
    let put = tokio::spawn(put.body(reqwest::Body::wrap_stream(halves)).send());
    let other = client();
    until("the first half has gone through", || async {
        let metrics = other.get(format!("{}/metrics", dev.url)).send().await.unwrap().text().await.unwrap();
        metrics.contains(&format!("partgate_proxied_bytes_total {}", PART / 2))
    })
    .await;
    (go_on, put)
}

async fn stops_listening(dev: &Dev) {
    let address = dev.url.trim_start_matches("http://").to_owned();
    until("it takes no more connections", || async { TcpStream::connect(&address).await.is_err() }).await;
}

#[tokio::test]
async fn stopped_gateway_lets_a_proxied_part_end_and_exits_with_0() {
    let dev = dev();
    let upload = Uploader::init(&dev, 1).await;
    let (go_on, put) = half_sent(&dev, &upload).await;
    dev.signal("TERM");
    stops_listening(&dev).await;
    go_on.send(()).unwrap();
    assert_eq!(put.await.unwrap().unwrap().status(), 200);
    assert_eq!(ended(dev).await, Some(0));
}

#[tokio::test]
async fn ctrl_c_stops_an_idle_gateway_with_0() {
    let dev = dev();
    let upload = Uploader::init(&dev, 1).await;
    dev.signal("INT");
    assert_eq!(ended(dev).await, Some(0));
    drop(upload);
}

#[tokio::test]
async fn second_ctrl_c_does_not_wait_for_anybody() {
    let dev = dev();
    let upload = Uploader::init(&dev, 1).await;
    let (go_on, put) = half_sent(&dev, &upload).await;
    dev.signal("INT");
    stops_listening(&dev).await;
    dev.signal("INT");
    assert_eq!(ended(dev).await, Some(130));
    drop(go_on);
    assert!(put.await.unwrap().is_err());
}

/// Its exit code, once it has ended by itself.
async fn ended(mut dev: Dev) -> Option<i32> {
    tokio::task::spawn_blocking(move || dev.wait().code()).await.unwrap()
}
