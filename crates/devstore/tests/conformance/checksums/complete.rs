//! How the parts' checksums become the object's.

use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{checksum, claim, declare, put_part};
use crate::support::{PART, bytes, code, space};

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
