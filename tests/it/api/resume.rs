//! Uploads that are interrupted and go on: what is known of parts, and how an upload is found again.

use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

use super::support::{id, multiparts, open, reap, send, sign, slice, status};
use crate::harness::{Answer, Gateway, bytes, part_size, parts, put_part};

/// A gateway with an upload of five parts, the last one of 500 bytes.
async fn start() -> (Gateway, Value, Vec<u8>) {
    let gateway = Gateway::start().await;
    let data = bytes(80, parts(4) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    (gateway, created, data)
}

async fn report(gateway: &Gateway, created: &Value, stored: Value) -> Answer {
    gateway.post(&format!("/upload/{}/parts", id(created)), json!({"stored": stored})).await
}

/// Time passes, so that what comes next is later than what was.
fn pass_time(gateway: &Gateway) {
    gateway.clock.advance(Duration::SECOND);
}

#[tokio::test]
async fn reports_leave_ranges_of_missing_parts() {
    let (gateway, created, _) = start().await;
    let answer = report(&gateway, &created, json!([{"number": 2}, {"number": 5}])).await.expect(200);
    assert_eq!(answer["missing"], json!([[1, 1], [3, 4]]));
    assert_eq!(answer["bytes_received"], parts(1) + 500);
    let percent = 100.0 * (parts(1) + 500) as f64 / (parts(4) + 500) as f64;
    assert_eq!(answer["percent"], (percent * 100.0).floor() / 100.0);
}

#[tokio::test]
async fn sign_takes_reports_along() {
    let (gateway, created, _) = start().await;
    let body = json!({"parts": [2], "stored": [{"number": 1, "etag": "\"abc\""}]});
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), body).await.expect(200);
    assert_eq!((&answer["received_parts"], &answer["total_parts"]), (&json!(1), &json!(5)));
}

#[tokio::test]
async fn reported_parts_are_listed_with_what_was_said() {
    let (gateway, created, _) = start().await;
    report(&gateway, &created, json!([{"number": 5}, {"number": 1, "etag": "\"abc\""}])).await.expect(200);
    let parts = &status(&gateway, &created, "?parts=true").await["parts"];
    let expected = json!([{"number": 1, "size": part_size(), "etag": "\"abc\""}, {"number": 5, "size": 500}]);
    assert_eq!(*parts, expected);
}

#[tokio::test]
async fn etag_without_quotes_is_taken_as_the_same() {
    let (gateway, created, data) = start().await;
    let etags = send(&gateway, &created, &data, &[1]).await;
    report(&gateway, &created, json!([{"number": 1, "etag": etags[0].trim_matches('"')}])).await.expect(200);
    pass_time(&gateway);
    assert_eq!(status(&gateway, &created, "?refresh=true").await["received_parts"], 1);
}

#[tokio::test]
async fn upload_is_completed_without_any_report() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2, 3, 4, 5]).await;
    gateway.complete(id(&created)).await.expect(200);
}

#[tokio::test]
async fn upload_is_completed_by_reports_without_etags() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2, 3, 4, 5]).await;
    let stored: Vec<_> = (1..=5).map(|number| json!({"number": number})).collect();
    let path = format!("/upload/{}/complete", id(&created));
    // Reported in the very call that completes: no time passes between report and list.
    gateway.post(&path, json!({"stored": stored})).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn refresh_shows_what_storage_holds() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 3]).await;
    assert_eq!(status(&gateway, &created, "").await["received_parts"], 0);
    let seen = status(&gateway, &created, "?refresh=true").await;
    assert_eq!(seen["missing"], json!([[2, 2], [4, 5]]));
}

#[tokio::test]
async fn refreshed_parts_have_storages_etags() {
    let (gateway, created, data) = start().await;
    let etags = send(&gateway, &created, &data, &[2]).await;
    let seen = status(&gateway, &created, "?refresh=true&parts=true").await;
    assert_eq!(seen["parts"][0]["etag"], *etags[0]);
}

#[tokio::test]
async fn reported_parts_that_never_were_are_missing() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    report(&gateway, &created, json!([{"number": 4}, {"number": 5, "etag": "\"x\""}])).await.expect(200);
    let problem = gateway.complete(id(&created)).await.problem(409, "parts_missing");
    assert_eq!(problem["missing"], json!([[4, 5]]));
}

#[tokio::test]
async fn status_forgets_parts_that_complete_did_not_find() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1]).await;
    report(&gateway, &created, json!([{"number": 1}, {"number": 4}])).await.expect(200);
    pass_time(&gateway);
    gateway.complete(id(&created)).await.problem(409, "parts_missing");
    assert_eq!(status(&gateway, &created, "").await["missing"], json!([[2, 5]]));
}

/// All parts are in storage, and part 2 was reported with another ETag.
async fn with_mismatch() -> (Gateway, Value, Vec<u8>) {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2, 3, 4, 5]).await;
    report(&gateway, &created, json!([{"number": 2, "etag": "\"other\""}])).await.expect(200);
    pass_time(&gateway);
    (gateway, created, data)
}

#[tokio::test]
async fn part_with_another_etag_than_reported_is_a_mismatch() {
    let (gateway, created, _) = with_mismatch().await;
    let problem = gateway.complete(id(&created)).await.problem(409, "part_mismatch");
    assert_eq!(problem["parts"][0]["number"], 2);
}

#[tokio::test]
async fn mismatch_stays_when_asked_again() {
    let (gateway, created, _) = with_mismatch().await;
    gateway.complete(id(&created)).await.problem(409, "part_mismatch");
    pass_time(&gateway);
    gateway.complete(id(&created)).await.problem(409, "part_mismatch");
}

#[tokio::test]
async fn mismatched_part_is_to_be_sent_again() {
    let (gateway, created, _) = with_mismatch().await;
    assert_eq!(status(&gateway, &created, "?refresh=true").await["missing"], json!([[2, 2]]));
}

#[tokio::test]
async fn mismatch_is_over_when_the_part_is_sent_and_reported_again() {
    let (gateway, created, data) = with_mismatch().await;
    gateway.complete(id(&created)).await.problem(409, "part_mismatch");
    let etags = send(&gateway, &created, &data, &[2]).await;
    report(&gateway, &created, json!([{"number": 2, "etag": etags[0]}])).await.expect(200);
    gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn late_report_during_completion_does_not_lose_a_part() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2, 3, 4, 5]).await;
    // Another gateway's clock is ahead: what it wrote looks newer than the list that complete asks for.
    gateway.clock.advance(Duration::seconds(5));
    report(&gateway, &created, json!([{"number": 2}])).await.expect(200);
    gateway.clock.advance(Duration::seconds(-5));
    gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn fingerprint_finds_the_open_upload() {
    let gateway = Gateway::start().await;
    let body = json!({"filename": "a", "size": 10, "fingerprint": "f-1"});
    let first = gateway.post("/upload/init", body.clone()).await.expect(201);
    assert_eq!(gateway.post("/upload/init", body).await.expect(200)["upload_id"], first["upload_id"]);
}

#[tokio::test]
async fn fingerprint_of_another_size_is_another_upload() {
    let gateway = Gateway::start().await;
    gateway.post("/upload/init", json!({"filename": "a", "size": 10, "fingerprint": "f"})).await.expect(201);
    gateway.post("/upload/init", json!({"filename": "a", "size": 11, "fingerprint": "f"})).await.expect(201);
}

#[tokio::test]
async fn fingerprint_of_a_completed_upload_opens_a_new_one() {
    let gateway = Gateway::start().await;
    let body = json!({"filename": "a", "size": 0, "fingerprint": "f"});
    let first = gateway.post("/upload/init", body.clone()).await.expect(201);
    gateway.complete(id(&first)).await.expect(200);
    gateway.post("/upload/init", body).await.expect(201);
}

#[tokio::test]
async fn fingerprint_of_an_overdue_upload_opens_a_new_one() {
    let gateway = Gateway::start().await;
    let body = json!({"filename": "a", "size": parts(5), "part_size": part_size(), "fingerprint": "f"});
    gateway.post("/upload/init", body.clone()).await.expect(201);
    gateway.clock.advance(Duration::days(8));
    gateway.post("/upload/init", body).await.expect(201);
    assert_eq!(multiparts(&gateway).await.len(), 1, "the overdue one was taken back");
}

#[tokio::test]
async fn fingerprint_finds_the_upload_after_a_restart() {
    let mut gateway = Gateway::start().await;
    let body = json!({"filename": "a", "size": 10, "fingerprint": "f"});
    let first = gateway.post("/upload/init", body.clone()).await.expect(201);
    gateway.restart().await;
    assert_eq!(gateway.post("/upload/init", body).await.expect(200)["upload_id"], first["upload_id"]);
}

#[tokio::test]
async fn two_inits_at_once_with_one_fingerprint_make_one_upload() {
    let gateway = Gateway::start().await;
    let other = gateway.another().await;
    let body = json!({"filename": "a", "size": parts(5), "part_size": part_size(), "fingerprint": "f"});
    let there = gateway.call_at(&other, Method::POST, "/upload/init", Some(body.clone()));
    let (a, b, c) = tokio::join!(
        gateway.post("/upload/init", body.clone()),
        gateway.post("/upload/init", body.clone()),
        there
    );
    let ids: Vec<_> = [a, b, c].into_iter().map(|answer| answer.body["upload_id"].clone()).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(multiparts(&gateway).await.len(), 1);
}

async fn init_with_key(gateway: &Gateway, key: &str, body: Value) -> Answer {
    let request = gateway.http.post(format!("{}/upload/init", gateway.url)).header("idempotency-key", key);
    Answer::of(request.json(&body).send().await.unwrap()).await
}

#[tokio::test]
async fn idempotency_key_finds_the_upload_of_a_lost_answer() {
    let gateway = Gateway::start().await;
    let body = json!({"filename": "a", "size": 10});
    let first = init_with_key(&gateway, "k", body.clone()).await.expect(201);
    assert_eq!(init_with_key(&gateway, "k", body).await.expect(200)["upload_id"], first["upload_id"]);
}

#[tokio::test]
async fn idempotency_key_of_another_upload_is_refused() {
    let gateway = Gateway::start().await;
    init_with_key(&gateway, "k", json!({"filename": "a", "size": 10})).await.expect(201);
    for other in [
        json!({"filename": "a", "size": 11}),
        json!({"filename": "b", "size": 10}),
        json!({"filename": "a", "size": 10, "key": "named"}),
        json!({"filename": "a", "size": 10, "checksum_algorithm": "md5"}),
        json!({"filename": "a", "size": 10, "overwrite": true}),
    ] {
        let answer = init_with_key(&gateway, "k", other).await;
        assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["field"], "header.Idempotency-Key");
    }
}

#[tokio::test]
async fn idempotency_key_must_be_printable_and_not_empty() {
    let gateway = Gateway::start().await;
    for key in ["", &"k".repeat(257)] {
        let answer = init_with_key(&gateway, key, json!({"filename": "a", "size": 10})).await;
        assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["field"], "header.Idempotency-Key");
    }
}

#[tokio::test]
async fn restart_in_the_middle_loses_nothing() {
    let (mut gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2]).await;
    report(&gateway, &created, json!([{"number": 1}])).await.expect(200);
    let before = status(&gateway, &created, "?parts=true").await;
    gateway.restart().await;
    assert_eq!(status(&gateway, &created, "?parts=true").await, before);
    send(&gateway, &created, &data, &[3, 4, 5]).await;
    gateway.complete(id(&created)).await.expect(200);
}

#[tokio::test]
async fn url_from_before_a_restart_still_works() {
    let (mut gateway, created, data) = start().await;
    let signed = sign(&gateway, &created, &data, &[1]).await;
    gateway.restart().await;
    assert_eq!(put_part(&gateway, &signed[0], slice(&created, &data, 1).to_vec()).await.status(), 200);
}

#[tokio::test]
async fn parts_that_storage_reaped_are_missing_again() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2]).await;
    report(&gateway, &created, json!([{"number": 1}, {"number": 2}])).await.expect(200);
    reap(&gateway).await;
    pass_time(&gateway);
    let seen = status(&gateway, &created, "?refresh=true").await;
    assert_eq!((&seen["state"], &seen["missing"]), (&json!("open"), &json!([[1, 5]])));
}

#[tokio::test]
async fn upload_id_outlives_the_one_of_storage() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2]).await;
    reap(&gateway).await;
    pass_time(&gateway);
    status(&gateway, &created, "?refresh=true").await;
    send(&gateway, &created, &data, &[1, 2, 3, 4, 5]).await;
    gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn completion_of_a_reaped_upload_names_all_parts() {
    let (gateway, created, data) = start().await;
    send(&gateway, &created, &data, &[1, 2, 3, 4, 5]).await;
    reap(&gateway).await;
    let problem = gateway.complete(id(&created)).await.problem(409, "parts_missing");
    assert_eq!(problem["missing"], json!([[1, 5]]));
}

#[tokio::test]
async fn found_upload_signs_in_the_same_call() {
    let gateway = Gateway::start().await;
    let body = json!({"filename": "a", "size": 10, "fingerprint": "f", "sign": 1});
    gateway.post("/upload/init", body.clone()).await.expect(201);
    let found = gateway.post("/upload/init", body).await.expect(200);
    assert_eq!(put_part(&gateway, &found["parts"][0], bytes(81, 10)).await.status(), 200);
}
