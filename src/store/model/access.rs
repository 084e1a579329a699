//! API keys and tenants.

use std::cmp::Reverse;

use time::OffsetDateTime;

use super::super::{ApiKeyRecord, StoreError, TenantRecord, Written};
use super::{ModelStore, Tables};
use crate::model::Effect;

impl ModelStore {
    pub(in crate::store) async fn insert_key(&self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        let (text, key) = (format!("insert key {}", key.id), key.clone());
        let inserted = self.ask(Effect::Writes, text, move |tables| {
            let is_new = !tables.keys.contains_key(&key.id);
            if is_new {
                tables.keys.insert(key.id.clone(), key.clone());
            }
            is_new
        });
        let not_unique = || StoreError::Database(sqlx::Error::Protocol("not unique".to_owned()));
        inserted.await?.then_some(()).ok_or_else(not_unique)
    }

    pub(in crate::store) async fn key(&self, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        let (text, id) = (format!("key {id}"), id.to_owned());
        self.ask(Effect::Reads, text, move |tables| tables.keys.get(&id).cloned()).await
    }

    pub(in crate::store) async fn keys(&self, tenant: Option<&str>) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let tenant = tenant.map(str::to_owned);
        self.ask(Effect::Reads, "keys".to_owned(), move |tables| {
            let is_asked_for = |key: &&ApiKeyRecord| tenant.is_none() || key.tenant == tenant;
            let mut keys: Vec<_> = tables.keys.values().filter(is_asked_for).cloned().collect();
            keys.sort_by_key(|key| Reverse((key.created_at, key.id.clone())));
            keys
        })
        .await
    }

    pub(in crate::store) async fn revoke_key(
        &self,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        let (text, id) = (format!("revoke key {id}"), id.to_owned());
        self.ask(Effect::Writes, text, move |tables| {
            match tables.keys.get_mut(&id).filter(|key| key.revoked_at.is_none()) {
                Some(key) => {
                    key.revoked_at = Some(now);
                    Written::Done
                }
                None => Written::Conflict,
            }
        })
        .await
    }

    pub(in crate::store) async fn key_used(
        &self,
        id: &str,
        now: OffsetDateTime,
        if_before: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let (text, id) = (format!("key {id} used"), id.to_owned());
        self.ask(Effect::Writes, text, move |tables| {
            if let Some(key) = tables.keys.get_mut(&id)
                && key.last_used_at.is_none_or(|used| used < if_before)
            {
                key.last_used_at = Some(now);
            }
        })
        .await
    }

    pub(in crate::store) async fn put_tenant(&self, tenant: &TenantRecord) -> Result<(), StoreError> {
        let (text, tenant) = (format!("put tenant {}", tenant.name), tenant.clone());
        self.ask(Effect::Writes, text, move |tables| {
            let old = tables.tenants.get(&tenant.name);
            let created_at = old.map_or(tenant.created_at, |old| old.created_at);
            tables.tenants.insert(tenant.name.clone(), TenantRecord { created_at, ..tenant.clone() });
        })
        .await
    }

    pub(in crate::store) async fn delete_tenant(&self, name: &str) -> Result<Written, StoreError> {
        let (text, name) = (format!("delete tenant {name}"), name.to_owned());
        self.ask(Effect::Writes, text, move |tables| match tables.tenants.remove(&name) {
            Some(_) => Written::Done,
            None => Written::Conflict,
        })
        .await
    }

    pub(in crate::store) async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let all = |tables: &mut Tables| tables.tenants.values().cloned().collect::<Vec<_>>();
        self.ask(Effect::Reads, "tenants".to_owned(), all).await
    }

    pub(in crate::store) async fn has_uploads(&self, tenant: &str) -> Result<bool, StoreError> {
        let (text, tenant) = (format!("has {tenant} uploads"), tenant.to_owned());
        self.ask(Effect::Reads, text, move |tables| {
            tables.uploads().any(|upload| upload.spec.tenant == tenant)
        })
        .await
    }
}
