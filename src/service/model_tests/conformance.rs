//! The model's bucket against the embedded store: the same calls, the same answers.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use partgate_devstore::{DevStore, DevStoreConfig, Durability};
use tempfile::TempDir;
use uuid::Uuid;

use super::gateway::{START, settings};
use super::scenario::{File, Scenario};
use crate::model::Port;
use crate::storage::model::{Bucket, DEVSTORE, checksum_of};
use crate::storage::{CompletedPart, PartBody, ProxiedTarget, Storage, StorageError, StorageErrorKind};
use crate::upload::{
    ChecksumAlgorithm, ListedPart, Metadata, ObjectKey, ObjectProof, PartNumber, PartSet, Plan, S3UploadId,
    Transfer, Upload, UploadId, UploadSpec,
};

const SEQUENCES: u64 = 24;
const CALLS: usize = 40;
const KINDS: [ChecksumAlgorithm; 2] = [ChecksumAlgorithm::None, ChecksumAlgorithm::Crc64nvme];

/// SplitMix64: the same choices in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % sides as u64).unwrap()
    }
}

/// Both stores, and the multipart uploads that each has opened.
struct Pair {
    real: Storage,
    model: Storage,
    bucket: Arc<Mutex<Bucket>>,
    uploads: Vec<Upload>,
    /// Which upload it is of, and its name in either.
    multiparts: Vec<(usize, S3UploadId, S3UploadId)>,
}

async fn embedded_store() -> (String, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let config = DevStoreConfig {
        data_dir: data.path().to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: "id".to_owned(),
        secret_access_key: "secret".to_owned(),
        min_part_size_bytes: 1,
        durability: Durability::Process,
    };
    let store = DevStore::open(config).await.unwrap();
    store.ensure_bucket("bucket").await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, store.router()).await });
    (url, data)
}

/// An upload at a key; the second and third share one.
fn upload(number: u8) -> Upload {
    let key = if number == 1 { "a/f" } else { "b/f" };
    let plan = Plan::new(None, 1, &crate::upload::Limits { min_part_bytes: 1, ..crate::upload::Limits::AWS })
        .unwrap();
    let spec = UploadSpec {
        tenant: "default".to_owned(),
        owner: None,
        bucket: "bucket".to_owned(),
        key: ObjectKey::new(key.to_owned()).unwrap(),
        filename: "f".to_owned(),
        content_type: "text/plain".to_owned(),
        checksum_algorithm: KINDS[usize::from(number) % 2],
        metadata: Metadata::default(),
        overwrite: number == 3,
        fingerprint: None,
        idempotency_key: None,
        transfer: Transfer::Multipart,
    };
    let id = UploadId(Uuid::from_u128(u128::from(number)));
    Upload::new(id, spec, plan, None, (START, time::Duration::DAY))
}

fn kind<T>(answer: Result<T, StorageError>) -> Result<T, StorageErrorKind> {
    answer.map_err(|error| error.kind)
}

fn listed(parts: Vec<ListedPart>) -> impl PartialEq + Debug {
    parts.into_iter().map(|part| (part.number, part.size_bytes, part.checksum)).collect::<Vec<_>>()
}

fn seen(object: Option<ObjectProof>) -> impl PartialEq + Debug {
    object.map(|object| (object.upload_id, object.size_bytes, object.version_id))
}

fn same<T: PartialEq + Debug>(what: &str, real: &T, model: &T) {
    assert_eq!(real, model, "{what}: the embedded store answers the first, the model the second");
}

impl Pair {
    /// One call, on both.
    async fn call(&mut self, dice: &mut Dice) {
        let owner = dice.roll(self.uploads.len());
        let upload = self.uploads[owner].clone();
        let key = upload.spec.key.as_str();
        match dice.roll(10) {
            0 => self.create(owner).await,
            1..=3 => self.put_part(dice).await,
            4 | 5 => self.complete(dice).await,
            6 => self.look(dice).await,
            7 => {
                if let Some((of, real, model)) = self.any(dice) {
                    let key = self.uploads[of].spec.key.as_str();
                    let real = kind(self.real.abort_multipart(key, &real).await);
                    same("abort", &real, &kind(self.model.abort_multipart(key, &model).await));
                }
            }
            8 if dice.roll(2) == 0 => {
                let real = kind(self.real.put_empty(&upload).await);
                same("put_empty", &real, &kind(self.model.put_empty(&upload).await));
            }
            8 => {
                let real = kind(self.real.delete(&upload, None).await);
                same("delete", &real, &kind(self.model.delete(&upload, None).await));
            }
            _ => {
                let real = kind(self.real.head(&upload).await).map(seen);
                same("head", &real, &kind(self.model.head(&upload).await).map(seen));
                let real = self.places(key, Side::Real).await;
                same("multiparts_at", &real, &self.places(key, Side::Model).await);
            }
        }
    }

    fn any(&self, dice: &mut Dice) -> Option<(usize, S3UploadId, S3UploadId)> {
        if self.multiparts.is_empty() {
            return None;
        }
        self.multiparts.get(dice.roll(self.multiparts.len())).cloned()
    }

    async fn create(&mut self, owner: usize) {
        let upload = &self.uploads[owner];
        let real = self.real.create_multipart(upload).await.unwrap();
        let model = self.model.create_multipart(upload).await.unwrap();
        self.multiparts.push((owner, real.id, model.id));
    }

    async fn put_part(&self, dice: &mut Dice) {
        let Some((of, real, model)) = self.any(dice) else { return };
        let upload = &self.uploads[of];
        let number = PartNumber::new(1 + u32::try_from(dice.roll(3)).unwrap()).unwrap();
        let content = ["a", "b", "cc"][dice.roll(3)];
        let checksum = checksum_of(upload.spec.checksum_algorithm, content);
        let bytes = stream::iter([Ok::<_, std::io::Error>(Bytes::from(content))]);
        let body = PartBody::from_stream(bytes, content.len() as u64, checksum);
        let real = self.real.put_proxied(upload, ProxiedTarget::Part(&real, number), body).await;
        let part = (number.value(), content);
        let model = self.bucket.lock().unwrap().put_part(upload.spec.key.as_str(), &model.0, part);
        same("put_part", &kind(real).map(|_| ()), &model.map(|_| ()));
    }

    /// All that is listed, or without the first, or with a part that is not there.
    async fn complete(&self, dice: &mut Dice) {
        let Some((of, real, model)) = self.any(dice) else { return };
        let way = dice.roll(4);
        let mut answers = Vec::new();
        for (storage, id) in [(&self.real, &real), (&self.model, &model)] {
            let upload = &self.uploads[of];
            let (key, algorithm) = (upload.spec.key.as_str(), upload.spec.checksum_algorithm);
            let known = PartSet::new();
            let mut parts: Vec<_> = storage
                .list_parts(key, id, algorithm, &known)
                .await
                .unwrap_or_default()
                .into_iter()
                .map(|part| CompletedPart { number: part.number, etag: part.etag, checksum: part.checksum })
                .collect();
            match way {
                0 if parts.len() > 1 => drop(parts.pop()),
                1 => {
                    let number = PartNumber::new(9).unwrap();
                    parts.push(CompletedPart { number, etag: "\"none\"".to_owned(), checksum: None });
                }
                _ => {}
            }
            // Which of two complaints comes first is nobody's business.
            if parts.is_empty() {
                return;
            }
            answers.push(kind(storage.complete_multipart(upload, id, &parts, None).await));
        }
        same("complete", &answers[0], &answers[1]);
    }

    async fn look(&self, dice: &mut Dice) {
        let Some((of, real, model)) = self.any(dice) else { return };
        let upload = &self.uploads[of];
        let (key, algorithm) = (upload.spec.key.as_str(), upload.spec.checksum_algorithm);
        let known = PartSet::new();
        let exists = kind(self.real.multipart_exists(key, &real).await);
        same("multipart_exists", &exists, &kind(self.model.multipart_exists(key, &model).await));
        let real = kind(self.real.list_parts(key, &real, algorithm, &known).await).map(listed);
        let model = kind(self.model.list_parts(key, &model, algorithm, &known).await).map(listed);
        same("list_parts", &real, &model);
    }

    /// The places of the multipart uploads that a store lists: at a key, and under a prefix.
    async fn places(&self, key: &str, side: Side) -> (Vec<Option<usize>>, Vec<Option<usize>>) {
        let storage = if side == Side::Real { &self.real } else { &self.model };
        let place = |id: &S3UploadId| {
            self.multiparts.iter().position(
                |(_, real, model)| {
                    if side == Side::Real { real == id } else { model == id }
                },
            )
        };
        let at_key = storage.multiparts_at(key).await.unwrap();
        let (under, _) = storage.multiparts_under(&key[..1], None).await.unwrap();
        let mut at_key: Vec<_> = at_key.iter().map(place).collect();
        let mut under: Vec<_> = under.iter().map(|found| place(&found.id)).collect();
        at_key.sort_unstable();
        under.sort_unstable();
        (at_key, under)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Real,
    Model,
}

#[tokio::test]
async fn bucket_answers_as_the_embedded_store() {
    let scenario = Scenario::new("conformance", DEVSTORE, File::of(""));
    for seed in 0..SEQUENCES {
        let (url, _data) = embedded_store().await;
        let mut settings = settings(&scenario);
        settings.connection.endpoint = Some(url);
        settings.connection.bucket = "bucket".to_owned();
        let real = Storage::connect(settings).await.unwrap();
        let bucket = Arc::new(Mutex::new(Bucket::new(DEVSTORE, START)));
        let model = real.with_model(Port::direct(Arc::clone(&bucket)));
        let uploads = vec![upload(1), upload(2), upload(3)];
        let mut pair = Pair { real, model, bucket, uploads, multiparts: Vec::new() };
        let mut dice = Dice(seed);
        for _ in 0..CALLS {
            pair.call(&mut dice).await;
        }
    }
}
