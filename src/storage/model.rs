//! A bucket as a plain value, for the model: what an S3 store keeps, with the habits in which stores differ.
//!
//! `service::model_tests::storage` holds it against the embedded store.

use std::collections::BTreeMap;

use bytes::Bytes;
use time::OffsetDateTime;

use super::{
    CompletedPart, CreatedMultipart, FoundMultipart, MultipartMarker, PartBody, ProxiedTarget, Storage,
    StorageError, StorageErrorKind, StoredBody,
};
use crate::model::{Effect, NoAnswer, Port, Value};
use crate::upload::{
    Checksum, ChecksumAlgorithm, ChecksumType, ListedPart, ObjectChecksum, ObjectProof, PartNumber, PartSet,
    S3UploadId, Upload, combine,
};

/// What a store answers when a multipart upload is completed once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RepeatedComplete {
    /// As the first time, while its object is at the key (AWS without a condition, SeaweedFS, Ceph).
    Same,
    /// 412: its own object takes the key (AWS with `If-None-Match`).
    KeyTaken,
    /// It does not know it any more (MinIO, Garage).
    Forgotten,
}

/// What becomes of a part that was under way when its multipart upload was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LatePart {
    /// It is refused (MinIO, SeaweedFS).
    Refused,
    /// It stays, and with it the multipart upload, until that is aborted again (AWS, s3s-fs).
    Stays,
}

/// Whether ListMultipartUploads works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Listing {
    /// By prefix.
    ByPrefix,
    /// By whole keys only (MinIO).
    ByKey,
    /// Permissions do not allow it.
    Forbidden,
    /// It answers, and leaves multipart uploads out.
    Lies,
}

/// Whether `If-None-Match: *` is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Conditions {
    /// On PutObject and CompleteMultipartUpload.
    Honoured,
    /// On neither (Garage).
    Ignored,
}

/// Whether ListParts shows the parts' checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PartChecksums {
    /// As AWS and MinIO do.
    Shown,
    /// As SeaweedFS does.
    Hidden,
}

/// How a store behaves where stores differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Habits {
    pub(crate) name: &'static str,
    pub(crate) repeated_complete: RepeatedComplete,
    pub(crate) late_part: LatePart,
    pub(crate) listing: Listing,
    pub(crate) conditions: Conditions,
    pub(crate) part_checksums: PartChecksums,
}

/// AWS S3, and stores that are like it.
pub(crate) const AWS: Habits = Habits {
    name: "aws",
    repeated_complete: RepeatedComplete::KeyTaken,
    late_part: LatePart::Stays,
    listing: Listing::ByPrefix,
    conditions: Conditions::Honoured,
    part_checksums: PartChecksums::Shown,
};
/// MinIO.
pub(crate) const MINIO: Habits = Habits {
    name: "minio",
    repeated_complete: RepeatedComplete::Forgotten,
    late_part: LatePart::Refused,
    listing: Listing::ByKey,
    ..AWS
};
/// SeaweedFS.
pub(crate) const SEAWEED: Habits = Habits {
    name: "seaweedfs",
    repeated_complete: RepeatedComplete::Same,
    late_part: LatePart::Refused,
    part_checksums: PartChecksums::Hidden,
    ..AWS
};
/// Garage.
pub(crate) const GARAGE: Habits = Habits {
    name: "garage",
    repeated_complete: RepeatedComplete::Forgotten,
    late_part: LatePart::Refused,
    conditions: Conditions::Ignored,
    ..AWS
};
/// An identity that may not list multipart uploads.
pub(crate) const NO_LISTING: Habits = Habits { name: "no listing", listing: Listing::Forbidden, ..AWS };

/// A multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Multipart {
    pub(crate) key: String,
    pub(crate) owner: String,
    kind: ChecksumAlgorithm,
    initiated_at: OffsetDateTime,
    pub(crate) parts: BTreeMap<u32, String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Object {
    pub(crate) owner: Option<String>,
    pub(crate) content: String,
    kind: ChecksumAlgorithm,
    etag: String,
    made_by: Option<String>,
}

/// How a multipart upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ending {
    Finished,
    Aborted,
    Reaped,
}

/// A bucket. Contents are short texts, so that checksums are real and states are small.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    pub(crate) habits: Habits,
    /// The store's clock.
    pub(crate) now: OffsetDateTime,
    pub(crate) multiparts: BTreeMap<String, Multipart>,
    pub(crate) objects: BTreeMap<String, Object>,
    ended: BTreeMap<String, (Multipart, Ending)>,
}

/// What bytes are sent as, and on which condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// Only where nothing is.
    Create,
    /// In any case.
    Replace,
}

type Answer<T> = Result<T, StorageErrorKind>;

impl Bucket {
    pub(crate) fn new(habits: Habits, now: OffsetDateTime) -> Self {
        Self { habits, now, multiparts: BTreeMap::new(), objects: BTreeMap::new(), ended: BTreeMap::new() }
    }

    fn find(&self, key: &str, id: &str) -> Answer<&Multipart> {
        self.multiparts.get(id).filter(|found| found.key == key).ok_or(StorageErrorKind::NoSuchUpload)
    }

    fn end(&mut self, id: &str, ending: Ending) {
        if let Some(multipart) = self.multiparts.remove(id) {
            self.ended.insert(id.to_owned(), (Multipart { parts: BTreeMap::new(), ..multipart }, ending));
        }
    }

    fn create(&mut self, key: &str, owner: &str, kind: ChecksumAlgorithm) -> String {
        let id = format!("m{}", self.multiparts.len() + self.ended.len() + 1);
        let multipart = Multipart {
            key: key.to_owned(),
            owner: owner.to_owned(),
            kind,
            initiated_at: self.now,
            parts: BTreeMap::new(),
        };
        self.multiparts.insert(id.clone(), multipart);
        id
    }

    /// The store's own clean-up takes a multipart upload away.
    pub(crate) fn reap(&mut self, id: &str) {
        self.end(id, Ending::Reaped);
    }

    /// Takes a part; answers its ETag.
    pub(crate) fn put_part(&mut self, key: &str, id: &str, (number, content): (u32, &str)) -> Answer<String> {
        self.find(key, id)?;
        let multipart = self.multiparts.get_mut(id).ok_or(StorageErrorKind::NoSuchUpload)?;
        multipart.parts.insert(number, content.to_owned());
        Ok(part_etag(content))
    }

    /// Takes a part that was sent a while ago.
    pub(crate) fn land_part(&mut self, key: &str, id: &str, part: (u32, &str)) {
        let is_aborted = self.ended.get(id).is_some_and(|(_, ending)| *ending == Ending::Aborted);
        if is_aborted && self.habits.late_part == LatePart::Stays {
            let ended = self.ended.remove(id);
            self.multiparts.extend(ended.map(|(multipart, _)| (id.to_owned(), multipart)));
        }
        // Nobody hears what came of it.
        let _ = self.put_part(key, id, part);
    }

    /// Stores an object.
    pub(crate) fn put_object(
        &mut self,
        key: &str,
        owner: Option<&str>,
        (content, kind): (&str, ChecksumAlgorithm),
        write: Write,
    ) -> Answer<String> {
        self.check_condition(key, write)?;
        let etag = part_etag(content);
        let object = Object {
            owner: owner.map(str::to_owned),
            content: content.to_owned(),
            kind,
            etag: etag.clone(),
            made_by: None,
        };
        self.objects.insert(key.to_owned(), object);
        Ok(etag)
    }

    fn check_condition(&self, key: &str, write: Write) -> Answer<()> {
        let must_be_free = write == Write::Create && self.habits.conditions == Conditions::Honoured;
        if must_be_free && self.objects.contains_key(key) {
            return Err(StorageErrorKind::PreconditionFailed);
        }
        Ok(())
    }

    fn complete(&mut self, key: &str, id: &str, completion: &Completion) -> Answer<()> {
        if !self.multiparts.contains_key(id) {
            return self.complete_again(key, id, completion.write);
        }
        let multipart = self.find(key, id)?;
        self.check_condition(key, completion.write)?;
        let mut content = String::new();
        let mut sums = Vec::new();
        for (number, etag) in &completion.parts {
            let part = multipart.parts.get(number).filter(|part| part_etag(part) == *etag);
            let part = part.ok_or(StorageErrorKind::InvalidPart)?;
            sums.extend(checksum_of(multipart.kind, part).map(|sum| (sum, part.len() as u64)));
            content.push_str(part);
        }
        if completion.parts.is_empty() {
            return Err(StorageErrorKind::Rejected);
        }
        let stored = combine(multipart.kind, &sums);
        let is_wrong = |expected: &&ObjectChecksum| stored.as_ref().is_some_and(|stored| stored != *expected);
        if completion.expected.as_ref().filter(is_wrong).is_some() {
            return Err(StorageErrorKind::BadDigest);
        }
        let object = Object {
            owner: Some(multipart.owner.clone()),
            etag: format!("\"{content}-{}\"", completion.parts.len()),
            content,
            kind: multipart.kind,
            made_by: Some(id.to_owned()),
        };
        self.objects.insert(key.to_owned(), object);
        self.end(id, Ending::Finished);
        Ok(())
    }

    fn complete_again(&self, key: &str, id: &str, write: Write) -> Answer<()> {
        let is_there = self.objects.get(key).is_some_and(|object| object.made_by.as_deref() == Some(id));
        match self.habits.repeated_complete {
            RepeatedComplete::Same if is_there => Ok(()),
            RepeatedComplete::KeyTaken if is_there && write == Write::Replace => Ok(()),
            RepeatedComplete::KeyTaken if is_there => Err(StorageErrorKind::PreconditionFailed),
            RepeatedComplete::Same | RepeatedComplete::KeyTaken | RepeatedComplete::Forgotten => {
                Err(StorageErrorKind::NoSuchUpload)
            }
        }
    }

    fn list_parts(&self, key: &str, id: &str) -> Answer<Vec<ListedPart>> {
        let multipart = self.find(key, id)?;
        let shown = self.habits.part_checksums == PartChecksums::Shown;
        let listed = multipart.parts.iter().filter_map(|(number, content)| {
            Some(ListedPart {
                number: PartNumber::new(*number)?,
                size_bytes: content.len() as u64,
                etag: part_etag(content),
                checksum: checksum_of(multipart.kind, content).filter(|_| shown),
            })
        });
        Ok(listed.collect())
    }

    fn head(&self, key: &str) -> Option<ObjectProof> {
        let object = self.objects.get(key)?;
        let checksum = checksum_of(object.kind, &object.content).map(|checksum| ObjectChecksum {
            algorithm: object.kind,
            checksum_type: ChecksumType::FullObject,
            value: checksum.to_base64(),
        });
        Some(ObjectProof {
            upload_id: object.owner.clone(),
            size_bytes: object.content.len() as u64,
            etag: object.etag.clone(),
            version_id: None,
            checksum,
        })
    }

    fn multiparts_at(&self, key: &str) -> Answer<Vec<S3UploadId>> {
        match self.habits.listing {
            Listing::ByPrefix | Listing::ByKey => {
                let at_key = self.multiparts.iter().filter(|(_, found)| found.key == key);
                Ok(at_key.map(|(id, _)| S3UploadId(id.clone())).collect())
            }
            Listing::Forbidden => Err(StorageErrorKind::Rejected),
            Listing::Lies => Ok(Vec::new()),
        }
    }
}

impl Bucket {
    fn multiparts_under(&self, prefix: &str) -> Answer<Vec<FoundMultipart>> {
        let matches = |key: &str| match self.habits.listing {
            Listing::ByPrefix => key.starts_with(prefix),
            Listing::ByKey => key == prefix,
            Listing::Forbidden | Listing::Lies => false,
        };
        if self.habits.listing == Listing::Forbidden {
            return Err(StorageErrorKind::Rejected);
        }
        let found = self.multiparts.iter().filter(|(_, multipart)| matches(&multipart.key));
        let listed = |(id, multipart): (&String, &Multipart)| FoundMultipart {
            key: multipart.key.clone(),
            id: S3UploadId(id.clone()),
            initiated_at: Some(multipart.initiated_at),
        };
        Ok(found.map(listed).collect())
    }
}

fn part_etag(content: &str) -> String {
    format!("\"{content}\"")
}

/// The checksum of some content; none for kinds that are not CRCs.
pub(crate) fn checksum_of(kind: ChecksumAlgorithm, content: &str) -> Option<Checksum> {
    const ZEROS: [(ChecksumAlgorithm, &str); 3] = [
        (ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAA="),
        (ChecksumAlgorithm::Crc32c, "AAAAAA=="),
        (ChecksumAlgorithm::Crc32, "AAAAAA=="),
    ];
    let (_, zero) = ZEROS.into_iter().find(|(zero, _)| *zero == kind)?;
    let mut hasher = Checksum::from_base64(kind, zero).ok()?.hasher()?;
    hasher.update(content.as_bytes());
    Some(hasher.finish())
}

#[derive(Debug, Clone)]
struct Completion {
    parts: Vec<(u32, String)>,
    expected: Option<ObjectChecksum>,
    write: Write,
}

/// Storage that asks a [`Port`]. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ModelStorage(Port<Bucket>);

impl Storage {
    /// This storage with a model in the place of the store; URLs are signed as ever.
    pub(crate) fn with_model(&self, port: Port<Bucket>) -> Self {
        Self { model: Some(ModelStorage(port)), ..self.clone() }
    }

    fn write_of(&self, upload: &Upload) -> Write {
        let is_exclusive = !upload.spec.overwrite && self.settings.profile.conditional_writes;
        if is_exclusive { Write::Create } else { Write::Replace }
    }
}

impl ModelStorage {
    async fn ask<T: Value + Clone + PartialEq>(
        &self,
        (operation, effect): (&'static str, Effect),
        detail: String,
        act: impl Fn(&mut Bucket) -> Answer<T> + Send + Sync + 'static,
    ) -> Result<T, StorageError> {
        let answer = self.0.ask(effect, format!("{operation} {detail}"), act).await;
        let answer = answer.unwrap_or_else(|none| {
            Err(match none {
                NoAnswer::Silence => StorageErrorKind::Unavailable,
                NoAnswer::Refusal => StorageErrorKind::Rejected,
            })
        });
        answer.map_err(|kind| StorageError { operation, kind, detail: "the model says so".to_owned() })
    }

    pub(super) async fn check(&self) -> Result<(), StorageError> {
        self.ask(("HeadBucket", Effect::Reads), String::new(), |_| Ok(())).await
    }

    pub(super) async fn head(&self, upload: &Upload) -> Result<Option<ObjectProof>, StorageError> {
        let key = upload.spec.key.as_str().to_owned();
        self.ask(("HeadObject", Effect::Reads), String::new(), move |bucket| Ok(bucket.head(&key))).await
    }

    pub(super) async fn put_empty(&self, storage: &Storage, upload: &Upload) -> Result<(), StorageError> {
        let (key, owner) = (upload.spec.key.as_str().to_owned(), upload.id.to_string());
        let (kind, write) = (upload.spec.checksum_algorithm, storage.write_of(upload));
        let text = format!("{key} empty {write:?}");
        self.ask(("PutObject", Effect::Writes), text, move |bucket| {
            bucket.put_object(&key, Some(&owner), ("", kind), write).map(|_| ())
        })
        .await
    }

    /// Proxied bytes are not modelled: a proxied part is a part like any other.
    pub(super) async fn put_proxied(
        &self,
        _: &Upload,
        _: ProxiedTarget<'_>,
        _: PartBody,
    ) -> Result<String, StorageError> {
        Err(StorageError::rejected("UploadPart", "not modelled"))
    }

    pub(super) async fn read(&self, upload: &Upload) -> Result<StoredBody, StorageError> {
        let key = upload.spec.key.as_str().to_owned();
        let read = move |bucket: &mut Bucket| {
            let object = bucket.objects.get(&key).ok_or(StorageErrorKind::NoSuchObject)?;
            Ok(object.content.clone())
        };
        let content = self.ask(("GetObject", Effect::Reads), String::new(), read).await?;
        Ok(StoredBody::from(Bytes::from(content)))
    }

    pub(super) async fn delete(&self, upload: &Upload) -> Result<(), StorageError> {
        let key = upload.spec.key.as_str().to_owned();
        self.ask(("DeleteObject", Effect::Writes), key.clone(), move |bucket| {
            bucket.objects.remove(&key);
            Ok(())
        })
        .await
    }

    /// As the real one: an attempt without an answer is repeated once.
    pub(super) async fn create_multipart(&self, upload: &Upload) -> Result<CreatedMultipart, StorageError> {
        match self.create_once(upload).await {
            Ok(id) => Ok(CreatedMultipart { id, may_have_twin: false }),
            Err(error) if error.kind == StorageErrorKind::Unavailable => {
                Ok(CreatedMultipart { id: self.create_once(upload).await?, may_have_twin: true })
            }
            Err(error) => Err(error),
        }
    }

    async fn create_once(&self, upload: &Upload) -> Result<S3UploadId, StorageError> {
        let (key, owner) = (upload.spec.key.as_str().to_owned(), upload.id.to_string());
        let kind = upload.spec.checksum_algorithm;
        let text = format!("{key} for {owner}");
        self.ask(("CreateMultipartUpload", Effect::Writes), text, move |bucket| {
            Ok(S3UploadId(bucket.create(&key, &owner, kind)))
        })
        .await
    }

    pub(super) async fn complete_multipart(
        &self,
        storage: &Storage,
        (upload, s3_upload_id): (&Upload, &S3UploadId),
        parts: &[CompletedPart],
        expected: Option<&ObjectChecksum>,
    ) -> Result<(), StorageError> {
        let (key, id) = (upload.spec.key.as_str().to_owned(), s3_upload_id.0.clone());
        let expected = expected.filter(|sum| sum.checksum_type == ChecksumType::FullObject).cloned();
        let parts: Vec<_> = parts.iter().map(|part| (part.number.value(), part.etag.clone())).collect();
        let etags: Vec<_> = parts.iter().map(|(number, etag)| format!("{number}:{etag}")).collect();
        let completion = Completion { parts, expected, write: storage.write_of(upload) };
        let text = format!("{key} {id} of {} {:?}", etags.join(" "), completion.write);
        self.ask(("CompleteMultipartUpload", Effect::Writes), text, move |bucket| {
            bucket.complete(&key, &id, &completion)
        })
        .await
    }

    pub(super) async fn abort_multipart(
        &self,
        key: &str,
        s3_upload_id: &S3UploadId,
    ) -> Result<(), StorageError> {
        let (key, id) = (key.to_owned(), s3_upload_id.0.clone());
        let text = format!("{key} {id}");
        self.ask(("AbortMultipartUpload", Effect::Writes), text, move |bucket| {
            // 204 or 404 for an unknown one: both are "gone" to our caller.
            if bucket.find(&key, &id).is_ok() {
                bucket.end(&id, Ending::Aborted);
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn multiparts_at(&self, key: &str) -> Result<Vec<S3UploadId>, StorageError> {
        let key = key.to_owned();
        let list = move |bucket: &mut Bucket| bucket.multiparts_at(&key);
        self.ask(("ListMultipartUploads", Effect::Reads), String::new(), list).await
    }

    /// All at once: a model has no pages.
    pub(super) async fn multiparts_under(
        &self,
        prefix: &str,
    ) -> Result<(Vec<FoundMultipart>, Option<MultipartMarker>), StorageError> {
        let prefix = prefix.to_owned();
        let list = move |bucket: &mut Bucket| bucket.multiparts_under(&prefix);
        let found =
            self.ask(("ListMultipartUploads", Effect::Reads), "of the bucket".to_owned(), list).await?;
        Ok((found, None))
    }

    pub(super) async fn list_parts(
        &self,
        key: &str,
        s3_upload_id: &S3UploadId,
        _: ChecksumAlgorithm,
        _: &PartSet,
    ) -> Result<Vec<ListedPart>, StorageError> {
        let (key, id) = (key.to_owned(), s3_upload_id.0.clone());
        let list = move |bucket: &mut Bucket| bucket.list_parts(&key, &id);
        self.ask(("ListParts", Effect::Reads), s3_upload_id.0.clone(), list).await
    }

    pub(super) async fn multipart_exists(&self, key: &str, id: &S3UploadId) -> Result<bool, StorageError> {
        match self.list_parts(key, id, ChecksumAlgorithm::None, &PartSet::new()).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::NoSuchUpload => Ok(false),
            Err(error) => Err(error),
        }
    }
}
