//! Work that outlasts its call, and more work than the gateway can do.

use futures_util::future::join;
use reqwest::Method;
use reqwest::header::RETRY_AFTER;

use super::*;
use crate::harness::{Options, behind_faults_with};

const COMPLETE: &str = "CompleteMultipartUpload";

/// A gateway whose complete calls do not wait, behind a proxy that can hold storage's answers.
async fn impatient() -> (Gateway, FaultProxy) {
    behind_faults_with(Options::default().with("uploads.complete_wait", "50ms")).await
}

/// Repeats complete until it is done.
async fn completed(gateway: &Gateway, id: &str) -> Value {
    for _ in 0..200 {
        let answer = gateway.complete(id).await;
        if answer.status != 202 {
            return answer.expect(200);
        }
    }
    panic!("complete goes on and on");
}

#[tokio::test]
async fn completion_that_outlasts_its_call_goes_on_and_is_collected() {
    let (gateway, proxy) = impatient().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer(COMPLETE);
    let (first, ()) = join(gateway.complete(&sent.id), hold.arrived()).await;
    assert!(first.headers.contains_key(RETRY_AFTER));
    first.expect(202);
    let pending = gateway.complete(&sent.id).await.expect(202);
    assert_eq!((&pending["state"], &pending["verified_bytes"]), (&json!("completing"), &json!(0)));
    hold.release();
    completed(&gateway, &sent.id).await;
    sent.assert_whole(&gateway).await;
    assert_eq!(proxy.count(COMPLETE), 1);
}

#[tokio::test]
async fn nobody_waits_for_a_completion_and_it_is_done_all_the_same() {
    let (gateway, proxy) = impatient().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer(COMPLETE);
    gateway.complete(&sent.id).await.expect(202);
    hold.release();
    for _ in 0..2_000 {
        if sent.state(&gateway).await == "completed" {
            return;
        }
    }
    panic!("the completion was given up");
}

#[tokio::test]
async fn another_gateway_waits_for_the_one_that_is_at_it() {
    let (gateway, proxy) = impatient().await;
    let other = gateway.another().await;
    let sent = Sent::three_parts(&gateway).await;
    let path = format!("/upload/{}/complete", sent.id);
    let hold = proxy.hold_answer(COMPLETE);
    let (first, ()) = join(gateway.complete(&sent.id), hold.arrived()).await;
    first.expect(202);
    gateway.call_at(&other, Method::POST, &path, Some(json!({}))).await.expect(202);
    hold.release();
    let answer = completed(&gateway, &sent.id).await;
    let at_other = gateway.call_at(&other, Method::POST, &path, Some(json!({}))).await;
    assert_eq!(at_other.expect(200), answer);
    assert_eq!(proxy.count(COMPLETE), 1, "its work was not done twice");
}

#[tokio::test]
async fn another_gateway_takes_over_from_one_that_is_gone() {
    let (gateway, proxy) = impatient().await;
    let other = gateway.another().await;
    let sent = Sent::three_parts(&gateway).await;
    let path = format!("/upload/{}/complete", sent.id);
    // It hangs, which nobody can tell from being gone: its lease is over some seconds later.
    let hold = proxy.hold_request(COMPLETE);
    let (first, ()) = join(gateway.complete(&sent.id), hold.arrived()).await;
    first.expect(202);
    gateway.clock.advance(time::Duration::seconds(6));
    let taken_over = gateway.call_at(&other, Method::POST, &path, Some(json!({}))).await;
    if taken_over.status == 202 {
        completed(&gateway, &sent.id).await;
    }
    sent.assert_whole(&gateway).await;
    hold.release();
}

#[tokio::test]
async fn status_shows_how_much_of_the_object_is_verified() {
    let (gateway, proxy) = impatient().await;
    let data = bytes(5, parts(3));
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&data));
    let sent = Sent::open(&gateway, data, json!({ "sha256": sha256 })).await;
    sent.send(&gateway, [1, 2, 3]).await;
    let hold = proxy.hold_answer("GetObject");
    let (pending, ()) = join(gateway.complete(&sent.id), hold.arrived()).await;
    pending.expect(202);
    assert_eq!(gateway.complete(&sent.id).await.expect(202)["verified_bytes"], 0);
    hold.release();
    let answer = completed(&gateway, &sent.id).await;
    assert_eq!(answer["sha256"], sha256);
    let status = gateway.get(&format!("/upload/{}/status", sent.id)).await.expect(200);
    assert!(status.get("verified_bytes").is_none(), "{status}");
}

#[tokio::test]
async fn load_that_is_too_much_is_shed_at_once_and_taken_again_later() {
    let (gateway, proxy) = behind_faults_with(Options::default().with("max_in_flight", "1")).await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer(COMPLETE);
    let shed = async {
        hold.arrived().await;
        let shed = gateway.get("/upload").await;
        gateway.get("/healthz").await.expect(200);
        hold.release();
        shed
    };
    let (done, shed) = join(gateway.complete(&sent.id), shed).await;
    assert!(shed.headers.contains_key(RETRY_AFTER));
    shed.problem(503, "overloaded");
    done.expect(200);
    gateway.get("/upload").await.expect(200);
}
