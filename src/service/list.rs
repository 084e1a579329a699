//! A caller's uploads, newest first.

use super::{Principal, Service, ServiceError, require, visible_state};
use crate::access::Role;
use crate::store::ListFilter;
use crate::upload::{State, Upload, UploadId};

/// Which uploads a caller wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only this tenant's; heard of callers who see those of all.
    pub tenant: Option<String>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those older than this one.
    pub before: Option<UploadId>,
    /// At most so many.
    pub limit: u32,
}

/// A page of uploads with the state that callers see.
#[derive(Debug, Clone)]
pub struct UploadPage {
    /// The uploads, newest first.
    pub uploads: Vec<(Upload, State)>,
    /// Whether they are those of all tenants.
    pub of_all_tenants: bool,
    /// Where the next page begins; none on the last.
    pub next: Option<UploadId>,
}

impl Service {
    /// A page of the caller's uploads.
    ///
    /// # Errors
    /// [`ServiceError::Database`].
    #[tracing::instrument(level = "debug", name = "list", skip_all)]
    pub async fn list(&self, principal: &Principal, query: ListQuery) -> Result<UploadPage, ServiceError> {
        require(principal, &[Role::Read])?;
        let now = self.clock.now();
        // In open mode there is one tenant, whatever its callers may do.
        let sees_all = principal.sees_all();
        let filter = ListFilter {
            tenant: if sees_all { query.tenant } else { Some(principal.tenant.name.clone()) },
            owner: principal.owner().map(str::to_owned),
            state: query.state,
            now,
            before: query.before,
            // One more than asked for tells whether there is a next page.
            limit: query.limit + 1,
        };
        let mut uploads = self.store.list(&filter).await?;
        let has_more = uploads.len() > query.limit as usize;
        uploads.truncate(query.limit as usize);
        let next = uploads.last().filter(|_| has_more).map(|upload| upload.id);
        let with_state = |upload: Upload| {
            let state = visible_state(&upload, now);
            (upload, state)
        };
        let uploads = uploads.into_iter().map(with_state).collect();
        Ok(UploadPage { uploads, of_all_tenants: sees_all, next })
    }
}
