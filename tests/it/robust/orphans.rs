//! Multipart uploads in the bucket that no upload wants.

use partgate::service::{OrphanAction, SweepMode, SweepReport};
use time::Duration;

use super::*;
use crate::harness::{Options, TestStore};

const LISTING: &str = "ListMultipartUploads";

/// A multipart upload that the gateway did not open.
async fn multipart_at(gateway: &Gateway, key: &str) -> String {
    let created =
        s3(gateway).create_multipart_upload().bucket(&gateway.bucket).key(key).send().await.unwrap();
    created.upload_id.unwrap()
}

async fn ids(gateway: &Gateway) -> Vec<String> {
    let mut ids: Vec<_> = multiparts(gateway).await.into_iter().map(|(_, id)| id).collect();
    ids.sort();
    ids
}

/// S3 upload ids with what became of them.
fn told(orphans: &[OrphanAction]) -> Vec<(&str, Result<bool, String>)> {
    orphans.iter().map(|orphan| (&*orphan.s3_upload_id.0, orphan.outcome.clone())).collect()
}

/// What the sweep says after so long; the listing is due each time.
async fn orphans_after(gateway: &Gateway, wait: Duration) -> Vec<OrphanAction> {
    gateway.clock.advance(wait);
    gateway.sweep(SweepMode::Act).await.orphans
}

#[tokio::test]
async fn multipart_upload_of_a_completed_upload_is_aborted_once_it_is_old() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.complete(&sent.id).await.expect(200);
    let orphan = multipart_at(&gateway, &sent.key).await;
    assert_eq!(orphans_after(&gateway, Duration::minutes(30)).await, [], "it may belong to a call under way");
    let orphans = orphans_after(&gateway, Duration::HOUR).await;
    assert_eq!(told(&orphans), [(&*orphan, Ok(true))]);
    assert_eq!(orphans[0].upload_id.map(|id| id.to_string()), Some(sent.id.clone()));
    assert_eq!(ids(&gateway).await, [""; 0]);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn twin_of_an_open_upload_is_aborted_and_its_own_stays() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    let own = ids(&gateway).await;
    let twin = multipart_at(&gateway, &sent.key).await;
    assert_eq!(told(&orphans_after(&gateway, Duration::hours(2)).await), [(&*twin, Ok(true))]);
    assert_eq!(ids(&gateway).await, own);
    gateway.complete(&sent.id).await.expect(200);
}

#[tokio::test]
async fn strangers_multipart_uploads_are_told_and_left() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    let mut strangers = Vec::new();
    // One is at a key like ours, of an upload of another gateway's.
    for key in ["backup.tar", "01890a5d-ac96-774b-bcce-b302099a8057/file.bin", "x/y/z"] {
        strangers.push(multipart_at(&gateway, key).await);
    }
    let orphans = orphans_after(&gateway, Duration::days(300)).await;
    assert_eq!(orphans.len(), 3);
    assert!(orphans.iter().all(|orphan| orphan.outcome == Ok(false)), "{orphans:?}");
    strangers.sort();
    assert_eq!(ids(&gateway).await, strangers, "only the overdue upload's own is gone");
    assert_eq!(sent.state(&gateway).await, "expired");
}

#[tokio::test]
async fn whoever_owns_the_prefix_may_have_all_of_it_swept() {
    let options = Options::default().with("storage.prefix", "in/").with("sweep.orphans", "all");
    let gateway = Gateway::start_with(options).await;
    let (inside, outside) =
        (multipart_at(&gateway, "in/lost").await, multipart_at(&gateway, "out/lost").await);
    if TestStore::chosen() == TestStore::MinIo {
        // It lists nothing below a prefix: such orphans are left to its own janitor.
        assert_eq!(orphans_after(&gateway, Duration::days(9)).await, []);
        return;
    }
    // Not before any upload of such an age would be over.
    assert_eq!(told(&orphans_after(&gateway, Duration::days(7)).await), [(&*inside, Ok(false))]);
    assert_eq!(told(&orphans_after(&gateway, Duration::days(2)).await), [(&*inside, Ok(true))]);
    assert_eq!(ids(&gateway).await, [outside]);
}

#[tokio::test]
async fn dry_run_tells_orphans_and_leaves_them() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.complete(&sent.id).await.expect(200);
    let orphan = multipart_at(&gateway, &sent.key).await;
    gateway.clock.advance(Duration::hours(2));
    let report = gateway.sweep(SweepMode::DryRun).await;
    assert_eq!(told(&report.orphans), [(&*orphan, Ok(true))]);
    assert_eq!(ids(&gateway).await, [orphan]);
}

#[tokio::test]
async fn fleet_lists_the_bucket_once_an_interval() {
    let (gateway, proxy) = behind_faults().await;
    let listings = || proxy.count(LISTING);
    for _ in 0..3 {
        gateway.sweep(SweepMode::Act).await;
    }
    assert_eq!(listings(), 1);
    gateway.clock.advance(Duration::minutes(10));
    gateway.sweep(SweepMode::Act).await;
    assert_eq!(listings(), 2);
}

#[tokio::test]
async fn bucket_that_cannot_be_listed_does_not_stop_the_sweep() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.clock.advance(Duration::days(30));
    // An identity without s3:ListBucketMultipartUploads.
    proxy.fail(LISTING, crate::harness::Fault::Refuse(403, "AccessDenied"), crate::harness::EVERY_TIME);
    let SweepReport { actions, orphans, .. } = gateway.sweep(SweepMode::Act).await;
    assert_eq!((actions.len(), orphans.len()), (1, 0));
    assert_eq!(sent.state(&gateway).await, "expired");
}

#[tokio::test]
async fn create_that_lands_long_after_its_abort_is_found_at_the_uploads_own_key() {
    let gateway = Gateway::start_with(Options::default().with("sweep.orphans", "leave")).await;
    let sent = Sent::three_parts(&gateway).await;
    assert_eq!(sent.abort(&gateway).await.status, 204);
    // Storage carries out a CreateMultipartUpload only now, of which the gateway never heard.
    multipart_at(&gateway, &sent.key).await;
    gateway.clock.advance(Duration::HOUR);
    let report = gateway.sweep(SweepMode::Act).await;
    assert_eq!(report.actions.iter().map(|action| action.action).collect::<Vec<_>>(), ["look"]);
    assert_eq!(ids(&gateway).await, [""; 0]);
    gateway.clock.advance(Duration::days(1));
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default(), "nothing is left to look at");
}
