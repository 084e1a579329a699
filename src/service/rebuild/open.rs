//! Multipart uploads.

use std::collections::HashMap;

use time::Duration;

use super::super::orphans::id_in_key;
use super::super::{Service, ServiceError};
use super::{Found, MAX_PAGES, RebuildReport, Search};
use crate::storage::{FoundMultipart, StorageError, StorageErrorKind};
use crate::upload::{
    ChecksumAlgorithm, ListedPart, ObjectKey, PartSet, S3UploadId, StoredParts, Upload, UploadId,
};

/// How far the clocks of storage and gateways may be apart.
const CLOCK_SKEW: Duration = Duration::HOUR;

impl Service {
    pub(super) async fn rebuild_open(
        &self,
        search: &Search<'_>,
        report: &mut RebuildReport,
        tell: &mut impl FnMut(&str, &Found),
    ) -> Result<(), ServiceError> {
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let (listed, next) = search.storage.multiparts_under(&search.tenant.prefix, after).await?;
            report.multiparts_listed += listed.len() as u64;
            let known = self.known(listed.iter().map(|listed| &*listed.key)).await?;
            for listed in listed {
                let found = match self.rebuild_multipart(search, &listed, &known).await {
                    Err(ServiceError::StorageUnavailable(error) | ServiceError::StorageRejected(error)) => {
                        Found::Failed(error.to_string())
                    }
                    found => found?,
                };
                report.count(&found);
                tell(&listed.key, &found);
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        Ok(())
    }

    async fn rebuild_multipart(
        &self,
        search: &Search<'_>,
        listed: &FoundMultipart,
        known: &HashMap<UploadId, Upload>,
    ) -> Result<Found, ServiceError> {
        let Some((id, opened_at)) = id_in_key(&listed.key).and_then(|id| Some((id, id.opened_at()?))) else {
            return Ok(Found::Strange);
        };
        if known.contains_key(&id) {
            return Ok(Found::Known);
        }
        // Ours are opened after their ids are made.
        let is_earlier = listed.initiated_at.is_some_and(|at| at + CLOCK_SKEW < opened_at);
        let Some(key) = ObjectKey::new(listed.key.clone()).ok().filter(|_| !is_earlier) else {
            return Ok(Found::Strange);
        };
        if opened_at + search.home.lifetime <= search.now {
            return Ok(Found::TooOld);
        }
        let mut holders = parts_at(search, &listed.key).await?;
        let Some((s3_upload_id, checksum_algorithm, parts)) = holders.pop() else {
            return Ok(Found::Unclear("it has no parts"));
        };
        if !holders.is_empty() {
            return Ok(Found::Unclear("several multipart uploads at its key have parts"));
        }
        let stored = StoredParts { id: &s3_upload_id, parts: &parts, checksum_algorithm };
        let Some(upload) = Upload::rebuilt_open((id, key), stored, search.home, search.now) else {
            return Ok(Found::Unclear("its parts do not tell how the file is cut"));
        };
        let restored = self.restore(search, &upload, &parts).await?;
        Ok(restored.unwrap_or(Found::Open(upload.id, parts.len())))
    }
}

/// The multipart uploads at a key that have parts. Of those whose creation was never answered none has any.
async fn parts_at(
    search: &Search<'_>,
    key: &str,
) -> Result<Vec<(S3UploadId, ChecksumAlgorithm, Vec<ListedPart>)>, StorageError> {
    let mut found = Vec::new();
    for id in search.storage.multiparts_at(key).await? {
        let listed = async {
            let kind = search.storage.checksum_kind_of(key, &id).await?;
            Ok((kind, search.storage.list_parts(key, &id, kind, &PartSet::new()).await?))
        };
        match listed.await {
            Ok((_, parts)) if parts.is_empty() => {}
            Ok((kind, parts)) => found.push((id, kind, parts)),
            // Taken back or finished since it was listed.
            Err(StorageError { kind: StorageErrorKind::NoSuchUpload, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
