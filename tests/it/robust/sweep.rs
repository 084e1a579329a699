//! The sweep: what nobody wants any more is taken back, what was left half done is finished.

use partgate::service::{SweepMode, SweepReport};
use partgate::upload::State;
use time::Duration;

use super::*;
use crate::harness::{EVERY_TIME, Fault};

const LIFETIME: Duration = Duration::days(7);
const URL_TTL: Duration = Duration::minutes(15);
/// How long the sweep leaves alone what it has failed with once.
const FIRST_WAIT: Duration = Duration::MINUTE;

fn outcomes(report: &SweepReport) -> Vec<(&'static str, State)> {
    report.actions.iter().map(|action| (action.action, action.outcome.clone().unwrap())).collect()
}

#[tokio::test]
async fn expired_upload_is_taken_back_from_storage() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.clock.advance(LIFETIME);
    let report = gateway.sweep(SweepMode::Act).await;
    assert_eq!(outcomes(&report), [("expire", State::Expired)]);
    assert_eq!(sent.state(&gateway).await, "expired");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn expired_small_file_is_deleted() {
    let gateway = Gateway::start().await;
    let sent = Sent::one_put(&gateway).await;
    sent.send(&gateway, [1]).await;
    gateway.clock.advance(LIFETIME);
    gateway.sweep(SweepMode::Act).await;
    assert_eq!(sent.state(&gateway).await, "expired");
    assert_eq!(objects(&gateway).await, [""; 0]);
}

#[tokio::test]
async fn upload_within_its_lifetime_is_left_alone() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.clock.advance(LIFETIME - Duration::MINUTE);
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default());
    gateway.complete(&sent.id).await.expect(200);
}

#[tokio::test]
async fn small_file_put_after_its_abort_is_deleted_once_no_url_works_any_more() {
    let gateway = Gateway::start().await;
    let sent = Sent::one_put(&gateway).await;
    assert_eq!(sent.abort(&gateway).await.status, 204);
    sent.send(&gateway, [1]).await;
    gateway.clock.advance(URL_TTL - Duration::SECOND);
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default(), "the URL still works");
    gateway.clock.advance(Duration::SECOND);
    assert_eq!(outcomes(&gateway.sweep(SweepMode::Act).await), [("abort", State::Aborting)]);
    assert_eq!(objects(&gateway).await, [""; 0]);
    // A PUT that began before the URL's end lands after it: the sweep looks once more.
    sent.send(&gateway, [1]).await;
    gateway.clock.advance(Duration::HOUR);
    assert_eq!(outcomes(&gateway.sweep(SweepMode::Act).await), [("abort", State::Aborted)]);
    assert_eq!(objects(&gateway).await, [""; 0]);
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default());
}

#[tokio::test]
async fn small_file_put_again_after_its_proof_failed_is_deleted() {
    let gateway = Gateway::start().await;
    let sent = Sent::open(&gateway, bytes(4, 500), json!({"sha256": "00".repeat(32)})).await;
    sent.send(&gateway, [1]).await;
    gateway.complete(&sent.id).await.problem(422, "checksum_mismatch");
    sent.send(&gateway, [1]).await;
    gateway.clock.advance(URL_TTL);
    assert_eq!(outcomes(&gateway.sweep(SweepMode::Act).await), [("look", State::Failed)]);
    assert_eq!(objects(&gateway).await, [""; 0]);
    // A PUT that began before the URL's end lands after it.
    sent.send(&gateway, [1]).await;
    gateway.clock.advance(Duration::HOUR);
    assert_eq!(outcomes(&gateway.sweep(SweepMode::Act).await), [("look", State::Failed)]);
    assert_eq!(objects(&gateway).await, [""; 0]);
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default());
}

#[tokio::test]
async fn dry_run_says_everything_and_changes_nothing() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.clock.advance(LIFETIME);
    let report = gateway.sweep(SweepMode::DryRun).await;
    assert_eq!(outcomes(&report), [("expire", State::Open)]);
    assert_eq!(multiparts(&gateway).await.len(), 1);
    let again = gateway.sweep(SweepMode::DryRun).await;
    assert_eq!(again, report);
    assert_eq!(sent.state(&gateway).await, "expired", "callers see that its time is over");
}

#[tokio::test]
async fn completion_that_nobody_repeats_is_finished() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("CompleteMultipartUpload", Fault::DropAnswer, EVERY_TIME);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    proxy.clear();
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default(), "not stuck yet");
    gateway.clock.advance(Duration::minutes(20));
    assert_eq!(outcomes(&gateway.sweep(SweepMode::Act).await), [("complete", State::Completed)]);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn stuck_completion_that_storage_never_heard_of_is_finished_from_the_record() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("CompleteMultipartUpload", Fault::SlowDown, EVERY_TIME);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    proxy.clear();
    gateway.clock.advance(Duration::minutes(20));
    gateway.sweep(SweepMode::Act).await;
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn stuck_completion_of_a_reaped_upload_expires_in_the_end() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("CompleteMultipartUpload", Fault::SlowDown, EVERY_TIME);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    proxy.clear();
    reap(&gateway).await;
    gateway.clock.advance(LIFETIME);
    // The first sweep hears that the parts are gone; storage is not asked for room for parts that nobody may send.
    assert_eq!(outcomes(&gateway.sweep(SweepMode::Act).await), [("complete", State::Open)]);
    assert_eq!(multiparts(&gateway).await, []);
    assert_eq!(outcomes(&gateway.sweep(SweepMode::Act).await), [("expire", State::Expired)]);
    assert_eq!((objects(&gateway).await.len(), multiparts(&gateway).await.len()), (0, 0));
}

#[tokio::test]
async fn what_storage_does_not_do_now_is_told_and_done_after_a_wait() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.clock.advance(LIFETIME);
    proxy.fail("AbortMultipartUpload", Fault::SlowDown, EVERY_TIME);
    gateway.sweep(SweepMode::Act).await;
    assert_eq!(sent.state(&gateway).await, "aborting");
    let report = gateway.sweep(SweepMode::Act).await;
    assert!(report.actions[0].outcome.is_err(), "{report:?}");
    proxy.clear();
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default(), "it waits after a failure");
    gateway.clock.advance(FIRST_WAIT);
    gateway.sweep(SweepMode::Act).await;
    assert_eq!(sent.state(&gateway).await, "expired");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn sweeps_of_several_gateways_at_once_agree() {
    let gateway = Gateway::start().await;
    for _ in 0..5 {
        Sent::three_parts(&gateway).await;
    }
    gateway.clock.advance(LIFETIME);
    let sweeps = (0..4).map(|_| gateway.sweep(SweepMode::Act));
    for report in futures_util::future::join_all(sweeps).await {
        assert!(report.actions.iter().all(|action| action.outcome.is_ok()), "{report:?}");
    }
    assert_eq!(multiparts(&gateway).await, []);
    assert_eq!(gateway.sweep(SweepMode::Act).await, SweepReport::default());
}

#[tokio::test]
async fn finished_uploads_are_forgotten_after_a_while_but_their_objects_stay() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    gateway.complete(&sent.id).await.expect(200);
    gateway.clock.advance(Duration::days(30));
    assert_eq!(gateway.sweep(SweepMode::Act).await.forgotten, 0);
    gateway.clock.advance(Duration::SECOND);
    assert_eq!(gateway.sweep(SweepMode::Act).await.forgotten, 1);
    gateway.get(&format!("/upload/{}/status", sent.id)).await.problem(404, "upload_not_found");
    assert_eq!(object(&gateway, &sent.key).await, sent.data);
}
