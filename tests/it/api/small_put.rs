//! Small files: one presigned PUT that can only create.

use serde_json::json;

use super::support::{id, open, send, sign, status, stored_keys, stored_parts};
use crate::harness::{Gateway, Options, behind_faults, bytes, put_part};

#[tokio::test]
async fn put_can_only_create() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    let signed = sign(&gateway, &created, b"x", &[1]).await;
    assert_eq!(signed[0]["headers"]["if-none-match"], "*");
}

#[tokio::test]
async fn condition_of_the_put_is_signed() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    let mut signed = sign(&gateway, &created, b"x", &[1]).await;
    signed[0]["headers"].as_object_mut().unwrap().remove("if-none-match");
    // MinIO says 400, the others 403.
    assert!(put_part(&gateway, &signed[0], b"x".to_vec()).await.status().is_client_error());
    assert_eq!(stored_keys(&gateway).await, Vec::<String>::new());
}

#[tokio::test]
async fn put_carries_type_and_upload_id() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({"content_type": "image/png"})).await;
    let signed = sign(&gateway, &created, b"x", &[1]).await;
    let headers = &signed[0]["headers"];
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(headers["x-amz-meta-partgate-upload-id"], created["upload_id"]);
}

#[tokio::test]
async fn repeated_put_is_refused() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    let signed = sign(&gateway, &created, b"x", &[1]).await;
    assert_eq!(put_part(&gateway, &signed[0], b"x".to_vec()).await.status(), 200);
    assert_eq!(put_part(&gateway, &signed[0], b"y".to_vec()).await.status(), 412);
}

#[tokio::test]
async fn put_shows_after_storage_is_asked() {
    let gateway = Gateway::start().await;
    let data = bytes(40, 50);
    let created = open(&gateway, &data, json!({})).await;
    send(&gateway, &created, &data, &[1]).await;
    assert_eq!(status(&gateway, &created, "").await["received_parts"], 0);
    let seen = status(&gateway, &created, "?refresh=true").await;
    assert_eq!((&seen["received_parts"], &seen["bytes_received"]), (&json!(1), &json!(50)));
}

#[tokio::test]
async fn gateway_only_looks_at_a_small_file() {
    let (gateway, proxy) = behind_faults().await;
    let created = open(&gateway, b"x", json!({})).await;
    send(&gateway, &created, b"x", &[1]).await;
    gateway.complete(id(&created)).await.expect(200);
    assert_eq!(proxy.operations(), ["HeadObject", "HeadObject"]);
}

#[tokio::test]
async fn completion_before_the_put_says_that_it_is_missing() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    let problem = gateway.complete(id(&created)).await.problem(409, "parts_missing");
    assert_eq!(problem["missing"], json!([[1, 1]]));
}

#[tokio::test]
async fn reported_put_that_never_was_is_missing_again() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    let body = json!({"stored": [{"number": 1, "etag": "\"abc\""}]});
    let answer = gateway.post(&format!("/upload/{}/parts", id(&created)), body).await.expect(200);
    assert_eq!(answer["missing"], json!([]));
    gateway.clock.advance(time::Duration::SECOND);
    gateway.complete(id(&created)).await.problem(409, "parts_missing");
    assert_eq!(status(&gateway, &created, "").await["missing"], json!([[1, 1]]));
}

#[tokio::test]
async fn put_that_was_reported_without_etag_is_completed() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    send(&gateway, &created, b"x", &[1]).await;
    let body = json!({"stored": [{"number": 1}]});
    gateway.post(&format!("/upload/{}/complete", id(&created)), body).await.expect(200);
}

#[tokio::test]
async fn abort_deletes_what_the_put_brought() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    send(&gateway, &created, b"x", &[1]).await;
    let path = format!("/upload/{}", id(&created));
    gateway.call(reqwest::Method::DELETE, &path, None).await.expect(204);
    assert_eq!(stored_keys(&gateway).await, Vec::<String>::new());
}

#[tokio::test]
async fn abort_leaves_the_object_of_somebody_else() {
    let gateway = Gateway::start().await;
    let first = open(&gateway, b"x", json!({"key": "k"})).await;
    send(&gateway, &first, b"x", &[1]).await;
    gateway.complete(id(&first)).await.expect(200);
    let second = open(&gateway, b"y", json!({"key": "k"})).await;
    let path = format!("/upload/{}", id(&second));
    gateway.call(reqwest::Method::DELETE, &path, None).await.expect(204);
    assert_eq!(gateway.download(id(&first)).await, b"x");
}

#[tokio::test]
async fn file_that_may_replace_is_sent_by_multipart() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({"overwrite": true})).await;
    send(&gateway, &created, b"x", &[1]).await;
    assert_eq!(stored_parts(&gateway).await.len(), 1);
}

#[tokio::test]
async fn store_without_conditions_gets_multipart() {
    let options = Options::default().with("storage.conditional_writes", "false");
    let gateway = Gateway::start_with(options).await;
    let created = open(&gateway, b"x", json!({})).await;
    send(&gateway, &created, b"x", &[1]).await;
    assert_eq!(stored_parts(&gateway).await.len(), 1);
    gateway.complete(id(&created)).await.expect(200);
}
