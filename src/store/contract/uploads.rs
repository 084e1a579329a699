//! What is written of an upload, and who may write it.

use super::*;

pub(super) async fn new_upload_comes_back_as_it_was_written(store: Store) {
    let (mut spec, plan) = spec(Some(25 * MIB));
    spec.owner = Some("käthe|1".to_owned());
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

pub(super) async fn every_later_field_comes_back_as_it_was_written(store: Store) {
    let mut completing = in_state(&store, upload(1), State::Completing).await;
    completing.checksum = Some(Checksum::from_base64(ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAE=").unwrap());
    completing.sha256 = Some(Sha256Digest::new([7; 32]));
    let later = NOW + Duration::microseconds(17);
    let completed = written(&store, completing.completed(outcome(), later).unwrap()).await;
    assert_eq!(loaded(&store, completed.id).await, completed);
}

pub(super) async fn failure_comes_back_as_it_was_written(store: Store) {
    let failed = in_state(&store, upload(1), State::Failed).await;
    assert_eq!(loaded(&store, failed.id).await, failed);
}

pub(super) async fn stream_without_size_comes_back_without_size(store: Store) {
    let (spec, plan) = spec(None);
    let stream = Upload::new(UploadId(Uuid::from_u128(1)), spec, plan, None, (NOW, LIFETIME));
    let stream = inserted(&store, stream).await;
    assert_eq!(loaded(&store, stream.id).await.plan.size_bytes(), None);
}

pub(super) async fn unknown_id_is_none(store: Store) {
    assert_eq!(store.load(UploadId(Uuid::from_u128(1))).await.unwrap(), None);
}

pub(super) async fn second_writer_of_a_version_is_told(store: Store) {
    let new = inserted(&store, upload(1)).await;
    let first = written(&store, opened(&new)).await;
    let second = new.aborting(AbortReason::Requested, NOW).unwrap();
    assert_eq!(store.update(&second).await.unwrap(), Written::Conflict);
    assert_eq!(loaded(&store, new.id).await, first);
}

pub(super) async fn concurrent_updates_never_lose_one(store: Store) {
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

pub(super) async fn same_id_twice_is_a_duplicate(store: Store) {
    let new = inserted(&store, upload(1)).await;
    assert_eq!(store.insert(&new, &Quota::default()).await.unwrap(), InsertOutcome::Duplicate);
}

pub(super) async fn idempotency_key_is_unique_per_tenant(store: Store) {
    let keyed = |number, tenant: &str| {
        let tenant = tenant.to_owned();
        upload_with(number, |spec| (spec.tenant, spec.idempotency_key) = (tenant, name("k")))
    };
    // Whatever became of it: a retried init must not open a second upload.
    let first = in_state(&store, keyed(1, "a"), State::Aborted).await;
    assert_eq!(store.insert(&keyed(2, "a"), &Quota::default()).await.unwrap(), InsertOutcome::Duplicate);
    let other = inserted(&store, keyed(3, "b")).await;
    let key = name("k").unwrap();
    assert_eq!(store.find_by_idempotency_key("a", None, &key).await.unwrap().unwrap().id, first.id);
    assert_eq!(store.find_by_idempotency_key("b", None, &key).await.unwrap().unwrap().id, other.id);
    assert_eq!(store.find_by_idempotency_key("c", None, &key).await.unwrap(), None);
}

pub(super) async fn owners_of_a_tenant_do_not_meet(store: Store) {
    let (key, print) = (name("k").unwrap(), name("f").unwrap());
    for (number, owner) in [(1, None), (2, Some("a")), (3, Some("b"))] {
        let of_owner = |number| {
            upload_with(number, |spec| {
                spec.owner = owner.map(str::to_owned);
                (spec.idempotency_key, spec.fingerprint) = (Some(key.clone()), Some(print.clone()));
            })
        };
        let new = inserted(&store, of_owner(number)).await;
        let again = store.insert(&of_owner(number + 10), &Quota::default()).await.unwrap();
        assert_eq!(again, InsertOutcome::Duplicate);
        let found = store.find_by_idempotency_key("default", owner, &key).await.unwrap();
        assert_eq!(found.as_ref(), Some(&new));
        let found = store.find_by_fingerprint("default", owner, &print, Some(25 * MIB)).await.unwrap();
        assert_eq!(found, Some(new));
    }
    assert_eq!(store.find_by_idempotency_key("default", Some("c"), &key).await.unwrap(), None);
    assert_eq!(store.find_by_fingerprint("default", Some("c"), &print, Some(25 * MIB)).await.unwrap(), None);
}

fn printed(number: u128) -> Upload {
    upload_with(number, |spec| spec.fingerprint = name("f"))
}

pub(super) async fn fingerprint_is_unique_while_open(store: Store) {
    let open = in_state(&store, printed(1), State::Open).await;
    assert_eq!(store.insert(&printed(2), &Quota::default()).await.unwrap(), InsertOutcome::Duplicate);
    written(&store, open.completing(NOW).unwrap()).await;
    inserted(&store, printed(2)).await;
}

pub(super) async fn fingerprint_of_another_size_is_another_upload(store: Store) {
    inserted(&store, printed(1)).await;
    let mut other = printed(2);
    other.plan = Plan::new(Some(26 * MIB), 10 * MIB, &Limits::AWS).unwrap();
    let other = inserted(&store, other).await;
    let mut stream = printed(3);
    stream.plan = Plan::new(None, 10 * MIB, &Limits::AWS).unwrap();
    let stream = inserted(&store, stream).await;
    let found = async |size| {
        store
            .find_by_fingerprint("default", None, &name("f").unwrap(), size)
            .await
            .unwrap()
            .map(|upload| upload.id)
    };
    assert_eq!(found(Some(26 * MIB)).await, Some(other.id));
    assert_eq!(found(None).await, Some(stream.id));
    assert_eq!(found(Some(1)).await, None);
}

pub(super) async fn fingerprint_is_found_only_while_open(store: Store) {
    let found = async || {
        store
            .find_by_fingerprint("default", None, &name("f").unwrap(), Some(25 * MIB))
            .await
            .unwrap()
            .is_some()
    };
    let new = inserted(&store, printed(1)).await;
    assert!(found().await, "creating");
    let open = written(&store, opened(&new)).await;
    assert!(found().await, "open");
    written(&store, open.aborting(AbortReason::Requested, NOW).unwrap()).await;
    assert!(!found().await, "aborting");
}

pub(super) async fn urls_are_only_ever_extended(store: Store) {
    let open = in_state(&store, upload(1), State::Open).await;
    let (soon, late) = (NOW + Duration::MINUTE, NOW + Duration::HOUR);
    for (until, expected) in [(soon, soon), (late, late), (soon, late)] {
        assert_eq!(store.extend_urls(open.id, until).await.unwrap(), Written::Done);
        assert_eq!(loaded(&store, open.id).await, open.clone().with_urls_until(expected));
    }
}

pub(super) async fn upload_that_is_taken_back_gets_no_more_urls(store: Store) {
    for (number, state) in (1..).zip(State::ALL) {
        let upload = in_state(&store, upload(number), state).await;
        let takes_parts = matches!(state, State::Creating | State::Open);
        let expected = if takes_parts { Written::Done } else { Written::Conflict };
        assert_eq!(store.extend_urls(upload.id, NOW).await.unwrap(), expected, "{state:?}");
        assert_eq!(loaded(&store, upload.id).await.urls_expire_at, takes_parts.then_some(NOW));
    }
}

pub(super) async fn committed_writes_are_seen_by_every_reader(store: Store) {
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

pub(super) async fn long_upload_id_of_storage_is_kept(store: Store) {
    let new = inserted(&store, upload(1)).await;
    // Nothing that would get shorter by compression.
    let long: String = (0..200).map(|number| Uuid::from_u128(u128::MAX / (number + 1)).to_string()).collect();
    let open = written(&store, new.opened(S3UploadId(long.clone()), NOW).unwrap()).await;
    assert_eq!(loaded(&store, open.id).await, open);
    assert_eq!(store.owners(&[], &[S3UploadId(long)]).await.unwrap(), [open]);
}

pub(super) async fn restored_upload_comes_back_as_it_was_found(store: Store) {
    let completed = in_state(&store, upload(1), State::Completed).await;
    let found = [completed, opened(&upload(2))].map(|upload| Upload {
        id: UploadId(Uuid::from_u128(upload.id.0.as_u128() + 10)),
        version: 2,
        ..upload
    });
    for found in found {
        assert_eq!(store.restore(&found, 7).await.unwrap(), InsertOutcome::Inserted);
        assert_eq!(loaded(&store, found.id).await, found);
    }
}

pub(super) async fn restoring_leaves_alone_what_is_there(store: Store) {
    let open = in_state(&store, upload(1), State::Open).await;
    let found = open.completing(NOW).unwrap().completed(outcome(), NOW).unwrap();
    assert_eq!(store.restore(&found, 0).await.unwrap(), InsertOutcome::Duplicate);
    assert_eq!(loaded(&store, open.id).await, open);
    assert_eq!(store.restore(&open, 0).await.unwrap(), InsertOutcome::Duplicate);
}
