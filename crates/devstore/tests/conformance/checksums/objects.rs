//! Checksums of finished objects, and trailers.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, ObjectAttributes};

use super::{ALGORITHMS, checksum, claim, declare, put_part};
use crate::support::{bytes, space};

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
