//! What a gateway says while its database or its storage is away.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use sqlx::{Connection as _, SqliteConnection};

use super::*;
use crate::harness::{EVERY_TIME, Fault, Options, behind_faults_with};

const COMPLETE: &str = "CompleteMultipartUpload";

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
    let mut somebody = lock(&gateway).await;
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

#[tokio::test]
async fn proxied_part_may_take_longer_than_a_control_call() {
    let options =
        Options::default().with("storage.attempt_timeout", "1s").with("storage.operation_timeout", "1s");
    let (gateway, proxy) = behind_faults_with(options).await;
    let sent = Sent::open(&gateway, bytes(3, 2 * part_size()), json!({})).await;
    // As one that comes over a slow line: the answer cannot be there before the bytes are.
    proxy.fail("UploadPart", Fault::Delay(Duration::from_secs(2)), 1);
    let request = gateway.http.put(format!("{}/upload/{}/parts/1", gateway.url, sent.id));
    let answer = request.body(sent.data[..part_size()].to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn storage_that_refuses_connections_is_unavailable_and_nothing_is_lost() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.go_away().await;
    gateway.get("/readyz").await.expect(503);
    let refused = gateway.complete(&sent.id).await;
    assert!(refused.headers.contains_key(RETRY_AFTER));
    refused.problem(503, "storage_unavailable");
    proxy.come_back().await;
    gateway.get("/readyz").await.expect(200);
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn object_that_storage_made_too_late_is_completed_by_the_repetition() {
    let options = Options::default().with("storage.complete_timeout", "1s");
    let (gateway, proxy) = behind_faults_with(options).await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail(COMPLETE, Fault::Delay(Duration::from_secs(2)), 1);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    assert_eq!(objects(&gateway).await, [""; 0], "it is not there yet");
    while !proxy.is_quiet() {
        proxy.traffic().await;
    }
    assert_eq!(sent.state(&gateway).await, "completing");
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn database_locked_while_storage_completes_is_unavailable_and_nothing_is_lost() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer(COMPLETE);
    let lock = async {
        hold.arrived().await;
        let somebody = lock(&gateway).await;
        hold.release();
        somebody
    };
    let (unavailable, mut somebody) = tokio::join!(gateway.complete(&sent.id), lock);
    assert!(unavailable.headers.contains_key(RETRY_AFTER));
    unavailable.problem(503, "database_unavailable");
    sqlx::query("ROLLBACK").execute(&mut somebody).await.unwrap();
    // The lease could not be given back either: it ends by itself.
    gateway.clock.advance(partgate::upload::COMPLETION_LEASE);
    let first = gateway.complete(&sent.id).await.expect(200);
    assert_eq!(gateway.complete(&sent.id).await.expect(200), first);
    assert_eq!(proxy.count(COMPLETE), 2);
    sent.assert_whole(&gateway).await;
}

/// Keeps everybody else from writing to the gateway's database, until it is rolled back.
async fn lock(gateway: &Gateway) -> SqliteConnection {
    let file = format!("sqlite://{}", gateway.data.path().join("gateway.db").display());
    let mut somebody = SqliteConnection::connect(&file).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut somebody).await.unwrap();
    somebody
}
