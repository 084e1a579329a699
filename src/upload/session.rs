//! One upload, and everything that may happen to it.
//!
//! Each method decides: it takes the upload as it was loaded and answers what it becomes, one version on, or why
//! not. The store writes the answer only if the version it was decided on is still the current one.

use time::{Duration, OffsetDateTime};

use super::{
    Checksum, ChecksumAlgorithm, Fingerprint, Metadata, ObjectChecksum, ObjectKey, Plan, S3UploadId,
    Sha256Digest, State, Transfer, UploadId,
};

/// What was declared at init and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadSpec {
    /// Whose upload it is.
    pub tenant: String,
    /// Within the tenant: the subject of the grant that opened it, never empty; none for the tenant's backend's own.
    pub owner: Option<String>,
    /// The bucket of the object.
    pub bucket: String,
    /// The key of the object.
    pub key: ObjectKey,
    /// The file's name as given.
    pub filename: String,
    /// The object's Content-Type.
    pub content_type: String,
    /// How parts are protected.
    pub checksum_algorithm: ChecksumAlgorithm,
    /// The object's user metadata.
    pub metadata: Metadata,
    /// Whether completion may replace an object.
    pub overwrite: bool,
    /// The caller's own name of the content.
    pub fingerprint: Option<Fingerprint>,
    /// The caller's key of the init call.
    pub idempotency_key: Option<Fingerprint>,
    /// How the bytes travel.
    pub transfer: Transfer,
}

/// Why an upload is being taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// A caller asked.
    Requested,
    /// Its lifetime was over.
    Expired,
}

/// The finished object, as storage answered and as it was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The object's ETag, quotes included.
    pub etag: String,
    /// Its version, in a bucket that keeps versions.
    pub version_id: Option<String>,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its checksum as storage keeps it.
    pub checksum: Option<ObjectChecksum>,
    /// The SHA-256 that a read-back proved.
    pub sha256: Option<Sha256Digest>,
    /// When it was proven.
    pub completed_at: OffsetDateTime,
}

/// Why an upload failed: a stable code and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable code, as in the API's problems.
    pub code: String,
    /// What was found.
    pub detail: String,
}

/// One upload. Invariant: changed only by the methods below; a stored row is what one of them answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Our name of it.
    pub id: UploadId,
    /// What was declared at init.
    pub spec: UploadSpec,
    /// How the file is cut; a stream's size is filled in by complete.
    pub plan: Plan,
    /// The SHA-256 to prove, from init or complete.
    pub sha256: Option<Sha256Digest>,
    /// The checksum of the whole file to prove, from complete.
    pub checksum: Option<Checksum>,
    /// Where it is in its life.
    pub state: State,
    /// Counts changes, from 1: the compare-and-set of every write.
    pub version: i64,
    /// Storage's name of the multipart upload, once there is one.
    pub s3_upload_id: Option<S3UploadId>,
    /// When it was opened.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
    /// When it is taken back if it is not complete.
    pub expires_at: OffsetDateTime,
    /// Until when a signed URL of it may still work.
    pub urls_expire_at: Option<OffsetDateTime>,
    /// Why it is being taken back.
    pub abort_reason: Option<AbortReason>,
    /// Whether a multipart upload of it that nobody knows may come to be in storage: an answer was lost.
    pub may_have_twins: bool,
    /// When the sweep has to look at it; none when nothing is left to do.
    pub sweep_at: Option<OffsetDateTime>,
    /// While a gateway is at its completion (until `sweep_at`): how many bytes of the object it has read back.
    pub verified_bytes: Option<u64>,
    /// The finished object.
    pub outcome: Option<Outcome>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Why an upload does not do what was asked, by the state that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is finishing or finished.
    #[error("the upload is {}", .0.name())]
    Closed(State),
    /// It was, or is being, taken back.
    #[error("the upload is {}", .0.name())]
    Gone(State),
}

impl Upload {
    /// A new upload. One that needs nothing of storage before its bytes is open at once.
    #[must_use]
    pub fn new(
        id: UploadId,
        spec: UploadSpec,
        plan: Plan,
        sha256: Option<Sha256Digest>,
        (now, lifetime): (OffsetDateTime, Duration),
    ) -> Self {
        let state = match spec.transfer {
            Transfer::Multipart => State::Creating,
            Transfer::Empty | Transfer::Put => State::Open,
        };
        Self {
            id,
            spec,
            plan,
            sha256,
            checksum: None,
            state,
            version: 1,
            s3_upload_id: None,
            created_at: now,
            updated_at: now,
            expires_at: now + lifetime,
            urls_expire_at: None,
            abort_reason: None,
            may_have_twins: false,
            sweep_at: Some(now + lifetime),
            verified_bytes: None,
            outcome: None,
            failure: None,
        }
    }

    /// Whether its lifetime is over although nobody has taken it back yet.
    #[must_use]
    pub fn is_overdue(&self, now: OffsetDateTime) -> bool {
        matches!(self.state, State::Creating | State::Open) && now >= self.expires_at
    }

    /// Whether parts may be signed, reported and sent.
    ///
    /// # Errors
    /// [`Refusal`] unless the upload is open (or about to be) and within its lifetime.
    pub fn check_takes_parts(&self, now: OffsetDateTime) -> Result<(), Refusal> {
        if self.is_overdue(now) {
            return Err(Refusal::Gone(State::Expired));
        }
        match self.state {
            State::Creating | State::Open => Ok(()),
            State::Completing | State::Completed | State::Failed => Err(Refusal::Closed(self.state)),
            State::Aborting | State::Aborted | State::Expired => Err(Refusal::Gone(self.state)),
        }
    }

    /// Storage has a multipart upload for it: the first one, or a new one in place of one that storage reaped.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn opened(&self, s3_upload_id: S3UploadId, now: OffsetDateTime) -> Result<Self, Refusal> {
        let next = self.step(State::Open, now)?;
        Ok(Self { s3_upload_id: Some(s3_upload_id), ..next })
    }

    /// Storage is about to be asked for another multipart upload of it: should nobody hear the answer, or live to
    /// write it down, the sweep looks for it.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn opening_again(&self, now: OffsetDateTime) -> Result<Self, Refusal> {
        self.check_takes_parts(now)?;
        Ok(self.step(self.state, now)?.with_twins())
    }

    /// A URL of it was signed that works until `until`. Not a change of state: the version stays.
    #[must_use]
    pub fn with_urls_until(self, until: OffsetDateTime) -> Self {
        let urls_expire_at = self.urls_expire_at.map_or(until, |earlier| earlier.max(until));
        Self { urls_expire_at: Some(urls_expire_at), ..self }
    }

    /// Storage is about to be asked for the object.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn completing(&self, now: OffsetDateTime) -> Result<Self, Refusal> {
        if self.is_overdue(now) {
            return Err(Refusal::Gone(State::Expired));
        }
        self.step(State::Completing, now)
    }

    /// Its object was found in storage, put there by a completion that is not written down here: it is to be proven,
    /// also when the upload's time is over.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn found_finished(&self, now: OffsetDateTime) -> Result<Self, Refusal> {
        self.step(State::Completing, now)
    }

    /// Storage could not finish: parts are missing or changed, or the key is taken.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn back_to_open(&self, now: OffsetDateTime) -> Result<Self, Refusal> {
        self.step(State::Open, now)
    }

    /// The object is in storage and proven.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn completed(&self, outcome: Outcome, now: OffsetDateTime) -> Result<Self, Refusal> {
        let next = self.step(State::Completed, now)?;
        Ok(Self { outcome: Some(outcome), ..next })
    }

    /// The object was proven wrong and deleted.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn failed(&self, failure: Failure, now: OffsetDateTime) -> Result<Self, Refusal> {
        let next = self.step(State::Failed, now)?;
        Ok(Self { failure: Some(failure), ..next })
    }

    /// It is to be taken back from storage.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn aborting(&self, reason: AbortReason, now: OffsetDateTime) -> Result<Self, Refusal> {
        let next = self.step(State::Aborting, now)?;
        Ok(Self { abort_reason: Some(reason), ..next })
    }

    /// Storage holds nothing of it any more, and no signed URL can change that.
    ///
    /// # Errors
    /// [`Refusal`] when the state does not allow it.
    pub fn taken_back(&self, now: OffsetDateTime) -> Result<Self, Refusal> {
        match self.abort_reason {
            Some(AbortReason::Expired) => self.step(State::Expired, now),
            Some(AbortReason::Requested) | None => self.step(State::Aborted, now),
        }
    }

    fn step(&self, next: State, now: OffsetDateTime) -> Result<Self, Refusal> {
        if self.state.may_become(next) {
            let sweep_at = self.sweep_at_in(next, now);
            let verified_bytes = (next == State::Completing).then_some(0);
            let version = self.version + 1;
            let base = Self { sweep_at, verified_bytes, ..self.clone() };
            return Ok(Self { state: next, version, updated_at: now, ..base });
        }
        match self.state {
            State::Aborting | State::Aborted | State::Expired => Err(Refusal::Gone(self.state)),
            State::Creating | State::Open | State::Completing | State::Completed | State::Failed => {
                Err(Refusal::Closed(self.state))
            }
        }
    }
}
