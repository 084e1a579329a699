//! The fields of the log as JSON, which others' tools read, and what a process counts by itself.

use std::collections::BTreeMap;

use reqwest::Client;
use serde_json::{Value, json};

use super::*;
use crate::harness::{Fleet, Gateway, embedded_only};

/// The names of a line's fields, in their order.
fn fields(line: &str) -> Vec<&str> {
    let names = line.split("\":").filter_map(|before| before.rsplit('"').next());
    names.take(line.matches("\":").count()).collect()
}

#[tokio::test]
async fn lines_of_json_keep_their_fields() {
    embedded_only!("the gateway is a process, which is given the embedded store");
    let folder = tempfile::tempdir().unwrap();
    let store = Gateway::start().await;
    let database = format!("sqlite://{}", folder.path().join("gateway.db").display());
    let settings = Fleet::settings(&database, &store.store_url);
    let fleet = Fleet::start_logging("info,partgate=debug", folder.path(), &settings, 1).await;
    let (http, url) = (Client::builder().no_proxy().build().unwrap(), fleet.url(0).unwrap());
    let body = json!({"filename": "a.bin", "size": 10, "part_size": 5});
    let init = http.post(format!("{url}/upload/init")).json(&body).header("x-request-id", "request-7");
    let created: Value = init.send().await.unwrap().json().await.unwrap();

    // Scrapes that follow each other do not count the uploads each time.
    let mut text = String::new();
    for _ in 0..5 {
        text = http.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
    }
    for line in [
        "partgate_uploads{state=\"open\"} 1",
        "partgate_dependency_up{dependency=\"storage\"} 1",
        "partgate_dependency_up{dependency=\"database\"} 1",
        "partgate_http_in_flight{kind=\"api\"} 0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
    }
    let text = http.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
    let counted = "partgate_database_call_duration_seconds_count{call=\"count_by_state\"} 1\n";
    assert!(text.contains(counted), "counted more than once:\n{text}");

    let log = fleet.logs();
    let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(fields(line)[..4], ["timestamp", "level", "target", "message"], "{line}");
        assert!(parsed.as_object().unwrap().values().all(|value| !value.is_object()), "flat: {line}");
        let time = parsed["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.starts_with("20"), "{line}");
        lines.insert(parsed["message"].as_str().unwrap().to_owned(), fields(line));
    }
    let usual = ["timestamp", "level", "target", "message"];
    let with = |more: &[&'static str]| usual.iter().chain(more).copied().collect::<Vec<_>>();
    let answered = ["http.method", "http.route", "http.status", "duration_ms", "request.id"];
    assert_eq!(lines["answered"], with(&answered));
    let went = ["upload.id", "upload.state", "upload.version", "request.id"];
    assert_eq!(lines["upload went from creating to open"], with(&went));
    let opened = log.lines().find(|line| line.contains("from creating to open")).unwrap();
    let opened: Value = serde_json::from_str(opened).unwrap();
    assert_eq!((&opened["request.id"], &opened["upload.id"]), (&json!("request-7"), &created["upload_id"]));

    let page = read("docs/metrics.md");
    for field in answered.iter().chain(&went).chain(&usual) {
        assert!(page.contains(&format!("`{field}`")), "docs/metrics.md does not name {field}");
    }
}
