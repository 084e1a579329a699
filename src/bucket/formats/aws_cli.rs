//! For the AWS command line, which every store with S3's calls understands.

use serde_json::{Value, json};

use super::super::plan::Plan;
use super::{Format, comment, quoted};
use crate::storage::{CorsRule, LifecycleRule};

pub(super) fn of(plan: &Plan) -> String {
    let mut script = comment(plan, Format::AwsCli);
    if !plan.cors.is_empty() {
        script += &call(plan, "put-bucket-cors", "--cors-configuration", &cors(&plan.cors));
    }
    if !plan.lifecycle.rules.is_empty() {
        let rules: Value = plan.lifecycle.rules.iter().map(LifecycleRule::to_json).collect();
        let mut arguments = vec![quoted(&json!({ "Rules": rules }).to_string())];
        if let Some(size) = &plan.lifecycle.minimum_transition_size {
            arguments.push(format!("--transition-default-minimum-object-size {}", quoted(size)));
        }
        script += &call_with(
            plan,
            "put-bucket-lifecycle-configuration",
            "--lifecycle-configuration",
            &arguments.join(" \\\n  "),
        );
    }
    let block = plan.wanted.public_access_block;
    let block = json!({
        "BlockPublicAcls": block.block_public_acls,
        "IgnorePublicAcls": block.ignore_public_acls,
        "BlockPublicPolicy": block.block_public_policy,
        "RestrictPublicBuckets": block.restrict_public_buckets,
    });
    script + &call(plan, "put-public-access-block", "--public-access-block-configuration", &block)
}

fn call(plan: &Plan, operation: &str, option: &str, value: &Value) -> String {
    call_with(plan, operation, option, &quoted(&value.to_string()))
}

fn call_with(plan: &Plan, operation: &str, option: &str, arguments: &str) -> String {
    let wanted = &plan.wanted;
    let endpoint = wanted.endpoint.as_ref().map(|url| format!(" --endpoint-url {}", quoted(url)));
    format!(
        "aws s3api {operation}{} --region {} --bucket {} \\\n  {option} {arguments}\n",
        endpoint.unwrap_or_default(),
        quoted(&wanted.region),
        quoted(&wanted.bucket),
    )
}

fn cors(rules: &[CorsRule]) -> Value {
    let rules: Value = rules
        .iter()
        .map(|rule| {
            let mut json = json!({
                "AllowedOrigins": rule.allowed_origins,
                "AllowedMethods": rule.allowed_methods,
                "AllowedHeaders": rule.allowed_headers,
                "ExposeHeaders": rule.expose_headers,
            });
            if let Some(id) = &rule.id {
                json["ID"] = json!(id);
            }
            if let Some(seconds) = rule.max_age_seconds {
                json["MaxAgeSeconds"] = json!(seconds);
            }
            json
        })
        .collect();
    json!({ "CORSRules": rules })
}
