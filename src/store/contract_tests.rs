//! The contract of the state store: one function a promise, run on every database that we know.

use std::collections::BTreeMap;

use tempfile::TempDir;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::upload::{
    AbortReason, COMPLETION_LEASE, Checksum, ChecksumAlgorithm, ChecksumType, Failure, Fingerprint, Limits,
    Metadata, ObjectChecksum, ObjectKey, Outcome, PartClaim, PartEvidence, PartNumber, PartRecord, Plan,
    PutSupport, S3UploadId, Sha256Digest, State, Upload, UploadId, UploadSpec,
};

// Thursday, 1 January 2026, 12:00 UTC, and some microseconds that must not get lost.
const NOW: OffsetDateTime = datetime!(2026-01-01 12:00:00.123456 UTC);
const LIFETIME: Duration = Duration::days(7);
const MIB: u64 = 1 << 20;

async fn sqlite() -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&url(&dir), Migrations::Run).await.unwrap();
    (store, dir)
}

fn url(dir: &TempDir) -> String {
    format!("sqlite://{}", dir.path().join("gateway.db").display())
}

/// Runs each contract on an empty store of its own.
macro_rules! on_sqlite {
    ($($contract:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $contract() {
                let (store, _dir) = super::sqlite().await;
                super::$contract(store).await;
            })*
        }
    };
}

on_sqlite! {
    new_upload_comes_back_as_it_was_written
    every_later_field_comes_back_as_it_was_written
    failure_comes_back_as_it_was_written
    stream_without_size_comes_back_without_size
    unknown_id_is_none
    second_writer_of_a_version_is_told
    concurrent_updates_never_lose_one
    same_id_twice_is_a_duplicate
    idempotency_key_is_unique_per_tenant
    fingerprint_is_unique_while_open
    fingerprint_of_another_size_is_another_upload
    fingerprint_is_found_only_while_open
    list_is_newest_first_in_pages
    list_filters_by_state
    list_counts_overdue_uploads_as_expired
    list_shows_one_tenant_only
    states_are_counted
    recorded_parts_replace_earlier_ones
    replaced_parts_are_the_whole_truth
    replaced_parts_spare_what_was_recorded_since
    reported_part_replaces_a_listed_one_of_the_same_moment
    ten_thousand_parts_come_back_in_order
    received_counts_all_but_mismatched
    parts_of_two_uploads_do_not_mix
    sweep_finds_what_is_due_only
    sweep_takes_the_longest_waiting_first
    forgetting_takes_the_parts_along
    forgetting_spares_unfinished_uploads
    urls_are_only_ever_extended
    upload_that_is_taken_back_gets_no_more_urls
    committed_writes_are_seen_by_every_reader
    live_database_answers_a_ping
}

fn spec(size_bytes: Option<u64>) -> (UploadSpec, Plan) {
    let plan = Plan::new(size_bytes, 10 * MIB, &Limits::AWS).unwrap();
    let spec = UploadSpec {
        tenant: "default".to_owned(),
        bucket: "uploads".to_owned(),
        key: ObjectKey::new("in/ü +%41/käse.bin".to_owned()).unwrap(),
        filename: "käse \"1\".bin".to_owned(),
        content_type: "application/octet-stream".to_owned(),
        checksum_algorithm: ChecksumAlgorithm::Crc64nvme,
        metadata: Metadata::default(),
        overwrite: false,
        fingerprint: None,
        idempotency_key: None,
        transfer: plan.transfer(PutSupport::Conditional),
    };
    (spec, plan)
}

/// An upload of three parts; higher numbers are newer.
fn upload(number: u128) -> Upload {
    upload_with(number, |_| {})
}

fn upload_with(number: u128, change: impl FnOnce(&mut UploadSpec)) -> Upload {
    let (mut spec, plan) = spec(Some(25 * MIB));
    change(&mut spec);
    Upload::new(UploadId(Uuid::from_u128(number)), spec, plan, None, (NOW, LIFETIME))
}

fn name(text: &str) -> Option<Fingerprint> {
    Some(Fingerprint::new(text.to_owned()).unwrap())
}

fn opened(upload: &Upload) -> Upload {
    upload.opened(S3UploadId("s3-id".to_owned()), NOW).unwrap()
}

fn outcome() -> Outcome {
    Outcome {
        etag: "\"0123-3\"".to_owned(),
        version_id: Some("v/1+".to_owned()),
        size_bytes: 25 * MIB,
        checksum: Some(ObjectChecksum {
            algorithm: ChecksumAlgorithm::Sha256,
            checksum_type: ChecksumType::Composite,
            value: "YWJj:-3".to_owned(),
        }),
        sha256: Some(Sha256Digest::new([7; 32])),
        completed_at: NOW + Duration::microseconds(1),
    }
}

fn part(number: u32) -> PartRecord {
    PartRecord::reported(PartClaim {
        number: PartNumber::new(number).unwrap(),
        size_bytes: 10 * MIB,
        etag: None,
        checksum: None,
    })
}

fn listed(number: u32, etag: &str) -> PartRecord {
    PartRecord { etag: Some(etag.to_owned()), evidence: PartEvidence::Listed, ..part(number) }
}

async fn inserted(store: &Store, upload: Upload) -> Upload {
    assert_eq!(store.insert(&upload).await.unwrap(), InsertOutcome::Inserted);
    upload
}

async fn written(store: &Store, next: Upload) -> Upload {
    assert_eq!(store.update(&next).await.unwrap(), Written::Done);
    next
}

/// Walks an upload to a state by the arrows that lead there.
async fn in_state(store: &Store, upload: Upload, state: State) -> Upload {
    let new = inserted(store, upload).await;
    let path: &[fn(&Upload) -> Upload] = match state {
        State::Creating => &[],
        State::Open => &[opened],
        State::Completing => &[opened, |upload| upload.completing(NOW).unwrap()],
        State::Completed => &[
            opened,
            |upload| upload.completing(NOW).unwrap(),
            |upload| upload.completed(outcome(), NOW).unwrap(),
        ],
        State::Failed => &[
            opened,
            |upload| upload.completing(NOW).unwrap(),
            |upload| upload.failed(Failure { code: "c".to_owned(), detail: "d".to_owned() }, NOW).unwrap(),
        ],
        State::Aborting => &[|upload| upload.aborting(AbortReason::Requested, NOW).unwrap()],
        State::Aborted => &[
            |upload| upload.aborting(AbortReason::Requested, NOW).unwrap(),
            |upload| upload.taken_back(NOW).unwrap(),
        ],
        State::Expired => &[
            |upload| upload.aborting(AbortReason::Expired, NOW).unwrap(),
            |upload| upload.taken_back(NOW).unwrap(),
        ],
    };
    let mut current = new;
    for step in path {
        current = written(store, step(&current)).await;
    }
    assert_eq!(current.state, state);
    current
}

async fn loaded(store: &Store, id: UploadId) -> Upload {
    store.load(id).await.unwrap().unwrap()
}

async fn known_parts(store: &Store, id: UploadId) -> Vec<PartRecord> {
    store.parts(id, ChecksumAlgorithm::Crc64nvme).await.unwrap()
}

async fn numbers(store: &Store, id: UploadId) -> Vec<u32> {
    known_parts(store, id).await.iter().map(|part| part.number.value()).collect()
}

async fn new_upload_comes_back_as_it_was_written(store: Store) {
    let (mut spec, plan) = spec(Some(25 * MIB));
    spec.overwrite = true;
    spec.fingerprint = name("print ~1");
    spec.idempotency_key = name("key ~1");
    let entries = [("colour", "dark \"blue\""), ("n", "1")];
    spec.metadata = Metadata::new(entries.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    let sha256 = Some(Sha256Digest::new([9; 32]));
    let new = Upload::new(UploadId(Uuid::from_u128(1)), spec, plan, sha256, (NOW, LIFETIME));
    let new = inserted(&store, new).await;
    assert_eq!(loaded(&store, new.id).await, new);
}

async fn every_later_field_comes_back_as_it_was_written(store: Store) {
    let mut completing = in_state(&store, upload(1), State::Completing).await;
    completing.checksum = Some(Checksum::from_base64(ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAE=").unwrap());
    completing.sha256 = Some(Sha256Digest::new([7; 32]));
    let later = NOW + Duration::microseconds(17);
    let completed = written(&store, completing.completed(outcome(), later).unwrap()).await;
    assert_eq!(loaded(&store, completed.id).await, completed);
}

async fn failure_comes_back_as_it_was_written(store: Store) {
    let failed = in_state(&store, upload(1), State::Failed).await;
    assert_eq!(loaded(&store, failed.id).await, failed);
}

async fn stream_without_size_comes_back_without_size(store: Store) {
    let (spec, plan) = spec(None);
    let stream = Upload::new(UploadId(Uuid::from_u128(1)), spec, plan, None, (NOW, LIFETIME));
    let stream = inserted(&store, stream).await;
    assert_eq!(loaded(&store, stream.id).await.plan.size_bytes(), None);
}

async fn unknown_id_is_none(store: Store) {
    assert_eq!(store.load(UploadId(Uuid::from_u128(1))).await.unwrap(), None);
}

async fn second_writer_of_a_version_is_told(store: Store) {
    let new = inserted(&store, upload(1)).await;
    let first = written(&store, opened(&new)).await;
    let second = new.aborting(AbortReason::Requested, NOW).unwrap();
    assert_eq!(store.update(&second).await.unwrap(), Written::Conflict);
    assert_eq!(loaded(&store, new.id).await, first);
}

async fn concurrent_updates_never_lose_one(store: Store) {
    const TASKS: i64 = 8;
    const EACH: i64 = 25;
    let open = in_state(&store, upload(1), State::Open).await;
    let tasks = (0..TASKS).map(|task| {
        let (store, id) = (store.clone(), open.id);
        tokio::spawn(async move {
            for round in 0..EACH {
                loop {
                    let current = loaded(&store, id).await;
                    let next = current.opened(S3UploadId(format!("{task}-{round}")), NOW).unwrap();
                    if store.update(&next).await.unwrap() == Written::Done {
                        break;
                    }
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(loaded(&store, open.id).await.version, open.version + TASKS * EACH);
}

async fn same_id_twice_is_a_duplicate(store: Store) {
    let new = inserted(&store, upload(1)).await;
    assert_eq!(store.insert(&new).await.unwrap(), InsertOutcome::Duplicate);
}

async fn idempotency_key_is_unique_per_tenant(store: Store) {
    let keyed = |number, tenant: &str| {
        let tenant = tenant.to_owned();
        upload_with(number, |spec| (spec.tenant, spec.idempotency_key) = (tenant, name("k")))
    };
    // Whatever became of it: a retried init must not open a second upload.
    let first = in_state(&store, keyed(1, "a"), State::Aborted).await;
    assert_eq!(store.insert(&keyed(2, "a")).await.unwrap(), InsertOutcome::Duplicate);
    let other = inserted(&store, keyed(3, "b")).await;
    let key = name("k").unwrap();
    assert_eq!(store.find_by_idempotency_key("a", &key).await.unwrap().unwrap().id, first.id);
    assert_eq!(store.find_by_idempotency_key("b", &key).await.unwrap().unwrap().id, other.id);
    assert_eq!(store.find_by_idempotency_key("c", &key).await.unwrap(), None);
}

fn printed(number: u128) -> Upload {
    upload_with(number, |spec| spec.fingerprint = name("f"))
}

async fn fingerprint_is_unique_while_open(store: Store) {
    let open = in_state(&store, printed(1), State::Open).await;
    assert_eq!(store.insert(&printed(2)).await.unwrap(), InsertOutcome::Duplicate);
    written(&store, open.completing(NOW).unwrap()).await;
    inserted(&store, printed(2)).await;
}

async fn fingerprint_of_another_size_is_another_upload(store: Store) {
    inserted(&store, printed(1)).await;
    let mut other = printed(2);
    other.plan = Plan::new(Some(26 * MIB), 10 * MIB, &Limits::AWS).unwrap();
    let other = inserted(&store, other).await;
    let mut stream = printed(3);
    stream.plan = Plan::new(None, 10 * MIB, &Limits::AWS).unwrap();
    let stream = inserted(&store, stream).await;
    let found = async |size| {
        store.find_by_fingerprint("default", &name("f").unwrap(), size).await.unwrap().map(|upload| upload.id)
    };
    assert_eq!(found(Some(26 * MIB)).await, Some(other.id));
    assert_eq!(found(None).await, Some(stream.id));
    assert_eq!(found(Some(1)).await, None);
}

async fn fingerprint_is_found_only_while_open(store: Store) {
    let found = async || {
        store.find_by_fingerprint("default", &name("f").unwrap(), Some(25 * MIB)).await.unwrap().is_some()
    };
    let new = inserted(&store, printed(1)).await;
    assert!(found().await, "creating");
    let open = written(&store, opened(&new)).await;
    assert!(found().await, "open");
    written(&store, open.aborting(AbortReason::Requested, NOW).unwrap()).await;
    assert!(!found().await, "aborting");
}

fn filter(limit: u32) -> ListFilter {
    ListFilter { tenant: "default".to_owned(), state: None, now: NOW, before: None, limit }
}

async fn ids(store: &Store, filter: &ListFilter) -> Vec<u128> {
    store.list(filter).await.unwrap().iter().map(|upload| upload.id.0.as_u128()).collect()
}

async fn list_is_newest_first_in_pages(store: Store) {
    for number in [3, 1, 5, 2, 4] {
        inserted(&store, upload(number)).await;
    }
    assert_eq!(ids(&store, &filter(2)).await, [5, 4]);
    let before = |number| Some(UploadId(Uuid::from_u128(number)));
    assert_eq!(ids(&store, &ListFilter { before: before(4), ..filter(2) }).await, [3, 2]);
    assert_eq!(ids(&store, &ListFilter { before: before(2), ..filter(2) }).await, [1]);
    assert_eq!(ids(&store, &ListFilter { before: before(1), ..filter(2) }).await, [0; 0]);
}

async fn list_filters_by_state(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        in_state(&store, upload(number), state).await;
    }
    for (number, state) in (1..).zip(State::ALL) {
        assert_eq!(ids(&store, &ListFilter { state: Some(state), ..filter(10) }).await, [number]);
    }
}

async fn list_counts_overdue_uploads_as_expired(store: Store) {
    inserted(&store, upload(1)).await;
    let now = upload(1).expires_at;
    let in_state = |state| ListFilter { state: Some(state), now, ..filter(10) };
    assert_eq!(ids(&store, &in_state(upload(1).state)).await, [0; 0]);
    assert_eq!(ids(&store, &in_state(State::Expired)).await, [1]);
}

async fn list_shows_one_tenant_only(store: Store) {
    inserted(&store, upload_with(1, |spec| spec.tenant = "a".to_owned())).await;
    inserted(&store, upload_with(2, |spec| spec.tenant = "b".to_owned())).await;
    assert_eq!(ids(&store, &ListFilter { tenant: "a".to_owned(), ..filter(10) }).await, [1]);
}

async fn states_are_counted(store: Store) {
    for (number, state) in (1..).zip([State::Open, State::Open, State::Failed]) {
        in_state(&store, upload(number), state).await;
    }
    let counts: BTreeMap<_, _> = store.count_by_state().await.unwrap().into_iter().collect();
    assert_eq!(counts, BTreeMap::from([("failed".to_owned(), 1), ("open".to_owned(), 2)]));
}

async fn recorded_parts_replace_earlier_ones(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    store.record_parts(id, &[part(2), part(1)], NOW).await.unwrap();
    let checksum = Checksum::from_base64(ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAE=").unwrap();
    let sent_again = PartRecord { checksum: Some(checksum), size_bytes: 5, ..listed(2, "\"b\"") };
    store.record_parts(id, std::slice::from_ref(&sent_again), NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, [part(1), sent_again]);
}

async fn replaced_parts_are_the_whole_truth(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    store.record_parts(id, &[part(1), part(2)], NOW).await.unwrap();
    let asked_at = NOW + Duration::SECOND;
    let truth = [listed(2, "\"b\""), listed(3, "\"c\"")];
    store.replace_parts(id, &truth, asked_at, asked_at + Duration::SECOND).await.unwrap();
    assert_eq!(known_parts(&store, id).await, truth);
}

async fn replaced_parts_spare_what_was_recorded_since(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let asked_at = NOW + Duration::SECOND;
    store.record_parts(id, &[part(1)], NOW).await.unwrap();
    store.record_parts(id, &[part(2), part(3)], asked_at).await.unwrap();
    // Storage was asked before parts 2 and 3 were reported: its older word on 2 does not count, nor its silence on 3.
    let answer = [listed(2, "\"old\"")];
    store.replace_parts(id, &answer, asked_at, asked_at + Duration::SECOND).await.unwrap();
    assert_eq!(known_parts(&store, id).await, [part(2), part(3)]);
}

async fn reported_part_replaces_a_listed_one_of_the_same_moment(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    store.replace_parts(id, &[listed(1, "\"a\"")], NOW, NOW).await.unwrap();
    store.record_parts(id, &[part(1)], NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, [part(1)]);
}

async fn ten_thousand_parts_come_back_in_order(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let all: Vec<_> = (1..=10_000).map(|number| listed(number, &format!("\"{number}\""))).collect();
    let shuffled: Vec<_> = all.iter().rev().cloned().collect();
    store.record_parts(id, &shuffled, NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, all);
    let asked_at = NOW + Duration::SECOND;
    store.replace_parts(id, &all[5_000..], asked_at, asked_at).await.unwrap();
    assert_eq!(known_parts(&store, id).await, all[5_000..]);
}

async fn received_counts_all_but_mismatched(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let wrong = PartRecord { evidence: PartEvidence::Mismatched, ..part(2) };
    let short = PartRecord { size_bytes: 5, ..listed(3, "\"c\"") };
    store.record_parts(id, &[part(1), wrong, short], NOW).await.unwrap();
    let received = store.received(id).await.unwrap();
    assert_eq!(received.total_bytes, 10 * MIB + 5);
    assert_eq!(received.numbers.missing(3), [[2, 2]]);
}

async fn parts_of_two_uploads_do_not_mix(store: Store) {
    let first = inserted(&store, upload(1)).await.id;
    let second = inserted(&store, upload(2)).await.id;
    store.record_parts(first, &[part(1)], NOW).await.unwrap();
    store.record_parts(second, &[part(2)], NOW).await.unwrap();
    let later = NOW + Duration::SECOND;
    store.replace_parts(first, &[], later, later).await.unwrap();
    assert_eq!((numbers(&store, first).await, numbers(&store, second).await), (vec![], vec![2]));
}

async fn due(store: &Store, now: OffsetDateTime) -> Vec<u128> {
    let due = store.due_for_sweep(now, 100).await.unwrap();
    due.iter().map(|upload| upload.id.0.as_u128()).collect()
}

fn claim(now: OffsetDateTime, limit: u32) -> SweepClaim {
    SweepClaim { now, leased_until: now + Duration::MINUTE, limit }
}

async fn claimed(store: &Store, claim: SweepClaim) -> Vec<(u128, u32)> {
    let due = store.claim_for_sweep(claim).await.unwrap();
    let mut due: Vec<_> = due.iter().map(|due| (due.upload.id.0.as_u128(), due.attempts)).collect();
    due.sort_unstable();
    due
}

async fn sweep_finds_what_is_due_only(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        in_state(&store, upload(number), state).await;
    }
    let [creating, open, completing, _, failed, aborting, aborted, expired] = [1, 2, 3, 4, 5, 6, 7, 8];
    let at = async |now| {
        let mut due = due(&store, now).await;
        due.sort_unstable();
        due
    };
    let moment = Duration::MICROSECOND;
    let stuck = NOW + COMPLETION_LEASE;
    assert_eq!(at(stuck - moment).await, [failed, aborting]);
    assert_eq!(at(stuck).await, [completing, failed, aborting]);
    let landed = NOW + Duration::HOUR;
    assert_eq!(at(landed).await, [completing, failed, aborting, aborted, expired]);
    let over = [creating, open, completing, failed, aborting, aborted, expired];
    assert_eq!(at(NOW + LIFETIME).await, over);
}

async fn sweep_takes_the_longest_waiting_first(store: Store) {
    for number in 1..=3 {
        let new = inserted(&store, upload(number)).await;
        let waiting_since = NOW - Duration::seconds(i64::try_from(number).unwrap());
        written(&store, new.aborting(AbortReason::Requested, waiting_since).unwrap()).await;
    }
    assert_eq!(due(&store, NOW).await, [3, 2, 1]);
    assert_eq!(claimed(&store, claim(NOW, 2)).await, [(2, 0), (3, 0)]);
}

async fn forgetting_takes_the_parts_along(store: Store) {
    let completed = in_state(&store, upload(1), State::Completed).await;
    store.record_parts(completed.id, &[part(1)], NOW).await.unwrap();
    assert_eq!(store.count_finished_before(NOW).await.unwrap(), 0);
    assert_eq!(store.forget_finished_before(NOW, 100).await.unwrap(), 0);
    let later = NOW + Duration::MICROSECOND;
    assert_eq!(store.count_finished_before(later).await.unwrap(), 1);
    assert_eq!(store.forget_finished_before(later, 100).await.unwrap(), 1);
    assert_eq!(store.load(completed.id).await.unwrap(), None);
    assert_eq!(numbers(&store, completed.id).await, [0; 0]);
}

async fn forgetting_spares_unfinished_uploads(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        in_state(&store, upload(number), state).await;
    }
    // Only the completed one has nothing left that the sweep has to look at.
    assert_eq!(store.forget_finished_before(NOW + Duration::DAY, 100).await.unwrap(), 1);
    for (number, state) in (1..).zip(State::ALL).filter(|(_, state)| state.is_final()) {
        let id = UploadId(Uuid::from_u128(number));
        if let Some(finished) = store.load(id).await.unwrap() {
            assert_eq!(store.looked(id, finished.version, None).await.unwrap(), Written::Done, "{state:?}");
        }
    }
    assert_eq!(store.forget_finished_before(NOW + Duration::DAY, 2).await.unwrap(), 2, "at most so many");
    assert_eq!(store.forget_finished_before(NOW + Duration::DAY, 2).await.unwrap(), 1);
    let left: Vec<_> =
        store.list(&filter(10)).await.unwrap().into_iter().map(|upload| upload.state).collect();
    assert!(left.iter().all(|state| !state.is_final()), "{left:?}");
}

async fn urls_are_only_ever_extended(store: Store) {
    let open = in_state(&store, upload(1), State::Open).await;
    let (soon, late) = (NOW + Duration::MINUTE, NOW + Duration::HOUR);
    for (until, expected) in [(soon, soon), (late, late), (soon, late)] {
        assert_eq!(store.extend_urls(open.id, until).await.unwrap(), Written::Done);
        assert_eq!(loaded(&store, open.id).await, open.clone().with_urls_until(expected));
    }
}

async fn upload_that_is_taken_back_gets_no_more_urls(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        let upload = in_state(&store, upload(number), state).await;
        let takes_parts = matches!(state, State::Creating | State::Open);
        let expected = if takes_parts { Written::Done } else { Written::Conflict };
        assert_eq!(store.extend_urls(upload.id, NOW).await.unwrap(), expected, "{state:?}");
        assert_eq!(loaded(&store, upload.id).await.urls_expire_at, takes_parts.then_some(NOW));
    }
}

async fn committed_writes_are_seen_by_every_reader(store: Store) {
    let mut current = in_state(&store, upload(1), State::Open).await;
    for round in 0..50 {
        current = written(&store, current.opened(S3UploadId(round.to_string()), NOW).unwrap()).await;
        let readers = (0..8).map(|_| {
            let (store, id) = (store.clone(), current.id);
            tokio::spawn(async move { loaded(&store, id).await.version })
        });
        for reader in readers.collect::<Vec<_>>() {
            assert_eq!(reader.await.unwrap(), current.version);
        }
    }
}

async fn live_database_answers_a_ping(store: Store) {
    store.ping().await.unwrap();
}

#[tokio::test]
async fn everything_survives_a_reopening() {
    let (store, dir) = sqlite().await;
    let completed = in_state(&store, upload(1), State::Completed).await;
    store.record_parts(completed.id, &[listed(1, "\"a\"")], NOW).await.unwrap();
    let expected = loaded(&store, completed.id).await;
    store.close().await;
    let store = Store::open(&url(&dir), Migrations::Refuse).await.unwrap();
    assert_eq!(loaded(&store, completed.id).await, expected);
    assert_eq!(known_parts(&store, completed.id).await, [listed(1, "\"a\"")]);
}

#[tokio::test]
async fn empty_database_is_outdated_unless_it_may_be_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Store::open(&url(&dir), Migrations::Refuse).await;
    assert!(matches!(refused, Err(StoreError::SchemaOutdated)), "{refused:?}");
    Store::open(&url(&dir), Migrations::Run).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn several_gateways_may_migrate_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let openings = (0..4).map(|_| {
        let url = url(&dir);
        tokio::spawn(async move { Store::open(&url, Migrations::Run).await.map(|_| ()) })
    });
    for opening in openings.collect::<Vec<_>>() {
        opening.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn url_that_is_not_a_database_is_told() {
    let refused = Store::open("mysql://localhost/partgate", Migrations::Run).await;
    assert!(matches!(refused, Err(StoreError::Url(_))), "{refused:?}");
}
