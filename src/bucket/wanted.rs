//! What the settings ask of a bucket.

use std::collections::BTreeSet;

use url::Url;

use crate::config::{Access, Settings};
use crate::storage::{CorsRule, PublicAccessBlock};
use crate::upload::{ChecksumAlgorithm, METADATA_UPLOAD_ID};

/// The name of our CORS rule.
pub const CORS_RULE_ID: &str = "partgate-uploads";
/// What the names of our lifecycle rules begin with.
pub const LIFECYCLE_RULE_ID: &str = "partgate-abort-incomplete";

/// Browsers keep no answer to a preflight for longer than two hours (Chromium) or a day (Firefox)
/// (<https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age>); within an hour a changed
/// rule should show.
const MAX_AGE_SECONDS: i32 = 3600;
/// PUT for parts, GET and HEAD for downloads.
const METHODS: [&str; 3] = ["GET", "HEAD", "PUT"];

/// What a bucket should be set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// How it is reached; none for AWS's own.
    pub endpoint: Option<String>,
    /// The CORS rule; none where no page uploads.
    pub cors_rule: Option<CorsRule>,
    /// The lifecycle rules: one for each prefix that lies in no other.
    pub abort_rules: Vec<AbortRule>,
    /// The public access block.
    pub public_access_block: PublicAccessBlock,
    /// What a person should know of it.
    pub notes: Vec<String>,
}

/// A lifecycle rule that aborts incomplete multipart uploads: the net below the sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortRule {
    /// Its name, [`LIFECYCLE_RULE_ID`] with a tenant's name behind it where there are several.
    pub id: String,
    /// What the keys begin with.
    pub prefix: String,
    /// How many days uploads below it live at most, rounded up: a rule that counts fewer ends wanted uploads.
    pub lifetime_days: u16,
    /// When the rule acts: a day later, because the sweep should be the first.
    pub days_after_initiation: u16,
}

/// Keys with a prefix, and how long uploads of them live.
struct Scope<'a> {
    /// None for the gateway's own.
    tenant: Option<&'a str>,
    prefix: &'a str,
    lifetime: time::Duration,
}

impl From<&Settings> for Wanted {
    /// What is asked of `storage.bucket`.
    fn from(settings: &Settings) -> Self {
        Self::of(settings, &settings.storage.connection.bucket)
    }
}

impl Wanted {
    /// What is asked of each bucket that the settings name: `storage.bucket`, then those that only tenants use.
    #[must_use]
    pub fn all(settings: &Settings) -> Vec<Self> {
        let own = settings.storage.connection.bucket.as_str();
        let of_tenants: BTreeSet<_> =
            settings.access.tenants().iter().map(|tenant| tenant.bucket.as_str()).collect();
        let others = of_tenants.into_iter().filter(|bucket| *bucket != own);
        [own].into_iter().chain(others).map(|bucket| Self::of(settings, bucket)).collect()
    }

    fn of(settings: &Settings, bucket: &str) -> Self {
        let connection = &settings.storage.connection;
        let (origins, mut notes) = origins(settings, bucket);
        if origins.is_empty() {
            notes.push(
                "no page may upload: neither cors.origins nor public_url is set. Programs need neither."
                    .to_owned(),
            );
        }
        if matches!(settings.access, Access::Required { .. }) {
            notes.push("tenants that only the database has were not looked at.".to_owned());
        }
        Self {
            bucket: bucket.to_owned(),
            region: connection.region.clone(),
            endpoint: connection.endpoint.clone(),
            cors_rule: (!origins.is_empty()).then(|| cors_rule(origins)),
            abort_rules: abort_rules(settings, bucket),
            public_access_block: PublicAccessBlock::ALL,
            notes,
        }
    }
}

fn origins(settings: &Settings, bucket: &str) -> (Vec<String>, Vec<String>) {
    let is_own = bucket == settings.storage.connection.bucket;
    let tenants = settings.access.tenants().iter().filter(|tenant| tenant.bucket == bucket);
    let of_tenants = tenants.map(|tenant| match tenant.cors_origins.as_slice() {
        [] => settings.cors_origins.as_slice(),
        own => own,
    });
    let of_gateway = Some(settings.cors_origins.as_slice()).filter(|_| is_own);
    // The gateway serves the upload page itself.
    let of_page = settings.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    let of_page = of_page.map(|url| url.origin().ascii_serialization());
    let all = of_gateway.into_iter().chain(of_tenants).flatten().cloned().chain(of_page);
    let (mut origins, mut notes) = (Vec::new(), Vec::new());
    for origin in all {
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html>
        if origin.matches('*').count() > 1 {
            notes.push(format!("the origin {origin} is left out: S3 takes one * in an origin."));
        } else if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    if origins.iter().any(|origin| origin == "*") {
        origins = vec!["*".to_owned()];
    }
    (origins, notes)
}

fn cors_rule(origins: Vec<String>) -> CorsRule {
    CorsRule {
        id: Some(CORS_RULE_ID.to_owned()),
        allowed_origins: origins,
        allowed_methods: METHODS.map(str::to_owned).to_vec(),
        allowed_headers: allowed_headers(),
        expose_headers: expose_headers(),
        max_age_seconds: Some(MAX_AGE_SECONDS),
    }
}

/// What `storage::sign` may make a page send, whatever the settings are: the rule need not change with them. Each by
/// its full name, because not every store knows patterns (Garage compares names), but for the metadata of a person's own.
fn allowed_headers() -> Vec<String> {
    let checksums = ChecksumAlgorithm::ALL.iter().filter_map(|kind| kind.header()).map(str::to_owned);
    let others = [
        "content-type",
        "if-none-match",
        "x-amz-meta-*",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-storage-class",
        "x-amz-tagging",
    ];
    let upload_id = format!("x-amz-meta-{METADATA_UPLOAD_ID}");
    let names: BTreeSet<_> = checksums.chain(others.map(str::to_owned)).chain([upload_id]).collect();
    names.into_iter().collect()
}

/// What a page may read of storage's answers. S3 takes no wildcard here, so each is named.
fn expose_headers() -> Vec<String> {
    let checksums = ChecksumAlgorithm::ALL.iter().filter_map(|kind| kind.header());
    let checksums = checksums.filter(|name| name.starts_with("x-amz-")).map(str::to_owned);
    // The version says what a PUT has made; the request id is what a store's support asks for.
    let others = ["ETag", "x-amz-request-id", "x-amz-version-id"];
    let names: BTreeSet<_> = checksums.chain(others.map(str::to_owned)).collect();
    names.into_iter().collect()
}

/// A rule for each prefix that lies in no other, with the longest life below it: where two rules meet, S3 goes by the
/// sooner one.
fn abort_rules(settings: &Settings, bucket: &str) -> Vec<AbortRule> {
    let rules = &settings.rules;
    let own = Scope { tenant: None, prefix: &rules.key_prefix, lifetime: rules.lifetime };
    let own = Some(own).filter(|_| bucket == settings.storage.connection.bucket);
    let tenants = settings.access.tenants().iter().filter(|tenant| tenant.bucket == bucket);
    let of_tenants = tenants.map(|tenant| Scope {
        tenant: Some(&tenant.name),
        prefix: &tenant.prefix,
        lifetime: tenant.lifetime,
    });
    let mut scopes: Vec<_> = own.into_iter().chain(of_tenants).collect();
    scopes.sort_by_key(|scope| scope.prefix.len());
    let mut outer: Vec<Scope<'_>> = Vec::new();
    for scope in scopes {
        match outer.iter_mut().find(|other| scope.prefix.starts_with(other.prefix)) {
            Some(other) => other.lifetime = other.lifetime.max(scope.lifetime),
            None => outer.push(scope),
        }
    }
    let is_only = outer.len() == 1;
    outer.iter().map(|scope| abort_rule(scope, is_only)).collect()
}

fn abort_rule(scope: &Scope<'_>, is_only: bool) -> AbortRule {
    let id = match scope.tenant {
        Some(tenant) if !is_only => format!("{LIFECYCLE_RULE_ID}-{tenant}"),
        _ => LIFECYCLE_RULE_ID.to_owned(),
    };
    let lifetime_days = whole_days(scope.lifetime);
    AbortRule {
        id,
        prefix: scope.prefix.to_owned(),
        lifetime_days,
        days_after_initiation: lifetime_days.saturating_add(1),
    }
}

/// Rounded up: rules count days, from the hour at which the upload was begun. (A multipart upload that is opened again
/// behind its upload id counts anew, and its end stays what it was: the rule is later still.)
fn whole_days(lifetime: time::Duration) -> u16 {
    let days = lifetime.whole_days()
        + i64::from(!lifetime.is_zero() && lifetime != time::Duration::days(lifetime.whole_days()));
    u16::try_from(days).unwrap_or(u16::MAX)
}
