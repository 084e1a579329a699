//! What is known of an upload's parts.

use super::*;

pub(super) async fn recorded_parts_replace_earlier_ones(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    store.record_parts(id, &[part(2), part(1)], NOW).await.unwrap();
    let checksum = Checksum::from_base64(ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAE=").unwrap();
    let sent_again = PartRecord { checksum: Some(checksum), size_bytes: 5, ..listed(2, "\"b\"") };
    store.record_parts(id, std::slice::from_ref(&sent_again), NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, [part(1), sent_again]);
}

pub(super) async fn replaced_parts_are_the_whole_truth(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    store.record_parts(id, &[part(1), part(2)], NOW).await.unwrap();
    let asked_at = NOW + Duration::SECOND;
    let truth = [listed(2, "\"b\""), listed(3, "\"c\"")];
    store.replace_parts(id, &truth, asked_at, asked_at + Duration::SECOND).await.unwrap();
    assert_eq!(known_parts(&store, id).await, truth);
}

pub(super) async fn replaced_parts_spare_what_was_recorded_since(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let asked_at = NOW + Duration::SECOND;
    store.record_parts(id, &[part(1)], NOW).await.unwrap();
    store.record_parts(id, &[part(2), part(3)], asked_at).await.unwrap();
    // Storage was asked before parts 2 and 3 were reported: its older word on 2 does not count, nor its silence on 3.
    let answer = [listed(2, "\"old\"")];
    store.replace_parts(id, &answer, asked_at, asked_at + Duration::SECOND).await.unwrap();
    assert_eq!(known_parts(&store, id).await, [part(2), part(3)]);
}

pub(super) async fn reported_part_replaces_a_listed_one_of_the_same_moment(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    store.replace_parts(id, &[listed(1, "\"a\"")], NOW, NOW).await.unwrap();
    store.record_parts(id, &[part(1)], NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, [part(1)]);
}

pub(super) async fn ten_thousand_parts_come_back_in_order(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let all: Vec<_> = (1..=10_000).map(|number| listed(number, &format!("\"{number}\""))).collect();
    let shuffled: Vec<_> = all.iter().rev().cloned().collect();
    store.record_parts(id, &shuffled, NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, all);
    let asked_at = NOW + Duration::SECOND;
    store.replace_parts(id, &all[5_000..], asked_at, asked_at).await.unwrap();
    assert_eq!(known_parts(&store, id).await, all[5_000..]);
}

pub(super) async fn received_counts_all_but_mismatched(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let wrong = PartRecord { evidence: PartEvidence::Mismatched, ..part(2) };
    let short = PartRecord { size_bytes: 5, ..listed(3, "\"c\"") };
    store.record_parts(id, &[part(1), wrong, short], NOW).await.unwrap();
    let received = store.received(id).await.unwrap();
    assert_eq!(received.total_bytes, 10 * MIB + 5);
    assert_eq!(received.numbers.missing(3), [[2, 2]]);
}

pub(super) async fn parts_of_two_uploads_do_not_mix(store: Store) {
    let first = inserted(&store, upload(1)).await.id;
    let second = inserted(&store, upload(2)).await.id;
    store.record_parts(first, &[part(1)], NOW).await.unwrap();
    store.record_parts(second, &[part(2)], NOW).await.unwrap();
    let later = NOW + Duration::SECOND;
    store.replace_parts(first, &[], later, later).await.unwrap();
    assert_eq!((numbers(&store, first).await, numbers(&store, second).await), (vec![], vec![2]));
}

pub(super) async fn part_that_is_reported_twice_counts_as_last_reported(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    store.record_parts(id, &[listed(1, "\"a\""), part(2), listed(1, "\"b\"")], NOW).await.unwrap();
    assert_eq!(known_parts(&store, id).await, [listed(1, "\"b\""), part(2)]);
}

pub(super) async fn reports_and_listings_at_once_lock_nobody_out(store: Store) {
    let id = inserted(&store, upload(1)).await.id;
    let writers = (0..8).map(|writer| {
        let store = store.clone();
        // Each in another order.
        let mut parts: Vec<_> = (1..=50).map(|number| listed(number, &format!("\"{writer}\""))).collect();
        parts.rotate_left(writer * 6);
        tokio::spawn(async move {
            for _ in 0..5 {
                store.record_parts(id, &parts, NOW).await.unwrap();
                store.replace_parts(id, &parts[..40], NOW + Duration::SECOND, NOW).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let etags: Vec<_> = known_parts(&store, id).await.into_iter().map(|part| part.etag).collect();
    assert!(etags.len() >= 40, "{etags:?}");
}
