//! A caller's uploads, newest first.

use super::{Principal, Service, ServiceError, visible_state};
use crate::store::ListFilter;
use crate::upload::{State, Upload, UploadId};

/// Which uploads a caller wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListQuery {
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
    /// Where the next page begins; none on the last.
    pub next: Option<UploadId>,
}

impl Service {
    /// A page of the caller's uploads.
    ///
    /// # Errors
    /// [`ServiceError::Database`].
    pub async fn list(&self, principal: &Principal, query: ListQuery) -> Result<UploadPage, ServiceError> {
        let now = self.clock.now();
        let filter = ListFilter {
            tenant: Some(principal.tenant.clone()),
            owner: None,
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
        Ok(UploadPage { uploads: uploads.into_iter().map(with_state).collect(), next })
    }
}
