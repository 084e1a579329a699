//! What settings ask for.

use super::*;

fn origins(settings: &Settings) -> Vec<String> {
    Wanted::from(settings).cors_rule.map(|rule| rule.allowed_origins).unwrap_or_default()
}

fn rules(wanted: &Wanted) -> Vec<(&str, &str, u16)> {
    let rules = wanted.abort_rules.iter();
    rules.map(|rule| (rule.id.as_str(), rule.prefix.as_str(), rule.days_after_initiation)).collect()
}

#[test]
fn origins_are_those_of_the_settings_and_of_the_page_itself() {
    let more =
        [("cors.origins", "https://a.example, http://localhost:*"), ("public_url", "https://up.example/x")];
    assert_eq!(origins(&settings(&more)), ["https://a.example", "http://localhost:*", "https://up.example"]);
    let all = [("cors.origins", "https://a.example, *"), ("public_url", "https://up.example")];
    assert_eq!(origins(&settings(&all)), ["*"]);
    let twice = [("public_url", "https://app.example.com/upload")];
    assert_eq!(origins(&settings(&twice)), ["https://app.example.com"]);
}

#[test]
fn without_a_page_there_is_no_rule_but_a_note() {
    let wanted = Wanted::from(&settings(&[("cors.origins", "")]));
    assert_eq!(wanted.cors_rule, None);
    assert!(wanted.notes[0].contains("cors.origins"), "{:?}", wanted.notes);
    let plan = plan(wanted, &found(vec![], vec![]));
    assert_eq!(change(&plan, What::Cors).action, Action::None);
}

#[test]
fn rule_acts_a_day_after_the_last_upload_has_ended() {
    for (lifetime, days) in [("7d", 8), ("1d", 2), ("1m", 2), ("25h", 3), ("36h", 3), ("365d", 366)] {
        let wanted = Wanted::from(&settings(&[("uploads.lifetime", lifetime)]));
        assert_eq!(rules(&wanted), [(LIFECYCLE_RULE_ID, "", days)], "{lifetime}");
    }
}

#[test]
fn every_header_that_is_ever_signed_is_allowed() {
    // The names that `storage::sign` writes; a new one has to be allowed before pages may send it.
    let source = include_str!("../../storage/sign/mod.rs");
    let allowed = wanted().cors_rule.unwrap().allowed_headers;
    let named = source.split('"').filter(|text| text.starts_with("x-amz-") || text.starts_with("content-"));
    let mut count = 0;
    for name in named.filter(|name| !name.contains('{') && *name != "content-length") {
        assert!(allowed.iter().any(|other| other == name), "{name}");
        count += 1;
    }
    assert!(count >= 5, "{count}");
    for kind in crate::upload::ChecksumAlgorithm::ALL {
        assert!(kind.header().is_none_or(|name| allowed.iter().any(|other| other == name)), "{kind:?}");
    }
}

#[test]
fn each_bucket_of_a_tenant_is_asked_for_what_its_tenants_need() {
    let settings = settings_with_tenants(&[
        ("tenants.acme.lifetime", "20d"),
        ("tenants.acme.cors_origins", "https://acme.example"),
        ("tenants.zoo.bucket", "zoo-files"),
        ("tenants.zoo.lifetime", "12h"),
        ("tenants.zoo.prefix", "z/"),
        ("tenants.yak.bucket", "zoo-files"),
        ("tenants.yak.prefix", "y/"),
    ]);
    let all = Wanted::all(&settings);
    let buckets: Vec<_> = all.iter().map(|wanted| wanted.bucket.as_str()).collect();
    assert_eq!(buckets, ["uploads", "zoo-files"]);
    // acme's keys lie below those of the gateway, and its uploads live longest.
    assert_eq!(rules(&all[0]), [(LIFECYCLE_RULE_ID, "", 21)]);
    let origins = |wanted: &Wanted| wanted.cors_rule.clone().unwrap().allowed_origins;
    assert_eq!(origins(&all[0]), ["https://app.example.com", "https://acme.example"]);
    assert_eq!(
        rules(&all[1]),
        [("partgate-abort-incomplete-yak", "y/", 8), ("partgate-abort-incomplete-zoo", "z/", 2)]
    );
    assert_eq!(origins(&all[1]), ["https://app.example.com"]);
}
