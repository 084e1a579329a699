//! Database lost: what the bucket alone can rebuild.
//!
//! Finished objects carry our upload id, so each tells that its upload is completed. A multipart upload at a key of our
//! own making (`{prefix}{upload id}/{name}`) tells whose parts it holds. Everything else is left as it is.
//!
//! Nothing is deleted: an upload is written in one go, and only if none of its id is there. One that is there and open
//! although its object is finished (the database is an older copy) is completed, as a client's call would do it. So
//! this may be repeated, and gateways may go on meanwhile: they write the row of an upload before storage hears of it, hence
//! what is listed and has no row is what was lost.

mod completed;
mod open;

use std::collections::HashMap;

use time::OffsetDateTime;

use super::orphans::id_in_key;
use super::{Service, ServiceError};
use crate::access::Tenant;
use crate::storage::Storage;
use crate::store::InsertOutcome;
use crate::upload::{Home, ListedPart, PartEvidence, PartRecord, Upload, UploadId};

/// Pages of 1,000 that are read in one place; a repetition begins anew, and spares what it knows.
const MAX_PAGES: usize = 1_000_000;

/// What is to be rebuilt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuildCall {
    /// Only what is this tenant's.
    pub tenant: Option<String>,
    /// Say what would be written, and write nothing.
    pub dry_run: bool,
}

/// What became of an object or a multipart upload that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its upload is written down as completed.
    Completed(UploadId),
    /// Its upload is written down as open, with so many parts.
    Open(UploadId, usize),
    /// Its upload is in the database already.
    Known,
    /// It is not of our making.
    Strange,
    /// A gateway would have forgotten or expired its upload by now.
    TooOld,
    /// Its parts do not tell enough, for this reason.
    Unclear(&'static str),
    /// Storage did not tell of it, for this reason; a repetition asks again.
    Failed(String),
}

/// How much of each was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Completed uploads that were written down.
    pub completed: u64,
    /// Open uploads that were written down.
    pub open: u64,
    /// Those that the database has already.
    pub known: u64,
    /// What is not of our making.
    pub strange: u64,
    /// Those that a gateway would have forgotten or expired by now.
    pub too_old: u64,
    /// Multipart uploads whose parts do not tell enough.
    pub unclear: u64,
    /// Those that storage did not tell of.
    pub failed: u64,
    /// How many multipart uploads storage listed. MinIO lists none by prefix.
    pub multiparts_listed: u64,
}

impl RebuildReport {
    fn count(&mut self, found: &Found) {
        let counter = match found {
            Found::Completed(_) => &mut self.completed,
            Found::Open(..) => &mut self.open,
            Found::Known => &mut self.known,
            Found::Strange => &mut self.strange,
            Found::TooOld => &mut self.too_old,
            Found::Unclear(_) => &mut self.unclear,
            Found::Failed(_) => &mut self.failed,
        };
        *counter += 1;
    }
}

/// Where a tenant's objects are, and what is done about them.
struct Search<'a> {
    tenant: &'a Tenant,
    storage: Storage,
    home: Home<'a>,
    now: OffsetDateTime,
    dry_run: bool,
}

impl Service {
    /// Writes down the uploads that storage tells of and the database does not, tenant by tenant. `tell` hears of each
    /// object and multipart upload by its key; memory does not grow with their number.
    ///
    /// # Errors
    /// [`ServiceError`] when the database does not answer, when storage cannot be listed, or when there is no such
    /// tenant. What was written until then stays.
    pub async fn rebuild(
        &self,
        call: &RebuildCall,
        tell: &mut impl FnMut(&str, &Found),
    ) -> Result<RebuildReport, ServiceError> {
        let tenants = self.tenants.all().await?;
        if let Some(name) = &call.tenant
            && !tenants.contains_key(name)
        {
            return Err(ServiceError::invalid("tenant", format!("there is no tenant {name:?}")));
        }
        let mut report = RebuildReport::default();
        for tenant in
            tenants.values().filter(|tenant| call.tenant.as_ref().is_none_or(|name| *name == tenant.name))
        {
            let search = Search {
                tenant,
                storage: self.storage.in_bucket(&tenant.bucket)?,
                home: Home {
                    tenant: &tenant.name,
                    bucket: &tenant.bucket,
                    lifetime: tenant.lifetime,
                    usual_part_size_bytes: self.rules.part_size_bytes,
                },
                now: self.clock.now(),
                dry_run: call.dry_run,
            };
            // Objects first: what is finished is not open, whatever multipart uploads are left of it.
            self.rebuild_completed(&search, &mut report, tell).await?;
            self.rebuild_open(&search, &mut report, tell).await?;
        }
        Ok(report)
    }

    /// Writes an upload down with its parts, unless it is there already.
    async fn restore(
        &self,
        search: &Search<'_>,
        upload: &Upload,
        parts: &[ListedPart],
    ) -> Result<Option<Found>, ServiceError> {
        if search.dry_run {
            return Ok(self.store.load(upload.id).await?.map(|_| Found::Known));
        }
        let held_bytes = parts.iter().map(|part| part.size_bytes).sum();
        if self.store.restore(upload, held_bytes).await? != InsertOutcome::Inserted {
            return Ok(Some(Found::Known));
        }
        let records: Vec<_> = parts.iter().map(record).collect();
        // Should this get lost, a refresh, which clients begin with, and a completion ask storage all the same.
        self.store.record_parts(upload.id, &records, search.now).await?;
        tracing::info!(upload.id = %upload.id, upload.state = upload.state.name(), "rebuilt an upload from storage");
        Ok(None)
    }

    /// Those of the uploads that keys of our own making name that the database has.
    async fn known(
        &self,
        keys: impl Iterator<Item = &str>,
    ) -> Result<HashMap<UploadId, Upload>, ServiceError> {
        let ids: Vec<_> = keys.filter_map(id_in_key).collect();
        Ok(self.store.owners(&ids, &[]).await?.into_iter().map(|upload| (upload.id, upload)).collect())
    }
}

fn record(part: &ListedPart) -> PartRecord {
    PartRecord {
        number: part.number,
        size_bytes: part.size_bytes,
        etag: Some(part.etag.clone()),
        checksum: part.checksum,
        evidence: PartEvidence::Listed,
    }
}
