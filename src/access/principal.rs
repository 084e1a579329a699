//! The caller of a request, whatever proved them.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{ContentTypes, Tenant};
use crate::upload::UploadId;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Open uploads and carry them to their end.
    Upload,
    /// See uploads and fetch finished files.
    Read,
    /// See every tenant's uploads, sweep, read metrics.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Upload, Self::Read, Self::Admin];

    /// As settings, keys and grants write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// Whether this role is among them.
    #[must_use]
    pub fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// In their order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        Self(roles.into_iter().fold(0, |set, role| set | (1 << role as u8)))
    }
}

/// A grant: what a tenant's backend (or an identity provider) has signed for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The name of this grant (`jti`, or a hash of the token): its limits are counted under it.
    pub id: String,
    /// Whom it was given to (`sub`); they see only what they uploaded themselves.
    pub subject: String,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// The bytes of everything that is opened with it, together.
    pub max_bytes: Option<u64>,
    /// How many uploads may be opened with it.
    pub max_uploads: Option<u64>,
    /// Below the tenant's prefix: where its keys begin. With it the caller may name keys.
    pub key_prefix: Option<String>,
    /// The content types that may be uploaded with it.
    pub content_types: ContentTypes,
}

/// Who proved to be the caller, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Anybody: open mode.
    Anybody,
    /// The holder of an API key: a tenant's backend, or an operator.
    ApiKey {
        /// The key's public name.
        id: String,
    },
    /// The holder of a grant.
    Grant(Box<Grant>),
    /// The holder of an upload's own token.
    UploadToken {
        /// The upload that it is good for.
        upload: UploadId,
    },
}

/// The caller of a request. Everything that a capability asks about who calls is answered here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose uploads they see and make.
    pub tenant: Arc<Tenant>,
    /// Who they are.
    pub caller: Caller,
    /// What they may do.
    pub roles: Roles,
}

impl Principal {
    /// Everybody, in open mode, as this tenant.
    #[must_use]
    pub fn anybody(tenant: Arc<Tenant>) -> Self {
        Self { tenant, caller: Caller::Anybody, roles: Role::ALL.into_iter().collect() }
    }

    /// Within their tenant: whose uploads they make. The backend's own are nobody's.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        match &self.caller {
            Caller::Grant(grant) => Some(&grant.subject),
            Caller::Anybody | Caller::ApiKey { .. } | Caller::UploadToken { .. } => None,
        }
    }

    /// A short name for limits by caller and for logs: holds no secret.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.caller {
            Caller::Anybody => "anybody".to_owned(),
            Caller::ApiKey { id } => format!("key:{id}"),
            Caller::Grant(grant) => format!("grant:{}:{}", self.tenant.name, grant.subject),
            Caller::UploadToken { upload } => format!("upload:{upload}"),
        }
    }

    /// Whether the uploads of all tenants exist for the caller.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        matches!(self.caller, Caller::ApiKey { .. }) && self.roles.has(Role::Admin)
    }

    /// Whether an upload of this tenant and owner exists for the caller.
    #[must_use]
    pub fn may_see(&self, id: UploadId, tenant: &str, owner: Option<&str>) -> bool {
        match &self.caller {
            _ if self.sees_all() => true,
            Caller::Anybody | Caller::ApiKey { .. } => tenant == self.tenant.name,
            Caller::Grant(grant) => tenant == self.tenant.name && owner == Some(grant.subject.as_str()),
            Caller::UploadToken { upload } => tenant == self.tenant.name && id == *upload,
        }
    }

    /// Whether they may choose the keys of objects.
    #[must_use]
    pub fn may_name_keys(&self) -> bool {
        use super::KeyNaming;
        match (&self.caller, self.tenant.naming) {
            (Caller::UploadToken { .. }, _) | (_, KeyNaming::Nobody) => false,
            (Caller::Anybody | Caller::ApiKey { .. }, _) | (_, KeyNaming::Everybody) => true,
            (Caller::Grant(grant), KeyNaming::ApiKeys) => grant.key_prefix.is_some(),
        }
    }

    /// Where the keys of their objects begin, in the bucket.
    #[must_use]
    pub fn key_prefix(&self) -> String {
        let below = match &self.caller {
            Caller::Grant(grant) => grant.key_prefix.as_deref().unwrap_or_default(),
            Caller::Anybody | Caller::ApiKey { .. } | Caller::UploadToken { .. } => "",
        };
        format!("{}{below}", self.tenant.prefix)
    }
}
