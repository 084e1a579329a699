//! Uploads that are taken back, by request or because their time is over.

use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

use super::support::{id, multiparts, open, send, status, stored_keys};
use crate::harness::{Answer, Gateway, bytes, part_size, parts};

async fn abort(gateway: &Gateway, created: &Value) -> Answer {
    gateway.call(Method::DELETE, &format!("/upload/{}", id(created)), None).await
}

/// A gateway with an upload of three parts, one of them in storage.
async fn start() -> (Gateway, Value) {
    let gateway = Gateway::start().await;
    let data = bytes(90, parts(2) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[2]).await;
    (gateway, created)
}

async fn aborted() -> (Gateway, Value) {
    let (gateway, created) = start().await;
    abort(&gateway, &created).await.expect(204);
    (gateway, created)
}

#[tokio::test]
async fn aborted_upload_holds_nothing_in_storage() {
    let (gateway, _) = aborted().await;
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn aborted_upload_says_so() {
    let (gateway, created) = aborted().await;
    assert_eq!(status(&gateway, &created, "").await["state"], "aborted");
}

#[tokio::test]
async fn aborting_again_changes_nothing() {
    let (gateway, created) = aborted().await;
    let before = status(&gateway, &created, "").await;
    gateway.clock.advance(Duration::MINUTE);
    abort(&gateway, &created).await.expect(204);
    assert_eq!(status(&gateway, &created, "").await, before);
}

#[tokio::test]
async fn aborted_upload_is_gone_for_signing() {
    let (gateway, created) = aborted().await;
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), json!({"parts": [1]})).await;
    assert_eq!(answer.problem(410, "upload_gone")["state"], "aborted");
}

#[tokio::test]
async fn aborted_upload_is_gone_for_reports() {
    let (gateway, created) = aborted().await;
    let body = json!({"stored": [{"number": 1}]});
    let answer = gateway.post(&format!("/upload/{}/parts", id(&created)), body).await;
    answer.problem(410, "upload_gone");
}

#[tokio::test]
async fn aborted_upload_is_gone_for_completion() {
    let (gateway, created) = aborted().await;
    gateway.complete(id(&created)).await.problem(410, "upload_gone");
}

#[tokio::test]
async fn aborted_upload_is_gone_for_proxied_parts() {
    let (gateway, created) = aborted().await;
    let url = format!("{}/upload/{}/parts/1", gateway.url, id(&created));
    let answer = gateway.http.put(url).body(bytes(90, part_size())).send().await.unwrap();
    Answer::of(answer).await.problem(410, "upload_gone");
}

#[tokio::test]
async fn aborted_upload_is_gone_for_download() {
    let (gateway, created) = aborted().await;
    gateway.get(&format!("/upload/{}/file", id(&created))).await.problem(410, "upload_gone");
}

#[tokio::test]
async fn completed_upload_cannot_be_aborted() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    gateway.complete(id(&created)).await.expect(200);
    assert_eq!(abort(&gateway, &created).await.problem(409, "upload_closed")["state"], "completed");
    assert_eq!(stored_keys(&gateway).await.len(), 1);
}

#[tokio::test]
async fn unknown_upload_cannot_be_aborted() {
    let gateway = Gateway::start().await;
    let unknown = json!({"upload_id": "0197a000-0000-7000-8000-000000000000"});
    abort(&gateway, &unknown).await.problem(404, "upload_not_found");
}

#[tokio::test]
async fn aborted_small_file_is_gone_for_signing() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({"sign": 1})).await;
    abort(&gateway, &created).await.expect(204);
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), json!({"parts": [1]})).await;
    answer.problem(410, "upload_gone");
}

#[tokio::test]
async fn aborted_small_file_stays_aborting_while_its_url_works() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({"sign": 1})).await;
    abort(&gateway, &created).await.expect(204);
    assert_eq!(status(&gateway, &created, "").await["state"], "aborting");
}

#[tokio::test]
async fn aborted_small_file_that_was_never_signed_is_aborted_at_once() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    abort(&gateway, &created).await.expect(204);
    assert_eq!(status(&gateway, &created, "").await["state"], "aborted");
}

#[tokio::test]
async fn overdue_upload_is_expired() {
    let (gateway, created) = start().await;
    gateway.clock.advance(Duration::days(8));
    assert_eq!(status(&gateway, &created, "").await["state"], "expired");
}

#[tokio::test]
async fn overdue_upload_is_gone_for_signing() {
    let (gateway, created) = start().await;
    gateway.clock.advance(Duration::days(8));
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), json!({"parts": [1]})).await;
    assert_eq!(answer.problem(410, "upload_gone")["state"], "expired");
}

#[tokio::test]
async fn overdue_upload_is_gone_for_completion() {
    let (gateway, created) = start().await;
    gateway.clock.advance(Duration::days(8));
    gateway.complete(id(&created)).await.problem(410, "upload_gone");
}

#[tokio::test]
async fn overdue_upload_is_listed_as_expired() {
    let (gateway, created) = start().await;
    gateway.clock.advance(Duration::days(8));
    let open = gateway.get("/upload?state=open").await.expect(200);
    assert_eq!(open["uploads"], json!([]));
    let expired = gateway.get("/upload?state=expired").await.expect(200);
    assert_eq!(expired["uploads"][0]["upload_id"], created["upload_id"]);
}

#[tokio::test]
async fn upload_lives_until_its_last_second() {
    let (gateway, created) = start().await;
    gateway.clock.advance(Duration::days(7) - Duration::SECOND);
    assert_eq!(status(&gateway, &created, "").await["state"], "open");
}
