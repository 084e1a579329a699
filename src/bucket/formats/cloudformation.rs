//! For AWS CloudFormation: a template with the bucket. One that exists is imported into a stack, which takes the
//! deletion policy (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import.html>).

use serde_json::{Map, Value, json};

use super::super::plan::{Plan, What};
use super::warnings;
use crate::storage::{CorsRule, LifecycleRule};

/// The longest description that CloudFormation takes, bytes
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>).
const MAX_DESCRIPTION: usize = 1024;

pub(super) fn of(plan: &Plan) -> String {
    let block = plan.wanted.public_access_block;
    let mut properties = json!({ "BucketName": plan.wanted.bucket });
    if plan.is_about(What::PublicAccessBlock) {
        properties["PublicAccessBlockConfiguration"] = json!({
            "BlockPublicAcls": block.block_public_acls,
            "IgnorePublicAcls": block.ignore_public_acls,
            "BlockPublicPolicy": block.block_public_policy,
            "RestrictPublicBuckets": block.restrict_public_buckets,
        });
    }
    if plan.is_about(What::Cors) && !plan.cors.is_empty() {
        properties["CorsConfiguration"] =
            json!({ "CorsRules": plan.cors.iter().map(cors).collect::<Value>() });
    }
    if plan.is_about(What::Lifecycle) && !plan.lifecycle.rules.is_empty() {
        let rules: Value = plan.lifecycle.rules.iter().map(lifecycle).collect();
        properties["LifecycleConfiguration"] = json!({ "Rules": rules });
        if let Some(size) = &plan.lifecycle.minimum_transition_size {
            properties["LifecycleConfiguration"]["TransitionDefaultMinimumObjectSize"] = json!(size);
        }
    }
    let template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description(plan),
        "Resources": {
            "UploadsBucket": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": properties,
            },
        },
    });
    format!("{template:#}\n")
}

fn description(plan: &Plan) -> String {
    let first = "What partgate needs of its bucket: partgate bucket plan --format cloudformation".to_owned();
    let words = std::iter::once(first).chain(warnings(plan)).collect::<Vec<_>>().join(". ");
    let end = words
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= MAX_DESCRIPTION)
        .last();
    words[..end.unwrap_or(0)].to_owned()
}

fn cors(rule: &CorsRule) -> Value {
    let from = rule.to_json();
    let renamed = [("ID", "Id"), ("ExposeHeaders", "ExposedHeaders"), ("MaxAgeSeconds", "MaxAge")];
    let same = ["AllowedOrigins", "AllowedMethods", "AllowedHeaders"].map(|name| (name, name));
    let fields = renamed.into_iter().chain(same);
    fields.filter_map(|(name, other)| Some((other.to_owned(), from.get(name)?.clone()))).collect()
}

/// CloudFormation has a form of its own for what S3 nests
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-rule.html>).
fn lifecycle(rule: &LifecycleRule) -> Value {
    let from = rule.to_json();
    let mut to = Map::new();
    let mut take = |name: &str, value: Option<&Value>| {
        if let Some(value) = value {
            to.insert(name.to_owned(), value.clone());
        }
    };
    take("Id", from.get("ID"));
    take("Status", from.get("Status"));
    take("Prefix", Some(&json!(rule.prefix())));
    take("AbortIncompleteMultipartUpload", from.get("AbortIncompleteMultipartUpload"));
    take("ExpirationDate", from.pointer("/Expiration/Date"));
    take("ExpirationInDays", from.pointer("/Expiration/Days"));
    take("ExpiredObjectDeleteMarker", from.pointer("/Expiration/ExpiredObjectDeleteMarker"));
    take("NoncurrentVersionExpiration", from.get("NoncurrentVersionExpiration"));
    let one_tag = from.pointer("/Filter/Tag").map(|tag| json!([tag]));
    take("TagFilters", one_tag.as_ref().or(from.pointer("/Filter/And/Tags")));
    for name in ["ObjectSizeGreaterThan", "ObjectSizeLessThan"] {
        let size = from.pointer(&format!("/Filter/{name}")).or(from.pointer(&format!("/Filter/And/{name}")));
        take(name, size.map(|size| json!(size.to_string())).as_ref());
    }
    let moves = renamed(&from, "Transitions", [("Date", "TransitionDate"), ("Days", "TransitionInDays")]);
    take("Transitions", moves.as_ref());
    let moves = renamed(
        &from,
        "NoncurrentVersionTransitions",
        [("NoncurrentDays", "TransitionInDays"), ("NewerNoncurrentVersions", "NewerNoncurrentVersions")],
    );
    take("NoncurrentVersionTransitions", moves.as_ref());
    Value::Object(to)
}

/// A list of moves to other storage classes, with the names that CloudFormation gives.
fn renamed(rule: &Value, list: &str, names: [(&str, &str); 2]) -> Option<Value> {
    let moves = rule.get(list)?.as_array()?.iter().map(|from| {
        let all = names.into_iter().chain([("StorageClass", "StorageClass")]);
        let fields = all.filter_map(|(name, other)| Some((other.to_owned(), from.get(name)?.clone())));
        Value::Object(fields.collect())
    });
    Some(moves.collect())
}
