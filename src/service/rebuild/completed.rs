//! Finished objects.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};

use super::super::abort::is_settled;
use super::super::orphans::id_in_key;
use super::super::{Service, ServiceError};
use super::{Found, MAX_PAGES, RebuildReport, Search};
use crate::storage::FoundObject;
use crate::upload::{ObjectKey, State, Upload, UploadId};

/// Objects that storage is asked about at once.
const PARALLEL: usize = 16;

impl Service {
    pub(super) async fn rebuild_completed(
        &self,
        search: &Search<'_>,
        report: &mut RebuildReport,
        tell: &mut impl FnMut(&str, &Found),
    ) -> Result<(), ServiceError> {
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let (objects, next) = search.storage.objects_under(&search.tenant.prefix, after).await?;
            let known = self.known(objects.iter().map(|object| &*object.key)).await?;
            let mut judged = stream::iter(objects)
                .map(|object| async {
                    let found = self.rebuild_object(search, &object, &known).await;
                    (object.key, found)
                })
                .buffer_unordered(PARALLEL);
            while let Some((key, found)) = judged.next().await {
                let found = found?;
                report.count(&found);
                tell(&key, &found);
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        Ok(())
    }

    async fn rebuild_object(
        &self,
        search: &Search<'_>,
        object: &FoundObject,
        known: &HashMap<UploadId, Upload>,
    ) -> Result<Found, ServiceError> {
        if let Some(upload) = id_in_key(&object.key).and_then(|id| known.get(&id)) {
            return self.finish_known(search, upload, &object.key).await;
        }
        // A multipart upload's time may be that of its opening.
        let kept_since = search.now - self.rules.keep_finished - search.home.lifetime;
        if object.modified_at.is_some_and(|at| at < kept_since) {
            return Ok(Found::TooOld);
        }
        let Ok(key) = ObjectKey::new(object.key.clone()) else { return Ok(Found::Strange) };
        let described = match search.storage.describe(&object.key).await {
            Ok(Some(described)) => described,
            // Deleted since it was listed.
            Ok(None) => return Ok(Found::Strange),
            Err(error) => return Ok(Found::Failed(error.to_string())),
        };
        let Some(id) = described.proof.upload_id.as_deref().and_then(|id| id.parse().ok()).map(UploadId)
        else {
            return Ok(Found::Strange);
        };
        if let Some(upload) = self.store.load(id).await? {
            return self.finish_known(search, &upload, &object.key).await;
        }
        match Upload::rebuilt_completed((id, key), described, search.home, search.now) {
            Some(upload) => Ok(self.restore(search, &upload, &[]).await?.unwrap_or(Found::Completed(id))),
            None => Ok(Found::Strange),
        }
    }

    /// An upload that the database has, as it was when the copy was made that was put back: what was completed since
    /// must not be taken for abandoned.
    async fn finish_known(
        &self,
        search: &Search<'_>,
        upload: &Upload,
        key: &str,
    ) -> Result<Found, ServiceError> {
        if upload.state != State::Open || upload.spec.key.as_str() != key {
            return Ok(Found::Known);
        }
        if search.dry_run {
            return Ok(Found::Completed(upload.id));
        }
        match self.adopt_finished(upload).await {
            Ok(Some(_)) => Ok(Found::Completed(upload.id)),
            // Somebody else was faster with it.
            Ok(None) => Ok(Found::Known),
            Err(error) if is_settled(&error) => Ok(Found::Known),
            Err(ServiceError::StorageUnavailable(error) | ServiceError::StorageRejected(error)) => {
                Ok(Found::Failed(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }
}
