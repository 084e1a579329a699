//! Opens an upload, or finds the one that the caller has open already.

use time::OffsetDateTime;
use uuid::Uuid;

use super::abort::is_settled;
use super::quota::{exceeded, quota};
use super::requested::parts_to_send;
use super::sign::Opening;
use super::signed::SignedWindow;
use super::{FieldProblem, Principal, RequestedPart, Service, ServiceError, require};
use crate::access::{Caller, ContentTypes, Role};
use crate::store::{InsertOutcome, Quota};
use crate::upload::{
    AbortReason, ChecksumAlgorithm, Fingerprint, Metadata, ObjectKey, Plan, PlanError, Sha256Digest, State,
    Upload, UploadId, UploadSpec, default_object_key,
};

/// What a caller wants to upload. Every field but `key` and the sizes was checked where it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// The file's name.
    pub filename: String,
    /// The file's size, bytes; none for a stream.
    pub size_bytes: Option<u64>,
    /// The wished part size, bytes.
    pub part_size_bytes: Option<u64>,
    /// The object's Content-Type.
    pub content_type: String,
    /// How parts are protected.
    pub checksum_algorithm: ChecksumAlgorithm,
    /// The SHA-256 to prove.
    pub sha256: Option<Sha256Digest>,
    /// The object's user metadata.
    pub metadata: Metadata,
    /// The object's key, below the prefix.
    pub key: Option<String>,
    /// Whether an object may be replaced.
    pub overwrite: bool,
    /// The caller's own name of the content.
    pub fingerprint: Option<Fingerprint>,
    /// The caller's key of this call.
    pub idempotency_key: Option<Fingerprint>,
    /// What to sign in the same call.
    pub sign: SignAtInit,
}

/// What `init` signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignAtInit {
    /// The first so many parts.
    First(u32),
    /// These parts.
    Parts(Vec<RequestedPart>),
}

/// An upload that is open.
pub struct Initiated {
    /// The upload.
    pub upload: Upload,
    /// Whether this call opened it.
    pub is_new: bool,
    /// The parts that were signed.
    pub parts: SignedWindow,
    /// Until when their URLs work.
    pub parts_expire_at: Option<OffsetDateTime>,
}

impl Service {
    /// Opens an upload.
    ///
    /// # Errors
    /// [`ServiceError`]: a field cannot be, the file is too large, storage or database are out of reach.
    #[tracing::instrument(level = "debug", name = "init", skip_all)]
    pub async fn init(&self, principal: &Principal, new: NewUpload) -> Result<Initiated, ServiceError> {
        may_open(principal)?;
        let draft = self.draft(principal, &new)?;
        let requested = requested_at_init(&draft, &new.sign, self.rules.sign_limit)?;
        // Checked before anything is written, so that a bad wish leaves nothing half-made behind.
        parts_to_send(&draft, &requested, self.part_limits(principal)).map_err(named_for_init)?;
        let (upload, is_new) = self.find_or_insert(draft, &quota(principal, self.clock.now())).await?;
        let opened = if is_new && upload.state == State::Creating {
            self.open_multipart(upload.clone(), Opening::First).await
        } else {
            self.ensure_open(upload.clone()).await
        };
        let upload = match opened {
            Ok(upload) => upload,
            Err(error) => {
                self.drop_unopened(upload).await;
                return Err(error);
            }
        };
        let requested = requested_at_init(&upload, &new.sign, self.rules.sign_limit)?;
        let wanted =
            parts_to_send(&upload, &requested, self.part_limits(principal)).map_err(named_for_init)?;
        if wanted.is_empty() {
            return Ok(Initiated { upload, is_new, parts: SignedWindow::default(), parts_expire_at: None });
        }
        if let Err(error) = self.reserve(principal, &upload, &wanted).await {
            if is_new && matches!(error, ServiceError::QuotaExceeded { .. }) {
                self.drop_refused(upload).await;
            }
            return Err(error);
        }
        let (parts, until) = self.sign_resolved(principal, &upload, wanted).await?;
        Ok(Initiated { upload, is_new, parts, parts_expire_at: Some(until) })
    }

    /// The upload as it would be; every field that depends on the gateway's rules is checked here.
    fn draft(&self, principal: &Principal, new: &NewUpload) -> Result<Upload, ServiceError> {
        let id = new_id();
        let mut problems = Vec::new();
        check_size(principal, new.size_bytes)?;
        problems.extend(check_content_type(principal, &new.content_type));
        let profile = self.storage.profile();
        if !profile.checksum_algorithms.contains(&new.checksum_algorithm) {
            let known: Vec<_> = profile.checksum_algorithms.iter().map(|kind| kind.name()).collect();
            let detail = format!("storage does not enforce it; it enforces {}", known.join(", "));
            problems.push(FieldProblem::new("checksum_algorithm", detail));
        }
        let key = self.key(principal, id, new).map_err(|problem| problems.push(problem)).ok();
        let plan = self.plan(new)?.map_err(|problem| problems.push(problem)).ok();
        let (Some(key), Some(plan), true) = (key, plan, problems.is_empty()) else {
            return Err(ServiceError::Invalid(problems));
        };
        let spec = UploadSpec {
            tenant: principal.tenant.name.clone(),
            owner: principal.owner().map(str::to_owned),
            bucket: principal.tenant.bucket.clone(),
            key,
            filename: new.filename.clone(),
            content_type: new.content_type.clone(),
            checksum_algorithm: new.checksum_algorithm,
            metadata: new.metadata.clone(),
            overwrite: new.overwrite,
            fingerprint: new.fingerprint.clone(),
            idempotency_key: new.idempotency_key.clone(),
            transfer: plan.transfer(profile.put_support(new.overwrite)),
        };
        let life = (self.clock.now(), principal.tenant.lifetime);
        Ok(Upload::new(id, spec, plan, new.sha256, life))
    }

    fn key(&self, principal: &Principal, id: UploadId, new: &NewUpload) -> Result<ObjectKey, FieldProblem> {
        let prefix = principal.key_prefix();
        let key = match &new.key {
            None => default_object_key(&prefix, id, &new.filename),
            Some(_) if !principal.may_name_keys() => {
                return Err(FieldProblem::new("key", "you may not name keys: leave it out"));
            }
            Some(key) => {
                // Checked alone as well: with a prefix before it, an empty or leading-slash key would pass.
                ObjectKey::new(key.clone()).map_err(|error| FieldProblem::new("key", error))?;
                format!("{prefix}{key}")
            }
        };
        ObjectKey::new(key).map_err(|error| FieldProblem::new("key", error))
    }

    fn plan(&self, new: &NewUpload) -> Result<Result<Plan, FieldProblem>, ServiceError> {
        let usual = match new.size_bytes {
            Some(_) => self.rules.part_size_bytes,
            None => self.rules.stream_part_size_bytes,
        };
        let wish = new.part_size_bytes.unwrap_or(usual);
        match Plan::new(new.size_bytes, wish, &self.storage.profile().limits) {
            Ok(plan) => Ok(Ok(plan)),
            Err(PlanError::TooLarge { size_bytes, max_bytes }) => {
                Err(ServiceError::TooLarge { size_bytes, limit_bytes: max_bytes })
            }
            Err(error @ PlanError::EmptyPart) => Ok(Err(FieldProblem::new("part_size", error))),
        }
    }

    /// Writes the draft, unless the caller's idempotency key or fingerprint names an upload already.
    async fn find_or_insert(&self, draft: Upload, quota: &Quota) -> Result<(Upload, bool), ServiceError> {
        for _ in 0..super::MAX_CONFLICTS {
            if let Some(found) = self.find(&draft).await? {
                return Ok((found, false));
            }
            match self.store.insert(&draft, quota).await? {
                InsertOutcome::Inserted => {
                    tracing::info!(upload.id = %draft.id, size_bytes = draft.plan.size_bytes(), "upload opened");
                    return Ok((draft, true));
                }
                // Somebody was faster between our look and our write: look again.
                InsertOutcome::Duplicate => {}
                InsertOutcome::OverQuota(over) => return Err(exceeded(quota, &over)),
            }
        }
        Err(ServiceError::Busy)
    }

    async fn find(&self, draft: &Upload) -> Result<Option<Upload>, ServiceError> {
        let spec = &draft.spec;
        if let Some(key) = &spec.idempotency_key
            && let Some(found) =
                self.store.find_by_idempotency_key(&spec.tenant, spec.owner.as_deref(), key).await?
        {
            if !asks_the_same(&found, draft) {
                let detail = "was used for another upload: use a new key for every upload";
                return Err(ServiceError::invalid("header.Idempotency-Key", detail));
            }
            found.check_takes_parts(self.clock.now())?;
            return Ok(Some(found));
        }
        let Some(fingerprint) = &spec.fingerprint else { return Ok(None) };
        let size_bytes = draft.plan.size_bytes();
        let found = self
            .store
            .find_by_fingerprint(&spec.tenant, spec.owner.as_deref(), fingerprint, size_bytes)
            .await?;
        let Some(found) = found else { return Ok(None) };
        if !found.is_overdue(self.clock.now()) {
            return Ok(Some(found));
        }
        // Its time is over but the sweep has not been by: make room for the new one.
        match self.begin_abort(found, AbortReason::Expired).await {
            Err(error) if !is_settled(&error) => Err(error),
            _ => Ok(None),
        }
    }

    /// An upload that storage would not open: one that the caller cannot find again is taken back at once.
    async fn drop_unopened(&self, upload: Upload) {
        if upload.state == State::Creating {
            self.drop_refused(upload).await;
        }
    }

    /// An upload whose init is refused after all: nobody heard its id, so who cannot find it again could not end it.
    async fn drop_refused(&self, upload: Upload) {
        if upload.spec.idempotency_key.is_some() || upload.spec.fingerprint.is_some() {
            return;
        }
        if let Err(error) = self.begin_abort(upload, AbortReason::Requested).await {
            tracing::warn!(%error, "an upload that could not be opened is left to the sweep");
        }
    }
}

/// Who may upload may open uploads, but for the holder of one upload's own token.
fn may_open(principal: &Principal) -> Result<(), ServiceError> {
    require(principal, &[Role::Upload])?;
    match principal.caller {
        Caller::UploadToken { .. } => {
            let detail =
                "an upload's token is good for that upload alone; open others with an API key or a grant";
            Err(ServiceError::Forbidden(detail.to_owned()))
        }
        Caller::Anybody | Caller::ApiKey { .. } | Caller::Grant(_) => Ok(()),
    }
}

/// What the tenant and the grant allow of one file.
fn check_size(principal: &Principal, size_bytes: Option<u64>) -> Result<(), ServiceError> {
    let of_grant = match &principal.caller {
        Caller::Grant(grant) => grant.max_bytes,
        Caller::Anybody | Caller::ApiKey { .. } | Caller::UploadToken { .. } => None,
    };
    let Some(size_bytes) = size_bytes else {
        // What a stream becomes is counted under its tenant alone: its token knows nothing of the grant.
        return match of_grant {
            Some(_) => Err(ServiceError::invalid("size", "needed: your grant has a limit of bytes")),
            None => Ok(()),
        };
    };
    let limit_bytes = principal.tenant.limits.max_size_bytes.into_iter().chain(of_grant).min();
    match limit_bytes {
        Some(limit_bytes) if size_bytes > limit_bytes => {
            Err(ServiceError::TooLarge { size_bytes, limit_bytes })
        }
        _ => Ok(()),
    }
}

fn check_content_type(principal: &Principal, content_type: &str) -> Option<FieldProblem> {
    let of_grant = match &principal.caller {
        Caller::Grant(grant) => Some(&grant.content_types),
        Caller::Anybody | Caller::ApiKey { .. } | Caller::UploadToken { .. } => None,
    };
    let refuses = |allowed: &&ContentTypes| !allowed.allow(content_type);
    let refusing = [Some(&principal.tenant.content_types), of_grant].into_iter().flatten().find(refuses)?;
    let detail = format!("{content_type:?} is not among those allowed: {}", refusing.patterns().join(", "));
    Some(FieldProblem::new("content_type", detail))
}

/// A name that nobody else has, and that sorts by time.
fn new_id() -> UploadId {
    // The model explores what follows from each choice, so none is left to chance.
    #[cfg(test)]
    if let Some(id) = super::model_tests::next_id() {
        return id;
    }
    UploadId(Uuid::now_v7())
}

/// Whether an init call with a key that was used before is a repetition of that call.
fn asks_the_same(found: &Upload, draft: &Upload) -> bool {
    let (before, now) = (&found.spec, &draft.spec);
    // A key of our own making holds the upload's id, so only one that was named can be compared.
    let is_named = |upload: &Upload| !upload.spec.key.as_str().contains(&upload.id.to_string());
    let same_key = before.key == now.key || !(is_named(found) || is_named(draft));
    same_key
        && found.plan.size_bytes() == draft.plan.size_bytes()
        && before.filename == now.filename
        && before.checksum_algorithm == now.checksum_algorithm
        && before.overwrite == now.overwrite
}

fn requested_at_init(
    upload: &Upload,
    sign: &SignAtInit,
    limit: usize,
) -> Result<Vec<RequestedPart>, ServiceError> {
    match sign {
        SignAtInit::Parts(parts) => Ok(parts.clone()),
        SignAtInit::First(count) => {
            let last = upload.plan.total_parts().map_or(*count, |total| total.min(*count));
            // Before they are laid out: a stream has no total that bounds the count.
            if last as usize > limit {
                let detail = format!("{last} parts; at most {limit} in one call");
                return Err(ServiceError::invalid("sign", detail));
            }
            let part = |number| RequestedPart { number, checksum: None, size_bytes: None };
            Ok((1..=last).map(part).collect())
        }
    }
}

/// In `init` the list of parts is the field `sign`.
fn named_for_init(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::Invalid(problems) => ServiceError::Invalid(
            problems
                .into_iter()
                .map(|problem| {
                    let field = problem.field.replacen("parts", "sign", 1);
                    FieldProblem { field, ..problem }
                })
                .collect(),
        ),
        other => other,
    }
}
