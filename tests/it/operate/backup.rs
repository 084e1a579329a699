//! An older copy of the database is put back.

use partgate::service::{RebuildCall, SweepMode};
use time::Duration;

use super::*;
use crate::harness::{checksum, multiparts, objects};

/// A gateway with an older copy of its database: an upload of each kind that was open then is completed by now, and
/// others were begun and completed since.
struct PutBack {
    gateway: Gateway,
    /// Open in the copy, completed since.
    completed: File,
    /// Not in the copy, completed.
    unknown: File,
    /// Not in the copy, open.
    begun: File,
    /// Open in the copy, and still.
    open: File,
}

async fn put_back() -> PutBack {
    let mut gateway = Gateway::start().await;
    let completed = File::send(&gateway, parts(2) + 500, &[1], json!({})).await;
    let open = File::send(&gateway, parts(2) + 600, &[1], json!({})).await;
    let copy = gateway.copy_database().await;
    completed.send_parts(&gateway, vec![json!(2), json!(3)]).await;
    gateway.complete(&completed.id).await.expect(200);
    open.send_parts(&gateway, vec![json!(2)]).await;
    let unknown = File::completed(&gateway).await;
    let begun = File::send(&gateway, parts(2) + 700, &[1], json!({})).await;
    gateway.replace_database(Some(&copy)).await;
    PutBack { gateway, completed, unknown, begun, open }
}

#[tokio::test]
async fn clients_go_on_with_an_older_copy() {
    let PutBack { gateway, completed, open, .. } = put_back().await;
    assert_eq!(completed.status(&gateway).await["state"], "open");
    gateway.complete(&completed.id).await.expect(200);
    completed.assert_downloads(&gateway).await;
    let refreshed = gateway.get(&open.path("status?refresh=true")).await.expect(200);
    assert_eq!(refreshed["missing"], json!([[3, 3]]), "no part is asked for twice");
    open.send_parts(&gateway, vec![json!(3)]).await;
    gateway.complete(&open.id).await.expect(200);
    open.assert_downloads(&gateway).await;
}

#[tokio::test]
async fn checksums_of_some_parts_are_not_taken_for_the_files() {
    let mut gateway = Gateway::start().await;
    let kind = "crc64nvme";
    let open = json!({ "checksum_algorithm": kind });
    let file = File::send(&gateway, parts(2) + 500, &[], open).await;
    let checksums: Vec<_> = file.data.chunks(part_size()).map(|chunk| checksum(kind, chunk)).collect();
    let items = [1, 2, 3].map(|number: usize| json!({ "number": number, "checksum": checksums[number - 1] }));
    file.send_parts(&gateway, items.to_vec()).await;
    // What the copy knows is two of the three parts.
    gateway.post(&file.path("parts"), json!({ "stored": items[..2] })).await.expect(200);
    let copy = gateway.copy_database().await;
    gateway.complete(&file.id).await.expect(200);
    gateway.replace_database(Some(&copy)).await;
    gateway.complete(&file.id).await.expect(200);
    file.assert_downloads(&gateway).await;
}

#[tokio::test]
async fn sweep_with_an_older_copy_takes_nothing_that_is_wanted() {
    let PutBack { gateway, completed, unknown, begun, open } = put_back().await;
    gateway.clock.advance(Duration::hours(2));
    gateway.sweep(SweepMode::Act).await;
    let keys: Vec<_> = multiparts(&gateway).await.into_iter().map(|(key, _)| key).collect();
    assert!(keys.contains(&begun.key) && keys.contains(&open.key), "{keys:?}");
    // The lifetime of what the copy has as open is over.
    gateway.clock.advance(Duration::days(7));
    gateway.sweep(SweepMode::Act).await;
    let mut kept = objects(&gateway).await;
    let mut wanted = vec![completed.key.clone(), unknown.key.clone()];
    kept.sort();
    wanted.sort();
    assert_eq!(kept, wanted);
    assert_eq!(completed.status(&gateway).await["state"], "completed");
    assert_eq!(open.status(&gateway).await["state"], "expired");
}

#[tokio::test]
async fn rebuild_brings_an_older_copy_up_to_date() {
    let PutBack { gateway, completed, unknown, begun, open } = put_back().await;
    let report = gateway.rebuild(&RebuildCall::default()).await;
    assert_eq!((report.completed, report.open), (2, 1), "{report:?}");
    for file in [&completed, &unknown] {
        assert_eq!(file.status(&gateway).await["state"], "completed");
        file.assert_downloads(&gateway).await;
    }
    for file in [&begun, &open] {
        assert_eq!(file.status(&gateway).await["state"], "open");
    }
    let again = gateway.rebuild(&RebuildCall::default()).await;
    assert_eq!((again.completed, again.open), (0, 0), "{again:?}");
}
