//! Our rules among those of others.

use aws_sdk_s3::types::{
    self, AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRuleAndOperator,
    LifecycleRuleFilter, Tag,
};
use proptest::prelude::*;

use super::*;

fn lifecycle_rule(
    id: &str,
    prefix: &str,
    abort_days: Option<i32>,
    expire_days: Option<i32>,
) -> LifecycleRule {
    let abort =
        abort_days.map(|days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
    let expiration = expire_days.map(|days| LifecycleExpiration::builder().days(days).build());
    let rule = types::LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .set_abort_incomplete_multipart_upload(abort)
        .set_expiration(expiration);
    LifecycleRule::from(rule.build().unwrap())
}

fn lifecycle_plan(rules: Vec<LifecycleRule>) -> Plan {
    plan(wanted(), &found(vec![], rules))
}

#[track_caller]
fn lifecycle_action(rules: Vec<LifecycleRule>, expected: Action) {
    assert_eq!(change(&lifecycle_plan(rules), What::Lifecycle).action, expected);
}

#[track_caller]
fn cors_action(rules: Vec<CorsRule>, expected: Action) {
    assert_eq!(change(&plan(wanted(), &found(rules, vec![])), What::Cors).action, expected);
}

#[test]
fn rule_of_others_that_does_the_same_is_enough() {
    for days in [7, 8] {
        lifecycle_action(vec![lifecycle_rule("r2", "", Some(days), None)], Action::None);
    }
    lifecycle_action(vec![lifecycle_rule("late", "", Some(9), None)], Action::Create);
    lifecycle_action(vec![lifecycle_rule("part", "in/", Some(8), None)], Action::Create);
    cors_action(vec![generous("theirs", "*")], Action::None);
    cors_action(vec![generous("theirs", "https://*.example.com")], Action::None);
    cors_action(vec![generous("theirs", "https://other.example.com")], Action::Create);
}

#[test]
fn rule_that_is_too_soon_is_a_conflict_wherever_it_meets_ours() {
    let conflict = Action::ByHand(Reason::Conflict);
    lifecycle_action(vec![lifecycle_rule("soon", "", Some(6), None)], conflict);
    lifecycle_action(vec![lifecycle_rule("soon", "in/", Some(1), Some(30))], conflict);
    let ours = LifecycleRule::abort_incomplete(LIFECYCLE_RULE_ID, "", 8);
    lifecycle_action(vec![ours, lifecycle_rule("soon", "", Some(1), None)], conflict);
    let elsewhere = Wanted::from(&settings(&[("storage.prefix", "in/")]));
    let found = found(vec![], vec![lifecycle_rule("soon", "out/", Some(1), None)]);
    assert_eq!(change(&plan(elsewhere, &found), What::Lifecycle).action, Action::Create);
}

#[test]
fn rule_of_another_gateway_in_the_same_bucket_is_left_alone() {
    let other = LifecycleRule::abort_incomplete(LIFECYCLE_RULE_ID, "other/", 3);
    let ours = || Wanted::from(&settings(&[("storage.prefix", "in/")]));
    let first = plan(ours(), &found(vec![], vec![other.clone()]));
    let ids: Vec<_> = first.lifecycle.rules.iter().map(|rule| (rule.id().unwrap(), rule.prefix())).collect();
    assert_eq!(ids, [(LIFECYCLE_RULE_ID, "other/"), ("partgate-abort-incomplete-2", "in/")]);
    let second = plan(ours(), &found(vec![], first.lifecycle.rules));
    assert_eq!(change(&second, What::Lifecycle).action, Action::None);
}

#[test]
fn rule_of_ours_that_somebody_gave_more_to_do_is_theirs() {
    let more = lifecycle_rule(LIFECYCLE_RULE_ID, "", Some(30), Some(90));
    let plan = lifecycle_plan(vec![more.clone()]);
    assert_eq!(plan.lifecycle.rules.len(), 2);
    assert!(plan.lifecycle.rules.contains(&more));
}

#[test]
fn what_we_do_not_know_is_not_written_over() {
    let mut bucket = found(vec![cors_rule("a", "*", &["GET"])], vec![lifecycle_rule("a", "", None, Some(3))]);
    if let Reading::Is(cors) = &mut bucket.cors {
        cors.unknown = vec!["AllowedPorts".to_owned()];
    }
    if let Reading::Is(lifecycle) = &mut bucket.lifecycle {
        lifecycle.unknown = vec!["DelMarkerExpiration".to_owned()];
    }
    let plan = plan(wanted(), &bucket);
    for (what, name) in [(What::Cors, "AllowedPorts"), (What::Lifecycle, "DelMarkerExpiration")] {
        let change = change(&plan, what);
        assert_eq!((change.action, &change.write), (Action::ByHand(Reason::Unknown), &None));
        assert!(change.detail[0].contains(name), "{:?}", change.detail);
    }
}

#[test]
fn size_from_which_objects_move_is_kept() {
    let mut bucket = found(vec![], vec![lifecycle_rule("a", "", None, Some(3))]);
    if let Reading::Is(lifecycle) = &mut bucket.lifecycle {
        lifecycle.minimum_transition_size = Some("varies_by_storage_class".to_owned());
    }
    let plan = plan(wanted(), &bucket);
    let Some(Write::Lifecycle(sent)) = &change(&plan, What::Lifecycle).write else { panic!("{plan}") };
    assert_eq!(sent.minimum_transition_size.as_deref(), Some("varies_by_storage_class"));
}

#[test]
fn versions_are_told_unless_a_rule_ends_them() {
    let mut bucket = found(vec![], vec![]);
    bucket.versioning = Reading::Is(crate::storage::Versioning::Enabled);
    let noted = |bucket: &BucketConfiguration| {
        plan(wanted(), bucket).notes.iter().any(|note| note.contains("NoncurrentVersionExpiration"))
    };
    assert!(noted(&bucket));
    let rule = types::LifecycleRule::builder().id("v").status(ExpirationStatus::Enabled);
    let expiration = types::NoncurrentVersionExpiration::builder().noncurrent_days(3).build();
    let rule = LifecycleRule::from(rule.noncurrent_version_expiration(expiration).build().unwrap());
    bucket.lifecycle = Reading::Is(Lifecycle { rules: vec![rule], ..Lifecycle::default() });
    assert!(!noted(&bucket));
}

fn any_cors_rule() -> impl Strategy<Value = CorsRule> {
    let origins = ["*", "https://app.example.com", "https://*.example.com", "https://other.example"];
    let some = |names: &'static [&'static str]| prop::sample::subsequence(names, 0..=names.len());
    let id = prop::sample::select(vec!["a", "b", CORS_RULE_ID, ""]);
    let methods = prop::sample::subsequence(&["GET", "PUT", "HEAD", "DELETE"], 1..4);
    let expose = some(&["ETag", "x-amz-version-id"]);
    (id, prop::sample::select(origins.to_vec()), methods, some(&["*", "content-type"]), expose, any::<Option<u16>>())
        .prop_map(|(id, origin, methods, headers, expose, age)| CorsRule {
            id: Some(id.to_owned()).filter(|id| !id.is_empty()),
            allowed_origins: vec![origin.to_owned()],
            allowed_methods: methods.into_iter().map(str::to_owned).collect(),
            allowed_headers: headers.into_iter().map(str::to_owned).collect(),
            expose_headers: expose.into_iter().map(str::to_owned).collect(),
            max_age_seconds: age.map(i32::from),
        })
}

fn any_lifecycle_rule() -> impl Strategy<Value = LifecycleRule> {
    let id = prop::sample::select(vec!["a", "b", LIFECYCLE_RULE_ID, "partgate-abort-incomplete-2", "c"]);
    let prefix = prop::sample::select(vec!["", "in/", "in/x/", "out/"]);
    let days = prop::option::of(1..12_i32);
    (id, prefix, days.clone(), days, any::<bool>(), any::<bool>()).prop_map(
        |(id, prefix, abort, expire, is_tagged, is_enabled)| {
            let tag = Tag::builder().key("k").value("v").build().unwrap();
            let and =
                LifecycleRuleAndOperator::builder().prefix(prefix).tags(tag).object_size_less_than(9).build();
            let filter = LifecycleRuleFilter::builder();
            let filter = if is_tagged { filter.and(and) } else { filter.prefix(prefix) };
            let abort = abort
                .map(|days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
            let rule = types::LifecycleRule::builder()
                .id(id)
                .status(if is_enabled { ExpirationStatus::Enabled } else { ExpirationStatus::Disabled })
                .filter(filter.build())
                .set_abort_incomplete_multipart_upload(abort)
                .set_expiration(expire.map(|days| LifecycleExpiration::builder().days(days).build()));
            LifecycleRule::from(rule.build().unwrap())
        },
    )
}

/// Names are unique in a bucket.
fn unique<T>(rules: Vec<T>, id: impl Fn(&T) -> Option<String>) -> Vec<T> {
    let mut seen = std::collections::BTreeSet::new();
    rules.into_iter().filter(|rule| id(rule).is_none_or(|id| seen.insert(id))).collect()
}

proptest! {
    #[test]
    fn rules_of_others_survive_and_a_second_plan_has_nothing_to_do(
        cors in prop::collection::vec(any_cors_rule(), 0..5),
        rules in prop::collection::vec(any_lifecycle_rule(), 0..5),
        prefix in prop::sample::select(vec!["", "in/"]),
    ) {
        let cors = unique(cors, |rule| rule.id.clone());
        let rules = unique(rules, |rule| rule.id().map(str::to_owned));
        let ours = || Wanted::from(&settings(&[("storage.prefix", prefix)]));
        let first = plan(ours(), &found(cors.clone(), rules.clone()));

        // Those of others are there, in their order; ours are once.
        let others = |rules: &[CorsRule]| -> Vec<CorsRule> {
            rules.iter().filter(|rule| rule.id.as_deref() != Some(CORS_RULE_ID)).cloned().collect()
        };
        prop_assert_eq!(others(&first.cors), others(&cors));
        prop_assert!(first.cors.len() <= others(&cors).len() + 1);
        let is_ours = |rule: &LifecycleRule| {
            rule.id().unwrap().starts_with(LIFECYCLE_RULE_ID)
                && rule.prefix() == prefix
                && rule.only_aborts()
                && rule.is_about_all()
        };
        let kept: Vec<_> = first.lifecycle.rules.iter().filter(|rule| rules.contains(rule)).collect();
        let theirs: Vec<_> = rules.iter().filter(|rule| !is_ours(rule)).collect();
        prop_assert!(theirs.iter().all(|rule| kept.contains(rule)), "{:?}", first.lifecycle);
        let ids: std::collections::BTreeSet<_> = first.lifecycle.rules.iter().map(LifecycleRule::id).collect();
        prop_assert_eq!(ids.len(), first.lifecycle.rules.len(), "names are unique");

        let second = plan(ours(), &found(first.cors.clone(), first.lifecycle.rules.clone()));
        prop_assert_eq!(&second.cors, &first.cors);
        prop_assert_eq!(&second.lifecycle, &first.lifecycle);
        prop_assert_eq!(change(&second, What::Cors).action, Action::None);
        let lifecycle = change(&second, What::Lifecycle).action;
        prop_assert!(matches!(lifecycle, Action::None | Action::ByHand(Reason::Conflict)), "{:?}", lifecycle);
    }
}
