//! How far an upload is, by what we know; storage is asked only on request.

use super::abort::is_settled;
use super::refresh::Purpose;
use super::{Principal, Service, ServiceError, require, visible_state};
use crate::access::Role;
use crate::store::ReceivedParts;
use crate::upload::{PartNumber, PartRecord, State, Upload, UploadId};

/// What a status call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusQuery {
    /// Ask storage first.
    pub refresh: bool,
    /// List every received part.
    pub parts: bool,
}

/// An upload and how far it is.
#[derive(Debug, Clone)]
pub struct StatusView {
    /// The upload.
    pub upload: Upload,
    /// Its state as callers see it.
    pub state: State,
    /// What need not be sent again.
    pub received: ReceivedParts,
    /// Every received part, where asked for.
    pub parts: Option<Vec<PartRecord>>,
}

impl StatusView {
    /// The inclusive ranges of part numbers still to send; for a stream, the gaps below the highest received.
    #[must_use]
    pub fn missing(&self) -> Vec<[u32; 2]> {
        let highest = || self.received.numbers.highest().map_or(0, |number| number.value());
        let total = self.upload.plan.total_parts().unwrap_or_else(highest);
        self.received.numbers.missing(total)
    }
}

impl Service {
    /// How far an upload is.
    ///
    /// # Errors
    /// [`ServiceError`]: no such upload, or the database (with `refresh`: storage) is out of reach.
    #[tracing::instrument(level = "debug", name = "status", skip_all)]
    pub async fn status(
        &self,
        principal: &Principal,
        id: UploadId,
        query: StatusQuery,
    ) -> Result<StatusView, ServiceError> {
        require(principal, &[Role::Upload, Role::Read])?;
        let (mut upload, mut received) = self.load_with_progress(principal, id).await?;
        if query.refresh && upload.check_takes_parts(self.clock.now()).is_ok() {
            match self.refresh(upload, Purpose::Progress).await {
                Ok(_) => {}
                // Somebody finished it or took it back while storage was asked: what it is now is the answer.
                Err(error) if is_settled(&error) => {}
                Err(error) => return Err(error),
            }
            (upload, received) = self.load_with_progress(principal, id).await?;
        }
        let kind = upload.spec.checksum_algorithm;
        let mut view = self.view(upload, received);
        if query.parts {
            let parts = self.store.parts(id, kind).await?;
            view.parts = Some(parts.into_iter().filter(PartRecord::is_received).collect());
        }
        Ok(view)
    }

    pub(super) fn view(&self, upload: Upload, received: ReceivedParts) -> StatusView {
        let received = match &upload.outcome {
            // What is proven is all there, also where nobody knows its parts any more.
            Some(outcome) => whole(&upload, outcome.size_bytes),
            None => received,
        };
        let state = visible_state(&upload, self.clock.now());
        StatusView { upload, state, received, parts: None }
    }
}

fn whole(upload: &Upload, total_bytes: u64) -> ReceivedParts {
    let total = upload.plan.total_parts().unwrap_or(0);
    ReceivedParts { numbers: (1..=total).filter_map(PartNumber::new).collect(), total_bytes }
}
