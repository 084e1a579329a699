//! What quotas allow, and what counts for them.

use super::*;

pub(super) const SIZE: u64 = 25 * MIB;

pub(super) fn max_open_uploads(max: u64) -> Quota {
    Quota { max_open_uploads: Some(max), ..Quota::default() }
}

pub(super) fn max_bytes_in_flight(max: u64) -> Quota {
    Quota { max_bytes_in_flight: Some(max), ..Quota::default() }
}

pub(super) fn counter(name: &str, max_uploads: Option<u64>, max_bytes: Option<u64>) -> Counter {
    Counter { name: name.to_owned(), forget_at: NOW, max_uploads, max_bytes }
}

pub(super) fn counted(counters: impl IntoIterator<Item = Counter>) -> Quota {
    Quota { counters: counters.into_iter().collect(), ..Quota::default() }
}

fn stream(number: u128) -> Upload {
    let (spec, plan) = spec(None);
    Upload::new(UploadId(Uuid::from_u128(number)), spec, plan, None, (NOW, LIFETIME))
}

async fn insert(store: &Store, upload: &Upload, quota: &Quota) -> Result<(), OverQuota> {
    match store.insert(upload, quota).await.unwrap() {
        InsertOutcome::Inserted => Ok(()),
        InsertOutcome::OverQuota(over) => Err(over),
        InsertOutcome::Duplicate => panic!("{} is a duplicate", upload.id),
    }
}

async fn reserve(store: &Store, upload: &Upload, bytes: u64, quota: &Quota) -> Result<(), OverQuota> {
    match store.reserve(upload.id, bytes, quota).await.unwrap() {
        Reserved::Done => Ok(()),
        Reserved::OverQuota(over) => Err(over),
        Reserved::Closed => panic!("{} is closed", upload.id),
    }
}

fn over(limit: Limit, max: u64, used: u64) -> Result<(), OverQuota> {
    Err(OverQuota { limit, max, used })
}

/// What is in use of everything: as told by limits that let nothing more in.
pub(super) async fn used(store: &Store, tenant: &str, counters: &[&str]) -> Vec<u64> {
    let probe = upload_with(u128::MAX, |spec| spec.tenant = tenant.to_owned());
    let counters = counters
        .iter()
        .flat_map(|name| [counted([counter(name, Some(0), None)]), counted([counter(name, None, Some(0))])]);
    let mut used = Vec::new();
    for quota in [max_open_uploads(0), max_bytes_in_flight(0)].into_iter().chain(counters) {
        used.push(insert(store, &probe, &quota).await.unwrap_err().used);
    }
    used
}

pub(super) async fn no_more_uploads_are_open_than_allowed(store: Store) {
    let quota = max_open_uploads(2);
    assert_eq!(insert(&store, &upload(1), &quota).await, Ok(()));
    assert_eq!(insert(&store, &upload(2), &quota).await, Ok(()));
    assert_eq!(insert(&store, &upload(3), &quota).await, over(Limit::OpenUploads, 2, 2));
    assert_eq!(store.load(upload(3).id).await.unwrap(), None);
}

pub(super) async fn only_unfinished_uploads_are_open(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        let tenant = state.name();
        in_state(&store, upload_with(number, |spec| spec.tenant = tenant.to_owned()), state).await;
        let is_open = matches!(state, State::Creating | State::Open | State::Completing);
        assert_eq!(used(&store, tenant, &[]).await[0], u64::from(is_open), "{tenant}");
    }
}

pub(super) async fn no_more_bytes_are_in_flight_than_allowed(store: Store) {
    let quota = max_bytes_in_flight(2 * SIZE);
    assert_eq!(insert(&store, &upload(1), &quota).await, Ok(()));
    assert_eq!(insert(&store, &upload(2), &quota).await, Ok(()));
    assert_eq!(insert(&store, &upload(3), &quota).await, over(Limit::BytesInFlight, 2 * SIZE, 2 * SIZE));
    let one_less = max_bytes_in_flight(3 * SIZE - 1);
    assert_eq!(
        insert(&store, &upload(3), &one_less).await,
        over(Limit::BytesInFlight, 3 * SIZE - 1, 2 * SIZE)
    );
    assert_eq!(insert(&store, &stream(4), &quota).await, Ok(()), "a stream has nothing yet");
}

pub(super) async fn bytes_are_in_flight_until_they_are_gone(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        let tenant = state.name();
        in_state(&store, upload_with(number, |spec| spec.tenant = tenant.to_owned()), state).await;
        let expected = if state.is_final() { 0 } else { SIZE };
        assert_eq!(used(&store, tenant, &[]).await[1], expected, "{tenant}");
    }
}

pub(super) async fn quotas_are_a_tenants_own(store: Store) {
    let quota = Quota { max_open_uploads: Some(1), ..max_bytes_in_flight(SIZE) };
    let of = |number, tenant: &str| upload_with(number, |spec| spec.tenant = tenant.to_owned());
    assert_eq!(insert(&store, &of(1, "a"), &quota).await, Ok(()));
    assert_eq!(insert(&store, &of(2, "b"), &quota).await, Ok(()));
    // Of all their owners together.
    let owned = upload_with(3, |spec| (spec.tenant, spec.owner) = ("a".to_owned(), Some("o".to_owned())));
    assert_eq!(insert(&store, &owned, &quota).await, over(Limit::OpenUploads, 1, 1));
}

pub(super) async fn lowered_limit_refuses_only_who_takes_more(store: Store) {
    let [sized, unsized_stream] = [upload(1), stream(2)];
    insert(&store, &sized, &counted([counter("c", None, None)])).await.unwrap();
    let lowered =
        Quota { counters: vec![counter("c", None, Some(SIZE - 1))], ..max_bytes_in_flight(SIZE - 1) };
    assert_eq!(insert(&store, &unsized_stream, &lowered).await, Ok(()), "takes no bytes");
    let lowered = Quota { counters: vec![counter("c", Some(1), None)], ..max_open_uploads(1) };
    assert_eq!(reserve(&store, &unsized_stream, 1, &lowered).await, Ok(()), "takes no upload");
    assert_eq!(used(&store, "default", &["c"]).await, [2, SIZE + 1, 2, SIZE + 1]);
}

pub(super) async fn sums_beyond_the_largest_integer_are_no_error(store: Store) {
    let largest = i64::MAX.unsigned_abs();
    let quota = Quota { counters: vec![counter("c", None, None)], ..max_bytes_in_flight(u64::MAX) };
    for number in 1..=2 {
        insert(&store, &stream(number), &quota).await.unwrap();
        assert_eq!(reserve(&store, &stream(number), largest, &quota).await, Ok(()));
    }
    assert_eq!(used(&store, "default", &[]).await, [2, 2 * largest]);
    let counted = used(&store, "default", &["c"]).await[3];
    assert!(counted >= largest, "{counted}");
}

pub(super) async fn counter_stops_at_its_limits(store: Store) {
    let by_uploads = counted([counter("u", Some(2), None)]);
    assert_eq!(insert(&store, &upload(1), &by_uploads).await, Ok(()));
    // What is given back stays counted.
    let aborting = upload(1).aborting(AbortReason::Requested, NOW).unwrap();
    written(&store, aborting).await;
    assert_eq!(insert(&store, &upload(2), &by_uploads).await, Ok(()));
    assert_eq!(insert(&store, &upload(3), &by_uploads).await, over(Limit::CounterUploads(0), 2, 2));
    let by_bytes = counted([counter("b", None, Some(SIZE))]);
    assert_eq!(insert(&store, &upload(3), &by_bytes).await, Ok(()));
    assert_eq!(insert(&store, &upload(4), &by_bytes).await, over(Limit::CounterBytes(0), SIZE, SIZE));
    let nothing_fits = counted([counter("new", None, Some(SIZE - 1))]);
    assert_eq!(insert(&store, &upload(4), &nothing_fits).await, over(Limit::CounterBytes(0), SIZE - 1, 0));
}

pub(super) async fn counter_counts_without_a_limit(store: Store) {
    for number in 1..=3 {
        insert(&store, &upload(number), &counted([counter("c", None, None)])).await.unwrap();
    }
    assert_eq!(used(&store, "default", &["c"]).await[2..], [3, 3 * SIZE]);
}

pub(super) async fn refused_upload_is_charged_nowhere(store: Store) {
    // Charged in the order of their names, refused by the last.
    let counters = [counter("z", Some(0), None), counter("a", None, None), counter("b", Some(9), Some(SIZE))];
    assert_eq!(insert(&store, &upload(1), &counted(counters)).await, over(Limit::CounterUploads(0), 0, 0));
    assert_eq!(used(&store, "default", &["a", "b", "z"]).await, [0; 8]);
    assert_eq!(store.load(upload(1).id).await.unwrap(), None);
}

pub(super) async fn duplicate_is_charged_nowhere(store: Store) {
    let keyed = |number| upload_with(number, |spec| spec.idempotency_key = name("k"));
    let quota = Quota { counters: vec![counter("c", Some(9), Some(9 * SIZE))], ..max_open_uploads(9) };
    assert_eq!(insert(&store, &keyed(1), &quota).await, Ok(()));
    assert_eq!(store.insert(&keyed(2), &quota).await.unwrap(), InsertOutcome::Duplicate);
    assert_eq!(used(&store, "default", &["c"]).await, [1, SIZE, 1, SIZE]);
}

pub(super) async fn duplicate_is_told_where_a_limit_is_reached(store: Store) {
    let keyed = |number| upload_with(number, |spec| spec.idempotency_key = name("k"));
    let printed = |number| upload_with(number, |spec| spec.fingerprint = name("f"));
    let quota = Quota { counters: vec![counter("c", Some(2), None)], ..max_open_uploads(2) };
    insert(&store, &keyed(1), &quota).await.unwrap();
    insert(&store, &printed(2), &quota).await.unwrap();
    assert_eq!(store.insert(&keyed(3), &quota).await.unwrap(), InsertOutcome::Duplicate);
    assert_eq!(store.insert(&printed(3), &quota).await.unwrap(), InsertOutcome::Duplicate);
    assert_eq!(insert(&store, &upload(3), &quota).await, over(Limit::OpenUploads, 2, 2));
}

pub(super) async fn stream_takes_what_it_reserves(store: Store) {
    let quota = Quota { counters: vec![counter("c", Some(1), Some(50))], ..max_bytes_in_flight(70) };
    insert(&store, &stream(1), &quota).await.unwrap();
    assert_eq!(reserve(&store, &stream(1), 30, &quota).await, Ok(()));
    assert_eq!(reserve(&store, &stream(1), 50, &quota).await, Ok(()));
    assert_eq!(used(&store, "default", &["c"]).await, [1, 50, 1, 50], "the difference, and no second upload");
    assert_eq!(reserve(&store, &stream(1), 51, &quota).await, over(Limit::CounterBytes(0), 50, 50));
    insert(&store, &stream(2), &Quota::default()).await.unwrap();
    let others = max_bytes_in_flight(70);
    assert_eq!(reserve(&store, &stream(2), 21, &others).await, over(Limit::BytesInFlight, 70, 50));
    assert_eq!(reserve(&store, &stream(2), 20, &others).await, Ok(()));
}

pub(super) async fn reservation_is_never_lowered(store: Store) {
    for (number, quota) in [(1, Quota::default()), (2, counted([counter("c", None, Some(30))]))] {
        insert(&store, &stream(number), &quota).await.unwrap();
        for (bytes, expected) in [(30, 30), (10, 30), (30, 30)] {
            assert_eq!(reserve(&store, &stream(number), bytes, &quota).await, Ok(()));
            let others = (u64::try_from(number).unwrap() - 1) * 30;
            assert_eq!(used(&store, "default", &[]).await[1], others + expected);
        }
    }
    assert_eq!(used(&store, "default", &["c"]).await[3], 30);
}

pub(super) async fn refused_reservation_changes_nothing(store: Store) {
    let quota = counted([counter("a", None, None), counter("b", None, Some(10))]);
    insert(&store, &stream(1), &quota).await.unwrap();
    assert_eq!(reserve(&store, &stream(1), 11, &quota).await, over(Limit::CounterBytes(1), 10, 0));
    assert_eq!(used(&store, "default", &["a", "b"]).await, [1, 0, 1, 0, 1, 0]);
}

pub(super) async fn closed_upload_reserves_nothing(store: Store) {
    for quota in [Quota::default(), max_bytes_in_flight(u64::MAX)] {
        assert_eq!(store.reserve(stream(99).id, 1, &quota).await.unwrap(), Reserved::Closed, "unknown");
    }
    for (number, state) in (1..).zip(State::ALL) {
        let upload = in_state(&store, upload(number), state).await;
        let takes_parts = matches!(state, State::Creating | State::Open);
        let expected = if takes_parts { Reserved::Done } else { Reserved::Closed };
        for quota in [Quota::default(), max_bytes_in_flight(u64::MAX)] {
            assert_eq!(store.reserve(upload.id, 1, &quota).await.unwrap(), expected, "{state:?}");
            assert_eq!(store.reserve(upload.id, 2 * SIZE, &quota).await.unwrap(), expected, "{state:?}");
        }
    }
}

pub(super) async fn counters_are_forgotten_when_their_time_is_over(store: Store) {
    let until = |name: &str, forget_at| Counter { forget_at, ..counter(name, None, None) };
    let quota = counted([until("old", NOW), until("later", NOW + Duration::DAY)]);
    insert(&store, &upload(1), &quota).await.unwrap();
    // Whoever counts under a name last does not shorten its time.
    insert(&store, &upload(2), &counted([until("later", NOW - Duration::DAY)])).await.unwrap();
    assert_eq!(store.forget_counters(NOW).await.unwrap(), 0);
    assert_eq!(store.forget_counters(NOW + Duration::MICROSECOND).await.unwrap(), 1);
    assert_eq!(used(&store, "default", &["old", "later"]).await[2..], [0, 0, 2, 2 * SIZE]);
}

pub(super) async fn restored_stream_counts_with_what_it_holds(store: Store) {
    let found = Upload { version: 2, ..opened(&stream(1)) };
    assert_eq!(store.restore(&found, 3 * MIB).await.unwrap(), InsertOutcome::Inserted);
    assert_eq!(used(&store, "default", &[]).await, [1, 3 * MIB]);
}
