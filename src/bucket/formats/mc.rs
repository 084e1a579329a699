//! For MinIO's client. MinIO has neither CORS nor a rule that aborts for a bucket: both are settings of the server.

use super::super::by_hand::hours;
use super::super::plan::{Plan, What};
use super::{Format, comment, quoted};

/// `ALIAS` is whoever runs it to replace, as in MinIO's own documentation.
pub(super) fn of(plan: &Plan) -> String {
    let (rule, rules) = (&plan.wanted.cors_rule, &plan.wanted.abort_rules);
    let mut script = comment(plan, Format::Mc);
    script +=
        "# Put your alias of the server in the place of ALIAS. What is set is set for the whole server.\n";
    if let Some(rule) = rule.as_ref().filter(|_| plan.is_about(What::Cors)) {
        let origins = quoted(&format!("cors_allow_origin={}", rule.allowed_origins.join(",")));
        script += &format!("mc admin config set ALIAS api {origins}\n");
    }
    let longest = rules.iter().max_by_key(|rule| rule.days_after_initiation);
    if let Some(rule) = longest.filter(|_| plan.is_about(What::Lifecycle)) {
        script += &format!("mc admin config set ALIAS api stale_uploads_expiry={}h\n", hours(rule));
    }
    if plan.is_about(What::PublicAccessBlock) {
        let bucket = quoted(&format!("ALIAS/{}", plan.wanted.bucket));
        script += &format!("# This must answer `private`.\nmc anonymous get {bucket}\n");
    }
    script
}
