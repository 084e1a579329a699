//! Rules of buckets, ours and anybody's.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    self, AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleRuleFilter, NoncurrentVersionExpiration,
    NoncurrentVersionTransition, Tag, Transition,
};
use serde_json::{Map, Value, json};

/// What the SDK knows of a CORS configuration
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html>), and [`CorsRule`] keeps.
pub(super) const CORS_ELEMENTS: &[&str] = &[
    "AllowedHeader",
    "AllowedMethod",
    "AllowedOrigin",
    "CORSConfiguration",
    "CORSRule",
    "ExposeHeader",
    "ID",
    "MaxAgeSeconds",
];

/// What the SDK knows of a lifecycle configuration
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html>), and so [`LifecycleRule`] keeps.
pub(super) const LIFECYCLE_ELEMENTS: &[&str] = &[
    "AbortIncompleteMultipartUpload",
    "And",
    "Date",
    "Days",
    "DaysAfterInitiation",
    "Expiration",
    "ExpiredObjectDeleteMarker",
    "Filter",
    "ID",
    "Key",
    "LifecycleConfiguration",
    "NewerNoncurrentVersions",
    "NoncurrentDays",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransition",
    "ObjectSizeGreaterThan",
    "ObjectSizeLessThan",
    "Prefix",
    "Rule",
    "Status",
    "StorageClass",
    "Tag",
    "Transition",
    "Value",
];

/// One rule of a bucket's CORS configuration: all that S3 has in one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsRule {
    /// Its name, unique in the bucket.
    pub id: Option<String>,
    /// Origins, each with at most one `*`.
    pub allowed_origins: Vec<String>,
    /// `GET`, `PUT`, `HEAD`, `POST`, `DELETE`.
    pub allowed_methods: Vec<String>,
    /// Request headers, each with at most one `*`.
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer to a preflight.
    pub max_age_seconds: Option<i32>,
}

impl From<types::CorsRule> for CorsRule {
    fn from(rule: types::CorsRule) -> Self {
        Self {
            id: rule.id,
            allowed_origins: rule.allowed_origins,
            allowed_methods: rule.allowed_methods,
            allowed_headers: rule.allowed_headers.unwrap_or_default(),
            expose_headers: rule.expose_headers.unwrap_or_default(),
            max_age_seconds: rule.max_age_seconds,
        }
    }
}

impl CorsRule {
    pub(super) fn to_sdk(&self) -> types::CorsRule {
        let some = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
        types::CorsRule::builder()
            .set_id(self.id.clone())
            .set_allowed_origins(Some(self.allowed_origins.clone()))
            .set_allowed_methods(Some(self.allowed_methods.clone()))
            .set_allowed_headers(some(&self.allowed_headers))
            .set_expose_headers(some(&self.expose_headers))
            .set_max_age_seconds(self.max_age_seconds)
            .build()
            .expect("origins and methods, which it needs, are set two lines above")
    }

    /// The whole rule, in the words of `aws s3api put-bucket-cors`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let names = |names: &[String]| (!names.is_empty()).then(|| Value::from(names));
        object([
            ("ID", self.id.as_deref().map(Value::from)),
            ("AllowedOrigins", names(&self.allowed_origins)),
            ("AllowedMethods", names(&self.allowed_methods)),
            ("AllowedHeaders", names(&self.allowed_headers)),
            ("ExposeHeaders", names(&self.expose_headers)),
            ("MaxAgeSeconds", self.max_age_seconds.map(Value::from)),
        ])
    }
}

/// One rule of a bucket's lifecycle. What it says beside what we understand is kept, and written back as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct LifecycleRule(types::LifecycleRule);

impl From<types::LifecycleRule> for LifecycleRule {
    fn from(rule: types::LifecycleRule) -> Self {
        Self(rule)
    }
}

impl LifecycleRule {
    /// A rule that aborts what was begun below `prefix` so many days ago and not finished.
    #[must_use]
    pub fn abort_incomplete(id: &str, prefix: &str, days_after_initiation: u16) -> Self {
        let abort = AbortIncompleteMultipartUpload::builder();
        let abort = abort.days_after_initiation(i32::from(days_after_initiation)).build();
        let rule = types::LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .abort_incomplete_multipart_upload(abort)
            .build();
        Self(rule.expect("the status, which it needs, is set above"))
    }

    pub(super) fn to_sdk(&self) -> types::LifecycleRule {
        self.0.clone()
    }

    /// Its name, unique in the bucket.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.0.id()
    }

    /// What the keys that it is about begin with.
    #[must_use]
    #[expect(deprecated, reason = "rules made before 2018 have their prefix beside the filter")]
    pub fn prefix(&self) -> &str {
        let filter = self.0.filter();
        let in_filter = || filter.and_then(|filter| filter.prefix());
        let in_and = || filter.and_then(LifecycleRuleFilter::and).and_then(|and| and.prefix());
        self.0.prefix().or_else(in_filter).or_else(in_and).unwrap_or_default()
    }

    /// Whether it is about all keys with its prefix, and not only those of some size or tag.
    #[must_use]
    pub fn is_about_all(&self) -> bool {
        let Some(filter) = self.0.filter() else { return true };
        let is_plain = filter.tag.is_none()
            && filter.object_size_greater_than.is_none()
            && filter.object_size_less_than.is_none();
        let and_is_plain = filter.and().is_none_or(|and| {
            and.tags().is_empty()
                && and.object_size_greater_than.is_none()
                && and.object_size_less_than.is_none()
        });
        is_plain && and_is_plain
    }

    /// After how many days it aborts incomplete multipart uploads; none where it does not, or is switched off.
    #[must_use]
    pub fn aborts_after_days(&self) -> Option<i32> {
        let abort = self.0.abort_incomplete_multipart_upload().filter(|_| self.is_enabled());
        abort.and_then(AbortIncompleteMultipartUpload::days_after_initiation)
    }

    /// Whether it is in force.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        *self.0.status() == ExpirationStatus::Enabled
    }

    /// Whether aborting is all that it does, be it switched on or off.
    #[must_use]
    pub fn only_aborts(&self) -> bool {
        let rule = &self.0;
        rule.abort_incomplete_multipart_upload().is_some()
            && rule.expiration().is_none()
            && rule.transitions().is_empty()
            && rule.noncurrent_version_transitions().is_empty()
            && rule.noncurrent_version_expiration().is_none()
    }

    /// Whether it ends versions that are no longer current.
    #[must_use]
    pub fn expires_versions(&self) -> bool {
        self.is_enabled() && self.0.noncurrent_version_expiration().is_some()
    }

    /// The whole rule, in the words of `aws s3api put-bucket-lifecycle-configuration`.
    #[must_use]
    #[expect(deprecated, reason = "rules made before 2018 have their prefix beside the filter")]
    pub fn to_json(&self) -> Value {
        let rule = &self.0;
        let expiration = rule.expiration().map(|expiration| {
            object([
                ("Date", expiration.date().map(date)),
                ("Days", expiration.days().map(Value::from)),
                ("ExpiredObjectDeleteMarker", expiration.expired_object_delete_marker().map(Value::from)),
            ])
        });
        let abort = rule.abort_incomplete_multipart_upload();
        let abort = abort
            .map(|abort| object([("DaysAfterInitiation", abort.days_after_initiation().map(Value::from))]));
        object([
            ("ID", rule.id().map(Value::from)),
            ("Prefix", rule.prefix().map(Value::from)),
            ("Filter", rule.filter().map(filter)),
            ("Status", Some(Value::from(rule.status().as_str()))),
            ("Expiration", expiration),
            ("Transitions", list(rule.transitions(), transition)),
            (
                "NoncurrentVersionTransitions",
                list(rule.noncurrent_version_transitions(), noncurrent_transition),
            ),
            ("NoncurrentVersionExpiration", rule.noncurrent_version_expiration().map(noncurrent_expiration)),
            ("AbortIncompleteMultipartUpload", abort),
        ])
    }
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn list<T>(items: &[T], to_json: impl Fn(&T) -> Value) -> Option<Value> {
    (!items.is_empty()).then(|| items.iter().map(to_json).collect())
}

fn date(date: &DateTime) -> Value {
    date.fmt(DateTimeFormat::DateTime).map(Value::from).unwrap_or_default()
}

fn tag(tag: &Tag) -> Value {
    json!({"Key": tag.key(), "Value": tag.value()})
}

fn filter(filter: &LifecycleRuleFilter) -> Value {
    let and = filter.and().map(|and| {
        object([
            ("Prefix", and.prefix().map(Value::from)),
            ("Tags", list(and.tags(), tag)),
            ("ObjectSizeGreaterThan", and.object_size_greater_than().map(Value::from)),
            ("ObjectSizeLessThan", and.object_size_less_than().map(Value::from)),
        ])
    });
    object([
        ("Prefix", filter.prefix().map(Value::from)),
        ("Tag", filter.tag().map(tag)),
        ("ObjectSizeGreaterThan", filter.object_size_greater_than().map(Value::from)),
        ("ObjectSizeLessThan", filter.object_size_less_than().map(Value::from)),
        ("And", and),
    ])
}

fn transition(transition: &Transition) -> Value {
    object([
        ("Date", transition.date().map(date)),
        ("Days", transition.days().map(Value::from)),
        ("StorageClass", transition.storage_class().map(|class| Value::from(class.as_str()))),
    ])
}

fn noncurrent_transition(transition: &NoncurrentVersionTransition) -> Value {
    object([
        ("NoncurrentDays", transition.noncurrent_days().map(Value::from)),
        ("NewerNoncurrentVersions", transition.newer_noncurrent_versions().map(Value::from)),
        ("StorageClass", transition.storage_class().map(|class| Value::from(class.as_str()))),
    ])
}

fn noncurrent_expiration(expiration: &NoncurrentVersionExpiration) -> Value {
    object([
        ("NoncurrentDays", expiration.noncurrent_days().map(Value::from)),
        ("NewerNoncurrentVersions", expiration.newer_noncurrent_versions().map(Value::from)),
    ])
}
