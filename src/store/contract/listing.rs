//! Lists and counts.

use super::*;

pub(super) async fn list_is_newest_first_in_pages(store: Store) {
    for number in [3, 1, 5, 2, 4] {
        inserted(&store, upload(number)).await;
    }
    assert_eq!(ids(&store, &filter(2)).await, [5, 4]);
    let before = |number| Some(UploadId(Uuid::from_u128(number)));
    assert_eq!(ids(&store, &ListFilter { before: before(4), ..filter(2) }).await, [3, 2]);
    assert_eq!(ids(&store, &ListFilter { before: before(2), ..filter(2) }).await, [1]);
    assert_eq!(ids(&store, &ListFilter { before: before(1), ..filter(2) }).await, [0; 0]);
}

pub(super) async fn list_filters_by_state(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        in_state(&store, upload(number), state).await;
    }
    for (number, state) in (1..).zip(State::ALL) {
        assert_eq!(ids(&store, &ListFilter { state: Some(state), ..filter(10) }).await, [number]);
    }
}

pub(super) async fn list_counts_overdue_uploads_as_expired(store: Store) {
    inserted(&store, upload(1)).await;
    let now = upload(1).expires_at;
    let in_state = |state| ListFilter { state: Some(state), now, ..filter(10) };
    assert_eq!(ids(&store, &in_state(upload(1).state)).await, [0; 0]);
    assert_eq!(ids(&store, &in_state(State::Expired)).await, [1]);
}

pub(super) async fn list_shows_one_tenant_only(store: Store) {
    inserted(&store, upload_with(1, |spec| spec.tenant = "a".to_owned())).await;
    inserted(&store, upload_with(2, |spec| spec.tenant = "b".to_owned())).await;
    assert_eq!(ids(&store, &ListFilter { tenant: Some("a".to_owned()), ..filter(10) }).await, [1]);
}

/// Uploads of two tenants: 1 is the first's own, 2 and 3 of two owners; 4 is the second's, of an owner of the same name.
async fn of_owners(store: &Store) {
    for (number, tenant, owner) in
        [(1, "a", None), (2, "a", Some("o")), (3, "a", Some("p")), (4, "b", Some("o"))]
    {
        let (tenant, owner) = (tenant.to_owned(), owner.map(str::to_owned));
        inserted(store, upload_with(number, |spec| (spec.tenant, spec.owner) = (tenant, owner))).await;
    }
}

pub(super) async fn list_shows_one_owner_only(store: Store) {
    of_owners(&store).await;
    let of = |owner: Option<&str>| {
        let (tenant, owner) = (Some("a".to_owned()), owner.map(str::to_owned));
        ListFilter { tenant, owner, ..filter(10) }
    };
    assert_eq!(ids(&store, &of(Some("o"))).await, [2]);
    assert_eq!(ids(&store, &of(None)).await, [3, 2, 1]);
    for (number, state) in (11..).zip(State::ALL) {
        let owned = upload_with(number, |spec| {
            (spec.tenant, spec.owner) = ("a".to_owned(), Some("q".to_owned()));
        });
        in_state(&store, owned, state).await;
        assert_eq!(ids(&store, &ListFilter { state: Some(state), ..of(Some("q")) }).await, [number]);
        assert_eq!(ids(&store, &ListFilter { state: Some(state), ..of(Some("r")) }).await, [0; 0]);
    }
}

pub(super) async fn list_shows_all_tenants_to_whoever_may_see_them(store: Store) {
    of_owners(&store).await;
    let all = ListFilter { tenant: None, ..filter(2) };
    assert_eq!(ids(&store, &all).await, [4, 3]);
    let before = Some(UploadId(Uuid::from_u128(3)));
    assert_eq!(ids(&store, &ListFilter { before, ..all.clone() }).await, [2, 1]);
    let open = ListFilter { state: Some(State::Creating), ..all.clone() };
    assert_eq!(ids(&store, &open).await, [4, 3]);
    assert_eq!(ids(&store, &ListFilter { state: Some(State::Completed), ..all.clone() }).await, [0; 0]);
    assert_eq!(ids(&store, &ListFilter { owner: Some("o".to_owned()), ..all }).await, [4, 2]);
}

pub(super) async fn states_are_counted(store: Store) {
    for (number, state) in (1..).zip([State::Open, State::Open, State::Failed]) {
        in_state(&store, upload(number), state).await;
    }
    let counts: BTreeMap<_, _> = store.count_by_state().await.unwrap().into_iter().collect();
    assert_eq!(counts, BTreeMap::from([("failed".to_owned(), 1), ("open".to_owned(), 2)]));
}
