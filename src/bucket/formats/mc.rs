//! For MinIO's client. MinIO has neither CORS nor a rule that aborts for a bucket: both are settings of the server.

use super::super::by_hand::hours;
use super::super::plan::Plan;
use super::{Format, comment, quoted};

/// `ALIAS` is whoever runs it to replace, as in MinIO's own documentation.
pub(super) fn of(plan: &Plan) -> String {
    let mut script = comment(plan, Format::Mc);
    script +=
        "# Put your alias of the server in the place of ALIAS. The first two are for the whole server.\n";
    if let Some(rule) = &plan.wanted.cors_rule {
        let origins = quoted(&format!("cors_allow_origin={}", rule.allowed_origins.join(",")));
        script += &format!("mc admin config set ALIAS api {origins}\n");
    }
    if let Some(rule) = plan.wanted.abort_rules.iter().max_by_key(|rule| rule.days_after_initiation) {
        script += &format!("mc admin config set ALIAS api stale_uploads_expiry={}h\n", hours(rule));
    }
    script += "# This must answer `private`.\n";
    script + &format!("mc anonymous get {}\n", quoted(&format!("ALIAS/{}", plan.wanted.bucket)))
}
