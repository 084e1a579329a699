//! Domain types to columns and back.

use time::OffsetDateTime;

use super::columns::{Columns, Subject};
use super::progress::Progress;
use super::values::{Row, Value, values};
use super::{DueUpload, ReceivedParts, StoreError};
use crate::upload::{
    AbortReason, Checksum, ChecksumAlgorithm, ChecksumType, Failure, Fingerprint, Metadata, ObjectChecksum,
    ObjectKey, Outcome, PartEvidence, PartNumber, PartRecord, Plan, S3UploadId, Sha256Digest, State,
    Transfer, Upload, UploadId, UploadSpec,
};

/// What [`INSERT`](super::sql::INSERT) writes.
pub(super) fn new_columns(upload: &Upload) -> Vec<Value<'_>> {
    let spec = &upload.spec;
    values![
        upload.id,
        spec.tenant.as_str(),
        upload.state.name(),
        upload.version,
        transfer_name(spec.transfer),
        spec.bucket.as_str(),
        spec.key.as_str(),
        spec.filename.as_str(),
        spec.content_type.as_str(),
        spec.checksum_algorithm.name(),
        metadata_json(&spec.metadata),
        spec.overwrite,
        spec.fingerprint.as_ref().map(Fingerprint::as_str),
        spec.idempotency_key.as_ref().map(Fingerprint::as_str),
        upload.plan.size_bytes(),
        upload.plan.part_size_bytes(),
        upload.sha256.map(|digest| digest.to_hex()),
        upload.created_at,
        upload.updated_at,
        upload.expires_at,
        upload.sweep_at,
        spec.owner.as_deref(),
        reserved_at_init(upload),
    ]
}

/// What a new upload takes of quotas, bytes. A stream takes more as it grows.
pub(super) fn reserved_at_init(upload: &Upload) -> u64 {
    upload.plan.size_bytes().unwrap_or_default()
}

/// What [`UPDATE`](super::sql::UPDATE) writes, after the id and the version that must be there.
pub(super) fn changed_columns(next: &Upload) -> Vec<Value<'_>> {
    let outcome = next.outcome.as_ref();
    values![
        next.id,
        next.version - 1,
        next.state.name(),
        next.version,
        next.plan.size_bytes(),
        next.sha256.map(|digest| digest.to_hex()),
        next.checksum.map(|checksum| checksum.to_base64()),
        next.s3_upload_id.as_ref().map(|id| id.0.as_str()),
        next.updated_at,
        next.abort_reason.map(abort_reason_name),
        outcome.map(|outcome| outcome.etag.as_str()),
        outcome.and_then(|outcome| outcome.version_id.as_deref()),
        outcome.map(|outcome| outcome.size_bytes),
        outcome.and_then(|outcome| outcome.checksum.as_ref()).map(object_checksum_text),
        outcome.and_then(|outcome| outcome.sha256).map(|digest| digest.to_hex()),
        outcome.map(|outcome| outcome.completed_at),
        next.failure.as_ref().map(|failure| failure.code.as_str()),
        next.failure.as_ref().map(|failure| failure.detail.as_str()),
        next.sweep_at,
        next.may_have_twins,
        next.verified_bytes,
    ]
}

fn transfer_name(transfer: Transfer) -> &'static str {
    match transfer {
        Transfer::Empty => "empty",
        Transfer::Put => "put",
        Transfer::Multipart => "multipart",
    }
}

fn transfer(name: &str) -> Option<Transfer> {
    [Transfer::Empty, Transfer::Put, Transfer::Multipart]
        .into_iter()
        .find(|transfer| transfer_name(*transfer) == name)
}

pub(super) fn evidence_name(evidence: PartEvidence) -> &'static str {
    match evidence {
        PartEvidence::Reported => "reported",
        PartEvidence::Listed => "listed",
        PartEvidence::Mismatched => "mismatched",
    }
}

fn evidence(name: &str) -> Option<PartEvidence> {
    [PartEvidence::Reported, PartEvidence::Listed, PartEvidence::Mismatched]
        .into_iter()
        .find(|evidence| evidence_name(*evidence) == name)
}

fn abort_reason_name(reason: AbortReason) -> &'static str {
    match reason {
        AbortReason::Requested => "requested",
        AbortReason::Expired => "expired",
    }
}

fn abort_reason(name: &str) -> Option<AbortReason> {
    [AbortReason::Requested, AbortReason::Expired]
        .into_iter()
        .find(|reason| abort_reason_name(*reason) == name)
}

fn metadata_json(metadata: &Metadata) -> String {
    serde_json::Value::Object(
        metadata.entries().iter().map(|(name, value)| (name.clone(), value.clone().into())).collect(),
    )
    .to_string()
}

fn metadata(json: &str) -> Option<Metadata> {
    let entries: std::collections::BTreeMap<String, String> = serde_json::from_str(json).ok()?;
    Metadata::new(entries).ok()
}

/// `algorithm:TYPE:value`, one column for what is only ever read whole.
fn object_checksum_text(checksum: &ObjectChecksum) -> String {
    let kind = match checksum.checksum_type {
        ChecksumType::FullObject => "full",
        ChecksumType::Composite => "composite",
    };
    format!("{}:{kind}:{}", checksum.algorithm.name(), checksum.value)
}

fn object_checksum(text: &str) -> Option<ObjectChecksum> {
    let mut fields = text.splitn(3, ':');
    let algorithm = ChecksumAlgorithm::from_name(fields.next()?)?;
    let checksum_type = match fields.next()? {
        "full" => ChecksumType::FullObject,
        "composite" => ChecksumType::Composite,
        _ => return None,
    };
    Some(ObjectChecksum { algorithm, checksum_type, value: fields.next()?.to_owned() })
}

pub(super) fn upload(row: &dyn Row) -> Result<Upload, StoreError> {
    let id = UploadId(row.id("id")?);
    let columns = Columns { row, of: Subject::Upload(id) };
    let spec = spec(&columns)?;
    let checksum =
        columns.optional("checksum", |text| Checksum::from_base64(spec.checksum_algorithm, text).ok())?;
    Ok(Upload {
        id,
        plan: Plan::restore(columns.optional_bytes("size_bytes")?, columns.bytes("part_size_bytes")?),
        sha256: columns.optional("sha256", |text| Sha256Digest::from_hex(text).ok())?,
        checksum,
        state: columns.parsed("state", State::from_name)?,
        version: columns.integer("version")?,
        s3_upload_id: columns.optional_text("s3_upload_id")?.map(S3UploadId),
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
        expires_at: columns.time("expires_at")?,
        urls_expire_at: columns.optional_time("urls_expire_at")?,
        abort_reason: columns.optional("abort_reason", abort_reason)?,
        may_have_twins: columns.flag("may_have_twins")?,
        sweep_at: columns.optional_time("sweep_at")?,
        verified_bytes: columns.optional_bytes("verified_bytes")?,
        outcome: outcome(&columns)?,
        failure: failure(&columns)?,
        spec,
    })
}

/// An upload as it is seen: a report changes it without writing its row.
pub(super) fn seen_upload(row: &dyn Row) -> Result<Upload, StoreError> {
    let upload = upload(row)?;
    let reported_at = Columns { row, of: Subject::Upload(upload.id) }.optional_time("reported_at")?;
    Ok(seen(upload, reported_at))
}

/// An upload and how far it is.
pub(super) fn upload_with_progress(row: &dyn Row) -> Result<(Upload, ReceivedParts), StoreError> {
    let upload = upload(row)?;
    let progress = Progress::read(&Columns { row, of: Subject::Upload(upload.id) })?;
    Ok((seen(upload, progress.reported_at), progress.into_received()))
}

fn seen(upload: Upload, reported_at: Option<OffsetDateTime>) -> Upload {
    let updated_at = reported_at.map_or(upload.updated_at, |at| at.max(upload.updated_at));
    Upload { updated_at, ..upload }
}

pub(super) fn due_upload(row: &dyn Row) -> Result<DueUpload, StoreError> {
    let upload = upload(row)?;
    let attempts = Columns { row, of: Subject::Upload(upload.id) }.small("sweep_attempts")?;
    Ok(DueUpload { upload, attempts })
}

fn spec(columns: &Columns<'_>) -> Result<UploadSpec, StoreError> {
    let name = |text: &str| Fingerprint::new(text.to_owned()).ok();
    Ok(UploadSpec {
        tenant: columns.text("tenant")?,
        owner: columns.optional_text("owner")?,
        bucket: columns.text("bucket")?,
        key: columns.parsed("object_key", |text| ObjectKey::new(text.to_owned()).ok())?,
        filename: columns.text("filename")?,
        content_type: columns.text("content_type")?,
        checksum_algorithm: columns.parsed("checksum_algorithm", ChecksumAlgorithm::from_name)?,
        metadata: columns.parsed("metadata", metadata)?,
        overwrite: columns.flag("overwrite")?,
        fingerprint: columns.optional("fingerprint", name)?,
        idempotency_key: columns.optional("idempotency_key", name)?,
        transfer: columns.parsed("transfer", transfer)?,
    })
}

fn outcome(columns: &Columns<'_>) -> Result<Option<Outcome>, StoreError> {
    let Some(completed_at) = columns.optional_time("completed_at")? else { return Ok(None) };
    Ok(Some(Outcome {
        etag: columns.text("etag")?,
        version_id: columns.optional_text("version_id")?,
        size_bytes: columns.bytes("object_size_bytes")?,
        checksum: columns.optional("object_checksum", object_checksum)?,
        sha256: columns.optional("proven_sha256", |text| Sha256Digest::from_hex(text).ok())?,
        completed_at,
    }))
}

fn failure(columns: &Columns<'_>) -> Result<Option<Failure>, StoreError> {
    let Some(code) = columns.optional_text("failure_code")? else { return Ok(None) };
    Ok(Some(Failure { code, detail: columns.text("failure_detail")? }))
}

pub(super) fn part(row: &dyn Row, kind: ChecksumAlgorithm) -> Result<PartRecord, StoreError> {
    let columns = columns_of_part(row)?;
    Ok(PartRecord {
        number: part_number(&columns)?,
        size_bytes: columns.bytes("size_bytes")?,
        etag: columns.optional_text("etag")?,
        checksum: columns.optional("checksum", |text| Checksum::from_base64(kind, text).ok())?,
        evidence: columns.parsed("evidence", evidence)?,
    })
}

fn columns_of_part(row: &dyn Row) -> Result<Columns<'_>, StoreError> {
    Ok(Columns { row, of: Subject::Upload(UploadId(row.id("upload_id")?)) })
}

fn part_number(columns: &Columns<'_>) -> Result<PartNumber, StoreError> {
    let number = columns.small("number")?;
    PartNumber::new(number).ok_or_else(|| columns.corrupt("number", &number.to_string()))
}
