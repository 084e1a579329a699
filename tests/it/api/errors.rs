//! The whole body of every problem that a caller can cause. Codes are stable; what changes here, clients notice.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{id, open, send};
use crate::harness::{Answer, Gateway, Options, bytes, part_size, parts};

/// Holds a problem against its snapshot; ids and storage's own words differ from run to run.
macro_rules! assert_problem {
    ($answer:expr, $status:expr, $code:expr) => {
        insta::assert_json_snapshot!(
            $code,
            in_parts_of_1000($answer.problem($status, $code)),
            { ".request_id" => "[request id]" }
        )
    };
}

/// What the problem says where parts have 1,000 bytes.
fn in_parts_of_1000(problem: Value) -> Value {
    let text = problem.to_string();
    let text = text.replace(&(part_size() - 1).to_string(), "999").replace(&part_size().to_string(), "1000");
    serde_json::from_str(&text).unwrap()
}

async fn call(gateway: &Gateway, created: &Value, route: &str, body: Value) -> Answer {
    gateway.post(&format!("/upload/{}/{route}", id(created)), body).await
}

#[tokio::test]
async fn invalid_request() {
    let gateway = Gateway::start().await;
    let body = json!({"filename": "../a", "size": "many", "colour": "red", "sha256": "zz"});
    assert_problem!(gateway.post("/upload/init", body).await, 400, "invalid_request");
}

#[tokio::test]
async fn no_such_route() {
    let gateway = Gateway::start().await;
    assert_problem!(gateway.get("/nope").await, 404, "no_such_route");
}

#[tokio::test]
async fn upload_not_found() {
    let gateway = Gateway::start().await;
    let path = "/upload/0197a000-0000-7000-8000-000000000000/status";
    assert_problem!(gateway.get(path).await, 404, "upload_not_found");
}

#[tokio::test]
async fn method_not_allowed() {
    let gateway = Gateway::start().await;
    let answer = gateway.call(Method::PATCH, "/upload", None).await;
    assert_problem!(answer, 405, "method_not_allowed");
}

#[tokio::test]
async fn upload_closed() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    gateway.complete(id(&created)).await.expect(200);
    assert_problem!(call(&gateway, &created, "sign", json!({"parts": [1]})).await, 409, "upload_closed");
}

#[tokio::test]
async fn parts_missing() {
    let gateway = Gateway::start().await;
    let data = bytes(110, parts(5));
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[3]).await;
    assert_problem!(gateway.complete(id(&created)).await, 409, "parts_missing");
}

#[tokio::test]
async fn part_mismatch() {
    let gateway = Gateway::start().await;
    let created =
        gateway.post("/upload/init", json!({"filename": "pipe", "part_size": part_size()})).await.expect(201);
    send(&gateway, &created, &bytes(111, parts(1) + 500), &[1, 2]).await;
    assert_problem!(
        call(&gateway, &created, "complete", json!({"size": part_size() - 1})).await,
        409,
        "part_mismatch"
    );
}

#[tokio::test]
async fn object_exists() {
    let gateway = Gateway::start().await;
    let first = open(&gateway, &[], json!({"key": "k"})).await;
    gateway.complete(id(&first)).await.expect(200);
    let second = open(&gateway, &[], json!({"key": "k"})).await;
    assert_problem!(gateway.complete(id(&second)).await, 409, "object_exists");
}

#[tokio::test]
async fn upload_gone() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    gateway.call(Method::DELETE, &format!("/upload/{}", id(&created)), None).await.expect(204);
    assert_problem!(call(&gateway, &created, "sign", json!({"parts": [1]})).await, 410, "upload_gone");
}

#[tokio::test]
async fn too_large() {
    let gateway = Gateway::start().await;
    let answer = gateway.post("/upload/init", json!({"filename": "a", "size": u64::MAX})).await;
    assert_problem!(answer, 413, "too_large");
}

#[tokio::test]
async fn unsupported_media_type() {
    let gateway = Gateway::start().await;
    let answer = gateway.http.post(format!("{}/upload/init", gateway.url)).body("a=b").send().await.unwrap();
    assert_problem!(Answer::of(answer).await, 415, "unsupported_media_type");
}

#[tokio::test]
async fn checksum_mismatch() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({"sha256": "0".repeat(64)})).await;
    assert_problem!(gateway.complete(id(&created)).await, 422, "checksum_mismatch");
}

#[tokio::test]
async fn storage_rejected() {
    let gateway = Gateway::start_with(Options::default().with("storage.bucket", "no-such-bucket")).await;
    let body = json!({"filename": "a", "size": parts(5), "part_size": part_size()});
    assert_problem!(gateway.post("/upload/init", body).await, 502, "storage_rejected");
}

#[tokio::test]
async fn storage_unavailable() {
    let gateway = Gateway::start_with(unreachable()).await;
    let body = json!({"filename": "a", "size": parts(5), "part_size": part_size()});
    let answer = gateway.post("/upload/init", body).await;
    assert_eq!(answer.headers["retry-after"], "2");
    assert_problem!(answer, 503, "storage_unavailable");
}

#[tokio::test]
async fn busy() {
    let gateway = Gateway::start().await;
    let data = bytes(112, parts(2));
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    super::support::reap(&gateway).await;
    let url = format!("{}/upload/{}/parts/1", gateway.url, id(&created));
    let answer = gateway.http.put(url).body(data[..part_size()].to_vec()).send().await.unwrap();
    assert_problem!(Answer::of(answer).await, 503, "busy");
}

#[tokio::test]
async fn storage_that_is_out_of_reach_leaves_nothing_open() {
    let gateway = Gateway::start_with(unreachable()).await;
    let body = json!({"filename": "a", "size": parts(5), "part_size": part_size()});
    gateway.post("/upload/init", body).await.problem(503, "storage_unavailable");
    let listed = gateway.get("/upload").await.expect(200);
    assert_eq!(listed["uploads"][0]["state"], "aborting", "the sweep goes on when storage answers again");
}

#[tokio::test]
async fn problems_tell_nothing_of_storage() {
    let gateway = Gateway::start_with(unreachable()).await;
    let body = json!({"filename": "a", "size": parts(5), "part_size": part_size()});
    let problem = gateway.post("/upload/init", body).await.problem(503, "storage_unavailable").to_string();
    assert!(!problem.contains("127.0.0.1") && !problem.contains("dispatch"), "{problem}");
}

/// A store that nobody answers for.
fn unreachable() -> Options {
    Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..Options::default() }
}
