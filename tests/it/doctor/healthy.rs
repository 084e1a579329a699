//! Set-ups as they should be: nothing is blamed, and nothing is left in the bucket.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, CorsConfiguration, CorsRule,
    ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
};

use super::report::{CHECKS, justified};
use super::*;
use crate::harness::{Gateway, TestStore, multiparts, objects, s3, writer};

/// What pages need to read of a part's answer.
pub(super) const EXPOSED: [&str; 6] = [
    "ETag",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// The settings for a gateway's bucket, once the bucket has all that it should have.
pub(super) async fn bucket_of(gateway: &Gateway) -> Setup {
    // MinIO has neither, but settings of its own.
    if TestStore::chosen() != TestStore::MinIo {
        set_cors(gateway, "http://app.example", &EXPOSED).await;
        set_lifecycle(gateway, "", 8).await;
    }
    Setup::of(gateway)
}

/// Lets pages of an origin put, and read these headers.
pub(super) async fn set_cors(gateway: &Gateway, origin: &str, exposed: &[&str]) {
    let exposed = exposed.iter().map(|header| (*header).to_owned()).collect();
    let rule = CorsRule::builder()
        .allowed_origins(origin)
        .set_allowed_methods(Some(["PUT", "GET", "HEAD"].map(str::to_owned).to_vec()))
        .allowed_headers("*")
        .set_expose_headers(Some(exposed));
    let cors = CorsConfiguration::builder().cors_rules(rule.build().unwrap()).build().unwrap();
    s3(gateway).put_bucket_cors().bucket(&gateway.bucket).cors_configuration(cors).send().await.unwrap();
}

/// Has the store abort what is incomplete under a prefix after so many days.
pub(super) async fn set_lifecycle(gateway: &Gateway, prefix: &str, days: i32) {
    let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build();
    let rule = LifecycleRule::builder()
        .id("abort-incomplete")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .abort_incomplete_multipart_upload(abort);
    let rules = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap()).build().unwrap();
    let put = s3(gateway).put_bucket_lifecycle_configuration().bucket(&gateway.bucket);
    put.lifecycle_configuration(rules).send().await.unwrap();
}

/// The bucket has nothing in it.
pub(super) async fn assert_empty(gateway: &Gateway) {
    assert_eq!(objects(gateway).await, [""; 0]);
    assert_eq!(multiparts(gateway).await, []);
}

/// What the store of this run has not, so that nobody can look at it.
fn not_there() -> &'static [&'static str] {
    match TestStore::chosen() {
        TestStore::Embedded | TestStore::SeaweedFs => &[],
        // Its buckets have no rules that abort uploads.
        TestStore::MinIo => &["lifecycle"],
    }
}

#[tokio::test]
async fn healthy_set_up_is_called_healthy_and_left_as_it_was() {
    let gateway = Gateway::start().await;
    let report = bucket_of(&gateway).await.examine().await;
    report.assert_blames("healthy", &[]);
    let warned = CHECKS.into_iter().filter(|check| report.verdict_of(check) == "warning");
    assert_eq!(warned.collect::<Vec<_>>(), justified(), "a warning that this store no longer deserves");
    let skipped = CHECKS.into_iter().filter(|check| report.verdict_of(check) == "skipped");
    assert_eq!(skipped.collect::<Vec<_>>(), not_there());
    let lists_checksums = TestStore::chosen() != TestStore::SeaweedFs;
    assert_eq!(report.profile["conditional_writes"], true);
    assert_eq!(report.profile["lists_checksums"], lists_checksums);
    assert_empty(&gateway).await;
}

#[tokio::test]
async fn signer_that_may_only_write_is_healthy() {
    let Some(keys) = writer().await else { return };
    let gateway = Gateway::start().await;
    let setup = bucket_of(&gateway)
        .await
        .with("storage.signer.access_key_id", keys.access_key_id())
        .with("storage.signer.secret_access_key", keys.secret_access_key());
    let setup = match keys.session_token() {
        Some(token) => setup.with("storage.signer.session_token", token),
        None => setup,
    };
    let report = setup.examine().await;
    report.assert_blames("with a signer", &[]);
    assert_eq!(report.verdict_of("signer"), "good");
    assert_ne!(report.verdict_of("url.headers"), "warning", "a signer that cannot read copies nothing");
    assert_empty(&gateway).await;
}

#[tokio::test]
async fn table_for_people_names_every_check() {
    let gateway = Gateway::start().await;
    let output = bucket_of(&gateway).await.run(&["doctor"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    for check in CHECKS {
        assert!(table.contains(check), "{check} is not in\n{table}");
    }
    assert!(!table.contains('\u{1b}'), "colours are for terminals");
}

#[tokio::test]
async fn found_profile_serves_as_settings() {
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profile.toml").display().to_string();
    // As somebody has it who does not know their store yet.
    let setup = bucket_of(&gateway).await.without("storage.lists_checksums").without("storage.min_part_size");
    let first = setup.examine_with(&["--profile", &file]).await;
    let expected: &[Blame] = match TestStore::chosen() {
        TestStore::Embedded | TestStore::MinIo => &[],
        TestStore::SeaweedFs => &[Blame::bad("list.checksums", &["storage.lists_checksums = false"])],
    };
    first.assert_blames("without a profile", expected);
    let setup = setup.with("storage.profile", &file);
    setup.examine().await.assert_blames("with the profile", &[]);
    let shown = setup.run(&["config"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = shown.lines().find(|line| line.starts_with("storage.lists_checksums")).unwrap();
    assert!(line.contains("profile"), "{line}");
}
