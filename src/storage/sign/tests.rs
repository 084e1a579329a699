use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use time::macros::datetime;

use super::super::{
    Connection, Identity, ServerSide, StaticKeys, StorageErrorKind, StorageSettings, StoreProfile, TimeLimits,
};
use super::*;
use crate::sigv4::AddressingStyle;

// Thursday, 1 January 2026, 12:00 UTC.
const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

fn keys(access_key_id: &str, session_token: Option<&str>) -> StaticKeys {
    StaticKeys {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: session_token.map(str::to_owned),
    }
}

fn connection() -> Connection {
    Connection {
        endpoint: Some("http://minio:9000".into()),
        public_endpoint: Some("http://localhost:9000".into()),
        region: "us-east-1".into(),
        bucket: "b".into(),
        style: AddressingStyle::Path,
        keys: Some(keys("id", None)),
        signer: None,
    }
}

async fn storage_at(connection: Connection) -> Storage {
    let settings = StorageSettings {
        connection,
        server_side: ServerSide::default(),
        profile: StoreProfile::default(),
        time_limits: TimeLimits::default(),
    };
    Storage::connect(settings).await.unwrap()
}

async fn storage_with_credentials_for(life: Duration) -> Storage {
    let storage = storage_at(connection()).await;
    let end = SystemTime::from(NOW + life);
    let credentials = Credentials::new("id", "secret", Some("token".into()), Some(end), "test");
    Storage { signer: Identity::new(SharedCredentialsProvider::new(credentials)), ..storage }
}

#[tokio::test]
async fn no_url_outlives_the_credentials() {
    let hour = Duration::from_secs(3600);
    for (life, ttl, expected) in [(hour * 2, hour, hour), (hour, hour * 2, hour)] {
        let storage = storage_with_credentials_for(life).await;
        let terms = storage.terms(&storage.signer, UrlWindow { now: NOW, ttl }).await.unwrap();
        assert_eq!((terms.expires, terms.until()), (expected, NOW + expected));
    }
}

#[tokio::test]
async fn expired_credentials_sign_nothing() {
    let storage = storage_with_credentials_for(Duration::from_millis(500)).await;
    let window = UrlWindow { now: NOW, ttl: Duration::from_secs(60) };
    assert!(storage.terms(&storage.signer, window).await.is_err());
}

#[tokio::test]
async fn urls_are_for_the_public_endpoint() {
    let storage = storage_with_credentials_for(Duration::from_secs(3600)).await;
    assert_eq!(storage.object_url("a b"), "http://localhost:9000/b/a%20b");
}

async fn signed_part(storage: &Storage) -> String {
    let window = UrlWindow { now: NOW, ttl: Duration::from_secs(60) };
    let terms = storage.terms(&storage.signer, window).await.unwrap();
    let batch =
        PartBatch { context: storage.context(&terms), key: "k", s3_upload_id: "u", checksum_header: None };
    let signed = SignedParts::sign(&batch, [(PartNumber::new(1).unwrap(), 5, None)].into_iter()).unwrap();
    signed.iter().next().unwrap().url.to_owned()
}

#[tokio::test]
async fn every_url_begins_with_the_public_origin() {
    let public = |endpoint: &str| Connection { public_endpoint: Some(endpoint.into()), ..connection() };
    let aws = Connection { endpoint: None, public_endpoint: None, ..connection() };
    let virtual_host = |connection| Connection { style: AddressingStyle::VirtualHost, ..connection };
    for (connection, expected) in [
        (connection(), "http://localhost:9000"),
        (Connection { public_endpoint: None, ..connection() }, "http://minio:9000"),
        (public("https://Files.Example:443/s3"), "https://files.example"),
        (public("http://[0:0::1]:9000"), "http://[::1]:9000"),
        (virtual_host(public("https://files.example:8443")), "https://b.files.example:8443"),
        (aws.clone(), "https://s3.us-east-1.amazonaws.com"),
        (virtual_host(aws), "https://b.s3.us-east-1.amazonaws.com"),
    ] {
        let storage = storage_at(connection).await;
        assert_eq!(storage.public_origin(), expected);
        let signed = signed_part(&storage).await;
        assert!(signed.starts_with(&format!("{expected}/")), "{signed} is not at {expected}");
    }
}

#[tokio::test]
async fn another_bucket_is_the_same_store() {
    let aws = Connection { endpoint: None, public_endpoint: None, ..connection() };
    for (connection, expected) in [
        (connection(), "http://localhost:9000/other/k"),
        (
            Connection { style: AddressingStyle::VirtualHost, ..aws },
            "https://other.s3.us-east-1.amazonaws.com/k",
        ),
    ] {
        let storage = storage_at(connection).await;
        let other = storage.in_bucket("other").unwrap();
        assert_eq!((other.bucket(), storage.bucket()), ("other", "b"));
        assert_eq!(other.object_url("k"), expected);
        let signed = signed_part(&other).await;
        assert!(signed.starts_with(&format!("{expected}?")), "{signed} is not at {expected}");
        assert!(Arc::ptr_eq(&storage.settings, &other.settings), "what is heavy is shared");
        assert_eq!(other.in_bucket("b").unwrap().object_url("k"), storage.object_url("k"));
    }
}

#[tokio::test]
async fn bucket_that_no_url_can_name_is_refused() {
    let aws = Connection { endpoint: None, public_endpoint: None, ..connection() };
    let virtual_host = storage_at(Connection { style: AddressingStyle::VirtualHost, ..aws }).await;
    let path = storage_at(connection()).await;
    for (storage, bucket) in [(&path, ""), (&path, "a/b"), (&path, ".."), (&virtual_host, "Upper")] {
        let error = storage.in_bucket(bucket).unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Rejected);
        assert!(error.to_string().contains(&format!("{bucket:?}")), "{error}");
    }
}

#[tokio::test]
async fn batch_is_what_its_parts_are_each_alone() {
    let storage = storage_at(connection()).await;
    let window = UrlWindow { now: NOW, ttl: Duration::from_secs(60) };
    let terms = storage.terms(&storage.signer, window).await.unwrap();
    let context = storage.context(&terms);
    for checksum_header in [None, Some(ChecksumHeader::Crc32c)] {
        let batch = PartBatch { context, key: "k", s3_upload_id: "u", checksum_header };
        let checksum = |number: u32| {
            let text = ["AAAAAA==", "AAAAAQ==", "AAAAAg=="][number as usize % 3];
            checksum_header.map(|_| Checksum::from_base64(ChecksumAlgorithm::Crc32c, text).unwrap())
        };
        let part = |number| (PartNumber::new(number).unwrap(), u64::from(number), checksum(number));
        let together = SignedParts::sign(&batch, [9, 10, 9_999, 1].map(part).into_iter()).unwrap();
        assert_eq!(together.len(), 4);
        for (number, signed) in [9, 10, 9_999, 1].into_iter().zip(together.iter()) {
            let alone = SignedParts::sign(&batch, [part(number)].into_iter()).unwrap();
            assert_eq!(
                Some((signed.url, signed.checksum)),
                alone.iter().next().map(|only| (only.url, only.checksum))
            );
            assert!(signed.url.contains(&format!("&partNumber={number}&")), "{}", signed.url);
            let value = checksum(number).map(Checksum::to_base64);
            assert_eq!(signed.checksum, value.as_deref().map(|value| ("x-amz-checksum-crc32c", value)));
        }
    }
}
