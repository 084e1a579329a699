//! Domain types to columns and back.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DueUpload, StoreError};
use crate::upload::{
    AbortReason, Checksum, ChecksumAlgorithm, ChecksumType, Failure, Fingerprint, Metadata, ObjectChecksum,
    ObjectKey, Outcome, PartEvidence, PartNumber, PartRecord, Plan, S3UploadId, Sha256Digest, State,
    Transfer, Upload, UploadId, UploadSpec,
};

pub(super) fn micros(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn from_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

/// SQLite's integers are signed; a size beyond them is beyond every store too.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn transfer_name(transfer: Transfer) -> &'static str {
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

pub(super) fn abort_reason_name(reason: AbortReason) -> &'static str {
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

pub(super) fn metadata_json(metadata: &Metadata) -> String {
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
pub(super) fn object_checksum_text(checksum: &ObjectChecksum) -> String {
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

/// Reads columns of one row; the first that cannot be understood is named in the error.
struct Columns<'a> {
    row: &'a SqliteRow,
    upload: String,
}

impl Columns<'_> {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn optional_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn parsed<T>(&self, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| self.corrupt(column, &text))
    }

    fn optional<T>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(text) = self.optional_text(column)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| self.corrupt(column, &text))
    }

    fn bytes(&self, column: &str) -> Result<u64, StoreError> {
        let value: i64 = self.row.try_get(column)?;
        u64::try_from(value).map_err(|_| self.corrupt(column, &value.to_string()))
    }

    fn optional_bytes(&self, column: &str) -> Result<Option<u64>, StoreError> {
        let value: Option<i64> = self.row.try_get(column)?;
        value
            .map(|value| u64::try_from(value).map_err(|_| self.corrupt(column, &value.to_string())))
            .transpose()
    }

    fn flag(&self, column: &str) -> Result<bool, StoreError> {
        let value: i64 = self.row.try_get(column)?;
        Ok(value != 0)
    }

    fn optional_time(&self, column: &str) -> Result<Option<OffsetDateTime>, StoreError> {
        let value: Option<i64> = self.row.try_get(column)?;
        value
            .map(|value| from_micros(value).ok_or_else(|| self.corrupt(column, &value.to_string())))
            .transpose()
    }

    fn time(&self, column: &str) -> Result<OffsetDateTime, StoreError> {
        self.optional_time(column)?.ok_or_else(|| self.corrupt(column, "NULL"))
    }

    fn corrupt(&self, column: &str, value: &str) -> StoreError {
        StoreError::Corrupt { upload: self.upload.clone(), detail: format!("{column} is {value:?}") }
    }
}

pub(super) fn upload(row: &SqliteRow) -> Result<Upload, StoreError> {
    let columns = Columns { row, upload: row.try_get("id")? };
    let spec = spec(&columns)?;
    let checksum =
        columns.optional("checksum", |text| Checksum::from_base64(spec.checksum_algorithm, text).ok())?;
    Ok(Upload {
        id: columns.parsed("id", |text| Uuid::parse_str(text).ok().map(UploadId))?,
        plan: Plan::restore(columns.optional_bytes("size_bytes")?, columns.bytes("part_size_bytes")?),
        sha256: columns.optional("sha256", |text| Sha256Digest::from_hex(text).ok())?,
        checksum,
        state: columns.parsed("state", State::from_name)?,
        version: row.try_get("version")?,
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

pub(super) fn due_upload(row: &SqliteRow) -> Result<DueUpload, StoreError> {
    let attempts: u32 = row.try_get("sweep_attempts")?;
    Ok(DueUpload { upload: upload(row)?, attempts })
}

fn spec(columns: &Columns<'_>) -> Result<UploadSpec, StoreError> {
    let name = |text: &str| Fingerprint::new(text.to_owned()).ok();
    Ok(UploadSpec {
        tenant: columns.text("tenant")?,
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

pub(super) fn part(row: &SqliteRow, kind: ChecksumAlgorithm) -> Result<PartRecord, StoreError> {
    let columns = Columns { row, upload: row.try_get("upload_id")? };
    let number: u32 = row.try_get("number")?;
    Ok(PartRecord {
        number: PartNumber::new(number).ok_or_else(|| columns.corrupt("number", &number.to_string()))?,
        size_bytes: columns.bytes("size_bytes")?,
        etag: columns.optional_text("etag")?,
        checksum: columns.optional("checksum", |text| Checksum::from_base64(kind, text).ok())?,
        evidence: columns.parsed("evidence", evidence)?,
    })
}
