//! Who calls, as what, and what their tenant may. Says nothing of HTTP, SQL or storage.

mod principal;
mod tenant;

pub use principal::{Caller, Grant, Principal, Role, Roles};
pub use tenant::{
    ContentTypes, KeyNaming, Tenant, TenantDefaults, TenantLimits, TenantProblem, TenantSettings, overlapping,
};
