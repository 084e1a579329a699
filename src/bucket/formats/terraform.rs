//! For Terraform and OpenTofu with the AWS provider, laid out as `terraform fmt` does.

use serde_json::{Map, Value, json};

use super::super::plan::{Plan, What};
use super::{Format, comment};
use crate::storage::LifecycleRule;

pub(super) fn of(plan: &Plan) -> String {
    let mut blocks = vec![comment(plan, Format::Terraform)];
    let bucket = json!(plan.wanted.bucket);
    if plan.is_about(What::Cors) && !plan.cors.is_empty() {
        let rules: Vec<_> = plan.cors.iter().map(|rule| snake(&rule.to_json())).collect();
        blocks.push(resource(
            "aws_s3_bucket_cors_configuration",
            json!({ "bucket": bucket, "cors_rule": rules }),
        ));
    }
    if plan.is_about(What::Lifecycle) && !plan.lifecycle.rules.is_empty() {
        let rules: Vec<_> = plan.lifecycle.rules.iter().map(lifecycle).collect();
        let mut body = json!({ "bucket": bucket, "rule": rules });
        if let Some(size) = &plan.lifecycle.minimum_transition_size {
            body["transition_default_minimum_object_size"] = json!(size);
        }
        blocks.push(resource("aws_s3_bucket_lifecycle_configuration", body));
    }
    if plan.is_about(What::PublicAccessBlock) {
        let block = plan.wanted.public_access_block;
        let body = json!({
            "bucket": bucket,
            "block_public_acls": block.block_public_acls,
            "ignore_public_acls": block.ignore_public_acls,
            "block_public_policy": block.block_public_policy,
            "restrict_public_buckets": block.restrict_public_buckets,
        });
        blocks.push(resource("aws_s3_bucket_public_access_block", body));
    }
    blocks.join("\n")
}

fn resource(kind: &str, body: Value) -> String {
    let body = body.as_object().map(|body| block(body, 1)).unwrap_or_default();
    format!("resource \"{kind}\" \"uploads\" {{\n{body}}}\n")
}

/// The provider has S3's own form in other letters: names in snake case, lists as blocks that are repeated, and tags as
/// a map (<https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/s3_bucket_lifecycle_configuration>).
fn lifecycle(rule: &LifecycleRule) -> Value {
    let mut rule = snake(&rule.to_json());
    // The provider wants the place of the prefix to be said, also where it is everywhere.
    if rule.get("filter").is_none() && rule.get("prefix").is_none() {
        rule["filter"] = json!({});
    }
    rule
}

fn snake(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| field(name, value)).collect(),
        other => other.clone(),
    }
}

fn field(name: &str, value: &Value) -> (String, Value) {
    match (name, value) {
        ("ID", id) => ("id".to_owned(), id.clone()),
        ("Tags", Value::Array(tags)) => {
            let pairs =
                tags.iter().filter_map(|tag| Some((tag.get("Key")?.as_str()?.to_owned(), tag.get("Value")?)));
            // Marked by its name as a map, which is written with `=`.
            ("tags".to_owned(), pairs.map(|(key, value)| (key, value.clone())).collect())
        }
        (name, Value::Array(items)) if items.iter().all(Value::is_object) => {
            let single = name.strip_suffix('s').unwrap_or(name);
            (snake_case(single), items.iter().map(snake).collect())
        }
        (name, value) => (snake_case(name), snake(value)),
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Attributes first, aligned, then blocks, each after an empty line.
fn block(fields: &Map<String, Value>, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let is_block = |name: &str, value: &Value| match value {
        Value::Object(_) => name != "tags",
        Value::Array(items) => items.first().is_some_and(Value::is_object),
        _ => false,
    };
    let (blocks, attributes): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(name, value)| is_block(name, value));
    let mut text = attributes_of(&attributes, &indent);
    for (name, value) in blocks {
        let items = value.as_array().map_or_else(|| vec![value], |items| items.iter().collect());
        for item in items.into_iter().filter_map(Value::as_object) {
            if !text.is_empty() {
                text.push('\n');
            }
            text += &match block(item, depth + 1) {
                empty if empty.is_empty() => format!("{indent}{name} {{}}\n"),
                body => format!("{indent}{name} {{\n{body}{indent}}}\n"),
            };
        }
    }
    text
}

/// `terraform fmt` aligns lines that follow one another; a list or map on several lines stands apart.
fn attributes_of(attributes: &[(&String, &Value)], indent: &str) -> String {
    let is_long = |value: &Value| matches!(value, Value::Array(_) | Value::Object(_));
    let mut short: Vec<_> = attributes.iter().filter(|(_, value)| !is_long(value)).collect();
    // What a thing is called comes before what it is.
    short.sort_by_key(|(name, _)| !["bucket", "id"].contains(&name.as_str()));
    let width = short.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = short.iter().map(|(name, value)| format!("{indent}{name:width$} = {}\n", literal(value)));
    let mut groups = vec![lines.collect::<String>()];
    groups.extend(attributes.iter().filter(|(_, value)| is_long(value)).map(|(name, value)| match value {
        Value::Object(map) => map_of(name, map, indent),
        _ => list_of(name, value, indent),
    }));
    groups.retain(|group| !group.is_empty());
    groups.join("\n")
}

fn list_of(name: &str, list: &Value, indent: &str) -> String {
    let items = list.as_array().into_iter().flatten();
    let items: String = items.map(|item| format!("{indent}  {},\n", literal(item))).collect();
    format!("{indent}{name} = [\n{items}{indent}]\n")
}

fn map_of(name: &str, map: &Map<String, Value>, indent: &str) -> String {
    let width = map.keys().map(|key| literal(&json!(key)).len()).max().unwrap_or(0);
    let pairs = map
        .iter()
        .map(|(key, value)| format!("{indent}  {:width$} = {}\n", literal(&json!(key)), literal(value)));
    format!("{indent}{name} = {{\n{}{indent}}}\n", pairs.collect::<String>())
}

/// JSON's strings are HCL's, but for what begins a template there.
fn literal(value: &Value) -> String {
    value.to_string().replace("${", "$${").replace("%{", "%%{")
}
