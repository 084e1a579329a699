//! Tests of all that needs no storage.

mod merging;
mod printing;
mod wanting;

use crate::config::Settings;
use crate::storage::{BucketConfiguration, Cors, CorsRule, Lifecycle, LifecycleRule, Product, Reading};

use super::*;

fn settings(more: &[(&str, &str)]) -> Settings {
    let usual = [("storage.bucket", "uploads"), ("cors.origins", "https://app.example.com")];
    let values = usual.iter().chain(more).map(|(path, value)| (*path, (*value).to_owned()));
    Settings::of(&values.collect::<Vec<_>>()).unwrap()
}

/// Settings of a gateway with tenants.
fn settings_with_tenants(more: &[(&str, &str)]) -> Settings {
    let auth = [("auth.mode", "required"), ("auth.token_secrets", "k1:0123456789abcdef0123456789abcdef")];
    settings(&[&auth, more].concat())
}

fn wanted() -> Wanted {
    Wanted::from(&settings(&[]))
}

/// A bucket with these rules.
fn found(cors: Vec<CorsRule>, rules: Vec<LifecycleRule>) -> BucketConfiguration {
    let cors = Some(cors).filter(|rules| !rules.is_empty());
    let rules = Some(rules).filter(|rules| !rules.is_empty());
    BucketConfiguration {
        product: Product::Other,
        cors: cors.map_or(Reading::Absent, |rules| Reading::Is(Cors { rules, unknown: Vec::new() })),
        lifecycle: rules
            .map_or(Reading::Absent, |rules| Reading::Is(Lifecycle { rules, ..Lifecycle::default() })),
        public_access_block: Reading::Absent,
        versioning: Reading::Absent,
    }
}

fn change(plan: &Plan, what: What) -> &Change {
    plan.changes.iter().find(|change| change.what == what).unwrap()
}

/// Lets a page do all that uploads need.
fn generous(id: &str, origin: &str) -> CorsRule {
    let ours = wanted().cors_rule.unwrap();
    CorsRule {
        id: Some(id.to_owned()),
        allowed_origins: vec![origin.to_owned()],
        allowed_headers: vec!["*".to_owned()],
        ..ours
    }
}

fn cors_rule(id: &str, origin: &str, methods: &[&str]) -> CorsRule {
    CorsRule {
        id: Some(id.to_owned()),
        allowed_origins: vec![origin.to_owned()],
        allowed_methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        ..CorsRule::default()
    }
}
