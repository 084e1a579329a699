//! Multipart uploads in the bucket that no upload wants: left by a creation whose answer was lost, by a database that
//! was put back to an older state, by a gateway that is no more.
//!
//! One of a finished upload is aborted as soon as nothing of it can be under way. One whose upload is not in the
//! database may be another gateway's, so it is aborted only where the settings say that the prefix is ours alone.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt as _, stream};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Service, ServiceError, SweepMode, TenantMap};
use crate::storage::{FoundMultipart, Storage, StorageErrorKind};
use crate::upload::{S3UploadId, State, Upload, UploadId};

/// Pages of 1,000 that are read in one sweep; what lies behind is looked at when these are gone.
const MAX_PAGES: usize = 100;
/// Multipart uploads that are aborted at once.
const PARALLEL: usize = 8;
/// A younger one may belong to an init call that is under way, or to storage whose clock differs from ours.
const MIN_AGE: Duration = Duration::HOUR;
/// Beyond the lifetime of uploads: how old one must be that is in no database of ours.
const GRACE: Duration = Duration::DAY;

/// Which multipart uploads without an upload the sweep aborts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// Those whose upload is in the database and does not want them; others are told.
    Known,
    /// All that are under the prefix and older than any upload may get.
    All,
    /// None; the bucket is not even listed.
    Leave,
}

/// What a sweep did, or would do, with a multipart upload that no upload wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanAction {
    /// The key of its object.
    pub key: String,
    /// Storage's name of it.
    pub s3_upload_id: S3UploadId,
    /// The upload that it was of, where that is known.
    pub upload_id: Option<UploadId>,
    /// When it was opened, where storage tells.
    pub initiated_at: Option<OffsetDateTime>,
    /// Whether it is aborted (or would be), or why that failed. One that is nobody's is only told.
    pub outcome: Result<bool, String>,
}

/// A bucket and a prefix in it, under which we put objects.
struct Place {
    storage: Storage,
    prefix: String,
    /// How old an upload may get.
    longest_life: Duration,
}

/// What is known of a multipart upload.
enum Verdict {
    /// An upload wants it, or may come to want it.
    Wanted,
    /// Of this upload, which does not want it.
    Of(UploadId),
    /// In no database of ours.
    Nobodys,
}

impl Service {
    /// Lists the bucket under our prefix and aborts what no upload wants. Not every store can list by prefix (MinIO
    /// cannot): there each upload's own key is looked at, when it is aborted and once more later.
    ///
    /// # Errors
    /// [`ServiceError`] when storage cannot be listed or the database does not answer.
    pub(super) async fn sweep_orphans(&self, mode: SweepMode) -> Result<Vec<OrphanAction>, ServiceError> {
        let tenants = self.tenants.all().await?;
        let longest_life =
            tenants.values().map(|tenant| tenant.lifetime).max().unwrap_or(self.rules.lifetime);
        let mut actions = Vec::new();
        for (bucket, prefix) in self.places(&tenants) {
            let place = Place { storage: self.storage.in_bucket(&bucket)?, prefix, longest_life };
            actions.append(&mut self.sweep_orphans_of(&place, mode).await?);
        }
        Ok(actions)
    }

    /// Where our objects are, by bucket and prefix, without those that lie within another.
    fn places(&self, tenants: &TenantMap) -> BTreeSet<(String, String)> {
        let own = (self.storage.bucket().to_owned(), self.rules.key_prefix.clone());
        let all: BTreeSet<_> = tenants
            .values()
            .map(|tenant| (tenant.bucket.clone(), tenant.prefix.clone()))
            .chain([own])
            .collect();
        let lies_within = |inner: &(String, String), outer: &(String, String)| {
            inner != outer && inner.0 == outer.0 && inner.1.starts_with(&outer.1)
        };
        all.iter().filter(|place| !all.iter().any(|other| lies_within(place, other))).cloned().collect()
    }

    async fn sweep_orphans_of(
        &self,
        place: &Place,
        mode: SweepMode,
    ) -> Result<Vec<OrphanAction>, ServiceError> {
        let mut actions = Vec::new();
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let (found, next) = place.storage.multiparts_under(&place.prefix, after).await?;
            let orphans = self.orphans_among(place, found).await?;
            let mut done = stream::iter(orphans)
                .map(|orphan| self.abort_orphan(place, orphan, mode))
                .buffer_unordered(PARALLEL);
            while let Some(action) = done.next().await {
                actions.push(action);
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        Ok(actions)
    }

    /// Those of a page that are old enough and that no upload wants.
    async fn orphans_among(
        &self,
        place: &Place,
        found: Vec<FoundMultipart>,
    ) -> Result<Vec<(FoundMultipart, Option<UploadId>)>, ServiceError> {
        let now = self.clock.now();
        let old: Vec<_> = found.into_iter().filter(|found| is_older(found, now - MIN_AGE)).collect();
        let ids: Vec<_> = old.iter().filter_map(|found| id_in_key(&found.key)).collect();
        let s3_ids: Vec<_> = old.iter().map(|found| found.id.clone()).collect();
        let owners = self.store.owners(&ids, &s3_ids).await?;
        let owners: HashMap<_, _> = owners.into_iter().map(|upload| (upload.id, upload)).collect();
        let judged =
            old.into_iter().filter_map(|found| match verdict(place.storage.bucket(), &found, &owners) {
                Verdict::Wanted => None,
                Verdict::Of(id) => Some((found, Some(id))),
                Verdict::Nobodys => Some((found, None)),
            });
        Ok(judged.collect())
    }

    async fn abort_orphan(
        &self,
        place: &Place,
        (found, upload_id): (FoundMultipart, Option<UploadId>),
        mode: SweepMode,
    ) -> OrphanAction {
        let too_old = self.clock.now() - place.longest_life - GRACE;
        let is_all_ours = self.rules.orphans == Orphans::All && !place.prefix.is_empty();
        let is_ours = upload_id.is_some() || (is_all_ours && is_older(&found, too_old));
        let outcome = match (is_ours, mode) {
            (true, SweepMode::Act) => match place.storage.abort_multipart(&found.key, &found.id).await {
                Err(error) if error.kind != StorageErrorKind::NoSuchUpload => Err(error.to_string()),
                _ => Ok(true),
            },
            (is_ours, _) => Ok(is_ours),
        };
        let FoundMultipart { key, id: s3_upload_id, initiated_at } = found;
        OrphanAction { key, s3_upload_id, upload_id, initiated_at, outcome }
    }
}

fn verdict(bucket: &str, found: &FoundMultipart, owners: &HashMap<UploadId, Upload>) -> Verdict {
    let at_key = |upload: &&Upload| upload.spec.key.as_str() == found.key && upload.spec.bucket == bucket;
    let by_id = || owners.values().find(|upload| upload.s3_upload_id.as_ref() == Some(&found.id));
    let by_key = || id_in_key(&found.key).and_then(|id| owners.get(&id));
    let Some(owner) = by_id().filter(at_key).or_else(|| by_key().filter(at_key)) else {
        return Verdict::Nobodys;
    };
    match owner.state {
        // An abort that is under way lists its own key.
        State::Creating | State::Aborting => Verdict::Wanted,
        State::Open | State::Completing if owner.s3_upload_id.as_ref() == Some(&found.id) => Verdict::Wanted,
        State::Open
        | State::Completing
        | State::Completed
        | State::Failed
        | State::Aborted
        | State::Expired => Verdict::Of(owner.id),
    }
}

/// The upload id in a key of our own making: `{prefix}{upload id}/{name}`. Whose prefix it is does not matter: what has
/// the id is held against the upload's own key.
pub(super) fn id_in_key(key: &str) -> Option<UploadId> {
    let id = key.rsplit('/').nth(1)?;
    Uuid::try_parse(id).ok().map(UploadId)
}

/// One whose age storage does not tell counts as young.
fn is_older(found: &FoundMultipart, than: OffsetDateTime) -> bool {
    found.initiated_at.is_some_and(|at| at < than)
}
