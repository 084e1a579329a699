//! AbortIncompleteMultipartUpload, the one lifecycle action that the store executes.

use std::time::SystemTime;

use s3s::dto::BucketLifecycleConfiguration;

use crate::backend::{Backend, abort_stale};
use crate::db;
use crate::error::StoreError;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The enabled rules of a bucket that abort incomplete uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AbortRules(Vec<AbortRule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct AbortRule {
    id: Option<String>,
    prefix: String,
    days: i64,
}

/// Aborts every upload that is due at `now`.
pub(crate) async fn run(backend: &Backend, now: SystemTime) -> Result<usize, StoreError> {
    let now_ms = db::to_ms(now);
    let mut read = backend.db.read().await?;
    let lifecycles = db::buckets::lifecycles(&mut read).await?;
    drop(read);
    let mut aborted = 0;
    for (bucket, json) in lifecycles {
        for rule in AbortRules::parse(&json)?.0 {
            aborted += abort_stale(backend, &bucket, &rule.prefix, rule.initiated_before(now_ms)).await?;
        }
    }
    if aborted > 0 {
        tracing::info!(target: "devstore", aborted, "lifecycle aborted incomplete uploads");
    }
    Ok(aborted)
}

impl AbortRules {
    pub(crate) fn parse(json: &str) -> serde_json::Result<Self> {
        let configuration: BucketLifecycleConfiguration = serde_json::from_str(json)?;
        Ok(Self(configuration.rules.into_iter().filter_map(AbortRule::of).collect()))
    }

    /// When an upload of `key` that was initiated at `initiated_ms` is due, and by which rule: the soonest.
    pub(crate) fn due(&self, key: &str, initiated_ms: i64) -> Option<(i64, Option<String>)> {
        self.0
            .iter()
            .filter(|rule| key.starts_with(&rule.prefix))
            .min_by_key(|rule| rule.days)
            .map(|rule| (rule.due(initiated_ms), rule.id.clone()))
    }
}

impl AbortRule {
    fn of(rule: s3s::dto::LifecycleRule) -> Option<Self> {
        let days = rule.abort_incomplete_multipart_upload?.days_after_initiation?;
        if rule.status.as_str() != s3s::dto::ExpirationStatus::ENABLED {
            return None;
        }
        let filter = rule.filter.unwrap_or_default();
        let prefix = rule.prefix.or(filter.prefix).or(filter.and.and_then(|and| and.prefix));
        Some(Self { id: rule.id, prefix: prefix.unwrap_or_default(), days: i64::from(days) })
    }

    /// S3 counts whole days and rounds up to the next midnight UTC.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>
    fn due(&self, initiated_ms: i64) -> i64 {
        (initiated_ms + self.days * DAY_MS).div_euclid(DAY_MS) * DAY_MS + DAY_MS
    }

    /// Uploads initiated before this time are due at `now_ms`: the inverse of [`due`](Self::due).
    fn initiated_before(&self, now_ms: i64) -> i64 {
        (now_ms.div_euclid(DAY_MS) - self.days) * DAY_MS
    }
}

#[cfg(test)]
mod tests {
    use super::{AbortRule, DAY_MS};

    #[test]
    fn an_upload_is_due_at_the_midnight_after_its_days() {
        let rule = AbortRule { id: None, prefix: String::new(), days: 1 };
        let noon = DAY_MS / 2;
        assert_eq!(rule.due(noon), 2 * DAY_MS);
        for (now, expected) in [(2 * DAY_MS - 1, false), (2 * DAY_MS, true)] {
            assert_eq!(noon < rule.initiated_before(now), expected, "{now}");
        }
    }
}
