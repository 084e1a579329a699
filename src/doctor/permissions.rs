//! What the identities may do: one small file and one multipart upload, through all that an upload goes through.

use bytes::{Bytes, BytesMut};

use super::Check::{self, *};
use super::access::{Word, ask_for};
use super::bench::{Bench, File, Part};
use super::report::Findings;
use super::wire::{Answer, Silence};
use super::{cors, sample};
use crate::storage::{StorageError, StorageErrorKind};
use crate::upload::{ChecksumAlgorithm, PartSet, S3UploadId, Upload};

/// What can be examined further without leaving anything behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    /// Multipart uploads can be opened, sent and taken back.
    pub(super) parts: bool,
    /// Small files can be sent, seen and deleted.
    pub(super) files: bool,
}

/// What a right is for and what else needs it.
const OF_PARTS: [Check; 5] =
    [PermissionUploadPart, PermissionListParts, PermissionListUploads, PermissionAbort, Abort];
const OF_FILES: [Check; 4] = [PermissionHead, PermissionGet, PermissionDelete, CorsExposed];

pub(super) async fn check(bench: &Bench, origin: Option<&str>, findings: &Findings) -> Rights {
    // The file first: what is wrong with the signer is then known by its name.
    let files = files(bench, origin, findings).await;
    Rights { files, parts: parts(bench, findings).await }
}

async fn parts(bench: &Bench, findings: &Findings) -> bool {
    let upload = bench.parts("parts", ChecksumAlgorithm::None, sample::BYTES.len() as u64);
    let id = match bench.create(&upload).await {
        Ok(id) => id,
        Err(error) => {
            refused(bench, PermissionCreate, "s3:PutObject", &error, findings);
            findings.skip(&OF_PARTS, "no multipart upload can be opened, see permission.create");
            return false;
        }
    };
    findings.good(PermissionCreate, "a multipart upload was opened");
    let sent = bench.put_part(&upload, &id, Part::new(1, sample::BYTES)).await;
    if sent.as_ref().is_ok_and(|answer| answer.code() == "NoSuchUpload") {
        not_the_same_store(bench, findings);
        let parts = [PermissionUploadPart, PermissionListParts];
        findings.skip(&parts, "the part went elsewhere, see public_endpoint");
    }
    let is_sent = signed_put(bench, PermissionUploadPart, &sent, findings);
    if is_sent {
        findings.good(PermissionUploadPart, "a part was sent by a signed URL");
        list_parts(bench, (&upload, &id), findings).await;
    }
    list_uploads(bench, &upload, findings).await;
    abort(bench, (&upload, &id), findings).await && is_sent
}

async fn list_parts(bench: &Bench, (upload, id): (&Upload, &S3UploadId), findings: &Findings) {
    let key = upload.spec.key.as_str();
    match bench.storage.list_parts(key, id, ChecksumAlgorithm::None, &PartSet::new()).await {
        Ok(listed) if listed.len() == 1 => findings.good(PermissionListParts, "storage lists the part"),
        Ok(_) | Err(StorageError { kind: StorageErrorKind::NoSuchUpload, .. }) => {
            not_the_same_store(bench, findings);
            findings.skip(&[PermissionListParts], "the part went elsewhere, see public_endpoint");
        }
        Err(error) => {
            refused(bench, PermissionListParts, "s3:ListMultipartUploadParts", &error, findings);
        }
    }
}

/// What was sent to the public endpoint is not at the gateway's, and only its owner can remove it there.
fn not_the_same_store(bench: &Bench, findings: &Findings) {
    let found = format!(
        "what was sent to storage.public_endpoint is not seen at storage.endpoint: they are two stores (the other one \
         may have something under {} now)",
        bench.folder()
    );
    let mend = "set storage.public_endpoint to an address of the store at storage.endpoint";
    findings.correct(PublicEndpoint, found, mend);
}

async fn list_uploads(bench: &Bench, upload: &Upload, findings: &Findings) {
    let under = bench.storage.multiparts_under(bench.folder(), None).await;
    let listed = match under {
        Ok((listed, _)) => listed,
        Err(error) => {
            let mend = allow(bench.storage.bucket(), "s3:ListBucketMultipartUploads");
            findings.warning(PermissionListUploads, error.detail, mend);
            findings.skip(&[ListPrefix], "see permission.list_uploads");
            return;
        }
    };
    findings.good(PermissionListUploads, "multipart uploads may be listed");
    let key = upload.spec.key.as_str();
    if listed.iter().any(|found| found.key == key) {
        findings.good(ListPrefix, "multipart uploads are listed by prefix");
        return;
    }
    match bench.storage.multiparts_at(key).await {
        Ok(ids) if !ids.is_empty() => findings.note(
            ListPrefix,
            "multipart uploads are listed by exact key only (as MinIO does): the sweep looks at the keys of uploads, \
             not at the whole prefix",
            "",
        ),
        _ => findings.warning(
            ListPrefix,
            "an open multipart upload is in no list",
            "give the bucket a lifecycle rule that aborts incomplete uploads: partgate bucket apply",
        ),
    }
}

async fn abort(bench: &Bench, (upload, id): (&Upload, &S3UploadId), findings: &Findings) -> bool {
    let key = upload.spec.key.as_str();
    if let Err(error) = bench.storage.abort_multipart(key, id).await {
        refused(bench, PermissionAbort, "s3:AbortMultipartUpload", &error, findings);
        findings.skip(&[Abort], "see permission.abort");
        return false;
    }
    findings.good(PermissionAbort, "the multipart upload was aborted");
    match bench.storage.multipart_exists(key, id).await {
        Ok(true) => {
            let mend =
                "see what the store's log says of it; a lifecycle rule may clean up: partgate bucket apply";
            findings.bad(Abort, "storage still lists parts after it said that it aborted", mend);
            false
        }
        Ok(false) => {
            findings.good(Abort, "after an abort nothing is left");
            true
        }
        Err(_) => {
            findings.skip(&[Abort], "parts may not be listed, see permission.list_parts");
            true
        }
    }
}

async fn files(bench: &Bench, origin: Option<&str>, findings: &Findings) -> bool {
    let file = bench.file("file", ChecksumAlgorithm::None, sample::BYTES.len() as u64);
    let mut put = File::new(sample::BYTES);
    put.headers.extend(origin.map(|origin| ("origin".to_owned(), origin.to_owned())));
    let sent = bench.put_file(&file, put).await;
    if !signed_put(bench, PermissionPut, &sent, findings) {
        findings.skip(&OF_FILES, "no file can be sent, see permission.put and signer");
        return false;
    }
    findings.good(PermissionPut, "a small file was sent by a signed URL");
    if let (Ok(answer), Some(origin)) = (&sent, origin) {
        cors::exposed(answer, origin, findings);
    }
    signer_works(bench, &file, findings).await;
    read(bench, &file, findings).await;
    let is_seen = head(bench, &file, findings).await;
    delete(bench, &file, findings).await && is_seen
}

async fn signer_works(bench: &Bench, file: &Upload, findings: &Findings) {
    let Some(signer) = bench.settings.connection.signer.clone() else {
        findings.good(Signer, "storage.signer is not set: the gateway's own keys sign uploads too");
        return;
    };
    let as_signer = ask_for(bench, file, |connection| connection.keys = Some(signer)).await;
    if Word::of(&as_signer) == Word::Welcome {
        let mend = "take s3:GetObject from storage.signer's identity; it needs s3:PutObject alone";
        findings.note(Signer, "storage.signer signs uploads, and may also read objects", mend);
    } else {
        findings.good(Signer, "storage.signer signs uploads, and may not read objects");
    }
}

async fn read(bench: &Bench, file: &Upload, findings: &Findings) {
    match content(bench, file).await {
        Ok(content) if content == sample::BYTES => findings.good(PermissionGet, "the object was read back"),
        Ok(_) => findings.bad(
            PermissionGet,
            "the object that was read is not what was sent",
            "see what stands between here and storage, and the store's own log",
        ),
        Err(StorageError { kind: StorageErrorKind::NoSuchObject, .. }) => {
            not_the_same_store(bench, findings);
            findings.skip(&OF_FILES, "the file went elsewhere, see public_endpoint");
        }
        Err(error) => refused(bench, PermissionGet, "s3:GetObject", &error, findings),
    }
}

async fn content(bench: &Bench, file: &Upload) -> Result<Bytes, StorageError> {
    let mut body = bench.storage.read(file, None).await?;
    let mut content = BytesMut::new();
    while let Some(chunk) = body.next().await? {
        content.extend_from_slice(&chunk);
    }
    Ok(content.freeze())
}

/// Whether the object may be looked at.
async fn head(bench: &Bench, file: &Upload, findings: &Findings) -> bool {
    match bench.storage.head(file).await {
        Ok(Some(object)) if object.upload_id == Some(file.id.to_string()) => {
            findings.good(PermissionHead, "a HEAD shows the object with our upload id");
            true
        }
        Ok(Some(_)) => {
            let mend = "see that nothing between here and storage drops x-amz-meta- headers";
            findings.bad(PermissionHead, "a HEAD shows the object without our upload id", mend);
            true
        }
        Ok(None) => {
            findings.skip(&[PermissionHead], "the file went elsewhere, see public_endpoint");
            false
        }
        Err(_) if !findings.works(PermissionGet) => {
            findings.skip(&[PermissionHead], "the right is that of reading, see permission.get");
            false
        }
        Err(error) => {
            refused(bench, PermissionHead, "s3:GetObject", &error, findings);
            false
        }
    }
}

async fn delete(bench: &Bench, file: &Upload, findings: &Findings) -> bool {
    let version = bench.storage.head(file).await.ok().flatten().and_then(|object| object.version_id);
    match bench.storage.delete(file, version.as_deref()).await {
        Ok(()) => {
            findings.good(PermissionDelete, "the object was deleted");
            true
        }
        Err(error) => {
            let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            refused(bench, PermissionDelete, action, &error, findings);
            false
        }
    }
}

/// Whether a PUT by a signed URL was taken; if not, says why, under the name of the cause.
fn signed_put(bench: &Bench, check: Check, sent: &Result<Answer, Silence>, findings: &Findings) -> bool {
    let has_signer = bench.settings.connection.signer.is_some();
    let signer = |words: String, mend: &str| {
        findings.bad(Signer, words, mend);
        findings.skip(&[check], "see signer");
    };
    match Word::of(sent) {
        Word::Welcome => return true,
        Word::WrongSecret(words) if has_signer => {
            signer(
                words,
                "set storage.signer.secret_access_key to the secret of storage.signer.access_key_id",
            );
        }
        Word::UnknownKey(words) if has_signer => {
            signer(
                words,
                "set storage.signer.access_key_id and .secret_access_key to keys that this store has",
            );
        }
        Word::TokenEnded(words) if has_signer => {
            signer(words, "these are temporary keys that have ended: set new ones in storage.signer");
        }
        Word::Denied(words) if has_signer => {
            signer(
                words,
                &format!("{} for storage.signer's identity", allow(bench.storage.bucket(), "s3:PutObject")),
            );
        }
        Word::Denied(words) => match findings.verdict(PermissionCreate) {
            Some(super::Verdict::Bad) => findings.skip(&[check], "see permission.create"),
            _ => findings.bad(check, words, allow(bench.storage.bucket(), "s3:PutObject")),
        },
        Word::ClockOff(words) => {
            findings.correct(Clock, words, super::clock::MEND);
            findings.skip(&[check], "see clock");
        }
        Word::Nothing(silence) => {
            let mend = "see that nothing between clients and storage cuts requests with a body";
            findings.bad(check, silence.words(), mend);
        }
        Word::WrongSecret(words)
        | Word::UnknownKey(words)
        | Word::TokenEnded(words)
        | Word::Unavailable(words)
        | Word::Strange(words) => findings.bad(check, words, "see what the store's own log says of it"),
        Word::NoSuchBucket | Word::OtherRegion(_) => not_the_same_store(bench, findings),
    }
    false
}

fn refused(bench: &Bench, check: Check, action: &str, error: &StorageError, findings: &Findings) {
    let mend = match error.kind {
        StorageErrorKind::Unavailable => "see why in the store's own log".to_owned(),
        _ => allow(bench.storage.bucket(), action),
    };
    findings.bad(check, &error.detail, mend);
}

/// What to allow, as a policy says it: the bucket itself, or what is in it.
pub(super) fn allow(bucket: &str, action: &str) -> String {
    let is_of_bucket = matches!(action, "s3:ListBucketMultipartUploads" | "s3:GetLifecycleConfiguration");
    let objects = if is_of_bucket { "" } else { "/*" };
    format!("allow {action} on arn:aws:s3:::{bucket}{objects} to the gateway's identity")
}
