//! The bucket's lifecycle rules against the life of uploads.

use super::Check::{Lifecycle, PermissionLifecycle};
use super::permissions;
use super::report::Findings;
use crate::bucket::{AbortRule, Wanted};
use crate::config::Settings;
use crate::storage::{LifecycleRule, Reading, Storage};

const MEND: &str = "run `partgate bucket apply` (`partgate bucket plan` shows what it does)";

/// What the rules mean to uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Judgement {
    /// These end uploads that are still wanted.
    TooSoon(Vec<String>),
    /// No rule cleans up there.
    Missing(Vec<String>),
    /// What nobody finishes is taken away in time.
    Covered,
}

pub(super) async fn check(storage: &Storage, settings: &Settings, findings: &Findings) {
    let found = match storage.bucket_configuration().await {
        Ok(found) => found,
        Err(error) => {
            findings.note(PermissionLifecycle, error.detail, "see why in the store's own log");
            findings.skip(&[Lifecycle], "see permission.lifecycle");
            return;
        }
    };
    let wanted = Wanted::from(settings).abort_rules;
    match found.lifecycle {
        Reading::Is(lifecycle) => {
            findings.good(PermissionLifecycle, "the rules may be read");
            tell(judge(&wanted, &lifecycle.rules), findings);
        }
        Reading::Absent => {
            findings.good(PermissionLifecycle, "the rules may be read");
            tell(judge(&wanted, &[]), findings);
        }
        Reading::NoSuchCall => {
            findings.note(PermissionLifecycle, "the store has no such rules that could be asked for", "");
            findings
                .skip(&[Lifecycle], "the store has no such rules that could be asked for; see store.cleanup");
        }
        Reading::Denied => {
            let mend = permissions::allow(storage.bucket(), "s3:GetLifecycleConfiguration");
            let mend = format!("{mend} if the doctor should look at them; uploads do not need it");
            findings.note(PermissionLifecycle, "the rules may not be read", mend);
            findings.skip(&[Lifecycle], "the rules may not be read, see permission.lifecycle");
        }
    }
}

fn judge(wanted: &[AbortRule], rules: &[LifecycleRule]) -> Judgement {
    let too_soon: Vec<_> = wanted.iter().flat_map(|wanted| too_soon(wanted, rules)).collect();
    let missing = wanted.iter().filter(|wanted| !is_covered(wanted, rules));
    let missing: Vec<_> = missing.map(|wanted| under(&wanted.prefix)).collect();
    match (too_soon.is_empty(), missing.is_empty()) {
        (false, _) => Judgement::TooSoon(too_soon),
        (true, false) => Judgement::Missing(missing),
        (true, true) => Judgement::Covered,
    }
}

/// Storage goes by the soonest rule that is about a key, also one that is about only some of ours.
fn too_soon(wanted: &AbortRule, rules: &[LifecycleRule]) -> Vec<String> {
    let meets = |rule: &LifecycleRule| {
        wanted.prefix.starts_with(rule.prefix()) || rule.prefix().starts_with(&wanted.prefix)
    };
    let met = rules.iter().filter(|rule| meets(rule));
    let days = met.filter_map(|rule| Some((rule, rule.aborts_after_days()?)));
    let sooner = days.filter(|(_, days)| *days < i32::from(wanted.lifetime_days));
    let words = sooner.map(|(rule, days)| {
        format!(
            "the rule {:?} aborts uploads {} after {days} days, and they may take {} days",
            rule.id().unwrap_or_default(),
            under(rule.prefix()),
            wanted.lifetime_days
        )
    });
    words.collect()
}

fn under(prefix: &str) -> String {
    if prefix.is_empty() { "of the whole bucket".to_owned() } else { format!("under {prefix}") }
}

fn is_covered(wanted: &AbortRule, rules: &[LifecycleRule]) -> bool {
    rules.iter().any(|rule| {
        rule.is_about_all()
            && wanted.prefix.starts_with(rule.prefix())
            && rule.aborts_after_days().is_some_and(|days| days >= i32::from(wanted.lifetime_days))
    })
}

fn tell(judgement: Judgement, findings: &Findings) {
    match judgement {
        Judgement::TooSoon(words) => findings.bad(
            Lifecycle,
            words.join("; "),
            format!(
                "{MEND}; a rule of somebody else's you have to change by hand, or shorten uploads.lifetime"
            ),
        ),
        Judgement::Missing(prefixes) => {
            findings.warning(
                Lifecycle,
                format!("no rule aborts incomplete uploads {}", prefixes.join(", ")),
                MEND,
            );
        }
        Judgement::Covered => {
            findings.good(Lifecycle, "incomplete uploads are aborted, later than uploads.lifetime")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(prefix: &str) -> AbortRule {
        AbortRule {
            id: "partgate-abort-incomplete".to_owned(),
            prefix: prefix.to_owned(),
            lifetime_days: 7,
            days_after_initiation: 8,
        }
    }

    fn rule(prefix: &str, days: u16) -> LifecycleRule {
        LifecycleRule::abort_incomplete("r", prefix, days)
    }

    #[test]
    fn rules_are_judged_by_the_soonest() {
        let judge = |rules: &[LifecycleRule]| judge(&[wanted("in/")], rules);
        assert_eq!(judge(&[]), Judgement::Missing(vec!["under in/".to_owned()]));
        assert_eq!(judge(&[rule("", 8)]), Judgement::Covered);
        assert_eq!(judge(&[rule("in/", 7)]), Judgement::Covered);
        assert_eq!(judge(&[rule("other/", 8)]), Judgement::Missing(vec!["under in/".to_owned()]));
        assert!(matches!(judge(&[rule("", 6), rule("in/", 8)]), Judgement::TooSoon(_)));
        assert!(matches!(judge(&[rule("in/acme/", 1), rule("in/", 8)]), Judgement::TooSoon(_)));
        assert_eq!(judge(&[rule("other/", 1), rule("in/", 8)]), Judgement::Covered);
    }
}
