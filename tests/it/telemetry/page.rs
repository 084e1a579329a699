//! docs/metrics.md against the table of metrics in the code, and the table against the code that counts.

use std::collections::BTreeSet;

use super::*;

/// The row of a metric, but for what to do when it moves.
fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let labels = metric.labels.iter().map(|(label, values)| {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        if values.is_empty() { format!("`{label}`") } else { format!("`{label}`: {}", values.join(", ")) }
    });
    let labels = labels.collect::<Vec<_>>().join("; ");
    let labels = if labels.is_empty() { " ".to_owned() } else { format!(" {labels} ") };
    format!("| `{}` | {kind} |{labels}| {} |", metric.name, metric.meaning)
}

#[test]
fn page_has_a_row_for_every_metric_and_no_other() {
    let page = read("docs/metrics.md");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `partgate_")).collect();
    let expected: Vec<_> = METRICS.iter().map(row).collect();
    for (row, expected) in rows.iter().zip(&expected) {
        assert!(row.starts_with(expected.as_str()), "the page has\n{row}\nthe code has\n{expected}");
    }
    assert_eq!(rows.len(), expected.len());
}

#[test]
fn page_names_no_metric_that_is_not_there() {
    let page = read("docs/metrics.md");
    let known = |name: &str| METRICS.iter().any(|metric| metric.name == name) || metric_of(name).is_some();
    let unknown: BTreeSet<_> =
        names(&page).into_iter().map(|(name, _)| name).filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_metric_is_counted_somewhere_and_nothing_else_is() {
    let mut counted = BTreeSet::new();
    let mut folders = vec![repository().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("telemetry/metrics_table.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let quoted = text.split('"').skip(1).step_by(2);
                counted.extend(quoted.filter(|text| text.starts_with("partgate_")).map(str::to_owned));
            }
        }
    }
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(counted, known);
}

#[test]
fn runbooks_are_where_the_alerts_say() {
    let alerts = read("infra/prometheus/alerts.yml");
    let urls: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    assert_eq!(urls.len(), alerts.matches("- alert: ").count(), "every alert has a runbook");
    for url in urls {
        let (page, anchor) = url.split_once('#').unwrap();
        let page = read(page);
        let mut headings = page.lines().filter_map(|line| line.strip_prefix("### "));
        assert!(headings.any(|heading| heading.to_ascii_lowercase() == anchor), "{url} is no heading");
    }
}
