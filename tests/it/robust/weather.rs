//! What a gateway says while its database or its storage is away.

use reqwest::header::RETRY_AFTER;
use sqlx::{Connection as _, SqliteConnection};

use super::*;
use crate::harness::{EVERY_TIME, Fault};

#[tokio::test]
async fn gateway_without_storage_is_not_ready_and_recovers() {
    let (gateway, proxy) = behind_faults().await;
    proxy.fail("HeadBucket", Fault::SlowDown, EVERY_TIME);
    let readiness = gateway.get("/readyz").await.expect(503);
    assert_eq!((&readiness["status"], &readiness["database"]), (&json!("not_ready"), &json!("ok")));
    proxy.clear();
    gateway.get("/readyz").await.expect(200);
}

#[tokio::test]
async fn gateway_whose_database_is_locked_is_not_ready_and_recovers() {
    let gateway = Gateway::start().await;
    let file = format!("sqlite://{}", gateway.data.path().join("gateway.db").display());
    let mut somebody = SqliteConnection::connect(&file).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut somebody).await.unwrap();
    let body = json!({"filename": "a", "size": 1});
    let (ready, init) = tokio::join!(gateway.get("/readyz"), gateway.post("/upload/init", body));
    assert_eq!(ready.expect(503)["storage"], "ok");
    assert!(init.headers.contains_key(RETRY_AFTER));
    init.problem(503, "database_unavailable");
    sqlx::query("ROLLBACK").execute(&mut somebody).await.unwrap();
    gateway.get("/readyz").await.expect(200);
}

#[tokio::test]
async fn status_needs_no_storage() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("*", Fault::SlowDown, EVERY_TIME);
    assert_eq!(sent.state(&gateway).await, "open");
}

#[tokio::test]
async fn refresh_without_storage_is_unavailable_and_forgets_nothing() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    let refresh = format!("/upload/{}/status?refresh=true", sent.id);
    gateway.get(&refresh).await.expect(200);
    proxy.fail("ListParts", Fault::SlowDown, EVERY_TIME);
    gateway.get(&refresh).await.problem(503, "storage_unavailable");
    let status = gateway.get(&format!("/upload/{}/status", sent.id)).await.expect(200);
    assert_eq!(status["received_parts"], 3);
}

#[tokio::test]
async fn signing_needs_no_storage() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("*", Fault::SlowDown, EVERY_TIME);
    gateway.post(&format!("/upload/{}/sign", sent.id), json!({"parts": [1]})).await.expect(200);
}
