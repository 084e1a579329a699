//! Every capability, with every kind of fault at each S3 operation that it uses: it answers 503 and loses nothing.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::RETRY_AFTER;

use super::*;
use crate::harness::{EVERY_TIME, Fault, Options, behind_faults_with, sha256_hex};

/// What is called, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Capability {
    Init,
    /// Of an upload whose opening was cut off.
    Sign,
    Refresh,
    RefreshSmall,
    Complete,
    CompleteProven,
    CompleteSmall,
    CompleteEmpty,
    Proxy,
    ProxySmall,
    Abort,
    AbortSmall,
    Ready,
}

use Capability::*;

/// Which operations a capability uses.
const TABLE: [(Capability, &[&str]); 13] = [
    (Init, &["CreateMultipartUpload"]),
    (Sign, &["CreateMultipartUpload"]),
    (Refresh, &["ListParts"]),
    (RefreshSmall, &["HeadObject"]),
    (Complete, &["ListParts", "CompleteMultipartUpload", "HeadObject"]),
    (CompleteProven, &["GetObject"]),
    (CompleteSmall, &["HeadObject"]),
    (CompleteEmpty, &["PutObject", "HeadObject"]),
    (Proxy, &["UploadPart"]),
    (ProxySmall, &["PutObject"]),
    (Abort, &["ListMultipartUploads", "AbortMultipartUpload", "ListParts", "HeadObject"]),
    (AbortSmall, &["HeadObject", "DeleteObject"]),
    (Ready, &["HeadBucket"]),
];

/// Longer than the gateway waits for any answer, see [`bench`].
const TOO_LATE: Duration = Duration::from_millis(3_000);

/// How often a repetition may be unavailable although the fault is gone.
const BUSY_REPETITIONS: u32 = 3;

fn kinds() -> Vec<Fault> {
    vec![
        Fault::SlowDown,
        Fault::Refuse(500, "InternalError"),
        Fault::ErrorIn200,
        Fault::Reset,
        Fault::CutRequest,
        Fault::DropAnswer,
        Fault::CutAnswer,
        Fault::FailAfterActing,
        Fault::Delay(TOO_LATE),
    ]
}

/// A gateway behind faults whose patience with storage is short.
async fn bench() -> (Gateway, FaultProxy) {
    let options = Options::default()
        .with("storage.attempt_timeout", "1s")
        .with("storage.operation_timeout", "2500ms")
        .with("storage.complete_timeout", "1500ms")
        // What is not found without listing the whole bucket counts as leaked.
        .with("sweep.orphans", "leave");
    behind_faults_with(options).await
}

/// Something to call a capability on.
struct Subject {
    capability: Capability,
    /// None for those that need no upload.
    sent: Option<Sent>,
}

impl Subject {
    async fn new(gateway: &Gateway, proxy: &FaultProxy, capability: Capability) -> Self {
        let data = bytes(7, 2 * part_size() + 500);
        let sent = match capability {
            Init | Ready => None,
            Sign => Some(unopened(gateway, proxy).await),
            Refresh | Complete | Abort => Some(Sent::three_parts(gateway).await),
            CompleteProven => {
                let sha256 = sha256_hex(&data);
                let sent = Sent::open(gateway, data, json!({ "sha256": sha256 })).await;
                sent.send(gateway, [1, 2, 3]).await;
                Some(sent)
            }
            RefreshSmall | CompleteSmall | AbortSmall => {
                let sent = Sent::one_put(gateway).await;
                sent.send(gateway, [1]).await;
                Some(sent)
            }
            ProxySmall => Some(Sent::one_put(gateway).await),
            CompleteEmpty => Some(Sent::open(gateway, Vec::new(), json!({})).await),
            Proxy => Some(Sent::open(gateway, data, json!({})).await),
        };
        Self { capability, sent }
    }

    async fn call(&self, gateway: &Gateway) -> Answer {
        let path = |tail: &str| format!("/upload/{}{tail}", self.sent.as_ref().unwrap().id);
        match self.capability {
            Init => gateway.post("/upload/init", three_parts()).await,
            Ready => gateway.get("/readyz").await,
            Sign => gateway.post(&path("/sign"), json!({"parts": [1, 2, 3]})).await,
            Refresh | RefreshSmall => gateway.get(&path("/status?refresh=true")).await,
            Complete | CompleteProven | CompleteSmall | CompleteEmpty => {
                gateway.post(&path("/complete"), json!({})).await
            }
            Abort | AbortSmall => gateway.call(Method::DELETE, &path(""), None).await,
            Proxy | ProxySmall => {
                let part = self.sent.as_ref().unwrap().data.chunks(part_size()).next().unwrap().to_vec();
                let request = gateway.http.put(format!("{}{}", gateway.url, path("/parts/1")));
                Answer::of(request.body(part).send().await.unwrap()).await
            }
        }
    }

    /// Whether its upload, if it has one, is now an object.
    fn is_completed(&self) -> bool {
        matches!(self.capability, Complete | CompleteProven | CompleteSmall | CompleteEmpty)
    }
}

impl Capability {
    /// The status of success.
    const fn success(self) -> u16 {
        match self {
            Init => 201,
            Abort | AbortSmall => 204,
            Sign | Refresh | RefreshSmall | Complete | CompleteProven | CompleteSmall | CompleteEmpty
            | Proxy | ProxySmall | Ready => 200,
        }
    }

    /// The status while storage fails at one of its operations every time.
    fn failure(self, operation: &str, fault: &Fault) -> u16 {
        match (self, operation, fault) {
            // The intent is written; what storage does not do now the sweep does.
            (Abort | AbortSmall, ..) => 204,
            // A person's network decides how long bytes take, so nobody gives up waiting for them.
            (Proxy | ProxySmall, _, Fault::Delay(_)) => 200,
            _ => 503,
        }
    }
}

fn three_parts() -> Value {
    json!({"filename": "a.bin", "size": 3 * part_size(), "part_size": part_size()})
}

/// An upload that the gateway could not open in storage, and so opens when it is needed.
async fn unopened(gateway: &Gateway, proxy: &FaultProxy) -> Sent {
    proxy.fail("CreateMultipartUpload", Fault::Refuse(503, "SlowDown"), EVERY_TIME);
    let request = gateway.http.post(format!("{}/upload/init", gateway.url));
    let key = uuid::Uuid::new_v4().to_string();
    let answer = request.header("Idempotency-Key", key).json(&three_parts()).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    proxy.clear();
    let newest = gateway.get("/upload?limit=1").await.expect(200)["uploads"][0].clone();
    assert_eq!(newest["state"], "creating");
    let text = |field: &str| newest[field].as_str().unwrap().to_owned();
    Sent { id: text("upload_id"), key: text("key"), data: bytes(7, 3 * part_size()), parts: Vec::new() }
}

/// Runs one row of the table: each kind of fault, every time and once.
async fn check(capability: Capability, operation: &'static str) {
    let (gateway, proxy) = bench().await;
    let mut objects = Vec::new();
    for fault in kinds() {
        if matches!(fault, Fault::ErrorIn200) && operation != "CompleteMultipartUpload" {
            continue;
        }
        for times in [EVERY_TIME, 1] {
            let case = format!("{capability:?}, {fault:?} at {operation}, {times} times");
            let subject = Subject::new(&gateway, &proxy, capability).await;
            let before = proxy.hits();
            proxy.fail(operation, fault.clone(), times);
            let answer = subject.call(&gateway).await;
            assert!(proxy.hits() > before, "{case}: the operation was not used");
            let (success, failure) = (capability.success(), capability.failure(operation, &fault));
            let status = answer.status.as_u16();
            let is_hidden = times == 1 && status == success;
            assert!(status == failure || is_hidden, "{case}: {answer:#?}");
            // Readiness is for machines that ask again by themselves.
            if status == 503 && capability != Ready {
                assert!(answer.headers.contains_key(RETRY_AFTER), "{case}: {answer:#?}");
                assert_eq!(answer.body["code"], "storage_unavailable", "{case}");
            }
            proxy.clear();
            // What was given up on lands late.
            while !proxy.is_quiet() {
                proxy.traffic().await;
            }
            let mut again = subject.call(&gateway).await;
            // A busy machine may be slower than the short patience with storage.
            for _ in 0..BUSY_REPETITIONS {
                if again.status != 503 {
                    break;
                }
                again = subject.call(&gateway).await;
            }
            assert_eq!(again.status.as_u16(), success, "{case}, and again: {again:#?}");
            if subject.is_completed() {
                let sent = subject.sent.unwrap();
                assert!(object(&gateway, &sent.key).await == sent.data, "{case}: the object is not the file");
                objects.push(sent.key);
            }
        }
    }
    assert_nothing_else_is_left(&gateway, objects, (capability, operation)).await;
}

/// Once the time of all other uploads is over, storage holds these objects and nothing more.
async fn assert_nothing_else_is_left(gateway: &Gateway, mut expected: Vec<String>, row: (Capability, &str)) {
    for wait in [time::Duration::days(7), time::Duration::hours(2), time::Duration::hours(2)] {
        gateway.clock.advance(wait);
        gateway.sweep(partgate::service::SweepMode::Act).await;
    }
    let mut left = objects(gateway).await;
    left.sort();
    expected.sort();
    assert_eq!(left, expected, "{row:?}");
    assert_eq!(multiparts(gateway).await, [], "{row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_that_fails_in_any_way_at_any_operation_is_unavailable_and_nothing_is_lost() {
    let rows = TABLE.iter().flat_map(|(capability, operations)| {
        operations.iter().map(|operation| check(*capability, operation))
    });
    join_all(rows).await;
}
