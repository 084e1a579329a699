//! A bucket as a plain value: what an S3 store keeps, with the habits in which stores differ.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::super::{FoundMultipart, StorageErrorKind};
use super::habits::{Completion, Conditions, Habits, LatePart, Listing, PartChecksums, RepeatedComplete};
use crate::upload::{
    Checksum, ChecksumAlgorithm, ChecksumType, ListedPart, ObjectChecksum, ObjectProof, PartNumber,
    S3UploadId, combine,
};

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
pub(super) enum Ending {
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

pub(super) type Answer<T> = Result<T, StorageErrorKind>;

impl Bucket {
    pub(crate) fn new(habits: Habits, now: OffsetDateTime) -> Self {
        Self { habits, now, multiparts: BTreeMap::new(), objects: BTreeMap::new(), ended: BTreeMap::new() }
    }

    pub(super) fn find(&self, key: &str, id: &str) -> Answer<&Multipart> {
        self.multiparts.get(id).filter(|found| found.key == key).ok_or(StorageErrorKind::NoSuchUpload)
    }

    pub(super) fn end(&mut self, id: &str, ending: Ending) {
        if let Some(multipart) = self.multiparts.remove(id) {
            self.ended.insert(id.to_owned(), (Multipart { parts: BTreeMap::new(), ..multipart }, ending));
        }
    }

    pub(super) fn create(&mut self, key: &str, owner: &str, kind: ChecksumAlgorithm) -> String {
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

    /// Whether somebody has aborted it.
    pub(crate) fn is_aborted(&self, id: &str) -> bool {
        self.ended.get(id).is_some_and(|(_, ending)| *ending == Ending::Aborted)
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
        if self.is_aborted(id) && self.habits.late_part == LatePart::Stays {
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

    pub(super) fn complete(&mut self, key: &str, id: &str, parts: &Parts) -> Answer<()> {
        if !self.multiparts.contains_key(id) {
            return self.complete_again(key, id, parts.write);
        }
        let multipart = self.find(key, id)?;
        let is_gapless = (1..).zip(&parts.parts).all(|(expected, (number, _))| expected == *number);
        if checksum_of(multipart.kind, "").is_some() && !is_gapless {
            return Err(StorageErrorKind::InvalidPart);
        }
        let mut content = String::new();
        let mut sums = Vec::new();
        for (number, etag) in &parts.parts {
            let part = multipart.parts.get(number).filter(|part| part_etag(part) == *etag);
            let part = part.ok_or(StorageErrorKind::InvalidPart)?;
            sums.extend(checksum_of(multipart.kind, part).map(|sum| (sum, part.len() as u64)));
            content.push_str(part);
        }
        if parts.parts.is_empty() {
            return Err(StorageErrorKind::Rejected);
        }
        let stored = combine(multipart.kind, &sums);
        let is_wrong = |expected: &&ObjectChecksum| stored.as_ref().is_some_and(|stored| stored != *expected);
        if parts.expected.as_ref().filter(is_wrong).is_some() {
            return Err(StorageErrorKind::BadDigest);
        }
        self.check_condition(key, parts.write)?;
        match self.habits.completion {
            Completion::Works => {}
            Completion::Garbles => content = content.chars().rev().collect(),
            Completion::Pretends => return Ok(()),
        }
        let object = Object {
            owner: Some(multipart.owner.clone()),
            etag: format!("\"{content}-{}\"", parts.parts.len()),
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
        let is_finished = self
            .ended
            .get(id)
            .is_some_and(|(multipart, ending)| multipart.key == key && *ending == Ending::Finished);
        match self.habits.repeated_complete {
            RepeatedComplete::Remembered if is_finished => Ok(()),
            RepeatedComplete::Same if is_there => Ok(()),
            RepeatedComplete::KeyTaken if is_there && write == Write::Replace => Ok(()),
            RepeatedComplete::KeyTaken if is_there => Err(StorageErrorKind::PreconditionFailed),
            RepeatedComplete::Same
            | RepeatedComplete::Remembered
            | RepeatedComplete::KeyTaken
            | RepeatedComplete::Forgotten => Err(StorageErrorKind::NoSuchUpload),
        }
    }

    pub(super) fn list_parts(&self, key: &str, id: &str) -> Answer<Vec<ListedPart>> {
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

    pub(super) fn head(&self, key: &str) -> Option<ObjectProof> {
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

    pub(super) fn multiparts_at(&self, key: &str) -> Answer<Vec<S3UploadId>> {
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
    pub(super) fn multiparts_under(&self, prefix: &str) -> Answer<Vec<FoundMultipart>> {
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
pub(super) struct Parts {
    pub(super) parts: Vec<(u32, String)>,
    pub(super) expected: Option<ObjectChecksum>,
    pub(super) write: Write,
}
