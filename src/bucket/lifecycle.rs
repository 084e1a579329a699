//! Our lifecycle rules among those of others.

use super::plan::{Change, Reason, What, Write};
use super::wanted::{AbortRule, LIFECYCLE_RULE_ID, Wanted};
use super::{Action, by_hand};
use crate::storage::{BucketConfiguration, Lifecycle, LifecycleRule, Reading};

const WHAT: What = What::Lifecycle;

/// What has to change, and all rules after it.
pub(super) fn change(wanted: &Wanted, found: &BucketConfiguration) -> (Change, Lifecycle) {
    let rules = &wanted.abort_rules;
    let (empty, ours) = (Lifecycle::default(), || merge(rules, &Lifecycle::default()).1);
    match &found.lifecycle {
        Reading::NoSuchCall => {
            let detail = by_hand::lifecycle(rules, found.product);
            (Change::by_hand(WHAT, Reason::NoSuchCall, detail), ours())
        }
        Reading::Denied => (Change::by_hand(WHAT, Reason::Denied, by_hand::denied(WHAT)), ours()),
        Reading::Absent => merge(rules, &empty),
        Reading::Is(lifecycle) => {
            let (change, merged) = merge(rules, lifecycle);
            let change = match &change.write {
                Some(_) if !lifecycle.unknown.is_empty() => {
                    Change::by_hand(WHAT, Reason::Unknown, by_hand::unknown(WHAT, &lifecycle.unknown))
                }
                _ => change,
            };
            (change, merged)
        }
    }
}

/// What is to be done about one of our rules.
enum Step {
    Create(LifecycleRule),
    Update(usize, LifecycleRule),
    None(String),
}

/// Puts our rules beside those of others, which stay as they are and where they are.
pub(super) fn merge(wanted: &[AbortRule], found: &Lifecycle) -> (Change, Lifecycle) {
    let mut merged = found.clone();
    let (mut created, mut updated, mut settled) = (Vec::new(), Vec::new(), Vec::new());
    for rule in wanted {
        match step(rule, &merged.rules) {
            Step::None(detail) => settled.push(detail),
            Step::Create(new) => {
                created.push(format!(
                    "the rule {}: uploads {} that were not finished are aborted after {} days (they live for {})",
                    new.id().unwrap_or_default(),
                    below(&rule.prefix),
                    rule.days_after_initiation,
                    days(rule.lifetime_days),
                ));
                merged.rules.push(new);
            }
            Step::Update(at, new) => {
                let old = std::mem::replace(&mut merged.rules[at], new);
                updated.push(difference(&old, rule));
            }
        }
    }
    let conflicts = conflicts(wanted, &merged.rules);
    if !conflicts.is_empty() {
        return (Change::by_hand(WHAT, Reason::Conflict, conflicts), merged);
    }
    let action = match (created.is_empty(), updated.is_empty()) {
        (true, true) => return (Change { detail: settled, ..Change::none(WHAT, "") }, merged),
        (false, true) => Action::Create,
        (_, false) => Action::Update,
    };
    let detail = updated.into_iter().chain(created).collect();
    (Change { what: WHAT, action, detail, write: Some(Write::Lifecycle(merged.clone())) }, merged)
}

fn step(wanted: &AbortRule, rules: &[LifecycleRule]) -> Step {
    if let Some(at) = rules.iter().position(|rule| is_ours(rule, wanted)) {
        let id = rules[at].id().unwrap_or(&wanted.id);
        if is_as_wanted(&rules[at], wanted) {
            return Step::None(format!("the rule {id} is there"));
        }
        return Step::Update(at, ours(id, wanted, rules));
    }
    if let Some(rule) = rules.iter().find(|rule| covers(rule, wanted)) {
        return Step::None(format!("{} already does it", name(rule)));
    }
    let id = free_id(&wanted.id, rules);
    Step::Create(ours(&id, wanted, rules))
}

fn ours(id: &str, wanted: &AbortRule, others: &[LifecycleRule]) -> LifecycleRule {
    let rule = LifecycleRule::abort_incomplete(id, &wanted.prefix, wanted.days_after_initiation);
    if others.iter().any(LifecycleRule::is_of_old_form) { rule.in_old_form() } else { rule }
}

/// Ours goes by its name and its prefix: another gateway in the same bucket, with a prefix of its own, gives the same
/// name. What somebody has put other actions into is theirs.
fn is_ours(rule: &LifecycleRule, wanted: &AbortRule) -> bool {
    let is_named = rule.id().is_some_and(|id| id.starts_with(LIFECYCLE_RULE_ID));
    is_named && rule.prefix() == wanted.prefix && rule.is_about_all() && rule.only_aborts()
}

fn is_as_wanted(rule: &LifecycleRule, wanted: &AbortRule) -> bool {
    rule.aborts_after_days() == Some(i32::from(wanted.days_after_initiation))
}

/// Whether somebody else's rule does the same: for all our keys, not before their end, and as soon as ours would.
fn covers(rule: &LifecycleRule, wanted: &AbortRule) -> bool {
    let in_time = i32::from(wanted.lifetime_days)..=i32::from(wanted.days_after_initiation);
    rule.is_about_all()
        && wanted.prefix.starts_with(rule.prefix())
        && rule.aborts_after_days().is_some_and(|days| in_time.contains(&days))
}

fn free_id(wished: &str, rules: &[LifecycleRule]) -> String {
    let is_free = |id: &String| rules.iter().all(|rule| rule.id() != Some(id.as_str()));
    let numbered = (2..).map(|number: u32| format!("{wished}-{number}"));
    let mut candidates = std::iter::once(wished.to_owned()).chain(numbered);
    candidates.find(is_free).unwrap_or_else(|| wished.to_owned())
}

/// Rules that end uploads which are still wanted. S3 goes by the soonest rule, so ours cannot help.
fn conflicts(wanted: &[AbortRule], rules: &[LifecycleRule]) -> Vec<String> {
    let mut found = Vec::new();
    for rule in wanted {
        let too_soon = rules.iter().filter(|other| {
            let meets = rule.prefix.starts_with(other.prefix()) || other.prefix().starts_with(&rule.prefix);
            meets && other.aborts_after_days().is_some_and(|days| days < i32::from(rule.lifetime_days))
        });
        found.extend(too_soon.map(|other| conflict(rule, other)));
    }
    found
}

fn conflict(wanted: &AbortRule, other: &LifecycleRule) -> String {
    format!(
        "{} aborts uploads {} after {}, but they live for {} (uploads.lifetime, or their tenant's). Set it to {} or \
         later, or shorten the lifetime.",
        name(other),
        below(other.prefix()),
        days(u16::try_from(other.aborts_after_days().unwrap_or_default()).unwrap_or_default()),
        days(wanted.lifetime_days),
        days(wanted.days_after_initiation),
    )
}

fn difference(now: &LifecycleRule, then: &AbortRule) -> String {
    let id = now.id().unwrap_or_default();
    match now.aborts_after_days() {
        Some(before) => format!("the rule {id}: {before} -> {} days", then.days_after_initiation),
        None => format!("the rule {id} is switched on, with {} days", then.days_after_initiation),
    }
}

fn name(rule: &LifecycleRule) -> String {
    match rule.id() {
        Some(id) if !id.is_empty() => format!("the rule {id}"),
        _ => format!("a rule without a name for keys {}", below(rule.prefix())),
    }
}

fn below(prefix: &str) -> String {
    if prefix.is_empty() { "of the whole bucket".to_owned() } else { format!("below {prefix}") }
}

fn days(count: u16) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}
