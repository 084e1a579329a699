//! The same plan in every format.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    self, ExpirationStatus, LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter,
    NoncurrentVersionExpiration, NoncurrentVersionTransition, Tag, Transition, TransitionStorageClass,
};

use super::*;

/// A rule with everything that S3 has in one.
fn rich() -> LifecycleRule {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let and = LifecycleRuleAndOperator::builder()
        .prefix("logs/")
        .tags(tag("stage", "${env}"))
        .tags(tag("it's", "a \"tag\""))
        .object_size_greater_than(1_000)
        .object_size_less_than(5_000_000_000)
        .build();
    let old = NoncurrentVersionTransition::builder().noncurrent_days(3).newer_noncurrent_versions(2);
    let rule = types::LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Disabled)
        .filter(LifecycleRuleFilter::builder().and(and).build())
        // Thursday, 1 January 2026.
        .expiration(LifecycleExpiration::builder().date(DateTime::from_secs(1_767_225_600)).build())
        .transitions(Transition::builder().days(30).storage_class(TransitionStorageClass::Glacier).build())
        .transitions(
            Transition::builder().days(90).storage_class(TransitionStorageClass::DeepArchive).build(),
        )
        .noncurrent_version_transitions(old.storage_class(TransitionStorageClass::StandardIa).build())
        .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(60).build());
    LifecycleRule::from(rule.build().unwrap())
}

/// A rule from before filters.
fn ancient() -> LifecycleRule {
    #[expect(deprecated, reason = "such rules are still around")]
    let rule = types::LifecycleRule::builder().prefix("old/");
    let rule =
        rule.status(ExpirationStatus::Enabled).expiration(LifecycleExpiration::builder().days(1).build());
    LifecycleRule::from(rule.build().unwrap())
}

fn merged() -> Plan {
    let settings =
        settings(&[("storage.endpoint", "https://s3.example.com"), ("storage.region", "eu-west-1")]);
    let mut bucket = found(vec![cors_rule("theirs", "https://*", &["GET", "PUT"])], vec![rich(), ancient()]);
    bucket.versioning = Reading::Is(crate::storage::Versioning::Enabled);
    plan(Wanted::from(&settings), &bucket)
}

macro_rules! assert_printed {
    ($format:ident, $name:literal) => {
        insta::assert_snapshot!($name, Format::$format.print(&merged()));
    };
}

#[test]
fn text() {
    assert_printed!(Text, "text");
}

#[test]
fn json() {
    let printed = Format::Json.print(&merged());
    assert_eq!(printed.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
    insta::assert_json_snapshot!("json", value);
}

#[test]
fn terraform() {
    assert_printed!(Terraform, "terraform");
}

#[test]
fn cloudformation() {
    assert_printed!(CloudFormation, "cloudformation");
}

#[test]
fn aws_cli() {
    assert_printed!(AwsCli, "aws-cli");
}

#[test]
fn mc() {
    assert_printed!(Mc, "mc");
}

#[test]
fn what_is_excepted_is_not_printed_for_any_tool() {
    let plan = merged().without(&[What::Lifecycle, What::PublicAccessBlock]);
    for format in [Format::Terraform, Format::CloudFormation, Format::AwsCli, Format::Mc] {
        let printed = format.print(&plan).to_lowercase();
        assert!(printed.contains("app.example.com"), "{printed}");
        for word in
            ["lifecycle_conf", "lifecycleconf", "put-bucket-lifecycle", "stale_uploads", "publicaccess"]
        {
            assert!(!printed.contains(word), "{word} in {printed}");
        }
    }
}
