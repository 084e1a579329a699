//! Success is said only of the object that was declared: checksums of parts and of the whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::support::{checksum, digest, id, open, send, sha256_hex, sign, slice, status, stored_keys};
use crate::harness::{Answer, Gateway, Options, TestStore, bytes, part_size, parts, put_part};

/// Sends a file of three parts with checksums; answers the object's, and the bytes.
async fn object_checksum(kind: &str) -> (Value, Vec<u8>) {
    let gateway = Gateway::start().await;
    let data = bytes(20, parts(2) + 500);
    let fields = json!({"part_size": part_size(), "checksum_algorithm": kind});
    let created = open(&gateway, &data, fields).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    let completed = gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
    (completed["checksum"].clone(), data)
}

async fn check_full_object(kind: &str) {
    let (answered, data) = object_checksum(kind).await;
    let expected = json!({"algorithm": kind, "type": "FULL_OBJECT", "value": checksum(kind, &data)});
    assert_eq!(answered, expected);
}

async fn check_composite(kind: &str) {
    let (answered, data) = object_checksum(kind).await;
    let digests: Vec<u8> = data.chunks(part_size()).flat_map(|part| digest(kind, part)).collect();
    let value = format!("{}-3", BASE64.encode(digest(kind, &digests)));
    let expected = match TestStore::chosen() {
        TestStore::Embedded | TestStore::MinIo => {
            json!({"algorithm": kind, "type": "COMPOSITE", "value": value})
        }
        // Told of a composite checksum, it wants those of the parts again, which it does not list.
        TestStore::SeaweedFs => Value::Null,
    };
    assert_eq!(answered, expected);
}

/// AWS computes a checksum although nobody asked, and so does the embedded store; others keep none.
#[tokio::test]
async fn file_without_a_kind_has_the_checksum_that_storage_keeps_by_itself() {
    let (answered, data) = object_checksum("none").await;
    let expected = match TestStore::chosen() {
        TestStore::Embedded => {
            json!({"algorithm": "crc64nvme", "type": "FULL_OBJECT", "value": checksum("crc64nvme", &data)})
        }
        TestStore::MinIo | TestStore::SeaweedFs => Value::Null,
    };
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn crc64nvme_of_parts_becomes_that_of_the_object() {
    check_full_object("crc64nvme").await;
}

#[tokio::test]
async fn crc32c_of_parts_becomes_that_of_the_object() {
    check_full_object("crc32c").await;
}

#[tokio::test]
async fn crc32_of_parts_becomes_that_of_the_object() {
    check_full_object("crc32").await;
}

#[tokio::test]
async fn sha1_of_parts_becomes_a_composite() {
    check_composite("sha1").await;
}

#[tokio::test]
async fn sha256_of_parts_becomes_a_composite() {
    check_composite("sha256").await;
}

#[tokio::test]
async fn md5_protects_parts_on_their_way() {
    object_checksum("md5").await;
}

#[tokio::test]
async fn every_kind_protects_a_small_file() {
    let gateway = Gateway::start().await;
    let data = bytes(21, 700);
    for kind in ["crc64nvme", "crc32c", "crc32", "sha1", "sha256"] {
        let created = open(&gateway, &data, json!({"checksum_algorithm": kind})).await;
        send(&gateway, &created, &data, &[1]).await;
        let completed = gateway.complete(id(&created)).await.expect(200);
        let expected = json!({"algorithm": kind, "type": "FULL_OBJECT", "value": checksum(kind, &data)});
        assert_eq!(completed["checksum"], expected);
    }
}

#[tokio::test]
async fn storage_refuses_corrupted_bytes_of_every_kind() {
    let gateway = Gateway::start().await;
    let data = bytes(22, parts(2) + 500);
    for kind in ["crc64nvme", "crc32c", "crc32", "sha1", "sha256", "md5"] {
        let fields = json!({"part_size": part_size(), "checksum_algorithm": kind});
        let created = open(&gateway, &data, fields).await;
        let signed = sign(&gateway, &created, &data, &[1]).await;
        let mut corrupted = slice(&created, &data, 1).to_vec();
        corrupted[500] ^= 1;
        let refused = put_part(&gateway, &signed[0], corrupted).await;
        assert_eq!(refused.status(), 400, "{kind}");
        assert_eq!(status(&gateway, &created, "?refresh=true").await["received_parts"], 0, "{kind}");
    }
}

#[tokio::test]
async fn kind_that_storage_does_not_enforce_is_refused_with_those_that_it_does() {
    let options = Options::default().with("storage.checksum_algorithms", "crc32,md5");
    let gateway = Gateway::start_with(options).await;
    let body = json!({"filename": "a", "size": 1, "checksum_algorithm": "crc64nvme"});
    let problem = gateway.post("/upload/init", body).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "checksum_algorithm");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("crc32, md5"), "{problem:#}");
}

/// Sends a file of three parts with a SHA-256 declared at init; answers the id and what complete says.
async fn declared_sha256(gateway: &Gateway, data: &[u8], sha256: &str) -> (Value, Answer) {
    let created = open(gateway, data, json!({"part_size": part_size(), "sha256": sha256})).await;
    send(gateway, &created, data, &[1, 2, 3]).await;
    let answer = gateway.complete(id(&created)).await;
    (created, answer)
}

#[tokio::test]
async fn declared_sha256_is_proven_and_answered() {
    let gateway = Gateway::start().await;
    let data = bytes(23, parts(2) + 500);
    let (_, answer) = declared_sha256(&gateway, &data, &sha256_hex(&data)).await;
    assert_eq!(answer.expect(200)["sha256"], sha256_hex(&data));
}

#[tokio::test]
async fn sha256_in_capitals_is_the_same() {
    let gateway = Gateway::start().await;
    let data = bytes(23, parts(2) + 500);
    let (_, answer) = declared_sha256(&gateway, &data, &sha256_hex(&data).to_uppercase()).await;
    assert_eq!(answer.expect(200)["sha256"], sha256_hex(&data));
}

#[tokio::test]
async fn wrong_sha256_fails_the_upload() {
    let gateway = Gateway::start().await;
    let (created, answer) = declared_sha256(&gateway, &bytes(24, parts(2) + 500), &"0".repeat(64)).await;
    answer.problem(422, "checksum_mismatch");
    let status = status(&gateway, &created, "").await;
    assert_eq!((&status["state"], &status["error"]["code"]), (&json!("failed"), &json!("checksum_mismatch")));
}

#[tokio::test]
async fn object_that_was_proven_wrong_is_deleted() {
    let gateway = Gateway::start().await;
    let (_, answer) = declared_sha256(&gateway, &bytes(24, parts(2) + 500), &"0".repeat(64)).await;
    answer.problem(422, "checksum_mismatch");
    assert_eq!(stored_keys(&gateway).await, Vec::<String>::new());
}

#[tokio::test]
async fn failed_upload_says_why_again() {
    let gateway = Gateway::start().await;
    let (created, answer) = declared_sha256(&gateway, &bytes(24, parts(2) + 500), &"0".repeat(64)).await;
    let first = answer.problem(422, "checksum_mismatch");
    let again = gateway.complete(id(&created)).await.problem(422, "checksum_mismatch");
    assert_eq!(again["detail"], first["detail"]);
}

#[tokio::test]
async fn sha256_may_be_declared_at_the_end() {
    let gateway = Gateway::start().await;
    let data = bytes(25, 100);
    let created = open(&gateway, &data, json!({})).await;
    send(&gateway, &created, &data, &[1]).await;
    let body = json!({"sha256": sha256_hex(&data)});
    let completed = gateway.post(&format!("/upload/{}/complete", id(&created)), body).await.expect(200);
    assert_eq!(completed["sha256"], sha256_hex(&data));
}

#[tokio::test]
async fn sha256_cannot_change_between_init_and_complete() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({"sha256": sha256_hex(b"")})).await;
    let body = json!({"sha256": sha256_hex(b"other")});
    let answer = gateway.post(&format!("/upload/{}/complete", id(&created)), body).await;
    assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["field"], "sha256");
}

#[tokio::test]
async fn completion_never_confirms_a_sha256_that_it_did_not_prove() {
    let gateway = Gateway::start().await;
    let data = bytes(26, parts(2) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    let path = format!("/upload/{}/complete", id(&created));
    // The second call finds the first one under way and waits for its outcome.
    let wrong = || gateway.post(&path, json!({"sha256": "0".repeat(64)}));
    let answers = tokio::join!(gateway.complete(id(&created)), wrong(), wrong(), wrong());
    for answer in [answers.1, answers.2, answers.3] {
        assert!(answer.status.is_client_error(), "{}: {:#}", answer.status, answer.body);
    }
}

/// Sends a file of three parts with CRC-64/NVME; completes it with a declared checksum of the whole.
async fn declared_crc(declared: &[u8]) -> (Gateway, Value, Answer) {
    let gateway = Gateway::start().await;
    let data = bytes(27, parts(2) + 500);
    let fields = json!({"part_size": part_size(), "checksum_algorithm": "crc64nvme"});
    let created = open(&gateway, &data, fields).await;
    send(&gateway, &created, &data, &[1, 2, 3]).await;
    let body = json!({"checksum": checksum("crc64nvme", declared)});
    let answer = gateway.post(&format!("/upload/{}/complete", id(&created)), body).await;
    (gateway, created, answer)
}

#[tokio::test]
async fn checksum_of_the_whole_file_is_proven() {
    declared_crc(&bytes(27, parts(2) + 500)).await.2.expect(200);
}

#[tokio::test]
async fn wrong_checksum_of_the_whole_file_puts_nothing_together() {
    let (gateway, _, answer) = declared_crc(b"other").await;
    answer.problem(422, "checksum_mismatch");
    assert_eq!(stored_keys(&gateway).await, Vec::<String>::new());
}

#[tokio::test]
async fn wrong_checksum_of_the_whole_file_leaves_the_upload_open() {
    let (gateway, created, _) = declared_crc(b"other").await;
    assert_eq!(status(&gateway, &created, "").await["state"], "open");
    let body = json!({"checksum": checksum("crc64nvme", &bytes(27, parts(2) + 500))});
    gateway.post(&format!("/upload/{}/complete", id(&created)), body).await.expect(200);
}

#[tokio::test]
async fn completed_upload_does_not_confirm_another_checksum() {
    let (gateway, created, answer) = declared_crc(&bytes(27, parts(2) + 500)).await;
    answer.expect(200);
    let body = json!({"checksum": checksum("crc64nvme", b"other")});
    let answer = gateway.post(&format!("/upload/{}/complete", id(&created)), body).await;
    assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["field"], "checksum");
}
