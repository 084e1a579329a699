//! Our CORS rule among those of others.
//!
//! The first rule that fits a request answers it, so order matters: a rule of others that lets an origin PUT, but does
//! not let it read ETag, must not come before ours.

use super::plan::{Change, Reason, What, Write};
use super::wanted::{CORS_RULE_ID, Wanted};
use super::{Action, by_hand};
use crate::storage::{BucketConfiguration, CorsRule, Product, Reading};

const WHAT: What = What::Cors;

/// Origins that this store will not know again.
pub(super) fn notes(wanted: &Wanted, product: Product) -> Vec<String> {
    if product != Product::SeaweedFs {
        return Vec::new();
    }
    let origins = wanted.cors_rule.iter().flat_map(|rule| &rule.allowed_origins);
    let unknown = origins.filter(|origin| *origin != "*" && origin.contains('*') && !origin.contains("://*"));
    unknown
        .map(|origin| {
            format!("SeaweedFS takes the origin {origin} and lets no page in by it: name each one.")
        })
        .collect()
}

/// What has to change, and all rules after it.
pub(super) fn change(wanted: &Wanted, found: &BucketConfiguration) -> (Change, Vec<CorsRule>) {
    let Some(rule) = &wanted.cors_rule else {
        let rules = match &found.cors {
            Reading::Is(cors) => cors.rules.as_slice(),
            Reading::Absent | Reading::NoSuchCall | Reading::Denied => &[],
        };
        let detail = match rules.iter().any(is_ours) {
            true => format!("no origins are set; the rule {CORS_RULE_ID} is left where it is"),
            false => "no origins are set".to_owned(),
        };
        return (Change::none(WHAT, detail), rules.to_vec());
    };
    match &found.cors {
        Reading::NoSuchCall => {
            let detail = by_hand::cors(rule, found.product);
            (Change::by_hand(WHAT, Reason::NoSuchCall, detail), vec![rule.clone()])
        }
        Reading::Denied => (Change::by_hand(WHAT, Reason::Denied, by_hand::denied(WHAT)), vec![rule.clone()]),
        Reading::Absent => (created(rule, vec![rule.clone()], None), vec![rule.clone()]),
        Reading::Is(cors) => {
            let (change, merged) = merge(rule, &cors.rules, found.product);
            let change = match &change.write {
                Some(_) if !cors.unknown.is_empty() => {
                    Change::by_hand(WHAT, Reason::Unknown, by_hand::unknown(WHAT, &cors.unknown))
                }
                _ => change,
            };
            (change, merged)
        }
    }
}

/// Puts our rule where it answers, and leaves all others as they are and in their order.
fn merge(wanted: &CorsRule, rules: &[CorsRule], product: Product) -> (Change, Vec<CorsRule>) {
    let others: Vec<_> = rules.iter().filter(|rule| !is_ours(rule)).cloned().collect();
    let in_the_way = others.iter().position(|rule| is_in_the_way(rule, wanted, product));
    let latest = in_the_way.unwrap_or(others.len());
    let Some((place, ours)) = rules.iter().enumerate().find(|(_, rule)| is_ours(rule)) else {
        if let Some(detail) = covered(wanted, &others, product) {
            return (Change::none(WHAT, detail), others);
        }
        let merged = with(&others, latest, wanted);
        return (created(wanted, merged.clone(), in_the_way.map(|at| &others[at])), merged);
    };
    let differences = differences(ours, wanted);
    if differences.is_empty() && place <= latest {
        return (Change::none(WHAT, format!("the rule {CORS_RULE_ID} is there")), rules.to_vec());
    }
    let merged = with(&others, place.min(latest), wanted);
    let mut detail = vec![format!("the rule {CORS_RULE_ID} differs")];
    detail.extend(differences);
    detail.extend(in_the_way.filter(|_| place > latest).map(|at| goes_before(&others[at])));
    let change =
        Change { what: WHAT, action: Action::Update, detail, write: Some(Write::Cors(merged.clone())) };
    (change, merged)
}

fn with(others: &[CorsRule], place: usize, ours: &CorsRule) -> Vec<CorsRule> {
    let mut merged = others.to_vec();
    merged.insert(place, ours.clone());
    merged
}

fn created(rule: &CorsRule, merged: Vec<CorsRule>, in_the_way: Option<&CorsRule>) -> Change {
    let mut detail = vec![
        format!("the rule {CORS_RULE_ID}"),
        format!("origins: {}", rule.allowed_origins.join(", ")),
        format!("methods: {}", rule.allowed_methods.join(", ")),
        format!("request headers: {}", rule.allowed_headers.join(", ")),
        format!("exposed headers: {}", rule.expose_headers.join(", ")),
    ];
    detail.extend(in_the_way.map(goes_before));
    Change { what: WHAT, action: Action::Create, detail, write: Some(Write::Cors(merged)) }
}

fn goes_before(rule: &CorsRule) -> String {
    format!(
        "it goes before {}, which answers the same pages and does not allow or expose all that uploads need",
        name(rule)
    )
}

fn name(rule: &CorsRule) -> String {
    match &rule.id {
        Some(id) if !id.is_empty() => format!("the rule {id}"),
        _ => format!("the rule for {}", rule.allowed_origins.join(", ")),
    }
}

/// Our rule goes by its name, which nobody else gives. There is one in a bucket: names are unique.
fn is_ours(rule: &CorsRule) -> bool {
    rule.id.as_deref() == Some(CORS_RULE_ID)
}

/// Whether others already answer every origin with all that we want.
fn covered(wanted: &CorsRule, others: &[CorsRule], product: Product) -> Option<String> {
    let answers = wanted.allowed_origins.iter().map(|origin| {
        let first = others.iter().find(|rule| answers(rule, origin, product))?;
        (covers_all(&first.allowed_origins, origin) && is_enough(first, wanted)).then(|| name(first))
    });
    let mut names: Vec<_> = answers.collect::<Option<_>>()?;
    names.dedup();
    Some(format!("{} already does all that uploads need", names.join(" and ")))
}

fn is_in_the_way(rule: &CorsRule, wanted: &CorsRule, product: Product) -> bool {
    wanted.allowed_origins.iter().any(|origin| answers(rule, origin, product)) && !is_enough(rule, wanted)
}

/// Whether a rule may be the one that answers a PUT from an origin, or the question whether it may be sent.
fn answers(rule: &CorsRule, origin: &str, product: Product) -> bool {
    let is_for_put =
        rule.allowed_methods.iter().any(|method| method == "PUT") || product == Product::SeaweedFs;
    is_for_put && rule.allowed_origins.iter().any(|pattern| meets(pattern, origin))
}

/// Whether a rule allows and exposes all that ours does, to whomever it is for.
fn is_enough(rule: &CorsRule, wanted: &CorsRule) -> bool {
    let exposes = |name: &String| rule.expose_headers.iter().any(|other| other.eq_ignore_ascii_case(name));
    let lower: Vec<_> = rule.allowed_headers.iter().map(|name| name.to_ascii_lowercase()).collect();
    wanted.allowed_methods.iter().all(|method| rule.allowed_methods.contains(method))
        && wanted.allowed_headers.iter().all(|name| covers_all(&lower, name))
        && wanted.expose_headers.iter().all(exposes)
}

fn covers_all(patterns: &[String], inner: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, inner))
}

/// Whether everything that fits `inner` fits `pattern`. Both have one `*` at most.
fn covers(pattern: &str, inner: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == inner,
        Some((start, end)) => {
            inner.len() >= start.len() + end.len() && inner.starts_with(start) && inner.ends_with(end)
        }
    }
}

/// Whether something may fit both.
fn meets(one: &str, other: &str) -> bool {
    match (one.split_once('*'), other.split_once('*')) {
        (_, None) => covers(one, other),
        (None, _) => covers(other, one),
        (Some((start, end)), Some((other_start, other_end))) => {
            (start.starts_with(other_start) || other_start.starts_with(start))
                && (end.ends_with(other_end) || other_end.ends_with(end))
        }
    }
}

/// What differs between two rules in effect; order and case of names have none.
fn differences(now: &CorsRule, then: &CorsRule) -> Vec<String> {
    let lists = [
        ("origins", &now.allowed_origins, &then.allowed_origins),
        ("methods", &now.allowed_methods, &then.allowed_methods),
        ("request headers", &now.allowed_headers, &then.allowed_headers),
        ("exposed headers", &now.expose_headers, &then.expose_headers),
    ];
    let mut lines: Vec<_> =
        lists.into_iter().filter_map(|(what, now, then)| list_difference(what, now, then)).collect();
    if now.max_age_seconds != then.max_age_seconds {
        let seconds = |age: Option<i32>| age.map_or_else(|| "none".to_owned(), |age| format!("{age} s"));
        lines.push(format!("max age: {} -> {}", seconds(now.max_age_seconds), seconds(then.max_age_seconds)));
    }
    lines
}

fn list_difference(what: &str, now: &[String], then: &[String]) -> Option<String> {
    let lacks = |list: &[String], name: &str| !list.iter().any(|other| other.eq_ignore_ascii_case(name));
    let removed = now.iter().filter(|name| lacks(then, name)).map(|name| format!("- {name}"));
    let added = then.iter().filter(|name| lacks(now, name)).map(|name| format!("+ {name}"));
    let all: Vec<_> = removed.chain(added).collect();
    (!all.is_empty()).then(|| format!("{what}: {}", all.join(", ")))
}
