//! CORS and lifecycle rules of the bucket.

use super::*;
use crate::harness::{Gateway, TestStore};

/// Whether the store of this run has rules for each bucket.
fn has_rules() -> bool {
    let has = TestStore::chosen() != TestStore::MinIo;
    if !has {
        eprintln!("MinIO has neither CORS nor lifecycle rules of this kind for a bucket");
    }
    has
}

#[tokio::test]
async fn origin_that_may_not_upload_is_named() {
    if !has_rules() {
        return;
    }
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let setup = setup.with("cors.origins", "http://app.example,https://other.example");
    let report = setup.examine().await;
    report.assert_blames("an origin is missing", &[Blame::bad("cors", &["partgate bucket apply"])]);
    let found = &report.finding("cors").found;
    assert!(found.contains("https://other.example"), "{found}");
    assert!(!found.contains("http://app.example"), "the other one may: {found}");
}

#[tokio::test]
async fn etag_that_pages_may_not_read_is_a_warning() {
    if !has_rules() {
        return;
    }
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    healthy::set_cors(&gateway, "http://app.example", &["x-amz-request-id"]).await;
    let report = setup.examine().await;
    report.assert_blames("nothing exposed", &[Blame::warning("cors.exposed", &["partgate bucket apply"])]);
    assert!(report.finding("cors.exposed").found.contains("ETag"));
}

#[tokio::test]
async fn rule_that_is_shorter_than_uploads_live_is_named() {
    if !has_rules() {
        return;
    }
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    healthy::set_lifecycle(&gateway, "", 3).await;
    let report = setup.examine().await;
    report.assert_blames("three days", &[Blame::bad("lifecycle", &["uploads.lifetime"])]);
    let found = &report.finding("lifecycle").found;
    assert!(found.contains("abort-incomplete") && found.contains('3'), "{found}");

    // The same rule is right where uploads live for two days, and nobody's business where it is for others' objects.
    let shorter = setup.clone().with("uploads.lifetime", "2d");
    shorter.examine().await.assert_blames("a shorter life", &[]);
    healthy::set_lifecycle(&gateway, "backups/", 1).await;
    let report = setup.with("storage.prefix", "in/").examine().await;
    let none = [Blame::warning("lifecycle", &["partgate bucket apply"])];
    report.assert_blames("a rule for another prefix", &none);
}

#[tokio::test]
async fn minio_without_its_own_setting_is_told_the_setting() {
    if TestStore::chosen() != TestStore::MinIo {
        eprintln!("only MinIO cleans up by a time that nobody can ask for");
        return;
    }
    let gateway = Gateway::start().await;
    let report = healthy::bucket_of(&gateway).await.examine().await;
    let finding = report.finding("store.cleanup");
    assert_eq!(finding.verdict, "warning");
    assert!(finding.mend.contains("MINIO_API_STALE_UPLOADS_EXPIRY"), "{finding:?}");
}

#[tokio::test]
async fn what_is_named_bucket_apply_mends() {
    if !has_rules() {
        return;
    }
    let gateway = Gateway::start().await;
    let setup = Setup::of(&gateway);
    healthy::set_cors(&gateway, "http://somebody.example", &[]).await;
    let apply: &[&str] = &["partgate bucket apply"];
    let expected = [Blame::bad("cors", apply), Blame::warning("lifecycle", apply)];
    setup.examine().await.assert_blames("a bucket that nobody set up", &expected);
    let applied = setup.run(&["bucket", "apply", "--yes"]).await;
    assert_eq!(applied.status.code(), Some(0), "{}", String::from_utf8_lossy(&applied.stderr));
    setup.examine().await.assert_blames("after bucket apply", &[]);
}
