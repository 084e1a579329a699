//! Asks storage what it holds of an upload, and makes that our truth.

use super::complete::is_whole;
use super::sign::Opening;
use super::{Service, ServiceError, count_received};
use crate::storage::StorageErrorKind;
use crate::upload::{
    ListedPart, Mismatch, ObjectProof, PartEvidence, PartNumber, PartRecord, PartSet, Transfer, Upload,
    reconcile,
};

/// What storage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To know how far the upload is: all that it says is remembered.
    Progress,
    /// To complete the upload. Where storage has every part as it was reported, nothing is written: thousands of rows
    /// would change in nothing but who says so, and nobody asks that of an upload that is completed.
    Completion,
}

/// What storage said.
pub(super) struct Refreshed {
    /// The upload, with a new multipart upload behind it if storage had lost the old one.
    pub(super) upload: Upload,
    /// What is known of its parts now.
    pub(super) records: Vec<PartRecord>,
    /// Parts that are in storage but not as declared or reported.
    pub(super) mismatches: Vec<Mismatch>,
    /// The object is there already: an earlier completion got further than we knew.
    pub(super) finished: bool,
    /// Somebody else's object is at the key of a small file.
    pub(super) key_taken: bool,
}

impl Service {
    /// Replaces what was reported of an open upload by what storage lists.
    pub(super) async fn refresh(&self, upload: Upload, purpose: Purpose) -> Result<Refreshed, ServiceError> {
        match upload.spec.transfer {
            Transfer::Empty => Ok(Refreshed::nothing(upload)),
            Transfer::Put => self.refresh_put(upload, purpose).await,
            Transfer::Multipart => {
                let upload = self.ensure_open(upload).await?;
                // What it may lead to (a multipart upload opened again) would lie on the stack of all who ask.
                Box::pin(self.refresh_multipart(upload, purpose)).await
            }
        }
    }

    /// A small file is either at its key or it is not.
    async fn refresh_put(&self, upload: Upload, purpose: Purpose) -> Result<Refreshed, ServiceError> {
        let asked_at = self.clock.now();
        let object = self.storage_of(&upload)?.head(&upload).await?;
        let key_taken = object.as_ref().is_some_and(|object| !is_ours(&upload, object));
        let ours = object.filter(|_| !key_taken).zip(PartNumber::new(1)).map(|(object, number)| ListedPart {
            number,
            size_bytes: object.size_bytes,
            etag: object.etag,
            checksum: None,
        });
        let known = self.store.parts(upload.id, upload.spec.checksum_algorithm).await?;
        let refreshed = self.reconcile_with(upload, purpose, (&known, ours.as_slice()), asked_at).await?;
        Ok(Refreshed { key_taken, ..refreshed })
    }

    async fn refresh_multipart(&self, upload: Upload, purpose: Purpose) -> Result<Refreshed, ServiceError> {
        let Some(s3_upload_id) = upload.s3_upload_id.clone() else { return Ok(Refreshed::nothing(upload)) };
        let known: PartSet = self.store.received(upload.id).await?.numbers;
        let asked_at = self.clock.now();
        let kind = upload.spec.checksum_algorithm;
        let key = upload.spec.key.as_str();
        let storage = self.storage_of(&upload)?;
        // Both at once: what is reported meanwhile spares itself (`replace_parts`), and storage has the last word on it.
        let listing = storage.list_parts(key, &s3_upload_id, kind, &known);
        let (listed, known) = tokio::join!(listing, self.store.parts(upload.id, kind));
        match listed {
            Ok(listed) => self.reconcile_with(upload, purpose, (&known?, &listed), asked_at).await,
            Err(error) if error.kind == StorageErrorKind::NoSuchUpload => self.recover_lost(upload).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Storage does not know the multipart upload: it was finished (and we did not hear of it), or reaped.
    ///
    /// Invariant: an upload id outlives the S3 upload id. A new multipart upload takes the place of a reaped one,
    /// and all parts are missing again.
    pub(super) async fn recover_lost(&self, upload: Upload) -> Result<Refreshed, ServiceError> {
        let object = self.storage_of(&upload)?.head(&upload).await?;
        if object.is_some_and(|object| is_ours(&upload, &object)) {
            return Ok(Refreshed { finished: true, ..Refreshed::nothing(upload) });
        }
        let lost_at = self.clock.now();
        // As it is stored: what a complete call declared does not belong to the new multipart upload.
        let stored = self.reload(upload.id).await?;
        // One that was taken back or finished meanwhile has no multipart upload for that reason.
        stored.check_takes_parts(lost_at)?;
        if stored.s3_upload_id != upload.s3_upload_id {
            // Another gateway has replaced it already: what was lost is not what is there now.
            return Ok(Refreshed::nothing(stored));
        }
        tracing::warn!(upload.id = %upload.id, "storage lost the multipart upload; its parts must be sent again");
        metrics::counter!("partgate_uploads_reopened_total").increment(1);
        let upload = self.open_multipart(stored, Opening::Again).await?;
        // Parts that were received since are of the new multipart upload.
        self.store.replace_parts(upload.id, &[], lost_at, self.clock.now()).await?;
        Ok(Refreshed::nothing(upload))
    }

    async fn reconcile_with(
        &self,
        upload: Upload,
        purpose: Purpose,
        (known, listed): (&[PartRecord], &[ListedPart]),
        asked_at: time::OffsetDateTime,
    ) -> Result<Refreshed, ServiceError> {
        let reconciled = reconcile(&upload.plan, known, listed);
        if reconciled.records != known {
            let is_confirmed = is_whole(&upload, known) && is_same(known, &reconciled.records);
            if !(is_confirmed && purpose == Purpose::Completion) {
                let now = self.clock.now();
                self.store.replace_parts(upload.id, &reconciled.records, asked_at, now).await?;
            }
            count_received("listed", newly_listed(known, &reconciled.records));
        }
        let (records, mismatches) = (reconciled.records, reconciled.mismatches);
        Ok(Refreshed { records, mismatches, ..Refreshed::nothing(upload) })
    }
}

/// Whether two lists of parts, by number, say the same of each, whoever says so.
fn is_same(before: &[PartRecord], now: &[PartRecord]) -> bool {
    let essence =
        |record: &PartRecord| (record.number, record.size_bytes, record.checksum, record.is_received());
    before.len() == now.len()
        && before
            .iter()
            .zip(now)
            .all(|(before, now)| essence(before) == essence(now) && before.etag == now.etag)
}

/// Parts that storage shows now and did not show before.
fn newly_listed<'a>(known: &'a [PartRecord], now: &'a [PartRecord]) -> impl Iterator<Item = &'a PartRecord> {
    let is_listed = |record: &&PartRecord| record.evidence == PartEvidence::Listed;
    let before: PartSet = known.iter().filter(is_listed).map(|record| record.number).collect();
    now.iter().filter(is_listed).filter(move |record| !before.contains(record.number))
}

impl Refreshed {
    fn nothing(upload: Upload) -> Self {
        Self { upload, records: Vec::new(), mismatches: Vec::new(), finished: false, key_taken: false }
    }
}

pub(super) fn is_ours(upload: &Upload, object: &ObjectProof) -> bool {
    object.upload_id.as_deref() == Some(upload.id.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, etag: Option<&str>, evidence: PartEvidence) -> PartRecord {
        let number = PartNumber::new(number).unwrap();
        PartRecord { number, size_bytes: 5, etag: etag.map(str::to_owned), checksum: None, evidence }
    }

    #[test]
    fn only_who_says_so_may_differ_where_storage_confirms() {
        use PartEvidence::{Listed, Mismatched, Reported};
        let reported = [part(1, Some("a"), Reported), part(2, Some("b"), Reported)];
        let listed = [part(1, Some("a"), Listed), part(2, Some("b"), Listed)];
        assert!(is_same(&reported, &listed));
        assert!(!is_same(&reported, &listed[..1]), "a part is not there");
        assert!(!is_same(&reported, &[part(1, Some("a"), Listed), part(3, Some("b"), Listed)]));
        assert!(!is_same(&reported, &[part(1, Some("a"), Listed), part(2, Some("b"), Mismatched)]));
        assert!(!is_same(&[part(1, None, Reported)], &listed[..1]), "the ETag is news");
        let larger = PartRecord { size_bytes: 6, ..part(1, Some("a"), Listed) };
        assert!(!is_same(&reported[..1], &[larger]));
    }
}
