//! What a gateway exposes after real uploads, against the table of metrics.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::harness::{Gateway, Options, bytes, init, part_size, put_part};

/// A sample of a scrape. Tests of one process share their metrics, so values only say what is at least.
#[derive(Debug)]
struct Sample {
    series: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (series, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    Sample { series: series.to_owned(), labels: labels.collect(), value: value.parse().unwrap() }
}

async fn scrape(gateway: &Gateway) -> Vec<Sample> {
    let text =
        gateway.http.get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
    text.lines().filter(|line| line.starts_with("partgate_")).map(sample).collect()
}

fn value(samples: &[Sample], series: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |sample: &&Sample| {
        labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|of| of == value))
    };
    samples.iter().filter(|sample| sample.series == series).filter(has).map(|sample| sample.value).sum()
}

/// An upload of three parts: one sent and reported, one sent through the gateway, one that only storage shows.
async fn upload(gateway: &Gateway) {
    let data = bytes(7, 3 * part_size());
    let body = json!({"filename": "a.bin", "size": data.len(), "part_size": part_size()});
    let id = init(gateway, body).await;
    let signed = gateway.post(&format!("/upload/{id}/sign"), json!({"parts": [1, 3]})).await.expect(200);
    for part in signed["parts"].as_array().unwrap() {
        let start = (part["number"].as_u64().unwrap() as usize - 1) * part_size();
        assert_eq!(put_part(gateway, part, data[start..start + part_size()].to_vec()).await.status(), 200);
    }
    gateway.post(&format!("/upload/{id}/parts"), json!({"stored": [{"number": 1}]})).await.expect(200);
    let proxied = gateway.http.put(format!("{}/upload/{id}/parts/2", gateway.url));
    let second = data[part_size()..2 * part_size()].to_vec();
    assert_eq!(proxied.body(second).send().await.unwrap().status(), 200);
    gateway.complete(&id).await.expect(200);
}

#[tokio::test]
async fn what_is_exposed_is_what_the_page_describes() {
    // The sweep of the gateway itself is among what is measured.
    let gateway = Gateway::start_with(Options::default().with("sweep.interval", "1s")).await;
    let before = scrape(&gateway).await;
    upload(&gateway).await;
    gateway.get("/upload/nonsense/status").await;
    let mut after = scrape(&gateway).await;
    for _ in 0..300 {
        let swept = |samples: &[Sample]| value(samples, "partgate_sweep_duration_seconds_count", &[]);
        if swept(&after) > swept(&before) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        after = scrape(&gateway).await;
    }

    for sample in &after {
        let metric =
            metric_of(&sample.series).unwrap_or_else(|| panic!("{} is not described", sample.series));
        for (label, value) in &sample.labels {
            let known = metric.labels.iter().find(|(known, _)| known == label);
            let is_bound = label == "le" && metric.kind == MetricKind::Histogram;
            let is_known =
                known.is_some_and(|(_, values)| values.is_empty() || values.contains(&value.as_str()));
            assert!(is_known || is_bound, "not described: {sample:?}");
        }
        assert!(metric.labels.iter().all(|(label, _)| sample.labels.contains_key(*label)), "{sample:?}");
    }
    let exposed: BTreeSet<_> =
        after.iter().filter_map(|sample| metric_of(&sample.series)).map(|metric| metric.name).collect();
    let missing: BTreeSet<_> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !exposed.contains(name)).collect();
    // Nothing has failed, unless another test of this process lets it.
    let may_be_missing = BTreeSet::from(["partgate_database_failures_total"]);
    assert!(missing.is_subset(&may_be_missing), "{missing:?}");

    let part = part_size() as f64;
    for (series, labels, at_least) in [
        ("partgate_parts_received_total", &[("evidence", "reported")][..], 1.0),
        ("partgate_parts_received_total", &[("evidence", "proxied")], 1.0),
        // The reported one and the one that nobody told of.
        ("partgate_parts_received_total", &[("evidence", "listed")], 2.0),
        ("partgate_part_bytes_received_total", &[("evidence", "listed")], 2.0 * part),
        ("partgate_proxied_bytes_total", &[], part),
        ("partgate_bytes_completed_total", &[], 3.0 * part),
        ("partgate_urls_signed_total", &[], 2.0),
        ("partgate_sign_duration_seconds_count", &[], 1.0),
        ("partgate_storage_calls_total", &[("operation", "CompleteMultipartUpload"), ("result", "ok")], 1.0),
        ("partgate_storage_call_duration_seconds_count", &[("operation", "ListParts")], 1.0),
        ("partgate_database_call_duration_seconds_count", &[("call", "record_parts")], 2.0),
        ("partgate_upload_transitions_total", &[("to", "completed")], 1.0),
        ("partgate_sweep_duration_seconds_count", &[], 1.0),
    ] {
        let risen = value(&after, series, labels) - value(&before, series, labels);
        assert!(risen >= at_least, "{series} {labels:?} rose by {risen}");
    }
}

#[tokio::test]
async fn method_that_a_caller_makes_up_is_no_label() {
    let gateway = Gateway::start().await;
    let brew = Method::from_bytes(b"BREW").unwrap();
    gateway.http.request(brew, format!("{}/upload", gateway.url)).send().await.unwrap();
    let samples = scrape(&gateway).await;
    assert!(value(&samples, "partgate_http_requests_total", &[("method", "other")]) >= 1.0);
    assert_eq!(value(&samples, "partgate_http_requests_total", &[("method", "BREW")]), 0.0);
}

#[tokio::test]
async fn storage_that_does_not_answer_is_told() {
    let options = Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..Options::default() };
    let gateway = Gateway::start_with(options).await;
    let before = scrape(&gateway).await;
    gateway.get("/readyz").await.expect(503);
    let after = scrape(&gateway).await;
    let failed = [("operation", "HeadBucket"), ("result", "unavailable")];
    let count = |samples: &[Sample]| value(samples, "partgate_storage_calls_total", &failed);
    assert!(count(&after) > count(&before));
}
