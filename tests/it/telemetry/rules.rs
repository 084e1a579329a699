//! The dashboard and the alert rules name only metrics, labels and values that exist.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::*;
use crate::harness::{find_program, say};

/// Labels that Prometheus adds when it scrapes.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

/// The expressions of the alert rules.
fn alert_expressions(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut expressions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match line.trim().strip_prefix("expr:").map(str::trim) {
            None => {}
            Some("|") => {
                let inside = lines[at + 1..].iter().take_while(|next| indentation(next) > indentation(line));
                expressions.push(inside.copied().collect::<Vec<_>>().join("\n"));
            }
            Some(expression) => expressions.push(expression.to_owned()),
        }
    }
    expressions
}

/// The expressions of the dashboard, its variables among them.
fn dashboard_expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(dashboard_expressions).collect(),
        Value::Object(fields) => {
            let own = fields.iter().filter(|(name, _)| ["expr", "definition"].contains(&name.as_str()));
            let own: Vec<_> = own.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect();
            fields.values().flat_map(dashboard_expressions).chain(own).collect()
        }
        _ => Vec::new(),
    }
}

/// What is wrong with the names of an expression.
fn problems(expression: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut labels: BTreeSet<&str> = OF_THE_SCRAPE.into();
    for (name, end) in names(expression) {
        let Some(metric) = metric_of(name) else {
            problems.push(format!("there is no series {name}"));
            continue;
        };
        labels.extend(metric.labels.iter().map(|(label, _)| *label));
        if name.ends_with("_bucket") {
            labels.insert("le");
        }
        let selector = expression[end..].strip_prefix('{').map(|rest| rest.split('}').next().unwrap());
        for matcher in selector.into_iter().flat_map(|selector| selector.split(", ")) {
            problems.extend(problem_of(metric, matcher));
        }
    }
    for (at, word) in ["by (", "on ("].iter().flat_map(|word| expression.match_indices(word)) {
        let listed = expression[at + word.len()..].split(')').next().unwrap();
        let unknown = listed.split(", ").filter(|label| !labels.contains(label));
        problems.extend(unknown.map(|label| format!("no metric here has a label {label}")));
    }
    problems
}

/// What is wrong with `label="value"` or `label=~"value|value"` of a metric.
fn problem_of(metric: &Metric, matcher: &str) -> Option<String> {
    let (label, value) = matcher.split_once('=')?;
    if OF_THE_SCRAPE.contains(&label) {
        return None;
    }
    let Some((_, values)) = metric.labels.iter().find(|(known, _)| *known == label) else {
        return Some(format!("{} has no label {label}", metric.name));
    };
    let mut wanted = value.trim_start_matches('~').trim_matches('"').split('|');
    let unknown = wanted.find(|value| !values.is_empty() && !values.contains(value))?;
    Some(format!("{} has no {label} {unknown}", metric.name))
}

fn assert_exist(expressions: &[String]) {
    let wrong = expressions.iter().flat_map(|expression| {
        problems(expression).into_iter().map(move |problem| format!("{problem}: {expression}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn alerts_name_only_what_exists() {
    let expressions = alert_expressions(&read("infra/prometheus/alerts.yml"));
    assert!(expressions.len() >= 10, "{expressions:?}");
    assert_exist(&expressions);
}

#[test]
fn dashboard_names_only_what_exists() {
    let dashboard: Value = serde_json::from_str(&read("infra/grafana/partgate.json")).unwrap();
    let expressions = dashboard_expressions(&dashboard);
    assert!(expressions.len() >= 40, "{}", expressions.len());
    assert_exist(&expressions);
    // What a folder is provisioned from must not depend on another Grafana's ids.
    assert_eq!((&dashboard["uid"], &dashboard["id"]), (&Value::from("partgate"), &Value::Null));
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let dashboard = read("infra/grafana/partgate.json");
    let shown: BTreeSet<_> = names(&dashboard)
        .into_iter()
        .filter_map(|(name, _)| metric_of(name))
        .map(|metric| metric.name)
        .collect();
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(shown, known);
}

#[test]
fn wrong_names_would_be_found() {
    for (expression, problem) in [
        ("rate(partgate_nothing_total[5m])", "there is no series partgate_nothing_total"),
        (
            "partgate_http_request_duration_seconds",
            "there is no series partgate_http_request_duration_seconds",
        ),
        ("partgate_uploads{status=\"open\"}", "partgate_uploads has no label status"),
        ("partgate_uploads{state=~\"open|closed\", job=\"x\"}", "partgate_uploads has no state closed"),
        ("sum by (state, tenant) (partgate_uploads)", "no metric here has a label tenant"),
    ] {
        assert_eq!(problems(expression), [problem]);
    }
    let fine = "sum by (le, job) (rate(partgate_http_request_duration_seconds_bucket{method=\"GET\"}[5m]))";
    assert_eq!(problems(fine), [""; 0]);
}

#[test]
fn alerts_fire_when_they_should() {
    let Some(promtool) = find_program("promtool") else {
        assert!(std::env::var("REQUIRE_ALL").as_deref() != Ok("1"), "promtool is required");
        return say("SKIP alert rules: there is no promtool; scripts/tools.sh installs it");
    };
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let mut command = Command::new(&promtool);
        let output =
            command.args(arguments).current_dir(repository().join("infra/prometheus")).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    }
}
