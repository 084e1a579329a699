//! API keys and tenants.

use time::OffsetDateTime;

use super::super::columns::{Columns, Subject};
use super::super::values::{Row, values};
use super::super::{ApiKeyRecord, StoreError, TenantRecord, Written};
use super::{SqlStore, written};

const INSERT_KEY: &str = "INSERT INTO api_keys (id, tenant, name, roles, secret_hash, created_at, last_used_at, \
    expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
pub(in crate::store) const KEY: &str = "SELECT * FROM api_keys WHERE id = $1";
const KEYS: &str = "SELECT * FROM api_keys ORDER BY created_at DESC, id DESC";
const KEYS_OF_TENANT: &str = "SELECT * FROM api_keys WHERE tenant = $1 ORDER BY created_at DESC, id DESC";
const REVOKE_KEY: &str = "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
pub(in crate::store) const KEY_USED: &str = "UPDATE api_keys SET last_used_at = $2 \
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)";
const PUT_TENANT: &str = "INSERT INTO tenants (name, settings, created_at, updated_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at";
const DELETE_TENANT: &str = "DELETE FROM tenants WHERE name = $1";
const TENANTS: &str = "SELECT * FROM tenants ORDER BY name";
/// In an order, so that the index that has it is the way to look, also for a tenant that has none.
pub(in crate::store) const HAS_UPLOADS: &str =
    "SELECT id FROM uploads WHERE tenant = $1 ORDER BY tenant, id LIMIT 1";

/// API keys and tenants of a database that is asked in SQL.
pub(in crate::store) trait SqlAccess: SqlStore {
    async fn insert_key(&self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        let values = values![
            key.id.as_str(),
            key.tenant.as_deref(),
            key.name.as_str(),
            key.roles.as_str(),
            key.secret_hash.as_str(),
            key.created_at,
            key.last_used_at,
            key.expires_at,
            key.revoked_at,
        ];
        self.write(INSERT_KEY, values).await?;
        Ok(())
    }

    async fn key(&self, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        Ok(self.read(KEY, values![id], key).await?.pop())
    }

    async fn keys(&self, tenant: Option<&str>) -> Result<Vec<ApiKeyRecord>, StoreError> {
        match tenant {
            None => self.read(KEYS, values![], key).await,
            Some(tenant) => self.read(KEYS_OF_TENANT, values![tenant], key).await,
        }
    }

    async fn revoke_key(&self, id: &str, now: OffsetDateTime) -> Result<Written, StoreError> {
        self.write(REVOKE_KEY, values![id, now]).await.map(written)
    }

    async fn key_used(
        &self,
        id: &str,
        now: OffsetDateTime,
        if_before: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.write(KEY_USED, values![id, now, if_before]).await?;
        Ok(())
    }

    async fn put_tenant(&self, tenant: &TenantRecord) -> Result<(), StoreError> {
        let TenantRecord { name, settings, created_at, updated_at } = tenant;
        self.write(PUT_TENANT, values![name.as_str(), settings.as_str(), *created_at, *updated_at]).await?;
        Ok(())
    }

    async fn delete_tenant(&self, name: &str) -> Result<Written, StoreError> {
        self.write(DELETE_TENANT, values![name]).await.map(written)
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.read(TENANTS, values![], tenant).await
    }

    async fn has_uploads(&self, tenant: &str) -> Result<bool, StoreError> {
        Ok(!self.read(HAS_UPLOADS, values![tenant], |_| Ok(())).await?.is_empty())
    }
}

impl<S: SqlStore> SqlAccess for S {}

fn key(row: &dyn Row) -> Result<ApiKeyRecord, StoreError> {
    let id = row.text("id")?.unwrap_or_default();
    let columns = Columns { row, of: Subject::ApiKey(id.clone()) };
    Ok(ApiKeyRecord {
        id,
        tenant: columns.optional_text("tenant")?,
        name: columns.text("name")?,
        roles: columns.text("roles")?,
        secret_hash: columns.text("secret_hash")?,
        created_at: columns.time("created_at")?,
        last_used_at: columns.optional_time("last_used_at")?,
        expires_at: columns.optional_time("expires_at")?,
        revoked_at: columns.optional_time("revoked_at")?,
    })
}

fn tenant(row: &dyn Row) -> Result<TenantRecord, StoreError> {
    let name = row.text("name")?.unwrap_or_default();
    let columns = Columns { row, of: Subject::Tenant(name.clone()) };
    Ok(TenantRecord {
        name,
        settings: columns.text("settings")?,
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
    })
}
