//! New uploads, and what they take of quotas.

use time::OffsetDateTime;

use super::super::quota::Usage;
use super::super::rows::reserved_at_init;
use super::super::{InsertOutcome, OverQuota, Quota, Reserved, StoreError};
use super::{ModelStore, Tables};
use crate::model::Effect;
use crate::upload::{State, Upload, UploadId};

impl ModelStore {
    pub(in crate::store) async fn insert(
        &self,
        upload: &Upload,
        quota: &Quota,
    ) -> Result<InsertOutcome, StoreError> {
        let (upload, quota) = (upload.clone(), quota.clone());
        let text = format!("insert{}", within(&quota));
        self.ask(Effect::Writes, text, move |tables| tables.insert(&upload, &quota)).await
    }

    pub(in crate::store) async fn restore(
        &self,
        upload: &Upload,
        held_bytes: u64,
    ) -> Result<InsertOutcome, StoreError> {
        let upload = upload.clone();
        let act = move |tables: &mut Tables| {
            let inserted = tables.insert(&upload, &Quota::default());
            if inserted == InsertOutcome::Inserted {
                let _ = tables.reserve(upload.id, held_bytes, &Quota::default());
            }
            inserted
        };
        self.ask(Effect::Writes, "restore".to_owned(), act).await
    }

    pub(in crate::store) async fn reserve(
        &self,
        id: UploadId,
        bytes: u64,
        quota: &Quota,
    ) -> Result<Reserved, StoreError> {
        let (text, quota) = (format!("reserve {bytes}{}", within(quota)), quota.clone());
        self.ask(Effect::Writes, text, move |tables| tables.reserve(id, bytes, &quota)).await
    }

    pub(in crate::store) async fn forget_counters(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        self.ask(Effect::Writes, "forget counters".to_owned(), move |tables| {
            let all = tables.counters.len();
            tables.counters.retain(|_, (_, forget_at)| *forget_at >= before);
            (all - tables.counters.len()) as u64
        })
        .await
    }
}

fn within(quota: &Quota) -> String {
    if quota.is_empty() { String::new() } else { format!(" within {quota:?}") }
}

impl Tables {
    fn insert(&mut self, upload: &Upload, quota: &Quota) -> InsertOutcome {
        if self.uploads.contains_key(&upload.id) || self.is_taken(upload) {
            return InsertOutcome::Duplicate;
        }
        let more = Usage { uploads: 1, bytes: reserved_at_init(upload) };
        if let Err(over) = self.take(&upload.spec.tenant, more, quota) {
            return InsertOutcome::OverQuota(over);
        }
        self.put(upload.clone(), 0);
        InsertOutcome::Inserted
    }

    fn reserve(&mut self, id: UploadId, bytes: u64, quota: &Quota) -> Reserved {
        let takes_parts = |upload: &Upload| matches!(upload.state, State::Creating | State::Open);
        let row = self.uploads.get(&id).filter(|row| takes_parts(&row.upload)).cloned();
        let Some(row) = row else { return Reserved::Closed };
        if row.reserved_bytes >= bytes {
            return Reserved::Done;
        }
        let more = Usage { uploads: 0, bytes: bytes - row.reserved_bytes };
        if let Err(over) = self.take(&row.upload.spec.tenant, more, quota) {
            return Reserved::OverQuota(over);
        }
        self.set_reserved(id, bytes);
        Reserved::Done
    }

    /// Charges what is counted with `more`, or nothing.
    fn take(&mut self, tenant: &str, more: Usage, quota: &Quota) -> Result<(), OverQuota> {
        quota.passed(self.in_use(tenant), more).map_or(Ok(()), Err)?;
        let mut counters = self.counters.clone();
        for (index, counter) in quota.counters_by_name() {
            let (used, forget_at) =
                counters.entry(counter.name.clone()).or_insert((Usage::default(), counter.forget_at));
            counter.passed(index, *used, more).map_or(Ok(()), Err)?;
            used.uploads += more.uploads;
            used.bytes = used.bytes.saturating_add(more.bytes);
            *forget_at = (*forget_at).max(counter.forget_at);
        }
        self.counters = counters;
        Ok(())
    }

    fn in_use(&self, tenant: &str) -> Usage {
        let mut used = Usage::default();
        let of_tenant = self.uploads.values().filter(|row| row.upload.spec.tenant == tenant);
        for row in of_tenant.filter(|row| !row.upload.state.is_final()) {
            used.uploads += u64::from(row.upload.state != State::Aborting);
            used.bytes = used.bytes.saturating_add(row.reserved_bytes);
        }
        used
    }
}
