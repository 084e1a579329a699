//! Fixed requests against `vectors.json`, which equals what botocore 1.44.5 signs.

use std::time::Duration;

use serde_json::Value;
use time::macros::datetime;

use super::super::encode::hex;
use super::super::key::derive_bytes;
use super::super::presign::Prepared;
use super::super::{
    AddressingStyle, BucketAddress, ChecksumHeader, Method, PartBatch, PartSigner, PresignRequest,
    SigningContext, SigningKey, presign,
};
use super::{NOW, context, credentials, key, path_address};

const CHECKSUM: &str = "AAAAAAAAAAA=";

fn vector(name: &str, step: &str) -> String {
    let vectors: Value = serde_json::from_str(include_str!("../vectors.json")).unwrap();
    vectors[name][step].as_str().unwrap().to_owned()
}

#[test]
fn signing_keys() {
    for (name, day, region) in [
        ("aws_doc_get", "20130524", "us-east-1"),
        ("uploadpart_pathstyle", "20260101", "us-east-1"),
        ("uploadpart_vhost", "20260101", "eu-west-1"),
    ] {
        let key = hex(&derive_bytes(&credentials(None), day, region));
        assert_eq!(key, *vector(name, "signing_key").as_bytes(), "{name}");
    }
}

fn check(name: &str, request: &PresignRequest<'_>) {
    let expected = |step: &str| vector(name, step);
    let prepared = Prepared::new(request).unwrap();
    assert_eq!(prepared.canonical_request, expected("canonical_request"));
    assert_eq!(prepared.string_to_sign(), expected("string_to_sign"));
    let url = presign(request).unwrap();
    assert_eq!(url.rsplit_once('=').unwrap().1, expected("signature"));
    assert_eq!(url, expected("url"));
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
#[test]
fn aws_documentation_example() {
    let address =
        BucketAddress::new("https://s3.amazonaws.com", "examplebucket", AddressingStyle::VirtualHost)
            .unwrap();
    // A Friday.
    let now = datetime!(2013-05-24 0:00 UTC);
    let key = SigningKey::derive(&credentials(None), "us-east-1", now).unwrap();
    let expires = Duration::from_secs(86_400);
    let context = SigningContext { key: &key, address: &address, now, expires };
    let request = PresignRequest { context, method: Method::Get, key: "test.txt", query: &[], headers: &[] };
    check("aws_doc_get", &request);
}

struct PartVector<'a> {
    name: &'a str,
    batch: PartBatch<'a>,
    part_number: u32,
    content_length_bytes: u64,
}

/// Both signers must reach the vector.
fn check_part(vector: &PartVector<'_>) {
    let (number, length) = (vector.part_number.to_string(), vector.content_length_bytes.to_string());
    let request = PresignRequest {
        context: vector.batch.context,
        method: Method::Put,
        key: vector.batch.key,
        query: &[("uploadId", vector.batch.s3_upload_id), ("partNumber", &number)],
        headers: &[("x-amz-checksum-crc64nvme", CHECKSUM), ("content-length", &length)],
    };
    check(vector.name, &request);
    let mut signer = PartSigner::new(&vector.batch).unwrap();
    let url = signer.sign_part(vector.part_number, vector.content_length_bytes, Some(CHECKSUM)).unwrap();
    assert_eq!(url, presign(&request).unwrap());
}

#[test]
fn path_style_part_with_session_token_and_odd_key() {
    let (key, address) = (key(Some("tok+/=en")), path_address());
    check_part(&PartVector {
        name: "uploadpart_pathstyle",
        batch: PartBatch {
            context: context(&key, &address),
            key: "dir a/ü+x&=~ key.bin",
            s3_upload_id: "2~abc+/==",
            checksum_header: Some(ChecksumHeader::Crc64Nvme),
        },
        part_number: 7,
        content_length_bytes: 10_000_000,
    });
}

#[test]
fn virtual_host_part_whose_key_has_dot_segments() {
    let endpoint = "https://s3.eu-west-1.amazonaws.com";
    let address = BucketAddress::new(endpoint, "bkt", AddressingStyle::VirtualHost).unwrap();
    let key = SigningKey::derive(&credentials(None), "eu-west-1", NOW).unwrap();
    let context = context(&key, &address);
    check_part(&PartVector {
        name: "uploadpart_vhost",
        batch: PartBatch {
            context,
            key: "a//b/../c%41.bin",
            s3_upload_id: "u",
            checksum_header: Some(ChecksumHeader::Crc64Nvme),
        },
        part_number: 10_000,
        content_length_bytes: 5_242_880,
    });
}
