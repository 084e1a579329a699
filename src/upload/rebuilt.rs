//! Uploads as storage alone can tell of them, for a database that was lost.
//!
//! Invariant: nothing is guessed that a client would act on. What storage does not tell (owner, fingerprint, the name as
//! it was given, what the object may replace) is left out; where the parts do not tell how the file is cut, no upload
//! is made of them.

use time::{Duration, OffsetDateTime};

use super::{
    ChecksumAlgorithm, ListedPart, Metadata, ObjectKey, ObjectProof, Outcome, Plan, S3UploadId, State,
    Transfer, Upload, UploadId, UploadSpec,
};

const MIB: u64 = 1024 * 1024;
/// What an object has whose type nobody knows.
const UNKNOWN_TYPE: &str = "application/octet-stream";
/// The first version is that of init, and what follows is a change of it.
const REBUILT_VERSION: i64 = 2;

/// Whose uploads are looked for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home<'a> {
    /// The tenant that has the prefix.
    pub tenant: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// How long the tenant's uploads may take.
    pub lifetime: Duration,
    /// The part size of files whose objects do not tell theirs, bytes.
    pub usual_part_size_bytes: u64,
}

/// A finished object as storage describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its Content-Type, where it has one.
    pub content_type: Option<String>,
    /// Its user metadata without our own entries.
    pub metadata: Metadata,
    /// What proves whose it is.
    pub proof: ObjectProof,
    /// When it was stored. AWS gives multipart uploads the time when they were opened.
    pub modified_at: OffsetDateTime,
}

/// A multipart upload as storage lists it.
#[derive(Debug, Clone, Copy)]
pub struct StoredParts<'a> {
    /// Storage's name of it.
    pub id: &'a S3UploadId,
    /// Its parts by number.
    pub parts: &'a [ListedPart],
    /// How they are protected, as far as storage tells.
    pub checksum_algorithm: ChecksumAlgorithm,
}

impl UploadId {
    /// When the upload was opened: ids of version 7 tell. None for ids that are not of our making.
    #[must_use]
    pub fn opened_at(&self) -> Option<OffsetDateTime> {
        let timestamp = self.0.get_timestamp().filter(|_| self.0.get_version_num() == 7)?;
        let (seconds, nanoseconds) = timestamp.to_unix();
        let at = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
        Some(at + Duration::nanoseconds(nanoseconds.into()))
    }
}

impl Upload {
    /// The completed upload that a finished object is of; none when the id is not of our making.
    ///
    /// What its init declared was held against it before it came to be, by storage (the length and the checksum of each
    /// part are signed) and by the completion. A SHA-256 that was proven is not written down in storage.
    #[must_use]
    pub fn rebuilt_completed(
        (id, key): (UploadId, ObjectKey),
        object: StoredObject,
        home: Home<'_>,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let opened_at = id.opened_at()?;
        let StoredObject { content_type, metadata, proof, modified_at } = object;
        let size_bytes = proof.size_bytes;
        let (transfer, part_size_bytes) = match (size_bytes, parts_in_etag(&proof.etag)) {
            (0, _) => (Transfer::Empty, home.usual_part_size_bytes),
            (_, Some(parts)) => (Transfer::Multipart, grid(size_bytes, parts, home.usual_part_size_bytes)),
            (_, None) => (Transfer::Put, size_bytes.max(home.usual_part_size_bytes)),
        };
        let kind = proof.checksum.as_ref().map_or(ChecksumAlgorithm::None, |checksum| checksum.algorithm);
        let content_type = content_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned());
        let spec = UploadSpec { content_type, metadata, transfer, ..bare_spec(key, kind, home) };
        let outcome = Outcome {
            etag: proof.etag,
            version_id: proof.version_id,
            size_bytes,
            checksum: proof.checksum,
            sha256: None,
            completed_at: modified_at,
        };
        let plan = Plan::restore(Some(size_bytes), part_size_bytes);
        let bare = bare(id, spec, plan, (opened_at, home.lifetime, now));
        Some(Self { state: State::Completed, sweep_at: None, outcome: Some(outcome), ..bare })
    }

    /// The open upload that a multipart upload is of: a stream, because storage does not tell the file's size. None
    /// when the id is not of our making, or when its parts do not tell how the file is cut.
    #[must_use]
    pub fn rebuilt_open(
        (id, key): (UploadId, ObjectKey),
        stored: StoredParts<'_>,
        home: Home<'_>,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let opened_at = id.opened_at()?;
        let plan = Plan::restore(None, grid_of_parts(stored.parts)?);
        let spec = bare_spec(key, stored.checksum_algorithm, home);
        let bare = bare(id, spec, plan, (opened_at, home.lifetime, now));
        Some(Self { s3_upload_id: Some(stored.id.clone()), ..bare })
    }
}

/// What is the same of every upload that storage alone tells of.
fn bare_spec(key: ObjectKey, checksum_algorithm: ChecksumAlgorithm, home: Home<'_>) -> UploadSpec {
    let filename = key.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    UploadSpec {
        tenant: home.tenant.to_owned(),
        owner: None,
        bucket: home.bucket.to_owned(),
        key,
        filename,
        content_type: UNKNOWN_TYPE.to_owned(),
        checksum_algorithm,
        metadata: Metadata::default(),
        // Nothing may be replaced that nobody is known to have wanted replaced.
        overwrite: false,
        fingerprint: None,
        idempotency_key: None,
        transfer: Transfer::Multipart,
    }
}

fn bare(
    id: UploadId,
    spec: UploadSpec,
    plan: Plan,
    (opened_at, lifetime, now): (OffsetDateTime, Duration, OffsetDateTime),
) -> Upload {
    let new = Upload::new(id, spec, plan, None, (opened_at, lifetime));
    Upload { state: State::Open, version: REBUILT_VERSION, updated_at: now, ..new }
}

/// The number of parts in the ETag of an object that was put together: `"…-3"`
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>).
fn parts_in_etag(etag: &str) -> Option<u64> {
    let (_, parts) = etag.trim_matches('"').rsplit_once('-')?;
    parts.parse().ok().filter(|parts| *parts > 0)
}

/// A part size that cuts the size into so many parts: the usual one, or else the smallest in whole MiB, or else the
/// smallest.
fn grid(size_bytes: u64, parts: u64, usual_bytes: u64) -> u64 {
    let smallest = size_bytes.div_ceil(parts).max(1);
    let candidates = [usual_bytes.max(1), smallest.next_multiple_of(MIB)];
    candidates.into_iter().find(|part_size| size_bytes.div_ceil(*part_size) == parts).unwrap_or(smallest)
}

/// The part size of a file of which these parts are there: that of all but the last of them, which may be the file's
/// short last one.
fn grid_of_parts(parts: &[ListedPart]) -> Option<u64> {
    let (last, before) = parts.split_last()?;
    let part_size = match before.first() {
        Some(first) => first.size_bytes,
        // The first part has the size of all others, if there are any.
        None if last.number.value() == 1 => last.size_bytes,
        None => return None,
    };
    let is_grid = before.iter().all(|part| part.size_bytes == part_size) && last.size_bytes <= part_size;
    (is_grid && part_size > 0).then_some(part_size)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::super::{ChecksumType, ObjectChecksum, PartNumber};
    use super::*;

    // Friday, 2 January 2026, 12:00 UTC.
    const NOW: OffsetDateTime = datetime!(2026-01-02 12:00 UTC);
    const HOME: Home<'_> = Home {
        tenant: "default",
        bucket: "uploads",
        lifetime: Duration::days(7),
        usual_part_size_bytes: 10 * MIB,
    };

    /// Opened on Thursday, 1 January 2026, 00:00 UTC.
    fn id() -> UploadId {
        UploadId(Uuid::new_v7(uuid::Timestamp::from_unix_time(1_767_225_600, 0, 7, 12)))
    }

    fn key() -> ObjectKey {
        ObjectKey::new(format!("in/{}/film.mp4", id())).unwrap()
    }

    fn object(size_bytes: u64, etag: &str) -> StoredObject {
        let (upload_id, etag) = (Some(id().to_string()), etag.to_owned());
        StoredObject {
            content_type: Some("video/mp4".to_owned()),
            metadata: Metadata::default(),
            proof: ObjectProof { upload_id, size_bytes, etag, version_id: None, checksum: None },
            modified_at: datetime!(2026-01-01 01:00 UTC),
        }
    }

    fn completed(object: StoredObject) -> Upload {
        Upload::rebuilt_completed((id(), key()), object, HOME, NOW).unwrap()
    }

    fn parts(sizes: &[(u32, u64)]) -> Vec<ListedPart> {
        let part = |(number, size_bytes): &(u32, u64)| ListedPart {
            number: PartNumber::new(*number).unwrap(),
            size_bytes: *size_bytes,
            etag: "\"e\"".to_owned(),
            checksum: None,
        };
        sizes.iter().map(part).collect()
    }

    #[test]
    fn completed_upload_is_what_the_object_tells() {
        let upload = completed(object(25 * MIB, "\"0123-3\""));
        assert_eq!(upload.state, State::Completed);
        assert_eq!((upload.plan.part_size_bytes(), upload.plan.total_parts()), (10 * MIB, Some(3)));
        assert_eq!(upload.created_at, datetime!(2026-01-01 00:00 UTC));
        assert_eq!(upload.outcome.as_ref().unwrap().completed_at, datetime!(2026-01-01 01:00 UTC));
        assert_eq!((&*upload.spec.filename, &*upload.spec.content_type), ("film.mp4", "video/mp4"));
        assert_eq!((upload.sweep_at, upload.updated_at), (None, NOW), "the sweep leaves it alone");
    }

    #[test]
    fn transfer_follows_from_size_and_etag() {
        for (size_bytes, etag, expected) in [
            (0, "\"d41d8\"", (Transfer::Empty, Some(0))),
            (5, "\"0123\"", (Transfer::Put, Some(1))),
            // Larger than the usual part: the part size was another.
            (64 * MIB, "\"0123\"", (Transfer::Put, Some(1))),
            (5, "\"0123-1\"", (Transfer::Multipart, Some(1))),
            (500 * MIB, "\"0123-4\"", (Transfer::Multipart, Some(4))),
        ] {
            let upload = completed(object(size_bytes, etag));
            assert_eq!((upload.spec.transfer, upload.plan.total_parts()), expected, "{size_bytes} {etag}");
        }
    }

    #[test]
    fn checksum_of_the_object_is_that_of_the_upload() {
        let mut object = object(5, "\"0123\"");
        object.proof.checksum = Some(ObjectChecksum {
            algorithm: ChecksumAlgorithm::Crc32c,
            checksum_type: ChecksumType::FullObject,
            value: "AAAAAA==".to_owned(),
        });
        let upload = completed(object);
        assert_eq!(upload.spec.checksum_algorithm, ChecksumAlgorithm::Crc32c);
        assert!(upload.outcome.unwrap().checksum.is_some());
    }

    #[test]
    fn id_that_is_not_of_our_making_makes_no_upload() {
        let stranger = UploadId(Uuid::from_u128(7));
        assert_eq!(Upload::rebuilt_completed((stranger, key()), object(5, "\"0\""), HOME, NOW), None);
    }

    #[test]
    fn part_size_is_told_by_parts_that_are_not_the_last() {
        for (sizes, expected) in [
            (&[][..], None),
            (&[(1, 10)], Some(10)),
            (&[(2, 10)], None),
            (&[(1, 10), (2, 10)], Some(10)),
            (&[(2, 10), (5, 3)], Some(10)),
            (&[(1, 10), (2, 11)], None),
            (&[(1, 10), (2, 9), (3, 10)], None),
            (&[(1, 0)], None),
        ] {
            assert_eq!(grid_of_parts(&parts(sizes)), expected, "{sizes:?}");
        }
    }

    #[test]
    fn open_upload_is_a_stream_that_lives_as_long_as_it_would_have() {
        let (multipart, parts) = (S3UploadId("m".to_owned()), parts(&[(1, 10), (2, 10)]));
        let stored =
            StoredParts { id: &multipart, parts: &parts, checksum_algorithm: ChecksumAlgorithm::Crc64nvme };
        let upload = Upload::rebuilt_open((id(), key()), stored, HOME, NOW).unwrap();
        assert_eq!(upload.state, State::Open);
        assert_eq!((upload.plan.size_bytes(), upload.plan.part_size_bytes()), (None, 10));
        assert_eq!(upload.s3_upload_id, Some(multipart));
        assert_eq!(upload.expires_at, datetime!(2026-01-08 00:00 UTC));
        assert_eq!(upload.sweep_at, Some(upload.expires_at));
        assert_eq!(upload.check_takes_parts(NOW), Ok(()));
    }
}
