//! Streams whose length is not known before their end.

use serde_json::{Value, json};

use super::support::{id, send, sha256_hex, status};
use crate::harness::{Answer, Gateway, Options, bytes, part_size, parts, put_part};

async fn open_stream(gateway: &Gateway, fields: Value) -> Value {
    let mut body = json!({"filename": "pipe", "part_size": part_size()});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    gateway.post("/upload/init", body).await.expect(201)
}

async fn complete(gateway: &Gateway, created: &Value, body: Value) -> Answer {
    gateway.post(&format!("/upload/{}/complete", id(created)), body).await
}

#[tokio::test]
async fn totals_of_a_stream_are_null() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    assert_eq!((&created["size"], &created["total_parts"]), (&Value::Null, &Value::Null));
    let status = status(&gateway, &created, "").await;
    for field in ["size", "total_parts", "percent"] {
        assert_eq!(status.get(field), Some(&Value::Null), "{field}");
    }
}

#[tokio::test]
async fn parts_of_a_stream_have_64_mib_unless_wished_otherwise() {
    let gateway = Gateway::start().await;
    let created = gateway.post("/upload/init", json!({"filename": "pipe"})).await.expect(201);
    assert_eq!(created["part_size"], 64 * 1024 * 1024);
}

#[tokio::test]
async fn missing_parts_of_a_stream_are_the_gaps_below_the_highest() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    assert_eq!(status(&gateway, &created, "").await["missing"], json!([]));
    send(&gateway, &created, &bytes(50, parts(5)), &[2, 5]).await;
    let status = status(&gateway, &created, "?refresh=true").await;
    assert_eq!(status["missing"], json!([[1, 1], [3, 4]]));
}

#[tokio::test]
async fn stream_ends_with_a_short_part() {
    let gateway = Gateway::start().await;
    let data = bytes(51, parts(2) + 300);
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    complete(&gateway, &created, json!({"size": parts(2) + 300})).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn stream_may_end_with_a_full_part() {
    let gateway = Gateway::start().await;
    let data = bytes(52, parts(2));
    let created = open_stream(&gateway, json!({"checksum_algorithm": "crc64nvme"})).await;
    send(&gateway, &created, &data, &[1, 2]).await;
    let completed = complete(&gateway, &created, json!({"size": parts(2)})).await.expect(200);
    assert_eq!(completed["size"], parts(2));
}

#[tokio::test]
async fn short_part_is_signed_for_its_very_length() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    let body = json!({"parts": [{"number": 1, "size": 300}]});
    let signed = gateway.post(&format!("/upload/{}/sign", id(&created)), body).await.expect(200);
    assert_eq!(signed["parts"][0]["size"], 300);
    assert_eq!(put_part(&gateway, &signed["parts"][0], bytes(53, 301)).await.status(), 403);
}

#[tokio::test]
async fn part_longer_than_the_grid_is_not_signed() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    let body = json!({"parts": [{"number": 1, "size": parts(1) + 1}]});
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), body).await;
    assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["field"], "parts[0].size");
}

#[tokio::test]
async fn completion_of_a_stream_needs_its_size() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &bytes(54, 500), &[1]).await;
    let problem = complete(&gateway, &created, json!({})).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "size");
}

#[tokio::test]
async fn stream_that_is_declared_too_long_lacks_parts() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &bytes(55, part_size()), &[1]).await;
    let problem =
        complete(&gateway, &created, json!({"size": parts(1) + 1})).await.problem(409, "parts_missing");
    assert_eq!(problem["missing"], json!([[2, 2]]));
}

#[tokio::test]
async fn stream_that_is_declared_too_short_has_parts_that_do_not_fit() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &bytes(56, parts(1) + 500), &[1, 2]).await;
    let problem =
        complete(&gateway, &created, json!({"size": part_size() - 100})).await.problem(409, "part_mismatch");
    let numbers: Vec<_> = problem["parts"].as_array().unwrap().iter().map(|part| &part["number"]).collect();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn wrong_size_leaves_the_stream_open_for_the_right_one() {
    let gateway = Gateway::start().await;
    let data = bytes(57, parts(1) + 500);
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &data, &[1, 2]).await;
    complete(&gateway, &created, json!({"size": part_size() - 100})).await.problem(409, "part_mismatch");
    gateway.clock.advance(time::Duration::SECOND);
    complete(&gateway, &created, json!({"size": parts(1) + 500})).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn short_part_in_the_middle_is_a_mismatch() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &bytes(58, 400), &[1]).await;
    send(&gateway, &created, &bytes(58, parts(2)), &[2]).await;
    let problem = complete(&gateway, &created, json!({"size": parts(2)})).await.problem(409, "part_mismatch");
    assert_eq!(problem["parts"][0]["number"], 1);
}

#[tokio::test]
async fn stream_that_turns_out_empty_is_an_empty_object() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    let completed = complete(&gateway, &created, json!({"size": 0})).await.expect(200);
    assert_eq!(completed["size"], 0);
    assert_eq!(gateway.download(id(&created)).await, b"");
}

#[tokio::test]
async fn stream_that_turns_out_empty_leaves_no_multipart_upload() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    complete(&gateway, &created, json!({"size": 0})).await.expect(200);
    assert_eq!(super::support::multiparts(&gateway).await, []);
}

#[tokio::test]
async fn stream_with_parts_is_not_completed_as_empty() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &bytes(59, 500), &[1]).await;
    let problem = complete(&gateway, &created, json!({"size": 0})).await.problem(409, "part_mismatch");
    assert_eq!(problem["parts"][0]["number"], 1);
}

#[tokio::test]
async fn stream_is_proven_by_sha256() {
    let gateway = Gateway::start().await;
    let data = bytes(60, parts(1) + 200);
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &data, &[1, 2]).await;
    let body = json!({"size": parts(1) + 200, "sha256": sha256_hex(&data)});
    assert_eq!(complete(&gateway, &created, body).await.expect(200)["sha256"], sha256_hex(&data));
}

#[tokio::test]
async fn stream_longer_than_ten_thousand_parts_is_refused() {
    let gateway = Gateway::start().await;
    let created = open_stream(&gateway, json!({})).await;
    let problem = complete(&gateway, &created, json!({"size": u64::MAX})).await;
    assert_eq!(problem.problem(400, "invalid_request")["errors"][0]["field"], "size");
}

#[tokio::test]
async fn stream_obeys_the_largest_size() {
    let gateway =
        Gateway::start_with(Options::default().with("uploads.max_size", (parts(1) + 500).to_string())).await;
    let created = open_stream(&gateway, json!({})).await;
    send(&gateway, &created, &bytes(61, parts(1) + 500), &[1, 2]).await;
    let beyond = json!({"parts": [{"number": 2, "size": 501}]});
    let problem = gateway.post(&format!("/upload/{}/sign", id(&created)), beyond).await;
    assert_eq!(problem.problem(413, "too_large")["limit"], parts(1) + 500);
    let problem = complete(&gateway, &created, json!({"size": parts(2)})).await.problem(413, "too_large");
    assert_eq!(problem["limit"], parts(1) + 500);
    complete(&gateway, &created, json!({"size": parts(1) + 500})).await.expect(200);
}

#[tokio::test]
async fn stream_goes_through_the_gateway() {
    let gateway = Gateway::start().await;
    let data = bytes(62, parts(1) + 300);
    let created = open_stream(&gateway, json!({})).await;
    for (index, part) in data.chunks(part_size()).enumerate() {
        let url = format!("{}/upload/{}/chunk/{index}", gateway.url, id(&created));
        let answer = gateway.http.post(url).body(part.to_vec()).send().await.unwrap();
        assert_eq!(Answer::of(answer).await.expect(200)["size"], part.len());
    }
    complete(&gateway, &created, json!({"size": parts(1) + 300})).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}
