//! When somebody has to look at an upload if nobody else does.

use time::{Duration, OffsetDateTime};

use super::{State, Transfer, Upload};

/// How long a request that began before its URL expired may take: storage looks at the expiry only when it begins
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>). Our own bound, ample for one part
/// on a slow line.
const LANDING_TIME: Duration = Duration::HOUR;

/// How long a completion is left to the gateway that is at it, which renews this often; a gateway that died has lost
/// it after so long.
pub const COMPLETION_LEASE: Duration = Duration::seconds(6);

/// A completion that stopped halfway is left to the client's repetition for so long; then the sweep takes it up.
const STUCK_AFTER: Duration = Duration::MINUTE;

impl Upload {
    /// A multipart upload of it that nobody knows may be in storage, or land there within the hour: the sweep looks.
    /// Part of the change that is about to be written.
    #[must_use]
    pub fn with_twins(self) -> Self {
        let look_at = self.updated_at + LANDING_TIME;
        let sweep_at = self.sweep_at.map_or(look_at, |other| other.min(look_at));
        Self { may_have_twins: true, sweep_at: Some(sweep_at), ..self }
    }

    /// Whether a gateway is at its completion, or was a moment ago.
    #[must_use]
    pub fn is_leased(&self, now: OffsetDateTime) -> bool {
        self.verified_bytes.is_some() && self.sweep_at.is_some_and(|until| now < until)
    }

    /// When the sweep has to look again, after it has looked and found nothing to do at `now`.
    #[must_use]
    pub fn next_look(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let live_urls = || {
            let dead_at = self.urls_expire_at?;
            let landed_at = dead_at + LANDING_TIME;
            [dead_at, landed_at].into_iter().find(|at| now < *at)
        };
        match self.state {
            State::Creating | State::Open => Some(self.expires_at),
            State::Completing => Some(now + STUCK_AFTER),
            // A signed PUT of a small file works until it expires, whatever became of the upload.
            State::Aborting => live_urls().or(Some(now)),
            // What was under way when it failed may land after it, as after an abort.
            State::Failed => live_urls().or_else(|| {
                let landed_at = self.updated_at + LANDING_TIME;
                (self.spec.transfer == Transfer::Multipart && now < landed_at).then_some(landed_at)
            }),
            State::Completed | State::Aborted | State::Expired => None,
        }
    }

    /// Whether a URL signed earlier can still bring bytes to the key.
    #[must_use]
    pub fn has_live_urls(&self, now: OffsetDateTime) -> bool {
        self.urls_expire_at.is_some_and(|until| now < until + LANDING_TIME)
    }

    /// The moment of the sweep of an upload that goes into this state now.
    pub(super) fn sweep_at_in(&self, next: State, now: OffsetDateTime) -> Option<OffsetDateTime> {
        match next {
            State::Creating | State::Open => Some(self.expires_at),
            State::Completing => Some(now + COMPLETION_LEASE),
            State::Completed => self.may_have_twins.then(|| now + LANDING_TIME),
            State::Failed | State::Aborting => Some(now),
            // What was under way when storage was asked to abort may land after it, so it is asked once more.
            State::Aborted | State::Expired => {
                (self.spec.transfer == Transfer::Multipart).then(|| now + LANDING_TIME)
            }
        }
    }
}
