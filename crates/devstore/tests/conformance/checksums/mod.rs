//! Checksums: verified, kept, shown and combined by AWS's rules.

mod complete;
mod objects;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Digest as _;

use crate::support::{Space, code, space};

const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// The base64 checksum of a body.
fn checksum(algorithm: &str, body: &[u8]) -> String {
    let crc = |algorithm| crc_fast::checksum(algorithm, body).to_be_bytes();
    match algorithm {
        "crc32" => BASE64.encode(&crc(crc_fast::CrcAlgorithm::Crc32IsoHdlc)[4..]),
        "crc32c" => BASE64.encode(&crc(crc_fast::CrcAlgorithm::Crc32Iscsi)[4..]),
        "crc64nvme" => BASE64.encode(crc(crc_fast::CrcAlgorithm::Crc64Nvme)),
        "sha1" => BASE64.encode(sha1::Sha1::digest(body)),
        "sha256" => BASE64.encode(sha2::Sha256::digest(body)),
        other => panic!("{other}"),
    }
}

async fn declare(space: &Space, key: &str, algorithm: &str, kind: Option<&str>) -> Result<String, String> {
    let created = space
        .s3
        .create_multipart_upload()
        .bucket(&space.bucket)
        .key(key)
        .checksum_algorithm(ChecksumAlgorithm::from(algorithm.to_uppercase().as_str()))
        .set_checksum_type(kind.map(ChecksumType::from))
        .send()
        .await;
    match created {
        Ok(created) => Ok(created.upload_id.unwrap()),
        Err(error) => Err(code(Err::<(), _>(error))),
    }
}

/// Uploads a part by a presigned URL with the checksum as a signed header; returns status and code.
async fn put_part(
    space: &Space,
    (key, id, number): (&str, &str, u32),
    (algorithm, value): (&str, &str),
    body: &[u8],
) -> (u16, String) {
    let header = format!("x-amz-checksum-{algorithm}");
    let presign = space.presign_part(key, id, number).header(&header, value);
    let answer = space.send_signed(&presign, body).await;
    (answer.status, answer.code)
}

fn claim(number: i32, body: &[u8]) -> aws_sdk_s3::types::builders::CompletedPartBuilder {
    let etag = format!("\"{}\"", hex::encode(md5::Md5::digest(body)));
    CompletedPart::builder().part_number(number).e_tag(etag)
}

#[tokio::test]
async fn a_right_checksum_of_every_algorithm_is_accepted_and_echoed() {
    let space = space().await;
    for algorithm in ALGORITHMS {
        let key = space.key(algorithm);
        let id = declare(&space, &key, algorithm, None).await.unwrap();
        let (header, value) = (format!("x-amz-checksum-{algorithm}"), checksum(algorithm, b"right"));
        let presign = space.presign_part(&key, &id, 1).header(&header, &value);
        let request = space.http.put(space.url(&presign)).header(&header, &value).body("right");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{algorithm}");
        assert_eq!(response.headers()[&header], value.as_str(), "{algorithm}");
    }
}

#[tokio::test]
async fn a_wrong_checksum_of_every_algorithm_is_a_bad_digest() {
    let space = space().await;
    for algorithm in ALGORITHMS {
        let key = space.key(algorithm);
        let id = declare(&space, &key, algorithm, None).await.unwrap();
        let value = checksum(algorithm, b"right");
        let refused = put_part(&space, (&key, &id, 1), (algorithm, &value), b"wrong").await;
        assert_eq!(refused, (400, "BadDigest".to_owned()), "{algorithm}");
    }
}

#[tokio::test]
async fn a_failed_second_upload_keeps_the_good_part() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "crc64nvme", None).await.unwrap();
    let value = checksum("crc64nvme", b"good");
    assert_eq!(put_part(&space, (&key, &id, 1), ("crc64nvme", &value), b"good").await.0, 200);
    assert_eq!(put_part(&space, (&key, &id, 1), ("crc64nvme", &value), b"evil").await.0, 400);
    space.completing(&key, &id, &[claim(1, b"good").build()]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"good");
}

#[tokio::test]
async fn an_unreadable_checksum_is_an_invalid_request() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "crc32", None).await.unwrap();
    for value in ["AAAA", "not base64", ""] {
        let refused = put_part(&space, (&key, &id, 1), ("crc32", value), b"x").await;
        assert_eq!(refused.0, 400, "{value:?}");
    }
}

#[tokio::test]
async fn two_checksums_are_refused() {
    let space = space().await;
    let presign = space
        .presign("PUT", &space.key("file"))
        .header("x-amz-checksum-crc32", &checksum("crc32", b"x"))
        .header("x-amz-checksum-sha1", &checksum("sha1", b"x"));
    space.send_signed(&presign, b"x").await.assert_error(400, "InvalidRequest");
}

#[tokio::test]
async fn content_md5_is_verified() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let right = BASE64.encode(md5::Md5::digest(b"right"));
    for (value, body, status, code) in [
        (right.as_str(), "right", 200, ""),
        (right.as_str(), "wrong", 400, "BadDigest"),
        ("nonsense", "right", 400, "InvalidDigest"),
    ] {
        let presign = space.presign_part(&key, &id, 1).header("content-md5", value);
        let answer = space.send_signed(&presign, body.as_bytes()).await;
        assert_eq!((answer.status, answer.code.as_str()), (status, code), "{value} {body}");
    }
}

#[tokio::test]
async fn create_accepts_exactly_the_pairs_of_type_and_algorithm_that_aws_does() {
    let space = space().await;
    let key = space.key("file");
    for (algorithm, full, composite) in [
        ("crc32", "ok", "ok"),
        ("crc32c", "ok", "ok"),
        ("crc64nvme", "ok", "InvalidRequest"),
        ("sha1", "InvalidRequest", "ok"),
        ("sha256", "InvalidRequest", "ok"),
    ] {
        for (kind, expected) in [("FULL_OBJECT", full), ("COMPOSITE", composite)] {
            let created = declare(&space, &key, algorithm, Some(kind)).await;
            let outcome = created.map_or_else(|code| code, |_| "ok".to_owned());
            assert_eq!(outcome, expected, "{algorithm} {kind}");
        }
    }
}

#[tokio::test]
async fn the_default_type_is_composite_but_for_crc64nvme() {
    let space = space().await;
    for algorithm in ALGORITHMS {
        let key = space.key(algorithm);
        let id = declare(&space, &key, algorithm, None).await.unwrap();
        let listed =
            space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(id).send().await.unwrap();
        let expected = if algorithm == "crc64nvme" { "FULL_OBJECT" } else { "COMPOSITE" };
        assert_eq!(listed.checksum_type.unwrap().as_str(), expected, "{algorithm}");
        assert_eq!(listed.checksum_algorithm.unwrap().as_str(), algorithm.to_uppercase());
    }
}

#[tokio::test]
async fn a_type_without_an_algorithm_is_refused() {
    let space = space().await;
    let presign = space
        .presign("POST", &space.key("file"))
        .query("uploads", "")
        .header("x-amz-checksum-type", "FULL_OBJECT");
    space.send_signed(&presign, b"").await.assert_error(400, "InvalidRequest");
}

#[tokio::test]
async fn an_unknown_algorithm_is_refused() {
    let space = space().await;
    let created = declare(&space, &space.key("file"), "sha512", None).await;
    assert_eq!(created.unwrap_err(), "InvalidRequest");
}

#[tokio::test]
async fn a_part_of_another_algorithm_than_declared_is_refused() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "sha256", None).await.unwrap();
    let refused = put_part(&space, (&key, &id, 1), ("crc32", &checksum("crc32", b"x")), b"x").await;
    assert_eq!(refused, (400, "InvalidRequest".to_owned()));
}

#[tokio::test]
async fn a_composite_part_without_a_checksum_is_refused() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "sha256", None).await.unwrap();
    let answer = space.send_signed(&space.presign_part(&key, &id, 1), b"x").await;
    answer.assert_error(400, "InvalidRequest");
}

#[tokio::test]
async fn list_parts_shows_each_checksum() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "sha1", None).await.unwrap();
    let value = checksum("sha1", b"x");
    put_part(&space, (&key, &id, 1), ("sha1", &value), b"x").await;
    let listed = space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id).send().await.unwrap();
    assert_eq!(listed.parts()[0].checksum_sha1(), Some(value.as_str()));
    assert_eq!(listed.parts()[0].size(), Some(1));
}

#[tokio::test]
async fn a_copied_part_gets_the_declared_checksum() {
    let space = space().await;
    let (source, key) = (space.key("source"), space.key("file"));
    space.put(&source, b"copy".to_vec()).await;
    let id = declare(&space, &key, "sha256", None).await.unwrap();
    let copy = space.s3.upload_part_copy().bucket(&space.bucket).key(&key).upload_id(&id).part_number(1);
    let copy = copy.copy_source(format!("{}/{source}", space.bucket)).send().await.unwrap();
    assert_eq!(copy.copy_part_result.unwrap().checksum_sha256, Some(checksum("sha256", b"copy")));
}
