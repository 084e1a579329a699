//! The policies of infra/minio, and the actions that docs/buckets.md names for SeaweedFS, are enough for a gateway and
//! its signer; the policies allow nothing else.

use std::path::Path;

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use partgate::service::SweepMode;
use reqwest::Method;
use serde_json::json;

use crate::api::support::{id, open, open_sized, send};
use crate::harness::{
    Gateway, Options, TestStore, bytes, limited_to, objects, part_size, parts, reader_and_writer, sha256_hex,
    writer,
};

/// The buckets of tests.
const BUCKETS: &str = "arn:aws:s3:::test-*";

/// Keys that may do what the policy of this file says, of the buckets of tests; none where the store takes no policies.
async fn limited_by(file: &str) -> Option<Credentials> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("infra/minio").join(file);
    let policy = std::fs::read_to_string(path).unwrap().replace("arn:aws:s3:::uploads", BUCKETS);
    assert!(policy.contains(BUCKETS), "{policy}");
    limited_to(&policy).await
}

/// The gateway's keys and the signer's as docs/buckets.md has them; none on the embedded store, which has one identity.
async fn identities() -> Option<[Credentials; 2]> {
    match TestStore::chosen() {
        TestStore::Embedded => None,
        TestStore::MinIo => Some([limited_by("gateway.json").await?, limited_by("signer.json").await?]),
        TestStore::SeaweedFs => Some([reader_and_writer(), writer().await?]),
    }
}

/// A gateway with both identities.
async fn gateway() -> Option<Gateway> {
    let names = [
        ["storage.access_key_id", "storage.secret_access_key", "storage.session_token"],
        ["storage.signer.access_key_id", "storage.signer.secret_access_key", "storage.signer.session_token"],
    ];
    let options =
        names.into_iter().zip(identities().await?).fold(Options::default(), |options, (names, keys)| {
            let [id, secret, token] = names;
            options
                .with(id, keys.access_key_id())
                .with(secret, keys.secret_access_key())
                .with(token, keys.session_token().unwrap_or_default())
        });
    Some(Gateway::start_with(options).await)
}

fn client(gateway: &Gateway, keys: Credentials) -> aws_sdk_s3::Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&gateway.store_url)
        .credentials_provider(keys)
        .force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

#[tokio::test]
async fn gateway_with_its_policy_does_everything() {
    let Some(gateway) = gateway().await else { return };
    gateway.get("/readyz").await.expect(200);
    // A small file, one in parts, and an empty one, each proven and read back.
    for (size, numbers) in [(100, &[1][..]), (parts(1) + 500, &[1, 2]), (0, &[])] {
        let data = bytes(91, size);
        let sha256 = sha256_hex(&data);
        let created = open(&gateway, &data, json!({"part_size": part_size(), "sha256": sha256})).await;
        if !numbers.is_empty() {
            send(&gateway, &created, &data, numbers).await;
        }
        let completed = gateway.complete(id(&created)).await.expect(200);
        assert_eq!(completed["sha256"], json!(sha256));
        assert!(gateway.download(id(&created)).await == data);
    }
    // An abort, a file that was proven wrong, and a sweep over what is left.
    let aborted = open_sized(&gateway, parts(2)).await;
    gateway.call(Method::DELETE, &format!("/upload/{}", id(&aborted)), None).await.expect(204);
    let wrong = json!({"sha256": sha256_hex(b"another file")});
    let created = open(&gateway, b"this file", wrong).await;
    send(&gateway, &created, b"this file", &[1]).await;
    gateway.complete(id(&created)).await.problem(422, "checksum_mismatch");
    assert_eq!(objects(&gateway).await.len(), 3);
    let left = open_sized(&gateway, parts(2)).await;
    gateway.clock.advance(time::Duration::days(8));
    gateway.sweep(SweepMode::Act).await;
    let status = gateway.get(&format!("/upload/{}/status", id(&left))).await.expect(200);
    assert_eq!(status["state"], "expired");
}

#[tokio::test]
async fn gateway_changes_no_rules_and_makes_no_buckets() {
    let (Some(gateway), Some(keys)) = (gateway().await, limited_by("gateway.json").await) else { return };
    let client = client(&gateway, keys);
    let refused = client.delete_bucket_lifecycle().bucket(&gateway.bucket).send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
    let refused = client.delete_bucket().bucket(&gateway.bucket).send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
    let refused = client.create_bucket().bucket("elsewhere").send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn signer_with_its_policy_may_only_put() {
    let (Some(gateway), Some(keys)) = (gateway().await, limited_by("signer.json").await) else { return };
    let created = open(&gateway, b"x", json!({})).await;
    send(&gateway, &created, b"x", &[1]).await;
    gateway.complete(id(&created)).await.expect(200);
    let key = objects(&gateway).await.remove(0);
    let client = client(&gateway, keys);
    let read = client.get_object().bucket(&gateway.bucket).key(&key).send().await.unwrap_err();
    assert_eq!(read.raw_response().unwrap().status().as_u16(), 403);
    let deleted = client.delete_object().bucket(&gateway.bucket).key(&key).send().await.unwrap_err();
    assert_eq!(deleted.raw_response().unwrap().status().as_u16(), 403);
    let listed = client.list_objects_v2().bucket(&gateway.bucket).send().await.unwrap_err();
    assert_eq!(listed.raw_response().unwrap().status().as_u16(), 403);
}
