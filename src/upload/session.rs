//! One upload, and everything that may happen to it.
//!
//! Each method decides: it takes the upload as it was loaded and answers what it becomes, one version on, or why
//! not. The store writes the answer only if the version it was decided on is still the current one.

use time::{Duration, OffsetDateTime};

use super::{
    Checksum, ChecksumAlgorithm, Fingerprint, Metadata, ObjectChecksum, ObjectKey, Plan, S3UploadId,
    Sha256Digest, State, Transfer, UploadId,
};

/// How long a request that began before its URL expired may take: storage looks at the expiry only when it begins
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>). Our own bound, ample for one part
/// on a slow line.
const LANDING_TIME: Duration = Duration::HOUR;

/// How long a completion is left to the gateway that is at it, which renews this often; a gateway that died has lost
/// it after so long.
pub const COMPLETION_LEASE: Duration = Duration::seconds(6);

/// A completion that stopped halfway is left to the client's repetition for so long; then the sweep takes it up.
const STUCK_AFTER: Duration = Duration::MINUTE;

/// What was declared at init and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadSpec {
    /// Whose upload it is.
    pub tenant: String,
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

/// What a complete call adds to what init declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Declaration {
    /// The file's size, bytes.
    pub size_bytes: Option<u64>,
    /// The file's SHA-256.
    pub sha256: Option<Sha256Digest>,
    /// The file's checksum, of the upload's algorithm.
    pub checksum: Option<Checksum>,
}

/// Why a declaration cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// A stream's size is needed to finish.
    #[error("the upload was opened without a size: give it now")]
    SizeMissing,
    /// Another size than before.
    #[error("declared before as {declared} bytes; it cannot change")]
    SizeChanged {
        /// The size that was declared.
        declared: u64,
    },
    /// More parts than storage takes.
    #[error("{size_bytes} bytes do not fit into 10,000 parts of {part_size_bytes} bytes")]
    TooManyParts {
        /// The size now declared.
        size_bytes: u64,
        /// The upload's part size.
        part_size_bytes: u64,
    },
    /// Another SHA-256 than before.
    #[error("declared before as another value; it cannot change")]
    Sha256Changed,
}

/// What storage says of the object at the upload's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectProof {
    /// The upload id in the object's metadata.
    pub upload_id: Option<String>,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its ETag, quotes included.
    pub etag: String,
    /// Its version.
    pub version_id: Option<String>,
    /// Its checksum, where storage keeps one.
    pub checksum: Option<ObjectChecksum>,
}

/// Why an object is not the declared one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is somebody else's.
    #[error("the object at the key is not of this upload")]
    Foreign,
    /// It has another size.
    #[error("the object has {actual} bytes, {declared} were declared")]
    Size {
        /// What was declared, bytes.
        declared: u64,
        /// What storage has, bytes.
        actual: u64,
    },
    /// It has another checksum.
    #[error("the object's checksum is {actual}, that of the declared bytes is {declared}")]
    Checksum {
        /// What was declared, base64.
        declared: String,
        /// What storage has, base64.
        actual: String,
    },
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

    /// A URL of it was signed that works until `until`. Not a change of state: the version stays.
    #[must_use]
    pub fn with_urls_until(self, until: OffsetDateTime) -> Self {
        let urls_expire_at = self.urls_expire_at.map_or(until, |earlier| earlier.max(until));
        Self { urls_expire_at: Some(urls_expire_at), ..self }
    }

    /// Fills in what complete declares.
    ///
    /// # Errors
    /// [`DeclarationError`] when it contradicts what was declared before, or when a stream's size is missing.
    pub fn declared(&self, declaration: &Declaration) -> Result<Self, DeclarationError> {
        let mut next = self.clone();
        match (self.plan.size_bytes(), declaration.size_bytes) {
            (None, None) => return Err(DeclarationError::SizeMissing),
            (Some(declared), Some(size)) if declared != size => {
                return Err(DeclarationError::SizeChanged { declared });
            }
            (None, Some(size_bytes)) => next.plan = self.plan.with_size(size_bytes),
            (Some(_), _) => {}
        }
        if next.plan.total_parts().is_some_and(|total| total > super::PartNumber::MAX) {
            let part_size_bytes = self.plan.part_size_bytes();
            let size_bytes = declaration.size_bytes.unwrap_or(0);
            return Err(DeclarationError::TooManyParts { size_bytes, part_size_bytes });
        }
        match (self.sha256, declaration.sha256) {
            (Some(declared), Some(sha256)) if declared != sha256 => {
                return Err(DeclarationError::Sha256Changed);
            }
            (declared, sha256) => next.sha256 = sha256.or(declared),
        }
        next.checksum = declaration.checksum.or(self.checksum);
        Ok(next)
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

    /// Whether a URL signed earlier can still bring bytes to the key.
    #[must_use]
    pub fn has_live_urls(&self, now: OffsetDateTime) -> bool {
        self.urls_expire_at.is_some_and(|until| now < until + LANDING_TIME)
    }

    /// Whether an object is the one that was declared: ours, of its size, with its checksum.
    ///
    /// `expected` is what the parts' checksums combine to, where all are known.
    ///
    /// # Errors
    /// [`ProofError`] with the first difference.
    pub fn prove(&self, object: &ObjectProof, expected: Option<&ObjectChecksum>) -> Result<(), ProofError> {
        if object.upload_id.as_deref() != Some(self.id.to_string().as_str()) {
            return Err(ProofError::Foreign);
        }
        if let Some(declared) = self.plan.size_bytes()
            && declared != object.size_bytes
        {
            return Err(ProofError::Size { declared, actual: object.size_bytes });
        }
        let Some(stored) = &object.checksum else { return Ok(()) };
        let declared = self.checksum.map(Checksum::to_base64);
        let comparable = expected
            .filter(|expected| {
                (expected.algorithm, expected.checksum_type) == (stored.algorithm, stored.checksum_type)
            })
            .map(|expected| expected.value.clone());
        let own_kind = stored.algorithm == self.spec.checksum_algorithm;
        for declared in [comparable, declared.filter(|_| own_kind)].into_iter().flatten() {
            if declared != stored.value {
                return Err(ProofError::Checksum { declared, actual: stored.value.clone() });
            }
        }
        Ok(())
    }

    fn step(&self, next: State, now: OffsetDateTime) -> Result<Self, Refusal> {
        if self.state.may_become(next) {
            let sweep_at = match next {
                State::Creating | State::Open => Some(self.expires_at),
                State::Completing => Some(now + COMPLETION_LEASE),
                State::Completed => self.may_have_twins.then(|| now + LANDING_TIME),
                State::Failed | State::Aborting => Some(now),
                // What was under way when storage was asked to abort may land after it, so it is asked once more.
                State::Aborted | State::Expired => {
                    (self.spec.transfer == Transfer::Multipart).then(|| now + LANDING_TIME)
                }
            };
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
