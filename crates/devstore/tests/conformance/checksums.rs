//! Checksums: verified, kept, shown and combined by AWS's rules.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart, ObjectAttributes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Digest as _;

use crate::support::{PART, Space, bytes, code, space};

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
async fn the_store_computes_the_checksum_of_a_full_object_part_that_came_without() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "crc32c", Some("FULL_OBJECT")).await.unwrap();
    space.send_signed(&space.presign_part(&key, &id, 1), b"bare").await.assert_ok();
    let listed = space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id).send().await.unwrap();
    assert_eq!(listed.parts()[0].checksum_crc32_c(), Some(checksum("crc32c", b"bare").as_str()));
    let done = space.completing(&key, &id, &[claim(1, b"bare").build()]).send().await.unwrap();
    assert_eq!(done.checksum_crc32_c, Some(checksum("crc32c", b"bare")));
}

#[tokio::test]
async fn full_object_crcs_are_those_of_the_whole() {
    let space = space().await;
    let (first, second) = (bytes(1, PART), bytes(2, 12_345));
    let whole = [first.clone(), second.clone()].concat();
    for algorithm in ["crc32", "crc32c", "crc64nvme"] {
        let key = space.key(algorithm);
        let id = declare(&space, &key, algorithm, Some("FULL_OBJECT")).await.unwrap();
        for (number, body) in [(1, &first), (2, &second)] {
            let value = checksum(algorithm, body);
            assert_eq!(put_part(&space, (&key, &id, number), (algorithm, &value), body).await.0, 200);
        }
        let parts = [claim(1, &first).build(), claim(2, &second).build()];
        space.completing(&key, &id, &parts).send().await.unwrap();
        let head = space.s3.head_object().bucket(&space.bucket).key(&key);
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        let shown = [head.checksum_crc32, head.checksum_crc32_c, head.checksum_crc64_nvme];
        let shown: Vec<String> = shown.into_iter().flatten().collect();
        assert_eq!(shown, [checksum(algorithm, &whole)], "{algorithm}");
        assert_eq!(head.checksum_type, Some(ChecksumType::FullObject));
    }
}

#[tokio::test]
async fn composite_checksums_are_those_of_the_parts_checksums() {
    let space = space().await;
    let (first, second) = (bytes(1, PART), bytes(2, 99));
    for algorithm in ["crc32", "crc32c", "sha1", "sha256"] {
        let key = space.key(algorithm);
        let id = declare(&space, &key, algorithm, Some("COMPOSITE")).await.unwrap();
        let mut digests = Vec::new();
        let mut parts = Vec::new();
        for (number, body) in [(1, &first), (2, &second)] {
            let value = checksum(algorithm, body);
            assert_eq!(put_part(&space, (&key, &id, number), (algorithm, &value), body).await.0, 200);
            digests.extend(BASE64.decode(&value).unwrap());
            let part = claim(number as i32, body);
            parts.push(match algorithm {
                "crc32" => part.checksum_crc32(value).build(),
                "crc32c" => part.checksum_crc32_c(value).build(),
                "sha1" => part.checksum_sha1(value).build(),
                _ => part.checksum_sha256(value).build(),
            });
        }
        let done = space.completing(&key, &id, &parts).send().await.unwrap();
        let shown = [done.checksum_crc32, done.checksum_crc32_c, done.checksum_sha1, done.checksum_sha256];
        let shown: Vec<String> = shown.into_iter().flatten().collect();
        assert_eq!(shown, [format!("{}-2", checksum(algorithm, &digests))], "{algorithm}");
        assert_eq!(done.checksum_type, Some(ChecksumType::Composite));
    }
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
async fn composite_complete_must_name_each_parts_checksum() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "sha256", None).await.unwrap();
    let value = checksum("sha256", b"x");
    put_part(&space, (&key, &id, 1), ("sha256", &value), b"x").await;
    let bare = space.completing(&key, &id, &[claim(1, b"x").build()]).send().await;
    assert_eq!(code(bare), "InvalidRequest");
    let full = claim(1, b"x").checksum_sha256(value).build();
    space.completing(&key, &id, &[full]).send().await.unwrap();
}

#[tokio::test]
async fn a_wrong_part_checksum_at_complete_is_an_invalid_part() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "crc32", Some("FULL_OBJECT")).await.unwrap();
    put_part(&space, (&key, &id, 1), ("crc32", &checksum("crc32", b"x")), b"x").await;
    let wrong = claim(1, b"x").checksum_crc32(checksum("crc32", b"y")).build();
    assert_eq!(code(space.completing(&key, &id, &[wrong]).send().await), "InvalidPart");
}

#[tokio::test]
async fn a_wrong_full_object_checksum_at_complete_is_a_bad_digest_and_the_upload_stays_usable() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "crc64nvme", None).await.unwrap();
    let value = checksum("crc64nvme", b"x");
    put_part(&space, (&key, &id, 1), ("crc64nvme", &value), b"x").await;
    let parts = [claim(1, b"x").build()];
    let wrong = checksum("crc64nvme", b"y");
    let refused = space.completing(&key, &id, &parts).checksum_crc64_nvme(wrong).send().await;
    assert_eq!(code(refused), "BadDigest");
    space.completing(&key, &id, &parts).checksum_crc64_nvme(value).send().await.unwrap();
}

#[tokio::test]
async fn another_type_at_complete_than_at_create_is_refused() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "crc32", Some("FULL_OBJECT")).await.unwrap();
    put_part(&space, (&key, &id, 1), ("crc32", &checksum("crc32", b"x")), b"x").await;
    let complete = space.completing(&key, &id, &[claim(1, b"x").build()]);
    let refused = complete.checksum_type(ChecksumType::Composite).send().await;
    assert_eq!(code(refused), "InvalidRequest");
}

#[tokio::test]
async fn part_numbers_must_be_consecutive_where_checksums_are_declared() {
    let space = space().await;
    let key = space.key("file");
    let id = declare(&space, &key, "crc64nvme", None).await.unwrap();
    put_part(&space, (&key, &id, 2), ("crc64nvme", &checksum("crc64nvme", b"x")), b"x").await;
    let complete = space.completing(&key, &id, &[claim(2, b"x").build()]).send().await;
    assert_eq!(code(complete), "InvalidPartOrder");
}

#[tokio::test]
async fn an_object_without_a_declared_algorithm_gets_crc64nvme() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let (first, last) = (bytes(1, PART), bytes(2, 3));
    let parts = [space.part(&key, &id, 1, &first).await, space.part(&key, &id, 2, &last).await];
    let done = space.completing(&key, &id, &parts).send().await.unwrap();
    let expected = checksum("crc64nvme", &[first, last].concat());
    assert_eq!(done.checksum_crc64_nvme, Some(expected.clone()));
    let head = space.s3.head_object().bucket(&space.bucket).key(&key);
    let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(head.checksum_crc64_nvme, Some(expected));
    assert_eq!(head.checksum_type, Some(ChecksumType::FullObject));
}

#[tokio::test]
async fn undeclared_a_full_object_checksum_at_complete_is_not_looked_at() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"x").await];
    let wrong = checksum("crc64nvme", b"y");
    space.completing(&key, &id, &parts).checksum_crc64_nvme(wrong).send().await.unwrap();
}

#[tokio::test]
async fn undeclared_a_parts_checksum_is_verified_but_not_listed_and_not_taken_at_complete() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let value = checksum("crc32", b"x");
    let wrong = put_part(&space, (&key, &id, 1), ("crc32", &value), b"y").await;
    assert_eq!(wrong, (400, "BadDigest".to_owned()));
    assert_eq!(put_part(&space, (&key, &id, 1), ("crc32", &value), b"x").await.0, 200);
    let listed = space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id).send().await.unwrap();
    assert_eq!(listed.parts()[0].checksum_crc32(), None);
    let claimed = claim(1, b"x").checksum_crc32(value).build();
    assert_eq!(code(space.completing(&key, &id, &[claimed]).send().await), "InvalidPart");
}

#[tokio::test]
async fn put_object_keeps_and_shows_its_checksum() {
    let space = space().await;
    for algorithm in ALGORITHMS {
        let key = space.key(algorithm);
        let (header, value) = (format!("x-amz-checksum-{algorithm}"), checksum(algorithm, b"body"));
        space.send_signed(&space.presign("PUT", &key).header(&header, &value), b"body").await.assert_ok();
        let get = space.s3.get_object().bucket(&space.bucket).key(&key);
        let got = get.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert_eq!(got.checksum_type, Some(ChecksumType::FullObject));
        let shown = [
            got.checksum_crc32,
            got.checksum_crc32_c,
            got.checksum_crc64_nvme,
            got.checksum_sha1,
            got.checksum_sha256,
        ];
        assert_eq!(shown.into_iter().flatten().collect::<Vec<_>>(), [value], "{algorithm}");
    }
}

#[tokio::test]
async fn checksums_are_shown_only_when_asked_for() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"x".to_vec()).await;
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!((head.checksum_crc64_nvme, head.checksum_type), (None, None));
}

#[tokio::test]
async fn a_range_comes_without_the_checksum_of_the_whole() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"0123456789".to_vec()).await;
    let get = space.s3.get_object().bucket(&space.bucket).key(&key).range("bytes=0-3");
    let got = get.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(got.checksum_crc64_nvme, None);
}

#[tokio::test]
async fn the_sdks_default_uploads_with_trailers_work() {
    let space = space().await;
    let s3 = space.endpoint.client(RequestChecksumCalculation::WhenSupported);
    let key = space.key("file");
    let body = bytes(1, 300_000);
    let put = s3.put_object().bucket(&space.bucket).key(&key).body(ByteStream::from(body.clone()));
    let put = put.send().await.unwrap();
    assert_eq!(put.checksum_crc32, Some(checksum("crc32", &body)));
    assert!(space.get(&key).await == body);
    let id = declare(&space, &key, "crc32", None).await.unwrap();
    let part = s3.upload_part().bucket(&space.bucket).key(&key).upload_id(&id).part_number(1);
    let part = part.checksum_algorithm(ChecksumAlgorithm::Crc32).body(ByteStream::from(body.clone()));
    assert_eq!(part.send().await.unwrap().checksum_crc32, Some(checksum("crc32", &body)));
}

#[tokio::test]
async fn a_trailing_checksum_is_verified() {
    let space = space().await;
    let key = space.key("file");
    for (value, status, code) in
        [(checksum("crc32", b"hello"), 200, ""), (checksum("crc32", b"other"), 400, "BadDigest")]
    {
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{value}\r\n\r\n");
        let headers = [
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("content-encoding", "aws-chunked"),
        ];
        let answer = space.send_chunked(&key, &headers, body).await;
        assert_eq!((answer.status, answer.code.as_str()), (status, code), "{}", answer.body);
    }
    assert_eq!(space.get(&key).await, b"hello");
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(head.content_encoding(), None);
}

#[tokio::test]
async fn attributes_list_the_parts_of_a_composite_object_only() {
    let space = space().await;
    for (algorithm, detailed) in [("sha256", true), ("crc64nvme", false)] {
        let key = space.key(algorithm);
        let id = declare(&space, &key, algorithm, None).await.unwrap();
        let value = checksum(algorithm, b"x");
        put_part(&space, (&key, &id, 1), (algorithm, &value), b"x").await;
        let part = claim(1, b"x");
        let part = if detailed { part.checksum_sha256(&value) } else { part };
        space.completing(&key, &id, &[part.build()]).send().await.unwrap();
        let attributes = space.s3.get_object_attributes().bucket(&space.bucket).key(&key);
        let attributes = attributes
            .object_attributes(ObjectAttributes::ObjectParts)
            .object_attributes(ObjectAttributes::ObjectSize)
            .send()
            .await
            .unwrap();
        assert_eq!(attributes.object_size, Some(1));
        let parts = attributes.object_parts.unwrap();
        assert_eq!(parts.total_parts_count, Some(1));
        let listed = parts.parts.unwrap_or_default();
        assert_eq!(listed.len(), usize::from(detailed), "{algorithm}");
        if detailed {
            assert_eq!(listed[0].checksum_sha256(), Some(value.as_str()));
        }
    }
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
