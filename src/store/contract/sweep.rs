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
