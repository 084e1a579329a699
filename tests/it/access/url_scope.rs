//! A signed URL is worth one part, or one small file, for minutes: whatever else its holder tries is refused by the
//! store, or has no effect. docs/stores.md has the table that this prints.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use futures_util::stream;
use partgate::service::SweepMode;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use time::Duration;

use super::attempts::{ATTEMPTS, Kind, Wire, World};
use crate::api::support::{id, open, send, sign, slice};
use crate::harness::{Gateway, Http, Options, TestStore, bytes, part_size, parts, s3, sha256_hex};

/// An upload with a signed URL, and somebody else's object and bucket beside it.
pub(super) struct Scene {
    pub(super) gateway: Gateway,
    pub(super) world: World,
    pub(super) created: Value,
    pub(super) data: Vec<u8>,
    uploads: usize,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Refused, and storage is as before.
    Refused(u16),
    /// Taken, and the finished object is as if nothing had been tried.
    NoEffect(u16),
    /// Taken, and this is different.
    Effect(u16, String),
}

impl Outcome {
    const REFUSED: &'static str = "refused";
    const NO_EFFECT: &'static str = "no effect";
    const EFFECT: &'static str = "effect";

    fn class(&self) -> &'static str {
        match self {
            Self::Refused(_) => Self::REFUSED,
            Self::NoEffect(_) => Self::NO_EFFECT,
            Self::Effect(..) => Self::EFFECT,
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "{status}"),
            Self::NoEffect(status) => write!(f, "{status}, no effect"),
            Self::Effect(status, what) => write!(f, "{status}, EFFECT: {what}"),
        }
    }
}

impl Scene {
    pub(super) async fn new(kind: Kind, options: Options) -> Self {
        let gateway = Gateway::start_with(options).await;
        let other_bucket = format!("other-{}", gateway.bucket);
        let client = s3(&gateway);
        client.create_bucket().bucket(&other_bucket).send().await.unwrap();
        let data = bytes(80, if kind.is_part() { parts(2) + 500 } else { part_size().min(900) });
        // As long as the file, so that only its content tells it from the file.
        let secret = ByteStream::from(bytes(81, data.len()));
        client.put_object().bucket(&gateway.bucket).key("secret").body(secret).send().await.unwrap();
        let fields = json!({"part_size": part_size(), "key": "other"});
        let other = open(&gateway, &bytes(82, parts(2)), fields).await;
        let other = sign(&gateway, &other, &bytes(82, parts(2)), &[1]).await.remove(0);
        let other = Wire::of(&other, Vec::new());
        let bucket = gateway.bucket.clone();
        let other_upload = other.parameter("uploadId");
        let world = World { kind, bucket, key: String::new(), other_bucket, other_upload };
        let mut scene = Self { gateway, world, created: Value::Null, data, uploads: 0 };
        scene.begin().await;
        scene
    }

    /// Begins an upload at a key of its own; of parts, the first one is sent.
    pub(super) async fn begin(&mut self) {
        self.uploads += 1;
        self.world.key = format!("{}/held/mine.bin", self.uploads);
        let algorithm = if self.world.kind.has_checksum() { "crc64nvme" } else { "none" };
        let fields =
            json!({"part_size": part_size(), "checksum_algorithm": algorithm, "key": self.world.key});
        self.created = open(&self.gateway, &self.data, fields).await;
        if self.world.kind.is_part() {
            send(&self.gateway, &self.created, &self.data, &[1]).await;
        }
    }

    /// The request as it was signed: of part 2, or of the file.
    pub(super) async fn signed(&self) -> Wire {
        let number = if self.world.kind.is_part() { 2 } else { 1 };
        let signed = sign(&self.gateway, &self.created, &self.data, &[number]).await.remove(0);
        Wire::of(&signed, slice(&self.created, &self.data, number).to_vec())
    }

    /// Sends the rest and completes; the status and code of complete.
    pub(super) async fn finish(&self) -> Result<(), String> {
        if self.world.kind.is_part() {
            send(&self.gateway, &self.created, &self.data, &[3]).await;
        }
        let answer = self.gateway.complete(id(&self.created)).await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(format!("complete: {} {}", answer.status, answer.body["code"]))
        }
    }

    /// All that storage holds: objects of both buckets, and the upload's parts.
    pub(super) async fn holdings(&self) -> Vec<String> {
        let client = s3(&self.gateway);
        let mut held = Vec::new();
        for bucket in [&self.world.bucket, &self.world.other_bucket] {
            let listed = client.list_objects_v2().bucket(bucket).send().await.unwrap();
            held.extend(listed.contents().iter().map(|object| {
                format!("{bucket} {} {}", object.key().unwrap(), object.e_tag().unwrap_or_default())
            }));
        }
        if self.world.kind.is_part() {
            let upload = self.signed().await.parameter("uploadId");
            let listed =
                client.list_parts().bucket(&self.world.bucket).key(&self.world.key).upload_id(upload);
            let listed = listed.send().await.unwrap();
            held.extend(listed.parts().iter().map(|part| {
                format!("part {} {}", part.part_number().unwrap(), part.e_tag().unwrap_or_default())
            }));
        }
        held
    }

    /// Bends the signed request and looks what comes of it.
    async fn attempt(&mut self, bend: fn(&mut Wire, &World) -> bool, honest: &Look) -> Option<Outcome> {
        let mut wire = self.signed().await;
        if !bend(&mut wire, &self.world) {
            return None;
        }
        let before = self.holdings().await;
        let status = wire.send(&self.gateway.http).await;
        // MinIO answers 501 to an encryption that it is not set up for.
        if (400..500).contains(&status) || status == 501 {
            assert_eq!(self.holdings().await, before, "refused with {status}, and yet");
            return Some(Outcome::Refused(status));
        }
        let outcome = match self.finish().await {
            Err(refused) => Outcome::Effect(status, refused),
            Ok(()) => {
                let look = look(&s3(&self.gateway), &self.gateway, &self.world).await;
                let differences: Vec<_> =
                    look.iter().filter(|(name, value)| honest[*name] != **value).collect();
                if differences.is_empty() {
                    Outcome::NoEffect(status)
                } else {
                    Outcome::Effect(status, format!("{differences:?}"))
                }
            }
        };
        self.begin().await;
        Some(outcome)
    }
}

impl Wire {
    pub(super) fn of(signed: &Value, body: Vec<u8>) -> Self {
        let headers = signed["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let url = signed["url"].as_str().unwrap().to_owned();
        Self { method: Method::PUT, url, headers: headers.collect(), body, is_chunked: false }
    }

    /// Sends it; answers the status. A store that has refused may close the connection before it has read the body, so
    /// that its answer is lost: then it is asked again.
    pub(super) async fn send(&self, http: &Http) -> u16 {
        for _ in 0..10 {
            if let Ok(answer) = self.request(http).send().await {
                return answer.status().as_u16();
            }
        }
        panic!("no answer to {} {}", self.method, self.url);
    }

    fn request(&self, http: &Http) -> reqwest::RequestBuilder {
        let mut request = http.request(self.method.clone(), &self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = if self.is_chunked {
            Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(self.body.clone())]))
        } else {
            Body::from(self.body.clone())
        };
        request.body(body)
    }
}

/// All that an object shows.
type Look = BTreeMap<&'static str, String>;

async fn look(client: &Client, gateway: &Gateway, world: &World) -> Look {
    let (bucket, key) = (&world.bucket, &world.key);
    let object = client.get_object().bucket(bucket).key(key).send().await.unwrap();
    let mut metadata = object.metadata().cloned().unwrap_or_default();
    metadata.remove("partgate-upload-id");
    let metadata: BTreeMap<_, _> = metadata.into_iter().collect();
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let mut look = Look::from([
        ("Content-Type", text(object.content_type())),
        ("Content-Encoding", text(object.content_encoding())),
        ("Content-Disposition", text(object.content_disposition())),
        ("Cache-Control", text(object.cache_control())),
        ("redirect", text(object.website_redirect_location())),
        ("encryption", format!("{:?}", object.server_side_encryption())),
        ("storage class", format!("{:?}", object.storage_class())),
        ("legal hold", format!("{:?}", object.object_lock_legal_hold_status())),
        ("metadata", format!("{metadata:?}")),
    ]);
    look.insert("content", sha256_hex(&object.body.collect().await.unwrap().into_bytes()));
    let tags = client.get_object_tagging().bucket(bucket).key(key).send().await;
    look.insert("tags", format!("{:?}", tags.map(|tags| tags.tag_set).ok()));
    let acl = client.get_object_acl().bucket(bucket).key(key).send().await;
    look.insert("grants", format!("{:?}", acl.map(|acl| acl.grants).ok()));
    let stranger = gateway.http.get(format!("{}/{bucket}/{key}", gateway.store_url)).send().await.unwrap();
    look.insert("a stranger", stranger.status().to_string());
    look
}

/// What becomes of an attempt. Whatever is taken has its line in docs/stores.md, with what follows from it.
fn expected(kind: Kind, attempt: &str) -> &'static str {
    let on_minio = TestStore::chosen() == TestStore::MinIo;
    match (attempt, kind.is_part()) {
        // Another spelling of the same key.
        ("a slash encoded", _) => Outcome::NO_EFFECT,
        // No store wants these to be signed, but a part has no headers of its own.
        ("Content-Type" | "Content-Encoding" | "Content-Disposition" | "Cache-Control", true) => {
            Outcome::NO_EFFECT
        }
        ("Content-Encoding" | "Content-Disposition" | "Cache-Control", false) => Outcome::EFFECT,
        ("a second X-Amz-Expires", _) if on_minio => Outcome::NO_EFFECT,
        ("x-amz-acl" | "x-amz-grant-read" | "x-amz-website-redirect-location", _) if on_minio => {
            Outcome::NO_EFFECT
        }
        ("x-amz-server-side-encryption" | "x-amz-object-lock-legal-hold", true) if on_minio => {
            Outcome::NO_EFFECT
        }
        ("x-amz-tagging" | "x-amz-storage-class", true) if on_minio => Outcome::NO_EFFECT,
        ("x-amz-tagging" | "x-amz-storage-class", false) if on_minio => Outcome::EFFECT,
        // Why MinIO needs storage.signer: access::signer.
        (copy, _) if on_minio && copy.starts_with("x-amz-copy-source") && kind != Kind::Part => {
            Outcome::EFFECT
        }
        _ => Outcome::REFUSED,
    }
}

async fn check(kind: Kind) {
    let mut scene = Scene::new(kind, Options::default()).await;
    assert_eq!(scene.signed().await.send(&scene.gateway.http).await, 200, "the request as it was signed");
    scene.finish().await.unwrap();
    let honest = look(&s3(&scene.gateway), &scene.gateway, &scene.world).await;
    scene.begin().await;
    let mut wrong = Vec::new();
    for (name, bend) in ATTEMPTS {
        let Some(outcome) = scene.attempt(*bend, &honest).await else { continue };
        let line = format!("{} | {} | {name} | {outcome}", TestStore::chosen().name(), kind.name());
        eprintln!("{line}");
        if outcome.class() != expected(kind, name) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "not as docs/stores.md has it:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn url_of_a_part_is_worth_that_part() {
    check(Kind::Part).await;
}

#[tokio::test]
async fn url_of_a_part_without_checksum_is_worth_that_part() {
    check(Kind::BarePart).await;
}

#[tokio::test]
async fn url_of_a_file_is_worth_that_file() {
    check(Kind::Put).await;
}

#[tokio::test]
async fn url_of_a_file_without_checksum_is_worth_that_file() {
    check(Kind::BarePut).await;
}

#[tokio::test]
async fn expired_url_is_worth_nothing() {
    for kind in Kind::ALL {
        let scene = Scene::new(kind, Options::default()).await;
        // The store keeps the real time.
        scene.gateway.clock.advance(Duration::minutes(-16));
        let (wire, before) = (scene.signed().await, scene.holdings().await);
        assert_eq!(wire.send(&scene.gateway.http).await, 403, "{}", kind.name());
        assert_eq!(scene.holdings().await, before);
    }
}

#[tokio::test]
async fn url_is_worth_nothing_after_completion() {
    for kind in Kind::ALL {
        let scene = Scene::new(kind, Options::default()).await;
        let wire = scene.signed().await;
        assert_eq!(wire.send(&scene.gateway.http).await, 200);
        scene.finish().await.unwrap();
        let honest = look(&s3(&scene.gateway), &scene.gateway, &scene.world).await;
        // The multipart upload is gone; a file must not be there yet.
        let expected = if kind.is_part() { 404 } else { 412 };
        assert_eq!(wire.send(&scene.gateway.http).await, expected, "{}", kind.name());
        assert_eq!(look(&s3(&scene.gateway), &scene.gateway, &scene.world).await, honest);
    }
}

#[tokio::test]
async fn url_is_worth_nothing_for_long_after_an_abort() {
    for kind in Kind::ALL {
        let scene = Scene::new(kind, Options::default()).await;
        let wire = scene.signed().await;
        let path = format!("/upload/{}", id(&scene.created));
        scene.gateway.call(Method::DELETE, &path, None).await.expect(204);
        let status = wire.send(&scene.gateway.http).await;
        // Storage knows nothing of an abort of a file: what lands after it stays until the URL is dead and the sweep
        // has looked.
        assert_eq!(status, if kind.is_part() { 404 } else { 200 }, "{}", kind.name());
        scene.gateway.clock.advance(Duration::hours(2));
        scene.gateway.sweep(SweepMode::Act).await;
        let head = s3(&scene.gateway).head_object().bucket(&scene.world.bucket).key(&scene.world.key);
        assert!(head.send().await.is_err(), "{}: it is still there", kind.name());
    }
}
