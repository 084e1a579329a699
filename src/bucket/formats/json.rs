//! For programs. The shape is stable: fields are only added.

use serde_json::{Value, json};

use super::super::plan::{Action, Change, Plan};
use super::super::wanted::{AbortRule, Wanted};
use crate::storage::CorsRule;

pub(super) fn of(plan: &Plan) -> Value {
    let Wanted { bucket, region, cors_rule, abort_rules, public_access_block: block, .. } = &plan.wanted;
    json!({
        "bucket": bucket,
        "region": region,
        "wanted": {
            "cors_rules": cors_rule.iter().map(cors).collect::<Value>(),
            "lifecycle_rules": abort_rules.iter().map(lifecycle).collect::<Value>(),
            "public_access_block": {
                "block_public_acls": block.block_public_acls,
                "ignore_public_acls": block.ignore_public_acls,
                "block_public_policy": block.block_public_policy,
                "restrict_public_buckets": block.restrict_public_buckets,
            },
        },
        "changes": plan.changes.iter().map(change).collect::<Value>(),
        "notes": plan.notes,
    })
}

fn cors(rule: &CorsRule) -> Value {
    json!({
        "id": rule.id,
        "allowed_origins": rule.allowed_origins,
        "allowed_methods": rule.allowed_methods,
        "allowed_headers": rule.allowed_headers,
        "expose_headers": rule.expose_headers,
        "max_age_seconds": rule.max_age_seconds,
    })
}

fn lifecycle(rule: &AbortRule) -> Value {
    json!({
        "id": rule.id,
        "status": "Enabled",
        "prefix": rule.prefix,
        "abort_incomplete_multipart_upload": { "days_after_initiation": rule.days_after_initiation },
    })
}

fn change(change: &Change) -> Value {
    let reason = match change.action {
        Action::ByHand(reason) => Some(reason.name()),
        Action::Create | Action::Update | Action::None => None,
    };
    json!({
        "what": change.what.name(),
        "action": change.action.name(),
        "reason": reason,
        "detail": change.detail,
    })
}
