//! Keys, tenants and counters, beside the uploads.

use time::OffsetDateTime;

use super::sql::{SqlAccess as _, SqlQuota as _};
use super::{ApiKeyRecord, Store, StoreError, TenantRecord, Written, on_each};

impl Store {
    /// Writes a new API key.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails, also because there is a key of this id.
    pub async fn insert_key(&self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        on_each!(self, store => store.insert_key(key).await)
    }

    /// The API key of this id, also when it is revoked or over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn key(&self, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        on_each!(self, store => store.key(id).await)
    }

    /// A tenant's API keys, or all that there are, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keys(&self, tenant: Option<&str>) -> Result<Vec<ApiKeyRecord>, StoreError> {
        on_each!(self, store => store.keys(tenant).await)
    }

    /// Revokes an API key; [`Written::Conflict`] when there is none, or it is revoked already.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revoke_key(&self, id: &str, now: OffsetDateTime) -> Result<Written, StoreError> {
        on_each!(self, store => store.revoke_key(id, now).await)
    }

    /// Remembers that an API key was used, unless it is known to have been since `if_before`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn key_used(
        &self,
        id: &str,
        now: OffsetDateTime,
        if_before: OffsetDateTime,
    ) -> Result<(), StoreError> {
        on_each!(self, store => store.key_used(id, now, if_before).await)
    }

    /// Writes a tenant, in place of the one of this name; that one's `created_at` stays.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn put_tenant(&self, tenant: &TenantRecord) -> Result<(), StoreError> {
        on_each!(self, store => store.put_tenant(tenant).await)
    }

    /// Forgets a tenant; [`Written::Conflict`] when there is none. Its uploads and keys stay.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_tenant(&self, name: &str) -> Result<Written, StoreError> {
        on_each!(self, store => store.delete_tenant(name).await)
    }

    /// Every tenant that was written, by name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        on_each!(self, store => store.tenants().await)
    }

    /// Whether there is any upload of this tenant, also a finished one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn has_uploads(&self, tenant: &str) -> Result<bool, StoreError> {
        on_each!(self, store => store.has_uploads(tenant).await)
    }

    /// Forgets the counters under whose names nothing is counted since `before`; says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_counters(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        on_each!(self, store => store.forget_counters(before).await)
    }
}
