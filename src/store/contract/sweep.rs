//! What the sweep finds, takes, and forgets.

use super::*;

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

pub(super) async fn sweep_finds_what_is_due_only(store: Store) {
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

pub(super) async fn sweep_takes_the_longest_waiting_first(store: Store) {
    for number in 1..=3 {
        let new = inserted(&store, upload(number)).await;
        let waiting_since = NOW - Duration::seconds(i64::try_from(number).unwrap());
        written(&store, new.aborting(AbortReason::Requested, waiting_since).unwrap()).await;
    }
    assert_eq!(due(&store, NOW).await, [3, 2, 1]);
    assert_eq!(claimed(&store, claim(NOW, 2)).await, [(2, 0), (3, 0)]);
}

/// Uploads that the sweep has to look at since `NOW`.
async fn aborting(store: &Store, numbers: std::ops::RangeInclusive<u128>) {
    for number in numbers {
        in_state(store, upload(number), State::Aborting).await;
    }
}

pub(super) async fn concurrent_claims_never_share_an_upload(store: Store) {
    aborting(&store, 1..=60).await;
    let claimers = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let due = claimed(&store, claim(NOW, 7)).await;
                if due.is_empty() {
                    return mine;
                }
                mine.extend(due.into_iter().map(|(number, _)| number));
            }
        })
    });
    let mut all = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        all.extend(claimer.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=60).collect::<Vec<_>>());
}

pub(super) async fn claimed_upload_comes_back_when_the_lease_is_over(store: Store) {
    aborting(&store, 1..=1).await;
    let first = claim(NOW, 10);
    assert_eq!(claimed(&store, first).await, [(1, 0)]);
    assert_eq!(claimed(&store, claim(first.leased_until - Duration::MICROSECOND, 10)).await, []);
    assert_eq!(claimed(&store, claim(first.leased_until, 10)).await, [(1, 0)]);
}

pub(super) async fn postponed_uploads_do_not_keep_others_waiting(store: Store) {
    aborting(&store, 1..=3).await;
    let later = NOW + Duration::HOUR;
    for _ in 0..3 {
        let [due] = &store.claim_for_sweep(claim(NOW, 1)).await.unwrap()[..] else { panic!("one is due") };
        let postponed = store.postpone(due.upload.id, due.upload.version, (later, due.attempts + 1)).await;
        assert_eq!(postponed.unwrap(), Written::Done);
    }
    assert_eq!(claimed(&store, claim(later - Duration::MICROSECOND, 10)).await, []);
    assert_eq!(claimed(&store, claim(later, 10)).await, [(1, 1), (2, 1), (3, 1)]);
}

pub(super) async fn change_forgives_failed_attempts(store: Store) {
    let aborting = in_state(&store, upload(1), State::Aborting).await;
    let _ = store.postpone(aborting.id, aborting.version, (NOW, 5)).await.unwrap();
    assert_eq!(claimed(&store, claim(NOW, 10)).await, [(1, 5)]);
    let aborted = written(&store, aborting.taken_back(NOW).unwrap()).await;
    let due_at = aborted.sweep_at.unwrap();
    assert_eq!(claimed(&store, claim(due_at, 10)).await, [(1, 0)]);
}

pub(super) async fn look_forgives_attempts_and_rules_twins_out(store: Store) {
    let open = in_state(&store, upload(1), State::Open).await;
    let open =
        written(&store, open.opened(S3UploadId("another".to_owned()), NOW).unwrap().with_twins()).await;
    assert!(loaded(&store, open.id).await.may_have_twins);
    let _ = store.postpone(open.id, open.version, (NOW, 5)).await.unwrap();
    assert_eq!(store.looked(open.id, open.version, Some(NOW)).await.unwrap(), Written::Done);
    assert!(!loaded(&store, open.id).await.may_have_twins);
    assert_eq!(claimed(&store, claim(NOW, 10)).await, [(1, 0)]);
}

fn lease(held_until: Option<OffsetDateTime>, until: OffsetDateTime) -> Lease {
    Lease { held_until, until, verified_bytes: 5 }
}

pub(super) async fn sweep_writes_only_what_it_has_read(store: Store) {
    let completing = in_state(&store, upload(1), State::Completing).await;
    let (id, old) = (completing.id, completing.version - 1);
    let later = NOW + Duration::HOUR;
    assert_eq!(store.looked(id, old, Some(later)).await.unwrap(), Written::Conflict);
    assert_eq!(store.postpone(id, old, (later, 1)).await.unwrap(), Written::Conflict);
    assert_eq!(store.lease(id, old, lease(completing.sweep_at, later)).await.unwrap(), Written::Conflict);
    assert_eq!(loaded(&store, id).await, completing);
}

pub(super) async fn lease_is_won_by_one_taker(store: Store) {
    let completing = in_state(&store, upload(1), State::Completing).await;
    let takers = (1..=8).map(|taker| {
        let (store, completing) = (store.clone(), completing.clone());
        let until = NOW + Duration::minutes(taker);
        tokio::spawn(async move {
            let lease = lease(completing.sweep_at, until);
            let taken = store.lease(completing.id, completing.version, lease).await.unwrap();
            (taken == Written::Done).then_some(until)
        })
    });
    let mut winners = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        winners.extend(taker.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(loaded(&store, completing.id).await.sweep_at, Some(winners[0]));
}

pub(super) async fn lease_is_renewed_by_its_holder_only(store: Store) {
    let completing = in_state(&store, upload(1), State::Completing).await;
    let leased = async |held_until, until| {
        store.lease(completing.id, completing.version, lease(held_until, until)).await.unwrap()
    };
    let (soon, late) = (NOW + Duration::MINUTE, NOW + Duration::HOUR);
    assert_eq!(leased(completing.sweep_at, soon).await, Written::Done);
    assert_eq!(leased(completing.sweep_at, late).await, Written::Conflict);
    assert_eq!(leased(None, late).await, Written::Conflict);
    assert_eq!(leased(Some(soon), late).await, Written::Done);
    // Where nothing was left to look at, there is no lease before: that is matched too.
    let _ = store.looked(completing.id, completing.version, None).await.unwrap();
    assert_eq!(leased(Some(late), late).await, Written::Conflict);
    assert_eq!(leased(None, late).await, Written::Done);
}

pub(super) async fn verified_bytes_last_as_long_as_the_lease(store: Store) {
    let completing = in_state(&store, upload(1), State::Completing).await;
    let (id, version) = (completing.id, completing.version);
    let until = NOW + Duration::MINUTE;
    let verified = async || loaded(&store, id).await.verified_bytes;
    assert_eq!(verified().await, Some(0), "who completes has the lease");
    let _ = store.lease(id, version, lease(completing.sweep_at, until)).await.unwrap();
    assert_eq!(verified().await, Some(5));
    let _ = store.postpone(id, version, (until, 0)).await.unwrap();
    assert_eq!(verified().await, None);
    let _ = store.lease(id, version, lease(Some(until), until)).await.unwrap();
    let due = store.claim_for_sweep(claim(until, 1)).await.unwrap();
    assert_eq!(due[0].upload.verified_bytes, None);
    assert_eq!(verified().await, None);
}

pub(super) async fn owners_are_found_by_either_id(store: Store) {
    let s3_id = |text: &str| S3UploadId(text.to_owned());
    for (number, text) in [(1, "a"), (2, "b"), (3, "c")] {
        let new = inserted(&store, upload(number)).await;
        written(&store, new.opened(s3_id(text), NOW).unwrap()).await;
    }
    inserted(&store, upload(4)).await;
    let owners = async |ids: &[u128], multiparts: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|number| UploadId(Uuid::from_u128(*number))).collect();
        let multiparts: Vec<_> = multiparts.iter().map(|text| s3_id(text)).collect();
        let owners = store.owners(&ids, &multiparts).await.unwrap();
        let mut owners: Vec<_> = owners.iter().map(|upload| upload.id.0.as_u128()).collect();
        owners.sort_unstable();
        owners
    };
    assert_eq!(owners(&[1, 4, 9], &["b", "z"]).await, [1, 2, 4]);
    assert_eq!(owners(&[1], &["a"]).await, [1], "once, although both name it");
    assert_eq!(owners(&[], &["c"]).await, [3]);
    assert_eq!(owners(&[], &[]).await, [0; 0]);
}

pub(super) async fn forgetting_goes_on_where_it_stopped(store: Store) {
    for number in 1..=60 {
        in_state(&store, upload(number), State::Completed).await;
    }
    let later = NOW + Duration::MICROSECOND;
    assert_eq!(store.forget_finished_before(later, 55).await.unwrap(), 55);
    assert_eq!(store.forget_finished_before(later, 55).await.unwrap(), 5);
    assert_eq!(store.forget_finished_before(later, 55).await.unwrap(), 0);
}

pub(super) async fn forgetting_takes_the_parts_along(store: Store) {
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

pub(super) async fn forgetting_spares_unfinished_uploads(store: Store) {
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

pub(super) async fn job_is_done_once_for_the_fleet(store: Store) {
    let next = NOW + Duration::HOUR;
    let claimers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.claim_job("job", NOW, next).await.unwrap() })
    });
    let mut claims = 0;
    for claimer in claimers.collect::<Vec<_>>() {
        claims += usize::from(claimer.await.unwrap());
    }
    assert_eq!(claims, 1);
    assert!(!store.claim_job("job", next - Duration::MICROSECOND, next).await.unwrap());
    assert!(store.claim_job("another job", NOW, next).await.unwrap());
    assert!(store.claim_job("job", next, next + Duration::HOUR).await.unwrap());
}
