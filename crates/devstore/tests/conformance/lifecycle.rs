//! Lifecycle rules, and the one action that the embedded store executes.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration, Tag,
    Transition, TransitionStorageClass,
};
use tempfile::{TempDir, tempdir};

use crate::support::{OwnStore, Space, code, embedded, space};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn configure(space: &Space, prefix: &str, days: i32, status: ExpirationStatus) -> String {
    let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build();
    let rule = LifecycleRule::builder()
        .id("abort")
        .status(status)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .abort_incomplete_multipart_upload(abort)
        .build()
        .unwrap();
    let configuration = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    let put = space.s3.put_bucket_lifecycle_configuration().bucket(&space.bucket);
    code(put.lifecycle_configuration(configuration).send().await)
}

/// A run of the lifecycle concerns every bucket of a store, so such a test has a store of its own.
async fn own_store() -> (TempDir, OwnStore, Space) {
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    (dir, own, space)
}

async fn open_uploads(space: &Space) -> Vec<String> {
    let listed = space.s3.list_multipart_uploads().bucket(&space.bucket).prefix(space.key("")).send();
    let listed = listed.await.unwrap();
    listed.uploads().iter().filter_map(|upload| upload.upload_id()).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_configuration_comes_back_and_can_be_deleted() {
    let space = space().await;
    assert_eq!(configure(&space, "a/", 3, ExpirationStatus::Enabled).await, "OK");
    let get = || space.s3.get_bucket_lifecycle_configuration().bucket(&space.bucket).send();
    let got = get().await.unwrap();
    let rule = &got.rules()[0];
    assert_eq!(rule.id(), Some("abort"));
    assert_eq!(rule.filter().and_then(|filter| filter.prefix()), Some("a/"));
    assert_eq!(rule.abort_incomplete_multipart_upload().unwrap().days_after_initiation(), Some(3));
    space.s3.delete_bucket_lifecycle().bucket(&space.bucket).send().await.unwrap();
    assert_eq!(code(get().await), "NoSuchLifecycleConfiguration");
}

#[tokio::test]
async fn rules_that_are_not_executed_come_back_as_they_were() {
    let space = space().await;
    let tag = Tag::builder().key("keep").value("no").build().unwrap();
    let and = LifecycleRuleAndOperator::builder().prefix("logs/").tags(tag).object_size_greater_than(1_000);
    let moved = Transition::builder().days(30).storage_class(TransitionStorageClass::Glacier);
    let rule = LifecycleRule::builder()
        .id("logs")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().and(and.build()).build())
        .expiration(LifecycleExpiration::builder().days(90).build())
        .transitions(moved.build())
        .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(7).build())
        .build()
        .unwrap();
    let configuration = BucketLifecycleConfiguration::builder().rules(rule.clone()).build().unwrap();
    let put = space.s3.put_bucket_lifecycle_configuration().bucket(&space.bucket);
    assert_eq!(code(put.lifecycle_configuration(configuration).send().await), "OK");
    let got = space.s3.get_bucket_lifecycle_configuration().bucket(&space.bucket).send().await.unwrap();
    assert_eq!(got.rules(), [rule]);
}

#[tokio::test]
async fn days_below_one_are_refused() {
    let space = space().await;
    assert_eq!(configure(&space, "", 0, ExpirationStatus::Enabled).await, "InvalidArgument");
}

#[tokio::test]
async fn create_tells_when_the_upload_will_be_aborted() {
    let space = space().await;
    configure(&space, "", 2, ExpirationStatus::Enabled).await;
    let create = space.s3.create_multipart_upload().bucket(&space.bucket).key(space.key("k"));
    let created = create.send().await.unwrap();
    assert_eq!(created.abort_rule_id(), Some("abort"));
    // At a midnight, two to three days from now.
    let due = created.abort_date().unwrap().secs();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert_eq!(due % 86_400, 0);
    assert!((2 * 86_400 - 60..=3 * 86_400).contains(&(due - now)), "{due} {now}");
}

#[tokio::test]
async fn due_uploads_are_aborted_and_others_are_not() {
    if embedded("due_uploads_are_aborted_and_others_are_not").is_none() {
        return;
    }
    let (_dir, own, space) = own_store().await;
    configure(&space, &space.key("tmp/"), 1, ExpirationStatus::Enabled).await;
    let stale = space.create(&space.key("tmp/a")).await;
    space.part(&space.key("tmp/a"), &stale, 1, b"x").await;
    let kept = space.create(&space.key("keep/a")).await;
    let now = SystemTime::now();
    space.store().run_lifecycle(now + DAY / 2).await.unwrap();
    assert_eq!(open_uploads(&space).await.len(), 2);
    assert!(space.store().run_lifecycle(now + 3 * DAY).await.unwrap() >= 1);
    assert_eq!(open_uploads(&space).await, [kept]);
    own.close().await;
}

#[tokio::test]
async fn disabled_rules_do_nothing() {
    if embedded("disabled_rules_do_nothing").is_none() {
        return;
    }
    let (_dir, own, space) = own_store().await;
    configure(&space, "", 1, ExpirationStatus::Disabled).await;
    let id = space.create(&space.key("a")).await;
    space.store().run_lifecycle(SystemTime::now() + 9 * DAY).await.unwrap();
    assert_eq!(open_uploads(&space).await, [id]);
    own.close().await;
}

#[tokio::test]
async fn completed_uploads_are_left_alone() {
    if embedded("completed_uploads_are_left_alone").is_none() {
        return;
    }
    let (_dir, own, space) = own_store().await;
    configure(&space, "", 1, ExpirationStatus::Enabled).await;
    let key = space.key("a");
    let id = space.create(&key).await;
    let part = space.part(&key, &id, 1, b"done").await;
    space.completing(&key, &id, &[part]).send().await.unwrap();
    space.store().run_lifecycle(SystemTime::now() + 9 * DAY).await.unwrap();
    assert_eq!(space.get(&key).await, b"done");
    own.close().await;
}
