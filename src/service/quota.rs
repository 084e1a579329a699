//! What a new upload may cost its tenant and, where it is opened with a grant, that grant.

use time::{Duration, OffsetDateTime, Time};

use super::requested::{PartLimits, PartToSend};
use super::{Principal, Service, ServiceError};
use crate::access::Caller;
use crate::store::{Counter, Limit, OverQuota, Quota, Reserved};
use crate::upload::Upload;

/// Counters are kept a while longer than they count, for clocks that differ.
const KEEP: Duration = Duration::DAY;
/// Begins the names of counters of a tenant's days.
const DAY: &str = "day:";

/// The limits that an upload of this caller is opened, or a stream of it goes on, under.
pub(super) fn quota(principal: &Principal, now: OffsetDateTime) -> Quota {
    let limits = &principal.tenant.limits;
    let tenant = &principal.tenant.name;
    let day = limits.max_bytes_per_day.map(|max_bytes| Counter {
        name: format!("{DAY}{tenant}:{}", now.date()),
        forget_at: now.replace_time(Time::MIDNIGHT) + Duration::DAY + KEEP,
        max_uploads: None,
        max_bytes: Some(max_bytes),
    });
    let grant = match &principal.caller {
        Caller::Grant(grant) if grant.max_bytes.is_some() || grant.max_uploads.is_some() => Some(Counter {
            name: format!("grant:{tenant}:{}", grant.id),
            forget_at: grant.expires_at + KEEP,
            max_uploads: grant.max_uploads,
            max_bytes: grant.max_bytes,
        }),
        Caller::Anybody | Caller::ApiKey { .. } | Caller::Grant(_) | Caller::UploadToken { .. } => None,
    };
    Quota {
        max_open_uploads: limits.max_open_uploads,
        max_bytes_in_flight: limits.max_bytes_in_flight,
        counters: day.into_iter().chain(grant).collect(),
    }
}

/// Whether a stream has to be counted as it goes.
fn counts_bytes(quota: &Quota) -> bool {
    quota.max_bytes_in_flight.is_some() || quota.counters.iter().any(|counter| counter.max_bytes.is_some())
}

impl Service {
    /// Forgets what was counted for days and grants that are over.
    ///
    /// # Errors
    /// [`ServiceError::Database`].
    pub async fn forget_counters(&self) -> Result<(), ServiceError> {
        self.store.forget_counters(self.clock.now()).await?;
        Ok(())
    }

    /// What this caller's calls may name.
    pub(super) fn part_limits(&self, principal: &Principal) -> PartLimits {
        let max_size_bytes = principal.tenant.limits.max_size_bytes;
        PartLimits { parts_per_call: self.rules.sign_limit, max_size_bytes }
    }

    /// A stream's size is known only at its end, so its bytes are counted before they are signed for.
    pub(super) async fn reserve(
        &self,
        principal: &Principal,
        upload: &Upload,
        parts: &[PartToSend],
    ) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let quota = quota(principal, now);
        let end_bytes = parts.iter().map(|part| part.span.offset_bytes + part.span.size_bytes).max();
        let Some(end_bytes) =
            end_bytes.filter(|_| upload.plan.size_bytes().is_none() && counts_bytes(&quota))
        else {
            return Ok(());
        };
        match self.store.reserve(upload.id, end_bytes, &quota).await? {
            Reserved::Done => Ok(()),
            Reserved::OverQuota(over) => Err(exceeded(&quota, &over)),
            Reserved::Closed => {
                self.reload(upload.id).await?.check_takes_parts(now)?;
                Err(ServiceError::Busy)
            }
        }
    }
}

/// The refusal in words: which limit, how much of it is used, and what can be done.
pub(super) fn exceeded(quota: &Quota, over: &OverQuota) -> ServiceError {
    let is_day =
        |index: usize| quota.counters.get(index).is_some_and(|counter| counter.name.starts_with(DAY));
    let (name, what, hint) = match over.limit {
        Limit::OpenUploads => ("open_uploads", "open uploads", "complete or abort some of them"),
        Limit::BytesInFlight => ("bytes_in_flight", "bytes in flight", "complete or abort some uploads"),
        Limit::CounterBytes(index) if is_day(index) => {
            ("bytes_per_day", "bytes a day", "the next day begins at 00:00 UTC")
        }
        Limit::CounterBytes(_) => ("grant_bytes", "bytes that this grant may upload", "ask for a new grant"),
        Limit::CounterUploads(_) => {
            ("grant_uploads", "uploads that this grant may open", "ask for a new grant")
        }
    };
    let OverQuota { max, used, .. } = over;
    let detail = format!("the limit of {what} is {max}, and {used} are used; {hint}");
    ServiceError::QuotaExceeded { quota: name, detail, limit: *max }
}
