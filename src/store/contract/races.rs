//! Many gateways at one quota, or one upload, at once.

use std::sync::Arc;

use super::databases::open;
use super::progress::{mismatched, progress, sized};
use super::quota::{SIZE, counted, counter, max_bytes_in_flight, max_open_uploads, used};
use super::*;

const GATEWAYS: usize = 3;
const CALLS: u128 = 50;

async fn fleet(url: &str) -> Vec<Store> {
    let mut gateways = Vec::new();
    for _ in 0..GATEWAYS {
        gateways.push(open(url, Migrations::Run).await.unwrap());
    }
    gateways
}

/// Every gateway inserts its share of these uploads, all at once.
async fn insert_at_once(
    gateways: &[Store],
    uploads: impl IntoIterator<Item = Upload>,
    quota: impl Fn(&Upload) -> Quota,
) -> Vec<(Upload, InsertOutcome)> {
    let calls = gateways.iter().cycle().zip(uploads).map(|(store, upload)| {
        let (store, quota) = (store.clone(), quota(&upload));
        tokio::spawn(async move {
            let outcome = store.insert(&upload, &quota).await.unwrap();
            (upload, outcome)
        })
    });
    let mut outcomes = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        outcomes.push(call.await.unwrap());
    }
    outcomes
}

/// How many got in; each of the others met this limit.
fn admitted(outcomes: &[(Upload, InsertOutcome)], limit: Limit, (max, used): (u64, u64)) -> usize {
    let is_in = |(_, outcome): &&(Upload, InsertOutcome)| *outcome == InsertOutcome::Inserted;
    let refused = InsertOutcome::OverQuota(OverQuota { limit, max, used });
    let is_refused = |(_, outcome): &&(Upload, InsertOutcome)| *outcome == refused;
    let count = outcomes.iter().filter(is_in).count();
    assert_eq!(outcomes.iter().filter(is_refused).count(), outcomes.len() - count, "{outcomes:?}");
    count
}

pub(super) async fn no_open_upload_too_many_gets_in(url: String) {
    let gateways = fleet(&url).await;
    let outcomes = insert_at_once(&gateways, (1..=CALLS).map(upload), |_| max_open_uploads(7)).await;
    assert_eq!(admitted(&outcomes, Limit::OpenUploads, (7, 7)), 7);
    assert_eq!(used(&gateways[0], "default", &[]).await[0], 7);
}

pub(super) async fn no_byte_too_many_gets_in(url: String) {
    let gateways = fleet(&url).await;
    let max = 8 * SIZE - 1;
    let outcomes = insert_at_once(&gateways, (1..=CALLS).map(upload), |_| max_bytes_in_flight(max)).await;
    assert_eq!(admitted(&outcomes, Limit::BytesInFlight, (max, 7 * SIZE)), 7);
    assert_eq!(used(&gateways[0], "default", &[]).await[1], 7 * SIZE);
}

pub(super) async fn nobody_gets_past_a_counter(url: String) {
    let gateways = fleet(&url).await;
    let quota = |_: &Upload| counted([counter("c", Some(7), Some(u64::MAX))]);
    let outcomes = insert_at_once(&gateways, (1..=CALLS).map(upload), quota).await;
    assert_eq!(admitted(&outcomes, Limit::CounterUploads(0), (7, 7)), 7);
    assert_eq!(used(&gateways[0], "default", &["c"]).await, [7, 7 * SIZE, 7, 7 * SIZE]);
}

fn of_tenant(number: u128) -> Upload {
    upload_with(number, |spec| spec.tenant = format!("tenant-{}", number % 2))
}

pub(super) async fn two_tenants_fill_their_quotas_at_once(url: String) {
    let gateways = fleet(&url).await;
    let quota = |_: &Upload| Quota { max_open_uploads: Some(7), ..max_bytes_in_flight(100 * SIZE) };
    let outcomes = insert_at_once(&gateways, (1..=2 * CALLS).map(of_tenant), quota).await;
    assert_eq!(admitted(&outcomes, Limit::OpenUploads, (7, 7)), 14);
    for tenant in ["tenant-0", "tenant-1"] {
        assert_eq!(used(&gateways[0], tenant, &[]).await, [7, 7 * SIZE]);
    }
}

pub(super) async fn counters_of_two_tenants_lock_nobody_out(url: String) {
    let gateways = fleet(&url).await;
    // Named in opposite orders, by tenants that do not wait for each other.
    let quota = |upload: &Upload| {
        let mut counters = vec![counter("a", Some(80), None), counter("b", None, None)];
        if upload.spec.tenant == "tenant-1" {
            counters.reverse();
        }
        counted(counters)
    };
    let outcomes = insert_at_once(&gateways, (1..=2 * CALLS).map(of_tenant), quota).await;
    let admitted = outcomes.iter().filter(|(_, outcome)| *outcome == InsertOutcome::Inserted).count();
    assert_eq!(admitted, 80);
    assert_eq!(used(&gateways[0], "tenant-0", &["a", "b"]).await[2..], [80, 80 * SIZE, 80, 80 * SIZE]);
}

pub(super) async fn reservations_at_once_are_charged_once(url: String) {
    let gateways = fleet(&url).await;
    let (spec, plan) = spec(None);
    let stream = Upload::new(UploadId(Uuid::from_u128(1)), spec, plan, None, (NOW, LIFETIME));
    inserted(&gateways[0], stream.clone()).await;
    // Exactly what the largest of them needs: if any were charged twice, one would be refused.
    let quota = Quota { counters: vec![counter("c", None, Some(1_000))], ..max_bytes_in_flight(1_000) };
    let quota = Arc::new(quota);
    let calls = gateways.iter().cycle().zip(1..=50).map(|(store, step)| {
        let (store, id, quota) = (store.clone(), stream.id, Arc::clone(&quota));
        // Some without a quota among them, which wait for nobody.
        let quota = if step % 5 == 0 { Arc::default() } else { quota };
        tokio::spawn(async move { store.reserve(id, step * 20, &quota).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Reserved::Done);
    }
    let used = used(&gateways[0], "default", &["c"]).await;
    assert_eq!(used[1], 1_000);
    assert!(used[3] <= 1_000, "{used:?}");
}

pub(super) async fn duplicates_at_once_are_charged_once(url: String) {
    let gateways = fleet(&url).await;
    let keyed = |number| upload_with(number, |spec| spec.idempotency_key = name("k"));
    let quota =
        |_: &Upload| Quota { counters: vec![counter("c", Some(1), Some(SIZE))], ..max_open_uploads(1) };
    let outcomes = insert_at_once(&gateways, (1..=CALLS).map(keyed), quota).await;
    let count = |expected| outcomes.iter().filter(|(_, outcome)| *outcome == expected).count();
    assert_eq!((count(InsertOutcome::Inserted), count(InsertOutcome::Duplicate)), (1, outcomes.len() - 1));
    assert_eq!(used(&gateways[0], "default", &["c"]).await, [1, SIZE, 1, SIZE]);
}

pub(super) async fn calls_that_are_given_up_take_all_or_nothing(url: String) {
    let gateways = fleet(&url).await;
    let quota = Quota { counters: vec![counter("c", Some(99), None)], ..max_open_uploads(99) };
    let calls = gateways.iter().cycle().zip((1..=CALLS).map(upload)).map(|(store, upload)| {
        let (store, quota) = (store.clone(), quota.clone());
        tokio::spawn(async move { store.insert(&upload, &quota).await })
    });
    let calls: Vec<_> = calls.collect();
    // While the first few come through, others are at every step.
    for (number, call) in calls.into_iter().enumerate() {
        if number % 5 == 0 {
            assert_eq!(call.await.unwrap().unwrap(), InsertOutcome::Inserted);
        } else {
            call.abort();
        }
    }
    let used = used(&gateways[0], "default", &["c"]).await;
    let written = gateways[0].list(&filter(100)).await.unwrap().len() as u64;
    assert_eq!(used, [written, written * SIZE, written, written * SIZE]);
}

/// Reports, listings and other gateways' reports of the same parts, all at once.
pub(super) async fn progress_is_right_whoever_writes_at_once(url: String) {
    let gateways = fleet(&url).await;
    for round in 1..=4 {
        let id = inserted(&gateways[0], upload(round)).await.id;
        let writers = (0..9_u32).map(|writer| {
            let store = gateways[writer as usize % GATEWAYS].clone();
            tokio::spawn(async move {
                for step in 0..8 {
                    let number = |offset: u32| (writer * 7 + step * 5 + offset) % 30 + 1;
                    let now = NOW + Duration::seconds(i64::from(step));
                    let parts = [part(number(0)), sized(number(3), step.into()), mismatched(number(11))];
                    match (writer + step) % 4 {
                        0 => store.replace_parts(id, &parts, now, now).await.unwrap(),
                        _ => assert!(store.record_parts(id, &parts, now).await.unwrap().is_some()),
                    }
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        progress(&gateways[1], id).await;
    }
}
