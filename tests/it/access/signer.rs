//! `storage.signer`, the identity that signs uploads and may do nothing else, and temporary keys.

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use super::attempts::{ATTEMPTS, Kind};
use super::url_scope::Scene;
use crate::api::support::{id, open, send, sign};
use crate::harness::{ACCESS_KEY_ID, Gateway, Options, bytes, part_size, parts, temporary, writer};

/// The settings of an identity: `storage` or `storage.signer`.
fn identity(names: [&'static str; 3], keys: &Credentials) -> Options {
    let [id, secret, token] = names;
    Options::default()
        .with(id, keys.access_key_id())
        .with(secret, keys.secret_access_key())
        .with(token, keys.session_token().unwrap_or_default())
}

/// The store's writer as `storage.signer`; none where the store has one identity only.
async fn signing_writer() -> Option<(Credentials, Options)> {
    let keys = writer().await?;
    let names =
        ["storage.signer.access_key_id", "storage.signer.secret_access_key", "storage.signer.session_token"];
    let options = identity(names, &keys);
    Some((keys, options))
}

/// Uploads a small file by one PUT, and one in parts, and reads both by their download links.
async fn check_uploads(gateway: &Gateway) {
    for (size, numbers) in [(100, &[1][..]), (parts(1) + 500, &[1, 2])] {
        let data = bytes(83, size);
        let created = open(gateway, &data, json!({"part_size": part_size()})).await;
        send(gateway, &created, &data, numbers).await;
        gateway.complete(id(&created)).await.expect(200);
        assert!(gateway.download(id(&created)).await == data);
    }
}

/// Whose keys a URL is signed with.
fn signed_by(url: &str) -> String {
    let credential = url.split("X-Amz-Credential=").nth(1).unwrap();
    credential.split("%2F").next().unwrap().to_owned()
}

#[tokio::test]
async fn signer_that_may_only_write_serves_whole_uploads() {
    let Some((keys, options)) = signing_writer().await else { return };
    let gateway = Gateway::start_with(options).await;
    check_uploads(&gateway).await;
    let created = open(&gateway, b"x", json!({})).await;
    let signed = sign(&gateway, &created, b"x", &[1]).await.remove(0);
    let url = signed["url"].as_str().unwrap();
    assert_eq!(signed_by(url), keys.access_key_id());
    assert_eq!(url.contains("X-Amz-Security-Token="), keys.session_token().is_some());
}

#[tokio::test]
async fn signer_may_really_not_read() {
    let Some((keys, options)) = signing_writer().await else { return };
    let scene = Scene::new(Kind::Put, options).await;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&scene.gateway.store_url)
        .credentials_provider(keys)
        .force_path_style(true);
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let read = client.get_object().bucket(&scene.gateway.bucket).key("secret").send().await;
    assert_eq!(read.unwrap_err().raw_response().unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn downloads_are_signed_by_the_main_identity() {
    let Some((_, options)) = signing_writer().await else { return };
    let gateway = Gateway::start_with(options).await;
    let created = open(&gateway, b"x", json!({})).await;
    send(&gateway, &created, b"x", &[1]).await;
    gateway.complete(id(&created)).await.expect(200);
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let answer = http.get(format!("{}/upload/{}/file", gateway.url, id(&created))).send().await.unwrap();
    assert_eq!(signed_by(answer.headers()["location"].to_str().unwrap()), ACCESS_KEY_ID);
}

/// On MinIO, which takes headers that nobody signed, this is what keeps a leaked URL from reading (docs/stores.md).
#[tokio::test]
async fn leaked_url_copies_nothing_with_a_signer_that_may_only_write() {
    let Some((_, options)) = signing_writer().await else { return };
    for kind in Kind::ALL {
        let scene = Scene::new(kind, options.clone()).await;
        let copies = ATTEMPTS.iter().filter(|(name, _)| name.starts_with("x-amz-copy-source"));
        for (name, bend) in copies {
            let mut wire = scene.signed().await;
            if !bend(&mut wire, &scene.world) {
                continue;
            }
            let before = scene.holdings().await;
            let status = wire.send(&scene.gateway.http).await;
            eprintln!("{} | {name} | {status}", kind.name());
            assert!((400..500).contains(&status), "{}: {name}: {status}", kind.name());
            assert_eq!(scene.holdings().await, before, "{}: {name}", kind.name());
        }
        // The URL itself is as good as ever.
        assert_eq!(scene.signed().await.send(&scene.gateway.http).await, 200);
        scene.finish().await.unwrap();
    }
}

#[tokio::test]
async fn temporary_keys_with_their_token_do_everything() {
    let Some(keys) = temporary().await else { return };
    let names = ["storage.access_key_id", "storage.secret_access_key", "storage.session_token"];
    let gateway = Gateway::start_with(identity(names, &keys)).await;
    check_uploads(&gateway).await;
    let opened: Value = open(&gateway, &bytes(84, parts(2)), json!({"part_size": part_size()})).await;
    let path = format!("/upload/{}", id(&opened));
    gateway.call(reqwest::Method::DELETE, &path, None).await.expect(204);
}
