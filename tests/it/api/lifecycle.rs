//! Uploads from init to a proven object.

use serde_json::{Value, json};

use super::support::{id, open, send, sign, status};
use crate::harness::{Gateway, behind_faults, bytes, part_size, parts, put_part};

/// Sends a whole file in parts and takes it back.
async fn round_trip(size: usize) -> (Value, Value) {
    let gateway = Gateway::start().await;
    let data = bytes(3, size);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    let numbers: Vec<u32> = (1..=created["total_parts"].as_u64().unwrap() as u32).collect();
    send(&gateway, &created, &data, &numbers).await;
    let completed = gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
    (created, completed)
}

#[tokio::test]
async fn small_file_is_one_put() {
    let (gateway, proxy) = behind_faults().await;
    let data = bytes(1, 5_000);
    let created = gateway.post("/upload/init", json!({"filename": "a.bin", "size": 5_000, "sign": 1})).await;
    let created = created.expect(201);
    let id = created["upload_id"].as_str().unwrap();
    assert_eq!(created["total_parts"], 1);
    assert_eq!(put_part(&gateway, &created["parts"][0], data.clone()).await.status(), 200);
    let completed = gateway.complete(id).await.expect(200);
    assert_eq!(completed["state"], "completed");
    assert_eq!(completed["size"], 5_000);
    assert!(gateway.download(id).await == data, "the object is not the file");
    assert_eq!(proxy.operations(), ["HeadObject", "HeadObject"], "only looks, no multipart upload");
}

#[tokio::test]
async fn large_file_is_sent_in_parts() {
    let gateway = Gateway::start().await;
    let data = bytes(2, parts(2) + 500);
    let body = json!({"filename": "b.bin", "size": data.len(), "part_size": part_size(), "sign": 3});
    let created = gateway.post("/upload/init", body).await.expect(201);
    let id = created["upload_id"].as_str().unwrap();
    for (part, chunk) in created["parts"].as_array().unwrap().iter().zip(data.chunks(part_size())) {
        assert_eq!(put_part(&gateway, part, chunk.to_vec()).await.status(), 200);
    }
    gateway.complete(id).await.expect(200);
    assert!(gateway.download(id).await == data, "the object is not the file");
}

#[tokio::test]
async fn empty_file_is_completed_without_parts() {
    let (created, completed) = round_trip(0).await;
    assert_eq!(created["total_parts"], 0);
    assert_eq!(completed["size"], 0);
}

#[tokio::test]
async fn empty_file_is_whole_before_anything_is_sent() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    let status = status(&gateway, &created, "").await;
    assert_eq!((&status["percent"], &status["missing"]), (&json!(100.0), &json!([])));
}

#[tokio::test]
async fn empty_file_has_no_part_to_sign() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), json!({"parts": [1]})).await;
    assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["field"], "parts[0].number");
}

#[tokio::test]
async fn file_of_exactly_one_part_is_one_part() {
    assert_eq!(round_trip(part_size()).await.0["total_parts"], 1);
}

#[tokio::test]
async fn one_byte_more_than_a_part_is_a_second_part() {
    assert_eq!(round_trip(parts(1) + 1).await.0["total_parts"], 2);
}

#[tokio::test]
async fn file_of_exactly_two_parts_is_two_parts() {
    assert_eq!(round_trip(parts(2)).await.0["total_parts"], 2);
}

#[tokio::test]
async fn last_part_is_signed_with_what_is_left() {
    let gateway = Gateway::start().await;
    let data = bytes(4, parts(2) + 300);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    let signed = sign(&gateway, &created, &data, &[3, 1]).await;
    let spans: Vec<_> = signed.iter().map(|part| (&part["number"], &part["offset"], &part["size"])).collect();
    assert_eq!(
        spans,
        [(&json!(3), &json!(parts(2)), &json!(300)), (&json!(1), &json!(0), &json!(part_size()))]
    );
}

#[tokio::test]
async fn init_says_where_status_is() {
    let gateway = Gateway::start().await;
    let answer = gateway.post("/upload/init", json!({"filename": "a", "size": 1})).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let created = answer.expect(201);
    assert_eq!(gateway.get(&location).await.expect(200)["upload_id"], created["upload_id"]);
}

#[tokio::test]
async fn answers_with_signed_urls_are_not_cached() {
    let gateway = Gateway::start().await;
    let answer = gateway.post("/upload/init", json!({"filename": "a", "size": 1, "sign": 1})).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn completing_again_gives_the_same_answer() {
    let (gateway, proxy) = behind_faults().await;
    let data = bytes(5, parts(2) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    let first = gateway.complete(id(&created)).await.expect(200);
    gateway.clock.advance(time::Duration::hours(1));
    assert_eq!(gateway.complete(id(&created)).await.expect(200), first);
    assert_eq!(proxy.count("CompleteMultipartUpload"), 1);
}

#[tokio::test]
async fn eight_completions_at_once_give_one_answer() {
    let gateway = Gateway::start().await;
    let data = bytes(6, parts(2) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    let complete = || gateway.complete(id(&created));
    let answers = tokio::join!(
        complete(),
        complete(),
        complete(),
        complete(),
        complete(),
        complete(),
        complete(),
        complete()
    );
    let answers = [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5, answers.6, answers.7];
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect(200)).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn two_gateways_that_complete_at_once_give_one_answer() {
    let gateway = Gateway::start().await;
    let other = gateway.another().await;
    let data = bytes(7, parts(2) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    let path = format!("/upload/{}/complete", id(&created));
    let there = gateway.call_at(&other, reqwest::Method::POST, &path, Some(json!({})));
    let (here, there) = tokio::join!(gateway.complete(id(&created)), there);
    assert_eq!(here.expect(200), there.expect(200));
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn completion_needs_no_body() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    let path = format!("/upload/{}/complete", id(&created));
    gateway.call(reqwest::Method::POST, &path, None).await.expect(200);
}

#[tokio::test]
async fn completion_too_early_names_the_parts_and_leaves_the_upload_open() {
    let gateway = Gateway::start().await;
    let data = bytes(8, parts(5));
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[2, 5]).await;
    let problem = gateway.complete(id(&created)).await.problem(409, "parts_missing");
    assert_eq!(problem["missing"], json!([[1, 1], [3, 4]]));
    send(&gateway, &created, &data, &[1, 3, 4]).await;
    gateway.complete(id(&created)).await.expect(200);
}

#[tokio::test]
async fn completed_upload_signs_nothing_more() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    gateway.complete(id(&created)).await.expect(200);
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), json!({"parts": []})).await;
    assert_eq!(answer.problem(409, "upload_closed")["state"], "completed");
}

#[tokio::test]
async fn completed_upload_takes_no_reports() {
    let gateway = Gateway::start().await;
    let data = bytes(9, 10);
    let created = open(&gateway, &data, json!({})).await;
    send(&gateway, &created, &data, &[1]).await;
    gateway.complete(id(&created)).await.expect(200);
    let body = json!({"stored": [{"number": 1}]});
    let answer = gateway.post(&format!("/upload/{}/parts", id(&created)), body).await;
    assert_eq!(answer.problem(409, "upload_closed")["state"], "completed");
}

#[tokio::test]
async fn completed_upload_is_whole_in_its_status() {
    let gateway = Gateway::start().await;
    let data = bytes(10, parts(2) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    gateway.complete(id(&created)).await.expect(200);
    let status = status(&gateway, &created, "").await;
    let progress = (&status["state"], &status["percent"], &status["received_parts"], &status["missing"]);
    assert_eq!(progress, (&json!("completed"), &json!(100.0), &json!(3), &json!([])));
}

#[tokio::test]
async fn completed_upload_cannot_be_given_another_size() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    gateway.complete(id(&created)).await.expect(200);
    let answer = gateway.post(&format!("/upload/{}/complete", id(&created)), json!({"size": 1})).await;
    assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["field"], "size");
}
