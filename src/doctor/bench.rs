//! Where the doctor works: uploads of its own in a folder of its own, all written down so that all can be removed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::{Client, Method};
use time::OffsetDateTime;
use uuid::Uuid;

use super::wire::{Answer, Request, Silence};
use crate::clock::Clock;
use crate::config::Settings;
use crate::storage::{
    SignedRequest, Storage, StorageError, StorageErrorKind, StorageSettings, StorageSetupError, TimeLimits,
    UrlWindow,
};
use crate::upload::{
    Checksum, ChecksumAlgorithm, Metadata, ObjectKey, PartNumber, Plan, S3UploadId, Transfer, Upload,
    UploadId, UploadSpec,
};

/// Under the prefix of uploads, so that what may be done there is what uploads may do.
const FOLDER: &str = ".partgate-doctor";
/// Long enough for the largest part, short enough to be worth nothing later.
const URL_TTL: Duration = Duration::from_secs(5 * 60);
/// Uploads that are removed at once.
const PARALLEL: usize = 8;
/// An object may have versions, one below the other.
const MAX_VERSIONS: usize = 8;

/// A person waits for the doctor, so storage has less time than it has for uploads.
const TIME_LIMITS: TimeLimits = TimeLimits {
    connect: Duration::from_secs(3),
    attempt: Duration::from_secs(5),
    operation: Duration::from_secs(10),
    complete: Duration::from_secs(20),
};

/// What checks share.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) settings: StorageSettings,
    /// Storage as the gateway has it, but believed to do everything: what it does is seen then.
    pub(super) storage: Storage,
    pub(super) http: Client,
    folder: String,
    made: Mutex<Vec<Made>>,
}

/// An upload whose traces may be in storage.
#[derive(Debug, Clone)]
struct Made {
    upload: Upload,
    multiparts: Vec<S3UploadId>,
}

/// What could not be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    pub(super) objects: Vec<String>,
    pub(super) multiparts: Vec<String>,
}

impl Bench {
    pub(super) async fn new(settings: &Settings, http: Client) -> Result<Self, StorageSetupError> {
        let mut storage = settings.storage.clone();
        storage.time_limits = TIME_LIMITS;
        storage.profile.conditional_writes = true;
        storage.profile.lists_checksums = true;
        Ok(Self {
            storage: Storage::connect(storage.clone()).await?,
            // As they are set, to be held against what is seen.
            settings: StorageSettings { profile: settings.storage.profile.clone(), ..storage },
            http,
            folder: format!("{}{FOLDER}/{}/", settings.rules.key_prefix, Uuid::now_v7()),
            made: Mutex::default(),
        })
    }

    /// Below this are all keys of this examination.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// A small file: one PUT that may not replace anything.
    pub(super) fn file(&self, name: &str, kind: ChecksumAlgorithm, size_bytes: u64) -> Upload {
        self.upload(name, kind, (size_bytes, Transfer::Put))
    }

    /// A file of parts.
    pub(super) fn parts(&self, name: &str, kind: ChecksumAlgorithm, size_bytes: u64) -> Upload {
        self.upload(name, kind, (size_bytes, Transfer::Multipart))
    }

    fn upload(&self, name: &str, kind: ChecksumAlgorithm, (size_bytes, transfer): (u64, Transfer)) -> Upload {
        let key = ObjectKey::new(format!("{}{name}", self.folder));
        let spec = UploadSpec {
            tenant: "default".to_owned(),
            owner: None,
            bucket: self.storage.bucket().to_owned(),
            key: key.expect("the prefix was checked with the settings, and names here are plain"),
            filename: name.to_owned(),
            content_type: "application/octet-stream".to_owned(),
            checksum_algorithm: kind,
            metadata: Metadata::default(),
            overwrite: false,
            fingerprint: None,
            idempotency_key: None,
            transfer,
        };
        let times = (Clock::System.now(), time::Duration::HOUR);
        Upload::new(
            UploadId(Uuid::now_v7()),
            spec,
            Plan::restore(Some(size_bytes), size_bytes.max(1)),
            None,
            times,
        )
    }

    /// Opens a multipart upload.
    pub(super) async fn create(&self, upload: &Upload) -> Result<S3UploadId, StorageError> {
        self.remember(upload, None);
        let id = self.storage.create_multipart(upload).await?.id;
        self.remember(upload, Some(&id));
        Ok(id)
    }

    /// Sends a part as a client does, with these headers over the signed ones.
    pub(super) async fn put_part(
        &self,
        upload: &Upload,
        id: &S3UploadId,
        part: Part,
    ) -> Result<Answer, Silence> {
        let item = (part.number, part.said_bytes, part.checksum);
        let signed = self.storage.sign_parts(upload, id, &[item], window(Clock::System.now())).await;
        let (mut signed, _) = signed.map_err(unsigned)?;
        let signed = signed.pop().ok_or_else(|| Silence::Unsigned("nothing was signed".to_owned()))?;
        self.put(&signed.url, [signed.headers, part.headers].concat(), part.body).await
    }

    /// Sends a small file as a client does.
    pub(super) async fn put_file(&self, upload: &Upload, file: File) -> Result<Answer, Silence> {
        self.remember(upload, None);
        let signed = self.sign_file(upload, &file).await.map_err(unsigned)?;
        self.put(&signed.url, [signed.headers, file.headers].concat(), file.body).await
    }

    pub(super) async fn sign_file(
        &self,
        upload: &Upload,
        file: &File,
    ) -> Result<SignedRequest, StorageError> {
        let window = UrlWindow { now: file.signed_at, ttl: file.ttl };
        Ok(self.storage.sign_put(upload, file.checksum, window).await?.0)
    }

    async fn put(&self, url: &str, headers: Vec<(String, String)>, body: Bytes) -> Result<Answer, Silence> {
        Request { method: Method::PUT, url, headers: &headers, body }.send(&self.http).await
    }

    fn remember(&self, upload: &Upload, multipart: Option<&S3UploadId>) {
        let mut made = self.lock();
        let index = made.iter().position(|known| known.upload.id == upload.id).unwrap_or_else(|| {
            made.push(Made { upload: upload.clone(), multiparts: Vec::new() });
            made.len() - 1
        });
        made[index].multiparts.extend(multipart.cloned());
    }

    /// Removes all that was made, and looks whether it is gone.
    pub(super) async fn clear(&self) -> Leftovers {
        let made = self.lock().clone();
        let left: Vec<Leftovers> =
            stream::iter(made).map(|made| self.remove(made)).buffer_unordered(PARALLEL).collect().await;
        let (objects, multiparts): (Vec<_>, Vec<_>) =
            left.into_iter().map(|left| (left.objects, left.multiparts)).unzip();
        Leftovers { objects: objects.concat(), multiparts: multiparts.concat() }
    }

    async fn remove(&self, made: Made) -> Leftovers {
        let key = made.upload.spec.key.as_str();
        let mut left = Leftovers::default();
        let mut multiparts = made.multiparts;
        // One whose creation was not answered is at the key all the same, beside one that came of asking again.
        if made.upload.spec.transfer == Transfer::Multipart {
            for id in self.storage.multiparts_at(key).await.unwrap_or_default() {
                if !multiparts.contains(&id) {
                    multiparts.push(id);
                }
            }
        }
        for id in &multiparts {
            let is_gone = self.storage.abort_multipart(key, id).await.is_ok()
                && !matches!(self.storage.multipart_exists(key, id).await, Ok(true));
            if !is_gone {
                left.multiparts.push(key.to_owned());
            }
        }
        if !self.remove_object(&made.upload).await {
            left.objects.push(key.to_owned());
        }
        left
    }

    async fn remove_object(&self, upload: &Upload) -> bool {
        for _ in 0..MAX_VERSIONS {
            match self.storage.head(upload).await {
                Ok(None) => return true,
                Ok(Some(object)) => {
                    if self.storage.delete(upload, object.version_id.as_deref()).await.is_err() {
                        return false;
                    }
                }
                // Who may not look may delete all the same.
                Err(error) if error.kind == StorageErrorKind::Rejected => {
                    return self.storage.delete(upload, None).await.is_ok();
                }
                Err(_) => return false,
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part as it is signed and as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) number: PartNumber,
    /// The length that is signed.
    pub(super) said_bytes: u64,
    pub(super) checksum: Option<Checksum>,
    pub(super) body: Bytes,
    /// Over the signed ones.
    pub(super) headers: Vec<(String, String)>,
}

impl Part {
    pub(super) fn new(number: u32, body: Bytes) -> Self {
        Self {
            number: PartNumber::new(number).expect("checks use the first few numbers"),
            said_bytes: body.len() as u64,
            checksum: None,
            body,
            headers: Vec::new(),
        }
    }
}

/// A small file as it is signed and as it is sent. Its signed length is that of the upload.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) checksum: Option<Checksum>,
    pub(super) body: Bytes,
    /// Over the signed ones.
    pub(super) headers: Vec<(String, String)>,
    pub(super) signed_at: OffsetDateTime,
    pub(super) ttl: Duration,
}

impl File {
    pub(super) fn new(body: Bytes) -> Self {
        let signed_at = Clock::System.now();
        Self { checksum: None, body, headers: Vec::new(), signed_at, ttl: URL_TTL }
    }

    pub(super) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

pub(super) fn window(now: OffsetDateTime) -> UrlWindow {
    UrlWindow { now, ttl: URL_TTL }
}

fn unsigned(error: StorageError) -> Silence {
    Silence::Unsigned(error.to_string())
}
