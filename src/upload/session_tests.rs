//! What may happen to an upload, and what may not.

use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;

// Thursday, 1 January 2026, 12:00 UTC.
const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);
const LIFETIME: Duration = Duration::days(7);

fn upload(size_bytes: Option<u64>) -> Upload {
    let plan = Plan::new(size_bytes, 10 << 20, &Limits::AWS).unwrap();
    let spec = UploadSpec {
        tenant: "default".to_owned(),
        owner: None,
        bucket: "uploads".to_owned(),
        key: ObjectKey::new("k".to_owned()).unwrap(),
        filename: "k".to_owned(),
        content_type: "application/octet-stream".to_owned(),
        checksum_algorithm: ChecksumAlgorithm::Crc64nvme,
        metadata: Metadata::default(),
        overwrite: false,
        fingerprint: None,
        idempotency_key: None,
        transfer: plan.transfer(PutSupport::Conditional),
    };
    Upload::new(UploadId(Uuid::from_u128(1)), spec, plan, None, (NOW, LIFETIME))
}

fn outcome() -> Outcome {
    Outcome {
        etag: "\"e\"".to_owned(),
        version_id: None,
        size_bytes: 1,
        checksum: None,
        sha256: None,
        completed_at: NOW,
    }
}

fn failure() -> Failure {
    Failure { code: "checksum_mismatch".to_owned(), detail: String::new() }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Opened,
    Completing,
    BackToOpen,
    Completed,
    Failed,
    Abort,
    Expire,
    TakenBack,
}

const EVENTS: [Event; 8] = [
    Event::Opened,
    Event::Completing,
    Event::BackToOpen,
    Event::Completed,
    Event::Failed,
    Event::Abort,
    Event::Expire,
    Event::TakenBack,
];

fn apply(upload: &Upload, event: Event) -> Result<Upload, Refusal> {
    match event {
        Event::Opened => upload.opened(S3UploadId("s3".to_owned()), NOW),
        Event::Completing => upload.completing(NOW),
        Event::BackToOpen => upload.back_to_open(NOW),
        Event::Completed => upload.completed(outcome(), NOW),
        Event::Failed => upload.failed(failure(), NOW),
        Event::Abort => upload.aborting(AbortReason::Requested, NOW),
        Event::Expire => upload.aborting(AbortReason::Expired, NOW),
        Event::TakenBack => upload.taken_back(NOW),
    }
}

#[track_caller]
fn check(path: &[Event], expected: State) {
    let mut current = upload(Some(100 << 20));
    for event in path {
        current = apply(&current, *event).unwrap();
    }
    assert_eq!(current.state, expected);
}

#[test]
fn lives_that_end_well_and_badly() {
    use Event::*;
    check(&[], State::Creating);
    check(&[Opened, Completing, Completed], State::Completed);
    check(&[Opened, Completing, BackToOpen, Completing, Completed], State::Completed);
    check(&[Opened, Opened, Completing, Failed], State::Failed);
    check(&[Opened, Abort, TakenBack], State::Aborted);
    check(&[Abort, TakenBack], State::Aborted);
    check(&[Opened, Expire, TakenBack], State::Expired);
}

#[test]
fn small_and_empty_files_need_nothing_of_storage_to_open() {
    assert_eq!(upload(Some(0)).state, State::Open);
    assert_eq!(upload(Some(5)).state, State::Open);
}

#[test]
fn parts_are_refused_once_the_lifetime_is_over() {
    let open = apply(&upload(Some(100 << 20)), Event::Opened).unwrap();
    let end = NOW + LIFETIME;
    assert_eq!(open.check_takes_parts(end - Duration::SECOND), Ok(()));
    assert_eq!(open.check_takes_parts(end), Err(Refusal::Gone(State::Expired)));
    assert_eq!(open.completing(end), Err(Refusal::Gone(State::Expired)));
}

#[test]
fn completing_upload_cannot_be_aborted() {
    let completing = [Event::Opened, Event::Completing]
        .iter()
        .fold(upload(Some(100 << 20)), |upload, event| apply(&upload, *event).unwrap());
    assert_eq!(apply(&completing, Event::Abort), Err(Refusal::Closed(State::Completing)));
}

#[test]
fn stream_learns_its_size_once() {
    let stream = upload(None);
    assert_eq!(stream.declared(&Declaration::default()), Err(DeclarationError::SizeMissing));
    let size = |size_bytes| Declaration { size_bytes: Some(size_bytes), ..Declaration::default() };
    let sized = stream.declared(&size(25 << 20)).unwrap();
    assert_eq!(sized.plan.total_parts(), Some(3));
    assert_eq!(sized.declared(&size(1)), Err(DeclarationError::SizeChanged { declared: 25 << 20 }));
    assert!(matches!(stream.declared(&size(u64::MAX)), Err(DeclarationError::TooManyParts { .. })));
}

#[test]
fn sha256_cannot_change_its_mind() {
    let digest = |byte| Some(Sha256Digest::new([byte; 32]));
    let first = Declaration { sha256: digest(1), ..Declaration::default() };
    let declared = upload(Some(5)).declared(&first).unwrap();
    assert_eq!(declared.declared(&first).unwrap(), declared);
    assert_eq!(
        declared.declared(&Declaration { sha256: digest(2), ..Declaration::default() }),
        Err(DeclarationError::Sha256Changed)
    );
}

#[test]
fn proof_wants_our_id_the_size_and_the_checksum() {
    let upload = upload(Some(5));
    let crc = |value: &str| ObjectChecksum {
        algorithm: ChecksumAlgorithm::Crc64nvme,
        checksum_type: ChecksumType::FullObject,
        value: value.to_owned(),
    };
    let ours = ObjectProof {
        upload_id: Some(upload.id.to_string()),
        size_bytes: 5,
        etag: "\"e\"".to_owned(),
        version_id: None,
        checksum: Some(crc("AAAAAAAAAAA=")),
    };
    assert_eq!(upload.prove(&ours, Some(&crc("AAAAAAAAAAA="))), Ok(()));
    assert_eq!(upload.prove(&ours, None), Ok(()));
    let foreign = ObjectProof { upload_id: None, ..ours.clone() };
    assert_eq!(upload.prove(&foreign, None), Err(ProofError::Foreign));
    let longer = ObjectProof { size_bytes: 6, ..ours.clone() };
    assert_eq!(upload.prove(&longer, None), Err(ProofError::Size { declared: 5, actual: 6 }));
    assert!(matches!(upload.prove(&ours, Some(&crc("AAAAAAAAAAE="))), Err(ProofError::Checksum { .. })));
    let declared = Upload {
        checksum: Some(Checksum::from_base64(ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAE=").unwrap()),
        ..upload
    };
    assert!(matches!(declared.prove(&ours, None), Err(ProofError::Checksum { .. })));
}

#[test]
fn urls_live_as_long_as_the_last_one_signed() {
    let signed = upload(Some(5))
        .with_urls_until(NOW + Duration::minutes(15))
        .with_urls_until(NOW + Duration::minutes(5));
    // And an hour more, for a PUT that began just before.
    assert!(signed.has_live_urls(NOW + Duration::minutes(74)));
    assert!(!signed.has_live_urls(NOW + Duration::minutes(75)));
}

#[test]
fn failed_upload_is_looked_at_until_all_that_was_under_way_has_landed() {
    let open = upload(Some(100 << 20)).opened(S3UploadId("s3".to_owned()), NOW).unwrap();
    let failed = open.completing(NOW).unwrap().failed(failure(), NOW).unwrap();
    assert_eq!(failed.next_look(NOW), Some(NOW + Duration::HOUR));
    assert_eq!(failed.next_look(NOW + Duration::HOUR), None);
}

#[test]
fn opening_again_is_a_change_that_the_sweep_follows_up() {
    let reaped = upload(Some(100 << 20)).opened(S3UploadId("s3".to_owned()), NOW).unwrap();
    let opening = reaped.opening_again(NOW).unwrap();
    assert_eq!(
        (opening.state, opening.version, opening.may_have_twins),
        (State::Open, reaped.version + 1, true)
    );
    assert_eq!(opening.sweep_at, Some(NOW + Duration::HOUR));
    assert!(reaped.opening_again(NOW + LIFETIME).is_err());
}

proptest! {
    #[test]
    fn no_history_leaves_the_arrows(history in prop::collection::vec(0usize..EVENTS.len(), 0..40)) {
        let mut current = upload(Some(100 << 20));
        for index in history {
            let Ok(next) = apply(&current, EVENTS[index]) else { continue };
            prop_assert!(current.state.may_become(next.state), "{:?} to {:?}", current.state, next.state);
            prop_assert!(!current.state.is_final());
            prop_assert_eq!(next.version, current.version + 1);
            prop_assert_eq!(next.outcome.is_some(), next.state == State::Completed);
            prop_assert_eq!(next.failure.is_some(), next.state == State::Failed);
            current = next;
        }
    }
}
