//! Wire types to those of the service and back.

use partgate_api as api;

use super::json::FromWire;
use crate::service::{
    CompleteCall, FieldProblem, Initiated, NewUpload, ProxiedResult, ReceivedParts, RequestedPart,
    SignAtInit, SignedBatch, SignedUploadPart, StatusView, StoredClaim, SweepMode, SweepReport, UploadPage,
};
use crate::upload::{
    Checksum, ChecksumAlgorithm, ChecksumType, Fingerprint, Metadata, ObjectChecksum, PartRecord, Plan,
    Sha256Digest, State, Upload, validate_filename,
};

/// How every part is sent.
pub(super) const METHOD: &str = "PUT";
const USUAL_CONTENT_TYPE: &str = "application/octet-stream";

/// `sign`, parsed.
pub(super) struct SignCall {
    pub(super) parts: Vec<RequestedPart>,
    pub(super) stored: Vec<StoredClaim>,
}

/// `parts`, parsed.
pub(super) struct ReportCall {
    pub(super) stored: Vec<StoredClaim>,
}

/// Collects what is wrong while values are taken.
#[derive(Default)]
struct Fields(Vec<FieldProblem>);

impl Fields {
    fn take<T: Default, E: std::fmt::Display>(&mut self, field: &str, value: Result<T, E>) -> T {
        value.unwrap_or_else(|error| {
            self.0.push(FieldProblem::new(field, error));
            T::default()
        })
    }

    fn finish<T>(self, value: T) -> Result<T, Vec<FieldProblem>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

impl FromWire for NewUpload {
    type Wire = api::InitRequest;

    fn from_wire(wire: api::InitRequest) -> Result<Self, Vec<FieldProblem>> {
        let mut fields = Fields::default();
        fields.take("filename", validate_filename(&wire.filename));
        let content_type = wire.content_type.unwrap_or_else(|| USUAL_CONTENT_TYPE.to_owned());
        fields.take("content_type", check_content_type(&content_type));
        let metadata = Metadata::new(wire.metadata).map_err(|(name, error)| match name.as_str() {
            "" => FieldProblem::new("metadata", error),
            name => FieldProblem::new(format!("metadata.{name}"), error),
        });
        let metadata = metadata.map_err(|problem| fields.0.push(problem)).unwrap_or_default();
        let sha256 = wire.sha256.map(|text| Sha256Digest::from_hex(&text)).transpose();
        let fingerprint = wire.fingerprint.map(Fingerprint::new).transpose();
        let new = Self {
            filename: wire.filename,
            size_bytes: wire.size,
            part_size_bytes: wire.part_size,
            content_type,
            checksum_algorithm: algorithm(wire.checksum_algorithm.unwrap_or_default()),
            sha256: fields.take("sha256", sha256),
            metadata,
            key: wire.key,
            overwrite: wire.overwrite,
            fingerprint: fields.take("fingerprint", fingerprint),
            idempotency_key: None,
            sign: match wire.sign {
                None => SignAtInit::First(0),
                Some(api::SignFirst::Count(count)) => SignAtInit::First(count),
                Some(api::SignFirst::Parts(parts)) => {
                    SignAtInit::Parts(parts.into_iter().map(requested_part).collect())
                }
            },
        };
        fields.finish(new)
    }
}

/// A media type that can be sent as a header and comes back the same.
fn check_content_type(text: &str) -> Result<(), &'static str> {
    let essence = text.split(';').next().unwrap_or_default();
    let is_pair = essence.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.trim().is_empty());
    let is_clean = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && text.trim() == text
        && !text.contains("  ");
    if is_pair && is_clean && text.len() <= 256 { Ok(()) } else { Err("not a media type such as image/png") }
}

impl FromWire for SignCall {
    type Wire = api::SignRequest;

    fn from_wire(wire: api::SignRequest) -> Result<Self, Vec<FieldProblem>> {
        let parts = wire.parts.into_iter().map(requested_part).collect();
        Ok(Self { parts, stored: wire.stored.into_iter().map(stored_claim).collect() })
    }
}

impl FromWire for ReportCall {
    type Wire = api::ReportRequest;

    fn from_wire(wire: api::ReportRequest) -> Result<Self, Vec<FieldProblem>> {
        Ok(Self { stored: wire.stored.into_iter().map(stored_claim).collect() })
    }
}

impl FromWire for CompleteCall {
    type Wire = api::CompleteRequest;

    fn from_wire(wire: api::CompleteRequest) -> Result<Self, Vec<FieldProblem>> {
        let mut fields = Fields::default();
        let sha256 = wire.sha256.map(|text| Sha256Digest::from_hex(&text)).transpose();
        let call = Self {
            stored: wire.stored.into_iter().map(stored_claim).collect(),
            size_bytes: wire.size,
            sha256: fields.take("sha256", sha256),
            checksum: wire.checksum,
        };
        fields.finish(call)
    }
}

fn requested_part(part: api::PartToSign) -> RequestedPart {
    RequestedPart { number: part.number, checksum: part.checksum, size_bytes: part.size }
}

fn stored_claim(part: api::StoredPart) -> StoredClaim {
    StoredClaim { number: part.number, etag: part.etag, checksum: part.checksum, size_bytes: part.size }
}

fn algorithm(kind: api::ChecksumAlgorithm) -> ChecksumAlgorithm {
    match kind {
        api::ChecksumAlgorithm::None => ChecksumAlgorithm::None,
        api::ChecksumAlgorithm::Crc64nvme => ChecksumAlgorithm::Crc64nvme,
        api::ChecksumAlgorithm::Crc32c => ChecksumAlgorithm::Crc32c,
        api::ChecksumAlgorithm::Crc32 => ChecksumAlgorithm::Crc32,
        api::ChecksumAlgorithm::Sha1 => ChecksumAlgorithm::Sha1,
        api::ChecksumAlgorithm::Sha256 => ChecksumAlgorithm::Sha256,
        api::ChecksumAlgorithm::Md5 => ChecksumAlgorithm::Md5,
    }
}

fn wire_algorithm(kind: ChecksumAlgorithm) -> api::ChecksumAlgorithm {
    match kind {
        ChecksumAlgorithm::None => api::ChecksumAlgorithm::None,
        ChecksumAlgorithm::Crc64nvme => api::ChecksumAlgorithm::Crc64nvme,
        ChecksumAlgorithm::Crc32c => api::ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc32 => api::ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Sha1 => api::ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256 => api::ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Md5 => api::ChecksumAlgorithm::Md5,
    }
}

pub(super) fn state(state: State) -> api::UploadState {
    match state {
        State::Creating => api::UploadState::Creating,
        State::Open => api::UploadState::Open,
        State::Completing => api::UploadState::Completing,
        State::Completed => api::UploadState::Completed,
        State::Failed => api::UploadState::Failed,
        State::Aborting => api::UploadState::Aborting,
        State::Aborted => api::UploadState::Aborted,
        State::Expired => api::UploadState::Expired,
    }
}

pub(super) fn created(initiated: Initiated, token: Option<String>) -> api::UploadCreated {
    let Initiated { upload, parts, parts_expire_at, .. } = initiated;
    api::UploadCreated {
        upload_id: upload.id.0,
        token,
        bucket: upload.spec.bucket,
        key: upload.spec.key.as_str().to_owned(),
        filename: upload.spec.filename,
        size: upload.plan.size_bytes(),
        part_size: upload.plan.part_size_bytes(),
        total_parts: upload.plan.total_parts(),
        checksum_algorithm: wire_algorithm(upload.spec.checksum_algorithm),
        state: state(upload.state),
        created_at: upload.created_at,
        expires_at: upload.expires_at,
        parts: parts.iter().map(signed_part).collect(),
        parts_expire_at,
    }
}

/// The answer of `sign` but for the parts, which [`signed`](super::signed) writes.
pub(super) fn signed_without_parts(batch: &SignedBatch) -> api::SignResponse {
    api::SignResponse {
        expires_at: batch.expires_at,
        progress: progress(&batch.upload.plan, &batch.received),
        parts: Vec::new(),
    }
}

pub(super) fn signed_part(part: SignedUploadPart<'_>) -> api::SignedPart {
    api::SignedPart {
        number: part.number.value(),
        method: METHOD.to_owned(),
        url: part.url.to_owned(),
        headers: part.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        offset: part.span.offset_bytes,
        size: part.span.size_bytes,
    }
}

fn progress(plan: &Plan, received: &ReceivedParts) -> api::Progress {
    let percent = plan.size_bytes().map(|size| match size {
        0 => 100.0,
        size => (received.total_bytes as f64 / size as f64 * 10_000.0).floor() / 100.0,
    });
    api::Progress {
        total_parts: plan.total_parts(),
        received_parts: received.numbers.len(),
        bytes_received: received.total_bytes,
        percent,
    }
}

pub(super) fn status(view: StatusView) -> api::UploadStatus {
    let missing = if view.state.is_final() { Vec::new() } else { view.missing() };
    let StatusView { upload, state: visible, received, parts } = view;
    api::UploadStatus {
        upload_id: upload.id.0,
        state: state(visible),
        bucket: upload.spec.bucket,
        key: upload.spec.key.as_str().to_owned(),
        filename: upload.spec.filename,
        size: upload.plan.size_bytes(),
        part_size: upload.plan.part_size_bytes(),
        progress: progress(&upload.plan, &received),
        missing,
        checksum_algorithm: wire_algorithm(upload.spec.checksum_algorithm),
        created_at: upload.created_at,
        updated_at: upload.updated_at,
        expires_at: upload.expires_at,
        verified_bytes: upload.verified_bytes.filter(|_| visible == State::Completing),
        error: upload
            .failure
            .map(|failure| api::UploadFailure { code: failure.code, detail: failure.detail }),
        parts: parts.map(|parts| parts.into_iter().map(received_part).collect()),
    }
}

fn received_part(part: PartRecord) -> api::ReceivedPart {
    api::ReceivedPart {
        number: part.number.value(),
        size: part.size_bytes,
        etag: part.etag,
        checksum: part.checksum.map(Checksum::to_base64),
    }
}

/// The answer of a finished upload; none while it has no outcome.
pub(super) fn completion(upload: Upload, location: String) -> Option<api::Completion> {
    let outcome = upload.outcome?;
    Some(api::Completion {
        upload_id: upload.id.0,
        state: state(upload.state),
        bucket: upload.spec.bucket,
        key: upload.spec.key.as_str().to_owned(),
        location,
        size: outcome.size_bytes,
        etag: outcome.etag,
        version_id: outcome.version_id,
        checksum: outcome.checksum.map(object_checksum),
        sha256: outcome.sha256.map(Sha256Digest::to_hex),
        completed_at: outcome.completed_at,
    })
}

fn object_checksum(checksum: ObjectChecksum) -> api::ObjectChecksum {
    api::ObjectChecksum {
        algorithm: wire_algorithm(checksum.algorithm),
        checksum_type: match checksum.checksum_type {
            ChecksumType::FullObject => api::ChecksumType::FullObject,
            ChecksumType::Composite => api::ChecksumType::Composite,
        },
        value: checksum.value,
    }
}

pub(super) fn proxied(part: ProxiedResult) -> api::ProxiedPart {
    api::ProxiedPart { number: part.number.value(), size: part.size_bytes, etag: part.etag }
}

/// What a sweep did.
#[must_use]
pub fn sweep_report(report: SweepReport, mode: SweepMode) -> api::SweepReport {
    let actions = report.actions.into_iter().map(|swept| api::SweptUpload {
        upload_id: swept.upload_id.0,
        action: swept.action.to_owned(),
        state: swept.outcome.as_ref().ok().map(|swept| state(*swept)),
        error: swept.outcome.err(),
    });
    let orphans = report.orphans.into_iter().map(|orphan| api::SweptOrphan {
        key: orphan.key,
        s3_upload_id: orphan.s3_upload_id.0,
        upload_id: orphan.upload_id.map(|id| id.0),
        aborted: orphan.outcome.as_ref().ok().copied(),
        error: orphan.outcome.err(),
    });
    api::SweepReport {
        dry_run: mode == SweepMode::DryRun,
        actions: actions.collect(),
        orphans: orphans.collect(),
        forgotten: report.forgotten,
    }
}

/// A page of a list; whose each upload is shows where they are everybody's.
pub(super) fn page(page: UploadPage) -> api::UploadList {
    let shows_tenants = page.of_all_tenants;
    let uploads = page.uploads.into_iter().map(|(upload, visible)| api::UploadSummary {
        upload_id: upload.id.0,
        tenant: shows_tenants.then_some(upload.spec.tenant),
        state: state(visible),
        key: upload.spec.key.as_str().to_owned(),
        size: upload.plan.size_bytes(),
        filename: upload.spec.filename,
        created_at: upload.created_at,
        updated_at: upload.updated_at,
        expires_at: upload.expires_at,
    });
    api::UploadList { uploads: uploads.collect(), next_cursor: page.next.map(|id| id.to_string()) }
}
