//! For the AWS command line, which every store with S3's calls understands.

use serde_json::{Value, json};

use super::super::plan::{Plan, What};
use super::{Format, comment, quoted};
use crate::storage::{CorsRule, LifecycleRule};

pub(super) fn of(plan: &Plan) -> String {
    let mut script = comment(plan, Format::AwsCli);
    if plan.is_about(What::Cors) && !plan.cors.is_empty() {
        let rules: Value = plan.cors.iter().map(CorsRule::to_json).collect();
        let rules = json!({ "CORSRules": rules });
        script += &call(plan, "put-bucket-cors", "--cors-configuration", &rules);
    }
    if plan.is_about(What::Lifecycle) && !plan.lifecycle.rules.is_empty() {
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
    if plan.is_about(What::PublicAccessBlock) {
        let block = plan.wanted.public_access_block;
        let block = json!({
            "BlockPublicAcls": block.block_public_acls,
            "IgnorePublicAcls": block.ignore_public_acls,
            "BlockPublicPolicy": block.block_public_policy,
            "RestrictPublicBuckets": block.restrict_public_buckets,
        });
        script += &call(plan, "put-public-access-block", "--public-access-block-configuration", &block);
    }
    script
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
