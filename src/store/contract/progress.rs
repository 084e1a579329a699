//! What is kept beside an upload is always what its parts say.

use super::*;

/// How far the upload is, after it was held against its parts.
pub(super) async fn progress(store: &Store, id: UploadId) -> ReceivedParts {
    let (_, received) = store.load_with_progress(id).await.unwrap().unwrap();
    let parts = known_parts(store, id).await;
    let parts: Vec<_> = parts.iter().filter(|part| part.is_received()).collect();
    let expected = ReceivedParts {
        numbers: parts.iter().map(|part| part.number).collect(),
        total_bytes: parts.iter().map(|part| part.size_bytes).sum(),
    };
    assert_eq!(received, expected);
    assert_eq!(store.received(id).await.unwrap(), expected);
    received
}

pub(super) fn mismatched(number: u32) -> PartRecord {
    PartRecord { evidence: PartEvidence::Mismatched, ..part(number) }
}

pub(super) fn sized(number: u32, size_bytes: u64) -> PartRecord {
    PartRecord { size_bytes, ..listed(number, "\"s\"") }
}

pub(super) async fn upload_without_parts_has_received_nothing(store: Store) {
    let new = inserted(&store, upload(1)).await;
    let loaded = store.load_with_progress(new.id).await.unwrap();
    assert_eq!(loaded, Some((new, ReceivedParts::default())));
    assert_eq!(store.load_with_progress(upload(2).id).await.unwrap(), None);
    assert_eq!(store.received(upload(2).id).await.unwrap(), ReceivedParts::default());
}

pub(super) async fn report_of_no_upload_is_nowhere(store: Store) {
    let id = upload(1).id;
    assert_eq!(store.record_parts(id, &[part(1)], NOW).await.unwrap(), None);
    store.replace_parts(id, &[part(1)], NOW, NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, []);
}

pub(super) async fn report_of_no_part_changes_nothing(store: Store) {
    let new = inserted(&store, upload(1)).await;
    assert_eq!(store.record_parts(new.id, &[], NOW + Duration::SECOND).await.unwrap(), None);
    assert_eq!(loaded(&store, new.id).await, new);
}

pub(super) async fn report_answers_how_far_the_upload_is(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    for (step, parts) in [&[part(3), part(1)][..], &[sized(2, 7)], &[mismatched(1)]].into_iter().enumerate() {
        let now = NOW + Duration::seconds(step as i64);
        let recorded = store.record_parts(id, parts, now).await.unwrap().unwrap();
        assert_eq!(recorded, Recorded { received: progress(&store, id).await, reported_at: now });
    }
}

pub(super) async fn reported_upload_has_changed(store: Store) {
    let new = inserted(&store, upload(1)).await;
    let later = NOW + Duration::HOUR;
    store.record_parts(new.id, &[part(1)], later).await.unwrap();
    // By a clock that is behind.
    let recorded = store.record_parts(new.id, &[part(2)], NOW).await.unwrap().unwrap();
    assert_eq!(recorded.reported_at, later);
    let changed = Upload { updated_at: later, ..new.clone() };
    assert_eq!(loaded(&store, new.id).await, changed);
    assert_eq!(store.load_with_progress(new.id).await.unwrap().unwrap().0, changed);
    assert_eq!(store.list(&filter(1)).await.unwrap(), [changed]);
}

pub(super) async fn every_size_and_evidence_is_counted(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let steps: [&[PartRecord]; 8] = [
        &[part(1), part(10_000)],
        &[sized(2, 5), sized(1, 0)],
        &[part(2)],
        &[sized(9, 1), mismatched(10_000)],
        // Of a part that is given twice, the last word counts.
        &[sized(7, 3), mismatched(7), mismatched(8), sized(8, 4)],
        &[mismatched(9), mismatched(8)],
        &[PartRecord { size_bytes: 3, ..mismatched(1) }],
        &[sized(9, 20 * MIB), part(8)],
    ];
    for parts in steps {
        store.record_parts(id, parts, NOW).await.unwrap();
        progress(&store, id).await;
    }
    assert_eq!(progress(&store, id).await.total_bytes, 40 * MIB);
}

pub(super) async fn listing_is_counted_with_what_it_spares(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let asked_at = NOW + Duration::SECOND;
    store.record_parts(id, &[part(1), sized(2, 5), part(9_999)], NOW).await.unwrap();
    store.record_parts(id, &[sized(3, 6), mismatched(4)], asked_at).await.unwrap();
    store.replace_parts(id, &[sized(2, 7), part(3), part(4)], asked_at, asked_at).await.unwrap();
    let received = progress(&store, id).await;
    assert_eq!((received.numbers.missing(4), received.total_bytes), (vec![[1, 1], [4, 4]], 13));
    store.replace_parts(id, &[], asked_at + Duration::SECOND, asked_at).await.unwrap();
    assert_eq!(progress(&store, id).await, ReceivedParts::default());
}

/// What a stream turns out to be changes what its last part should be, but not what was received.
pub(super) async fn size_of_a_stream_changes_no_received_byte(store: Store) {
    let (spec, plan) = spec(None);
    let stream = Upload::new(UploadId(Uuid::from_u128(1)), spec, plan, None, (NOW, LIFETIME));
    let open = written(&store, opened(&inserted(&store, stream).await)).await;
    store.record_parts(open.id, &[part(1), part(2)], NOW).await.unwrap();
    let declared = Upload { plan: open.plan.with_size(15 * MIB), ..open.completing(NOW).unwrap() };
    written(&store, declared).await;
    assert_eq!(progress(&store, open.id).await.total_bytes, 20 * MIB);
}

pub(super) async fn many_uploads_are_reported_at_once(store: Store) {
    let calls = (1..=100).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let id = inserted(&store, upload(number)).await.id;
            let recorded = store.record_parts(id, &[part(number as u32)], NOW).await.unwrap().unwrap();
            assert_eq!(recorded.received.numbers.highest(), PartNumber::new(number as u32));
            assert_eq!(progress(&store, id).await, recorded.received);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}
