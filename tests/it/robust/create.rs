//! Init, when storage does not open what was asked, or does and does not say so.

use reqwest::header::RETRY_AFTER;
use serde_json::json;

use super::*;
use crate::harness::{EVERY_TIME, Fault};

const CREATE: &str = "CreateMultipartUpload";

fn three_parts() -> Value {
    json!({"filename": "a.bin", "size": parts(3), "part_size": part_size()})
}

/// The states of all uploads that the caller sees.
async fn states(gateway: &Gateway) -> Vec<String> {
    let page = gateway.get("/upload").await.expect(200);
    let uploads = page["uploads"].as_array().unwrap().iter();
    uploads.map(|upload| upload["state"].as_str().unwrap().to_owned()).collect()
}

async fn init_with_key(gateway: &Gateway, key: &str) -> Answer {
    let request = gateway.http.post(format!("{}/upload/init", gateway.url)).header("Idempotency-Key", key);
    Answer::of(request.json(&three_parts()).send().await.unwrap()).await
}

/// After an abort nothing may be left of an upload, whatever went wrong before.
async fn abort_all(gateway: &Gateway) {
    let page = gateway.get("/upload").await.expect(200);
    for upload in page["uploads"].as_array().unwrap() {
        let path = format!("/upload/{}", upload["upload_id"].as_str().unwrap());
        assert_eq!(gateway.call(reqwest::Method::DELETE, &path, None).await.status, 204);
    }
}

#[tokio::test]
async fn refused_create_is_unavailable_and_leaves_nothing_open() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail(CREATE, Fault::SlowDown, EVERY_TIME);
    let refused = gateway.post("/upload/init", three_parts()).await;
    assert!(refused.headers.contains_key(RETRY_AFTER));
    refused.problem(503, "storage_unavailable");
    assert_eq!(states(&gateway).await, ["aborted"]);
}

#[tokio::test]
async fn one_refused_create_is_not_even_noticed() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail(CREATE, Fault::SlowDown, 1);
    gateway.post("/upload/init", three_parts()).await.expect(201);
    assert_eq!(proxy.hits(), 1);
}

#[tokio::test]
async fn retried_init_with_its_key_finds_the_upload_that_could_not_be_opened() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail(CREATE, Fault::SlowDown, EVERY_TIME);
    init_with_key(&gateway, "k").await.problem(503, "storage_unavailable");
    let [waiting] = &states(&gateway).await[..] else { panic!("not one upload") };
    assert_eq!(waiting, "creating");
    proxy.clear();
    let found = init_with_key(&gateway, "k").await.expect(200);
    assert_eq!(found["state"], "open");
    assert_eq!(states(&gateway).await, ["open"]);
}

#[tokio::test]
async fn create_whose_every_answer_is_lost_leaves_no_multipart_upload() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail(CREATE, Fault::DropAnswer, EVERY_TIME);
    gateway.post("/upload/init", three_parts()).await.problem(503, "storage_unavailable");
    assert!(proxy.count(CREATE) > 0, "the store has acted");
    proxy.clear();
    gateway.clock.advance(time::Duration::days(8));
    gateway.sweep(partgate::service::SweepMode::Act).await;
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn create_whose_first_answer_is_lost_leaves_one_multipart_upload() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail(CREATE, Fault::DropAnswer, 1);
    gateway.post("/upload/init", three_parts()).await.expect(201);
    assert_eq!(proxy.count(CREATE), 2);
    assert_eq!(multiparts(&gateway).await.len(), 1);
    abort_all(&gateway).await;
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn completed_upload_leaves_no_multipart_upload_of_a_lost_create() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail(CREATE, Fault::DropAnswer, 1);
    let sent = Sent::three_parts(&gateway).await;
    gateway.complete(&sent.id).await.expect(200);
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn retried_init_takes_back_what_its_lost_create_left() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail(CREATE, Fault::DropAnswer, EVERY_TIME);
    init_with_key(&gateway, "k").await.problem(503, "storage_unavailable");
    proxy.clear();
    init_with_key(&gateway, "k").await.expect(200);
    assert_eq!(multiparts(&gateway).await.len(), 1);
    abort_all(&gateway).await;
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn inits_of_one_key_at_once_open_one_multipart_upload() {
    let gateway = Gateway::start().await;
    let calls = (0..8).map(|_| init_with_key(&gateway, "k"));
    let answers = futures_util::future::join_all(calls).await;
    let ids: Vec<_> = answers.into_iter().map(|answer| answer.body["upload_id"].clone()).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(multiparts(&gateway).await.len(), 1);
}
