//! How parts become an object: smallest and equal parts, conditions, repetition.

use bytes::Bytes;
use futures_util::future::join_all;

use super::Check::{
    self, CompleteConditional, CompleteRepeat, PartsEqual, PartsMinimum, PermissionComplete, PutConditional,
};
use super::bench::{Bench, File, Part};
use super::report::Findings;
use super::{permissions, sample};
use crate::storage::{CompletedPart, StorageError, StorageErrorKind};
use crate::upload::{ChecksumAlgorithm, PartNumber, Plan, S3UploadId, Upload};

/// The largest part that is sent to see whether the smallest one that is set is taken.
const LARGEST_PART_BYTES: u64 = 16 * 1024 * 1024;
/// How much longer the second part is than the first.
const UNEQUAL_BYTES: u64 = 1024;

/// What was seen of the store.
#[derive(Debug, Default)]
pub(super) struct Completed {
    pub(super) conditional_writes: Option<bool>,
    pub(super) min_part_bytes: Option<u64>,
}

const OF_COMPLETION: [Check; 3] = [CompleteRepeat, CompleteConditional, PutConditional];

pub(super) async fn check(bench: &Bench, findings: &Findings) -> Completed {
    let smallest = bench.settings.profile.limits.min_part_bytes;
    if smallest > LARGEST_PART_BYTES {
        findings.skip(&[PartsMinimum, PartsEqual], "parts of storage.min_part_size are too large to try");
    }
    let first = smallest.min(LARGEST_PART_BYTES);
    let (taken, takes_tiny) =
        tokio::join!(large(bench, first, findings), async { first > 1 && takes_tiny(bench).await });
    let Some(taken) = taken else {
        findings.skip(&[PartsMinimum, PartsEqual], "nothing could be completed, see permission.complete");
        findings.skip(&OF_COMPLETION, "nothing could be completed, see permission.complete");
        return Completed::default();
    };
    let min_part_bytes = minimum(&taken, (first, takes_tiny), findings);
    equal(&taken, findings);
    let conditional_writes = conditions(bench, &taken.upload, findings).await;
    Completed { conditional_writes, min_part_bytes }
}

/// An object that was made of parts.
struct Taken {
    upload: Upload,
    /// Which of three parts storage took: two unequal ones, and a short last one.
    parts: &'static [u32],
    /// What storage said to more of them.
    refusal: Option<String>,
}

/// Sends three parts and completes with as many of them as storage takes.
async fn large(bench: &Bench, first: u64, findings: &Findings) -> Option<Taken> {
    let last = sample::BYTES.len() as u64;
    let sizes = [first, first + UNEQUAL_BYTES, last];
    let mut upload = bench.parts("whole", ChecksumAlgorithm::None, sizes.iter().sum());
    // Whether conditions work is seen later.
    upload.spec.overwrite = true;
    let id = bench.create(&upload).await.ok()?;
    let zeros = Bytes::from(vec![0; (first + UNEQUAL_BYTES) as usize]);
    let bodies = [zeros.slice(..first as usize), zeros, sample::BYTES];
    let sent = join_all((1..).zip(bodies).map(|(number, body)| send(bench, (&upload, &id), number, body)));
    let sent = match sent.await.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(sent) => sent,
        Err(words) => {
            let mend = "see what the store, or a proxy before it, says of bodies of some MiB";
            findings.bad(PartsMinimum, format!("a part of {first} bytes was not taken: {words}"), mend);
            return None;
        }
    };
    let mut refusal = None;
    for numbers in [&[1, 2, 3][..], &[1, 3], &[3]] {
        let parts: Vec<_> = numbers.iter().map(|number| sent[*number as usize - 1].clone()).collect();
        upload.plan =
            Plan::restore(Some(numbers.iter().map(|number| sizes[*number as usize - 1]).sum()), first);
        match complete(bench, (&upload, &id), &parts).await {
            Ok(()) => {
                findings.good(PermissionComplete, "parts were put together");
                repeat(bench, (&upload, &id), &parts, findings).await;
                return Some(Taken { upload, parts: numbers, refusal });
            }
            Err(error) if error.kind == StorageErrorKind::InvalidPart => refusal = Some(error.detail),
            Err(error) => {
                findings.bad(PermissionComplete, &error.detail, complete_mend(bench, &error));
                return None;
            }
        }
    }
    findings.bad(
        PermissionComplete,
        refusal.unwrap_or_default(),
        "see what the store's own log says of CompleteMultipartUpload",
    );
    None
}

/// Completes, also where storage did so and the answer was lost: asked again, some stores have forgotten the upload.
async fn complete(
    bench: &Bench,
    (upload, id): (&Upload, &S3UploadId),
    parts: &[CompletedPart],
) -> Result<(), StorageError> {
    match bench.storage.complete_multipart(upload, id, parts, None).await {
        Err(error) if error.kind == StorageErrorKind::NoSuchUpload => {
            let object = bench.storage.head(upload).await.ok().flatten();
            let is_ours = object.is_some_and(|object| object.upload_id == Some(upload.id.to_string()));
            if is_ours { Ok(()) } else { Err(error) }
        }
        answered => answered,
    }
}

fn complete_mend(bench: &Bench, error: &StorageError) -> String {
    match error.kind {
        StorageErrorKind::Rejected => permissions::allow(bench.storage.bucket(), "s3:PutObject"),
        _ => "see why in the store's own log".to_owned(),
    }
}

/// Sends a part; answers it as completion wants it, or why storage did not take it.
async fn send(
    bench: &Bench,
    (upload, id): (&Upload, &S3UploadId),
    number: u32,
    body: Bytes,
) -> Result<CompletedPart, String> {
    let part = Part::new(number, body);
    let number = part.number;
    match bench.put_part(upload, id, part).await {
        Ok(answer) if answer.is_success() => Ok(completed(number, answer.header("etag").unwrap_or_default())),
        Ok(answer) => Err(answer.words()),
        Err(silence) => Err(silence.words().to_owned()),
    }
}

fn completed(number: PartNumber, etag: &str) -> CompletedPart {
    CompletedPart { number, etag: etag.to_owned(), checksum: None }
}

/// Whether parts of one byte are taken.
async fn takes_tiny(bench: &Bench) -> bool {
    let mut upload = bench.parts("tiny", ChecksumAlgorithm::None, 2);
    upload.spec.overwrite = true;
    let Ok(id) = bench.create(&upload).await else { return false };
    let byte = || sample::BYTES.slice(..1);
    let mut parts = Vec::new();
    for number in [1, 2] {
        match send(bench, (&upload, &id), number, byte()).await {
            Ok(part) => parts.push(part),
            Err(_) => return false,
        }
    }
    bench.storage.complete_multipart(&upload, &id, &parts, None).await.is_ok()
}

/// The smallest part that was taken.
fn minimum(taken: &Taken, (first, takes_tiny): (u64, bool), findings: &Findings) -> Option<u64> {
    if taken.parts == [3] {
        let refusal = taken.refusal.as_deref().unwrap_or_default();
        findings.bad(
            PartsMinimum,
            format!("storage refuses parts of storage.min_part_size, {first} bytes: {refusal}"),
            "set storage.min_part_size = \"5MiB\", which is what S3 wants",
        );
        return None;
    }
    if takes_tiny {
        let found = format!("parts of 1 byte are taken; the gateway's have {first} bytes or more");
        findings.note(PartsMinimum, found, "set storage.min_part_size = 1 if smaller parts are wanted");
        return Some(1);
    }
    findings.good(PartsMinimum, format!("parts of {first} bytes are taken"));
    Some(first)
}

fn equal(taken: &Taken, findings: &Findings) {
    match taken.parts {
        [1, 2, 3] => findings.good(PartsEqual, "parts of different sizes are taken"),
        [1, 3] => findings.note(
            PartsEqual,
            "all parts but the last must have one size (as on R2), which the gateway's have",
            "",
        ),
        _ => findings.skip(&[PartsEqual], "see parts.minimum"),
    }
}

async fn repeat(
    bench: &Bench,
    (upload, id): (&Upload, &S3UploadId),
    parts: &[CompletedPart],
    findings: &Findings,
) {
    match bench.storage.complete_multipart(upload, id, parts, None).await {
        Ok(()) => findings.good(CompleteRepeat, "the same answer"),
        Err(error) if error.kind == StorageErrorKind::NoSuchUpload => {
            findings.good(CompleteRepeat, "storage has forgotten the upload: the gateway goes by the object");
        }
        Err(error) => findings.note(CompleteRepeat, error.detail, ""),
    }
}

/// What a store does with a condition that does not hold.
enum Condition {
    Honoured,
    Ignored,
    /// It refuses the header itself, or something else.
    Refused(String),
    /// It could not be asked, for a reason that says nothing of conditions.
    Unknown(String),
}

/// Whether an object that is there can be replaced by requests that must not.
///
/// None where it could not be asked.
async fn conditions(bench: &Bench, object: &Upload, findings: &Findings) -> Option<bool> {
    let claims = bench.settings.profile.conditional_writes;
    let complete = conditional_complete(bench, &object.spec.filename).await;
    let put = conditional_put(bench, &object.spec.filename).await;
    let both = [&complete, &put];
    let all = both.iter().all(|condition| matches!(condition, Condition::Honoured));
    let is_known = both.iter().all(|condition| !matches!(condition, Condition::Unknown(_)));
    for (check, condition) in [(CompleteConditional, complete), (PutConditional, put)] {
        let (found, works) = match condition {
            Condition::Honoured => ("an object that is there is not replaced".to_owned(), true),
            Condition::Ignored => {
                ("an object that is there is replaced, whatever the condition".to_owned(), false)
            }
            Condition::Refused(words) => (format!("the condition is not understood: {words}"), false),
            Condition::Unknown(words) => {
                findings.unanswered(check, &words);
                continue;
            }
        };
        match (works, claims) {
            (false, true) => findings.bad(check, found, "set storage.conditional_writes = false"),
            (false, false) => findings.note(check, found, "the gateway knows, and looks before it completes"),
            (true, false) if all => {
                findings.note(check, found, "storage.conditional_writes = true makes use of it");
            }
            (true, _) => findings.good(check, found),
        }
    }
    is_known.then_some(all)
}

async fn conditional_complete(bench: &Bench, name: &str) -> Condition {
    let upload = bench.parts(name, ChecksumAlgorithm::None, sample::BYTES.len() as u64);
    let id = match bench.create(&upload).await {
        Ok(id) => id,
        Err(error) => return Condition::Unknown(error.detail),
    };
    let part = match send(bench, (&upload, &id), 1, sample::BYTES).await {
        Ok(part) => part,
        Err(words) => return Condition::Unknown(words),
    };
    match bench.storage.complete_multipart(&upload, &id, &[part], None).await {
        Ok(()) => Condition::Ignored,
        Err(error) if error.kind == StorageErrorKind::PreconditionFailed => Condition::Honoured,
        Err(error) if error.kind == StorageErrorKind::Unavailable => Condition::Unknown(error.detail),
        Err(error) => Condition::Refused(error.detail),
    }
}

async fn conditional_put(bench: &Bench, name: &str) -> Condition {
    let file = bench.file(name, ChecksumAlgorithm::None, sample::BYTES.len() as u64);
    match bench.put_file(&file, File::new(sample::BYTES)).await {
        Ok(answer) if answer.status == 412 => Condition::Honoured,
        Ok(answer) if answer.is_success() => Condition::Ignored,
        Ok(answer) => Condition::Refused(answer.words()),
        Err(silence) => Condition::Unknown(silence.words().to_owned()),
    }
}
