//! Complete, when storage's answer is lost, wrong or late.

use reqwest::header::RETRY_AFTER;
use serde_json::json;

use super::*;
use crate::harness::{EVERY_TIME, Fault};

const COMPLETE: &str = "CompleteMultipartUpload";

/// An upload whose object is in storage, which the gateway could not hear.
async fn completing(gateway: &Gateway, proxy: &FaultProxy) -> Sent {
    let sent = Sent::three_parts(gateway).await;
    proxy.fail(COMPLETE, Fault::DropAnswer, EVERY_TIME);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    assert_eq!(sent.state(gateway).await, "completing");
    proxy.clear();
    sent
}

#[tokio::test]
async fn complete_is_idempotent_after_lost_response() {
    let (gateway, proxy) = behind_faults().await;
    let sent = completing(&gateway, &proxy).await;
    let first = gateway.complete(&sent.id).await.expect(200);
    assert_eq!(gateway.complete(&sent.id).await.expect(200), first);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn one_lost_answer_of_complete_is_not_even_noticed() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail(COMPLETE, Fault::DropAnswer, 1);
    gateway.complete(&sent.id).await.expect(200);
    assert_eq!(proxy.hits(), 1);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn error_after_acting_is_healed_by_the_repetition() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail(COMPLETE, Fault::FailAfterActing, EVERY_TIME);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    proxy.clear();
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn store_that_forgets_a_finished_upload_is_believed_by_its_object() {
    let (gateway, proxy) = behind_faults().await;
    let sent = completing(&gateway, &proxy).await;
    // MinIO and AWS know nothing of an upload that is finished.
    proxy.fail(COMPLETE, Fault::Refuse(404, "NoSuchUpload"), EVERY_TIME);
    proxy.fail("ListParts", Fault::Refuse(404, "NoSuchUpload"), EVERY_TIME);
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn key_taken_by_our_own_object_is_success() {
    let (gateway, proxy) = behind_faults().await;
    let sent = completing(&gateway, &proxy).await;
    proxy.fail(COMPLETE, Fault::Refuse(412, "PreconditionFailed"), EVERY_TIME);
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn error_inside_a_200_is_not_taken_for_success() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail(COMPLETE, Fault::ErrorIn200, EVERY_TIME);
    let refused = gateway.complete(&sent.id).await;
    assert!(refused.headers.contains_key(RETRY_AFTER));
    refused.problem(503, "storage_unavailable");
    assert_eq!(objects(&gateway).await, [""; 0]);
    proxy.clear();
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn restarted_gateway_finishes_what_was_completing() {
    let (mut gateway, proxy) = behind_faults().await;
    let sent = completing(&gateway, &proxy).await;
    gateway.restart().await;
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn sha256_declared_late_is_never_answered_unproven() {
    let (gateway, proxy) = behind_faults().await;
    let sent = completing(&gateway, &proxy).await;
    let body = json!({"sha256": "00".repeat(32)});
    let path = format!("/upload/{}/complete", sent.id);
    let refused = gateway.post(&path, body).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    gateway.complete(&sent.id).await.expect(200);
}

#[tokio::test]
async fn completed_upload_refuses_a_checksum_that_it_does_not_have() {
    let gateway = Gateway::start().await;
    let data = bytes(3, parts(2));
    let mut body =
        json!({"filename": "a", "size": data.len(), "part_size": part_size(), "checksum_algorithm": "crc32"});
    let checksums: Vec<_> = data.chunks(part_size()).map(crc32).collect();
    body["sign"] =
        (1..).zip(&checksums).map(|(number, sum)| json!({"number": number, "checksum": sum})).collect();
    let created = gateway.post("/upload/init", body).await.expect(201);
    for (part, chunk) in created["parts"].as_array().unwrap().iter().zip(data.chunks(part_size())) {
        assert_eq!(put_part(&gateway, part, chunk.to_vec()).await.status(), 200);
    }
    let path = format!("/upload/{}/complete", created["upload_id"].as_str().unwrap());
    let right = json!({"checksum": crc32(&data)});
    let first = gateway.post(&path, right.clone()).await.expect(200);
    let wrong = gateway.post(&path, json!({"checksum": crc32(b"other")})).await;
    assert!(wrong.status.is_client_error(), "{wrong:?}");
    assert_eq!(gateway.post(&path, right).await.expect(200), first);
}

fn crc32(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let sum = u32::try_from(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes)).unwrap();
    base64::engine::general_purpose::STANDARD.encode(sum.to_be_bytes())
}

#[tokio::test]
async fn parts_reported_without_etag_are_completed_with_storages() {
    let gateway = Gateway::start().await;
    let sent = Sent::open(&gateway, bytes(3, parts(3)), json!({})).await;
    sent.send(&gateway, [1, 2, 3]).await;
    let stored = json!({"stored": [{"number": 1}, {"number": 2}, {"number": 3}]});
    // The clock stands still: report and complete are of the same moment.
    gateway.post(&format!("/upload/{}/complete", sent.id), stored).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn part_reported_while_completing_is_not_left_out() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer("ListParts");
    let complete = gateway.complete(&sent.id);
    let report = async {
        hold.arrived().await;
        gateway.clock.advance(time::Duration::SECOND);
        let stored = json!({"stored": [{"number": 2}]});
        gateway.post(&format!("/upload/{}/parts", sent.id), stored).await.expect(200);
        hold.release();
    };
    let (completed, ()) = tokio::join!(complete, report);
    completed.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn part_reported_before_a_crash_is_not_left_out() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer("ListParts");
    proxy.fail(COMPLETE, Fault::SlowDown, EVERY_TIME);
    let complete = gateway.complete(&sent.id);
    let report = async {
        hold.arrived().await;
        gateway.clock.advance(time::Duration::SECOND);
        let stored = json!({"stored": [{"number": 2}]});
        gateway.post(&format!("/upload/{}/parts", sent.id), stored).await.expect(200);
        hold.release();
    };
    let (completed, ()) = tokio::join!(complete, report);
    completed.problem(503, "storage_unavailable");
    proxy.clear();
    // Whoever goes on has only the database's records, in which part 2 has no ETag.
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn reaped_multipart_upload_is_replaced_behind_the_same_id() {
    let (gateway, proxy) = behind_faults().await;
    let mut sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_request(COMPLETE);
    let reap = async {
        hold.arrived().await;
        gateway.clock.advance(time::Duration::SECOND);
        reap(&gateway).await;
        hold.release();
    };
    let (refused, ()) = tokio::join!(gateway.complete(&sent.id), reap);
    assert_eq!(refused.problem(409, "parts_missing")["missing"], json!([[1, 3]]));
    let status = gateway.get(&format!("/upload/{}/status", sent.id)).await.expect(200);
    assert_eq!((&status["state"], &status["missing"]), (&json!("open"), &json!([[1, 3]])));
    sent.send_again(&gateway).await;
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn reaped_stream_keeps_its_declared_size_out_of_the_way() {
    let gateway = Gateway::start().await;
    let body = json!({"filename": "a", "part_size": part_size(), "sign": 2});
    let created = gateway.post("/upload/init", body).await.expect(201);
    let id = created["upload_id"].as_str().unwrap().to_owned();
    reap(&gateway).await;
    let complete = format!("/upload/{id}/complete");
    let refused = gateway.post(&complete, json!({"size": parts(2)})).await;
    assert_eq!(refused.problem(409, "parts_missing")["missing"], json!([[1, 2]]));
    let status = gateway.get(&format!("/upload/{id}/status")).await.expect(200);
    assert_eq!(status["state"], "open");
}

#[tokio::test]
async fn foreign_object_at_a_chosen_key_is_not_replaced_by_parts() {
    let gateway = Gateway::start().await;
    let sent = Sent::open(&gateway, bytes(3, parts(3)), json!({"key": "chosen"})).await;
    sent.send(&gateway, [1, 2, 3]).await;
    put_foreign(&gateway, "chosen").await;
    gateway.complete(&sent.id).await.problem(409, "object_exists");
    assert_eq!(object(&gateway, "chosen").await, b"foreign");
}

#[tokio::test]
async fn foreign_object_at_a_chosen_key_is_not_replaced_by_a_small_file() {
    let gateway = Gateway::start().await;
    let sent = Sent::open(&gateway, bytes(3, 500), json!({"key": "chosen"})).await;
    put_foreign(&gateway, "chosen").await;
    assert_eq!(put_part(&gateway, &sent.parts[0], sent.data.clone()).await.status(), 412);
    gateway.complete(&sent.id).await.problem(409, "object_exists");
    assert_eq!(object(&gateway, "chosen").await, b"foreign");
}

#[tokio::test]
async fn foreign_object_survives_the_abort_of_the_upload_that_wanted_its_key() {
    let gateway = Gateway::start().await;
    let sent = Sent::open(&gateway, bytes(3, parts(3)), json!({"key": "chosen"})).await;
    put_foreign(&gateway, "chosen").await;
    assert_eq!(sent.abort(&gateway).await.status, 204);
    assert_eq!(object(&gateway, "chosen").await, b"foreign");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn object_that_is_said_to_be_there_but_is_not_is_not_completed() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("HeadObject", Fault::Refuse(404, "NoSuchKey"), EVERY_TIME);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    proxy.clear();
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}
