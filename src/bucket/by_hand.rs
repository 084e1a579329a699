//! What a person has to do where partgate cannot.

use super::plan::What;
use super::wanted::{AbortRule, Wanted};
use crate::storage::{CorsRule, Product};

/// Where a store has no CORS of its buckets.
pub(super) fn cors(rule: &CorsRule, product: Product) -> Vec<String> {
    match product {
        Product::MinIo => vec![
            "MinIO has CORS for the whole server only. Set in its environment and restart it:".to_owned(),
            minio_cors(rule),
            "Without it every origin is allowed. What pages need is exposed.".to_owned(),
        ],
        Product::SeaweedFs | Product::Other => vec![
            "this store takes no CORS rules by S3's API. Allow in its own settings:".to_owned(),
            format!("origins: {}", rule.allowed_origins.join(", ")),
            format!("methods: {}", rule.allowed_methods.join(", ")),
            format!("request headers: {}", rule.allowed_headers.join(", ")),
            format!("exposed headers: {}", rule.expose_headers.join(", ")),
        ],
    }
}

/// Where a store takes no rule that aborts.
pub(super) fn lifecycle(rules: &[AbortRule], product: Product) -> Vec<String> {
    let Some(longest) = rules.iter().max_by_key(|rule| rule.days_after_initiation) else { return Vec::new() };
    match product {
        Product::MinIo => vec![
            "MinIO has a clean-up for the whole server only. Set in its environment and restart it:"
                .to_owned(),
            minio_expiry(longest),
            "Without it uploads end after 24 hours, although they may be resumed for longer.".to_owned(),
        ],
        Product::SeaweedFs | Product::Other => vec![format!(
            "this store takes no lifecycle rules by S3's API. If it cleans up incomplete uploads by itself, set that to \
             {} days or later. partgate's sweep takes back what is overdue.",
            longest.days_after_initiation
        )],
    }
}

/// MinIO's CORS setting (<https://github.com/minio/minio/tree/master/docs/config>, `api cors_allow_origin`).
pub(super) fn minio_cors(rule: &CorsRule) -> String {
    format!("MINIO_API_CORS_ALLOW_ORIGIN={}", rule.allowed_origins.join(","))
}

/// MinIO's clean-up (the same page, `api stale_uploads_expiry`).
pub(super) fn minio_expiry(rule: &AbortRule) -> String {
    format!("MINIO_API_STALE_UPLOADS_EXPIRY={}h", hours(rule))
}

pub(super) fn hours(rule: &AbortRule) -> u32 {
    u32::from(rule.days_after_initiation) * 24
}

/// Where a store has no public access block.
pub(super) fn public_access_block(wanted: &Wanted, product: Product) -> Vec<String> {
    let bucket = &wanted.bucket;
    match product {
        Product::MinIo => vec![
            "MinIO has no public access block. A bucket is private there unless a policy says otherwise; this must \
             answer `private`:"
                .to_owned(),
            format!("mc anonymous get ALIAS/{bucket}"),
        ],
        Product::SeaweedFs | Product::Other => vec![format!(
            "this store has no public access block. See that no policy or ACL of {bucket} lets strangers in."
        )],
    }
}

/// Where our identity may not.
pub(super) fn denied(what: What) -> Vec<String> {
    let (get, put) = match what {
        What::Cors => ("s3:GetBucketCORS", "s3:PutBucketCORS"),
        What::Lifecycle => ("s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
        What::PublicAccessBlock => ("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    };
    vec![format!(
        "these credentials may not. A gateway needs no such right: run this once with an operator's credentials \
         (PARTGATE_STORAGE__ACCESS_KEY_ID and PARTGATE_STORAGE__SECRET_ACCESS_KEY) that have {get} and {put}."
    )]
}

/// Where the bucket has what we do not know.
pub(super) fn unknown(what: What, names: &[String]) -> Vec<String> {
    vec![format!(
        "the bucket has {} rules with {}, which partgate does not know and would lose. Add ours with the store's own \
         tool: partgate bucket plan --offline --format json shows it.",
        what.name(),
        names.join(", ")
    )]
}
