//! A tenant: where its objects are and what it may.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{parse_duration, parse_size};
use crate::upload::ObjectKey;

/// The longest lifetime of a URL (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>).
const MAX_URL_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 60 * 60);
/// Leaves room for an upload id and a file name within S3's 1,024 bytes of a key.
const MAX_PREFIX_BYTES: usize = 512;
/// A name goes into prefixes, logs and command lines.
const MAX_NAME_BYTES: usize = 64;

/// Who may choose the keys of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyNaming {
    /// Nobody: keys are `{prefix}{upload id}/{file name}`.
    Nobody,
    /// API keys, and grants with a `key_prefix` below it.
    ApiKeys,
    /// Whoever may open uploads.
    Everybody,
}

impl KeyNaming {
    /// Its name in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::ApiKeys => "api_keys",
            Self::Everybody => "everybody",
        }
    }
}

/// What a tenant may have at most; none where there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantLimits {
    /// One file, bytes.
    pub max_size_bytes: Option<u64>,
    /// Uploads that are neither finished nor taken back.
    pub max_open_uploads: Option<u64>,
    /// Their bytes, as declared (of streams: as signed).
    pub max_bytes_in_flight: Option<u64>,
    /// Bytes of uploads that are opened on one day (UTC), also of those that are taken back.
    pub max_bytes_per_day: Option<u64>,
}

/// The content types that may be uploaded; empty for any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentTypes(Vec<String>);

impl ContentTypes {
    /// Takes patterns: `type/subtype`, or `type/*`.
    ///
    /// # Errors
    /// The pattern that is neither.
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let patterns: Vec<_> =
            patterns.into_iter().map(|pattern| pattern.trim().to_ascii_lowercase()).collect();
        let is_token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
        };
        let is_pattern = |pattern: &String| {
            pattern
                .split_once('/')
                .is_some_and(|(kind, subtype)| is_token(kind) && (subtype == "*" || is_token(subtype)))
        };
        match patterns.iter().find(|pattern| !is_pattern(pattern)) {
            Some(bad) => Err(format!("{bad:?} is neither type/subtype nor type/*")),
            None => Ok(Self(patterns)),
        }
    }

    /// Whether a Content-Type, without its parameters, is among them.
    #[must_use]
    pub fn allow(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.0.is_empty()
            || self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(kind) => essence.starts_with(kind),
                None => essence == *pattern,
            })
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.0
    }
}

/// A tenant, with every value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name: 1 to 64 of `a-z`, `0-9`, `-`, `_`.
    pub name: String,
    /// The bucket of its objects.
    pub bucket: String,
    /// Before every key of its objects. Invariant: no other tenant's prefix in the bucket begins with it, or it with
    /// theirs ([`overlapping`]).
    pub prefix: String,
    /// Who may choose keys.
    pub naming: KeyNaming,
    /// What it may have at most.
    pub limits: TenantLimits,
    /// What it may upload.
    pub content_types: ContentTypes,
    /// How long an upload may take.
    pub lifetime: time::Duration,
    /// How long a signed URL works.
    pub url_ttl: Duration,
    /// The origins whose pages may call in its name; empty for those of the gateway.
    pub cors_origins: Vec<String>,
}

/// What a tenant's settings are completed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDefaults {
    /// `storage.bucket`.
    pub bucket: String,
    /// `storage.prefix`; a tenant's own name follows it.
    pub prefix: String,
    /// `uploads.max_size`.
    pub max_size_bytes: Option<u64>,
    /// `uploads.lifetime`.
    pub lifetime: time::Duration,
    /// `urls.ttl`.
    pub url_ttl: Duration,
}

/// A tenant as written down, in the settings file or by `partgate tenant set`: what is left out is the gateway's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantSettings {
    /// A bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Before every key; when absent the gateway's prefix, the tenant's name and a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `nobody`, `api_keys` (when absent) or `everybody`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub naming: Option<String>,
    /// A size: `10GiB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<String>,
    /// A count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_open_uploads: Option<String>,
    /// A size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes_in_flight: Option<String>,
    /// A size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes_per_day: Option<String>,
    /// Patterns, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_types: Option<String>,
    /// A duration: `7d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// A duration, at most 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_ttl: Option<String>,
    /// Origins, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors_origins: Option<String>,
}

/// What is wrong with a tenant's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantProblem {
    /// The field, as written; `name` for the name.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// Collects what is wrong while fields are taken.
struct Fields(Vec<TenantProblem>);

impl Fields {
    fn take<T, E: ToString>(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = parse(text?);
        parsed.map_err(|error| self.0.push(TenantProblem { field, detail: error.to_string() })).ok()
    }
}

impl TenantSettings {
    /// Completes and checks the settings; everything that is wrong is told at once.
    ///
    /// # Errors
    /// Every bad field.
    pub fn resolve(&self, name: &str, defaults: &TenantDefaults) -> Result<Tenant, Vec<TenantProblem>> {
        let mut fields = Fields(Vec::new());
        fields.take("name", Some(name), check_name);
        let default_prefix = format!("{}{name}/", defaults.prefix);
        let prefix = self.prefix.as_deref().unwrap_or(&default_prefix);
        fields.take("prefix", Some(prefix), check_prefix);
        let bucket = self.bucket.as_deref().unwrap_or(&defaults.bucket);
        fields.take("bucket", self.bucket.as_deref(), check_bucket);
        let naming = fields.take("naming", self.naming.as_deref(), key_naming);
        let limits = TenantLimits {
            max_size_bytes: fields
                .take("max_size", self.max_size.as_deref(), positive_size)
                .or(defaults.max_size_bytes),
            max_open_uploads: fields.take("max_open_uploads", self.max_open_uploads.as_deref(), count),
            max_bytes_in_flight: fields.take(
                "max_bytes_in_flight",
                self.max_bytes_in_flight.as_deref(),
                positive_size,
            ),
            max_bytes_per_day: fields.take(
                "max_bytes_per_day",
                self.max_bytes_per_day.as_deref(),
                positive_size,
            ),
        };
        let content_types = fields
            .take("content_types", self.content_types.as_deref(), |text| ContentTypes::new(items(text)))
            .unwrap_or_default();
        let lifetime = fields
            .take("lifetime", self.lifetime.as_deref(), |text| duration(text, &LIFETIMES))
            .and_then(|lifetime| time::Duration::try_from(lifetime).ok())
            .unwrap_or(defaults.lifetime);
        let url_ttl = fields
            .take("url_ttl", self.url_ttl.as_deref(), |text| {
                duration(text, &(Duration::from_secs(1)..=MAX_URL_TTL))
            })
            .unwrap_or(defaults.url_ttl);
        let cors_origins = self.cors_origins.as_deref().map(|text| items(text).collect()).unwrap_or_default();
        if !fields.0.is_empty() {
            return Err(fields.0);
        }
        Ok(Tenant {
            name: name.to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            naming: naming.unwrap_or(KeyNaming::ApiKeys),
            limits,
            content_types,
            lifetime,
            url_ttl,
            cors_origins,
        })
    }
}

impl Tenant {
    /// The one tenant of a gateway whose settings name none: the bucket and prefix are its own.
    #[must_use]
    pub fn only(defaults: &TenantDefaults) -> Self {
        Self {
            name: "default".to_owned(),
            bucket: defaults.bucket.clone(),
            prefix: defaults.prefix.clone(),
            naming: KeyNaming::ApiKeys,
            limits: TenantLimits { max_size_bytes: defaults.max_size_bytes, ..TenantLimits::default() },
            content_types: ContentTypes::default(),
            lifetime: defaults.lifetime,
            url_ttl: defaults.url_ttl,
            cors_origins: Vec::new(),
        }
    }
}

impl Tenant {
    /// That of an operator's key: nothing is its own.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            name: String::new(),
            bucket: String::new(),
            prefix: String::new(),
            naming: KeyNaming::Nobody,
            limits: TenantLimits::default(),
            content_types: ContentTypes::default(),
            lifetime: time::Duration::ZERO,
            // Long enough to fetch a file that an operator looks at.
            url_ttl: Duration::from_secs(5 * 60),
            cors_origins: Vec::new(),
        }
    }
}

/// Two tenants of which one could reach the objects of the other, if there are any.
#[must_use]
pub fn overlapping<'a>(tenants: &[&'a Tenant]) -> Option<(&'a Tenant, &'a Tenant)> {
    let mut sorted = tenants.to_vec();
    sorted.sort_by(|a, b| (&a.bucket, &a.prefix).cmp(&(&b.bucket, &b.prefix)));
    // Sorted, whatever begins with a prefix follows it at once.
    let reaches = |a: &Tenant, b: &Tenant| a.bucket == b.bucket && b.prefix.starts_with(&a.prefix);
    sorted.windows(2).find(|pair| reaches(pair[0], pair[1])).map(|pair| (pair[0], pair[1]))
}

fn check_name(name: &str) -> Result<(), String> {
    let is_fit = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    if is_fit { Ok(()) } else { Err(format!("{name:?} is not 1 to {MAX_NAME_BYTES} of a-z, 0-9, - and _")) }
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    if prefix.len() > MAX_PREFIX_BYTES {
        return Err(format!("longer than {MAX_PREFIX_BYTES} bytes"));
    }
    ObjectKey::new(format!("{prefix}x")).map(|_| ()).map_err(|error| error.to_string())
}

/// What every store takes (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
fn check_bucket(bucket: &str) -> Result<(), String> {
    let is_fit = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    if is_fit { Ok(()) } else { Err(format!("{bucket:?} is not 3 to 63 of a-z, 0-9, - and .")) }
}

fn key_naming(text: &str) -> Result<KeyNaming, String> {
    [KeyNaming::Nobody, KeyNaming::ApiKeys, KeyNaming::Everybody]
        .into_iter()
        .find(|naming| naming.name() == text)
        .ok_or_else(|| format!("{text:?} is not \"nobody\", \"api_keys\" or \"everybody\""))
}

fn positive_size(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Ok(0) => Err("at least 1 byte".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn duration(text: &str, range: &std::ops::RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let format = humantime::format_duration;
    Err(format!("not between {} and {}", format(*range.start()), format(*range.end())))
}

fn items(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> TenantDefaults {
        TenantDefaults {
            bucket: "b".to_owned(),
            prefix: "p/".to_owned(),
            max_size_bytes: None,
            lifetime: time::Duration::days(7),
            url_ttl: Duration::from_secs(900),
        }
    }

    #[test]
    fn tenants_are_apart_unless_told_otherwise() {
        let a = TenantSettings::default().resolve("a", &defaults()).unwrap();
        let b = TenantSettings::default().resolve("b", &defaults()).unwrap();
        assert_eq!((a.prefix.as_str(), b.prefix.as_str()), ("p/a/", "p/b/"));
        assert!(overlapping(&[&a, &b]).is_none());
    }

    #[test]
    fn prefixes_that_reach_into_one_another_are_found() {
        let with = |name: &str, prefix: &str| {
            let settings = TenantSettings { prefix: Some(prefix.to_owned()), ..TenantSettings::default() };
            settings.resolve(name, &defaults()).unwrap()
        };
        for (one, other) in [("", "x/"), ("x/", "x/y/"), ("x", "x1/"), ("x/", "x/")] {
            let (one, other) = (with("one", one), with("other", other));
            let between = with("between", "a/");
            assert!(overlapping(&[&other, &between, &one]).is_some(), "{one:?} {other:?}");
        }
        let elsewhere = Tenant { bucket: "c".to_owned(), ..with("other", "x/") };
        assert!(overlapping(&[&with("one", "x/"), &elsewhere]).is_none());
    }

    #[test]
    fn every_bad_field_is_told_at_once() {
        let settings = TenantSettings {
            prefix: Some("../".to_owned()),
            naming: Some("all".to_owned()),
            max_size: Some("0".to_owned()),
            max_open_uploads: Some("-1".to_owned()),
            content_types: Some("image".to_owned()),
            url_ttl: Some("8d".to_owned()),
            ..TenantSettings::default()
        };
        let problems = settings.resolve("A b", &defaults()).unwrap_err();
        let fields: Vec<_> = problems.iter().map(|problem| problem.field).collect();
        let expected =
            ["name", "prefix", "naming", "max_size", "max_open_uploads", "content_types", "url_ttl"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn content_types_match_without_parameters_and_case() {
        let images = ContentTypes::new(["image/*".to_owned(), "text/plain".to_owned()]).unwrap();
        for (content_type, allowed) in [
            ("image/png", true),
            ("IMAGE/PNG", true),
            ("text/plain; charset=utf-8", true),
            ("text/html", false),
            ("imagex/png", false),
            ("", false),
        ] {
            assert_eq!(images.allow(content_type), allowed, "{content_type}");
        }
        assert!(ContentTypes::default().allow("anything/goes"));
    }
}
