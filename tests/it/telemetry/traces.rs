//! Traces of the real command, taken by a collector of our own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Client;
use serde_json::{Value, json};

use super::collector::{Collector, attribute};
use crate::harness::{FaultProxy, Fleet, Gateway, SECRET_ACCESS_KEY, embedded_only};

/// As a caller sends it: trace, calling span, sampled.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const FILENAME: &str = "salaries.pdf";

/// A gateway that tells a collector, as a process.
async fn traced(folder: &Path, storage: &str, collector: &str) -> Fleet {
    let database = format!("sqlite://{}", folder.join("gateway.db").display());
    let settings = Fleet::settings(&database, storage);
    let telemetry = format!("[telemetry]\notlp_endpoint = \"{collector}\"\nservice_name = \"uploads\"\n");
    Fleet::start_logging("info,partgate=debug", folder, &(settings + &telemetry), 1).await
}

/// A whole upload of nothing but an empty stream's end would need no storage; this one has a part.
async fn upload(http: &Client, url: &str) -> String {
    let body = json!({"filename": FILENAME, "size": 10, "part_size": 5});
    let init = http.post(format!("{url}/upload/init")).json(&body).header("x-request-id", "init-1");
    let init = init.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).send().await.unwrap();
    let created: Value = init.json().await.unwrap();
    let id = created["upload_id"].as_str().unwrap().to_owned();
    for number in [1, 2] {
        let part = http.put(format!("{url}/upload/{id}/parts/{number}")).body("12345").send().await.unwrap();
        assert_eq!(part.status(), 200);
    }
    let complete = http.post(format!("{url}/upload/{id}/complete")).json(&json!({})).send().await.unwrap();
    assert_eq!(complete.status(), 200);
    id
}

/// Asks a gateway to stop and waits until it has.
async fn stop(fleet: &Fleet) {
    let pid = fleet.pid(0).to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    for _ in 0..300 {
        if fleet.logs().contains("partgate has stopped") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the gateway does not stop:\n{}", fleet.logs());
}

/// The spans from one up to the first of its trace here.
fn ancestry<'a>(spans: &'a [Span], span: &'a Span) -> Vec<&'a str> {
    let mut names = vec![span.name.as_str()];
    let mut current = span;
    while let Some(parent) = spans.iter().find(|parent| parent.span_id == current.parent_span_id) {
        assert_eq!(parent.trace_id, span.trace_id);
        names.push(&parent.name);
        current = parent;
    }
    names
}

#[tokio::test]
async fn trace_goes_from_the_caller_through_the_gateway_to_storage() {
    embedded_only!("the gateway is a process, which is given the embedded store");
    let folder = tempfile::tempdir().unwrap();
    let (store, proxy, collector) =
        (Gateway::start().await, FaultProxy::start().await, Collector::start().await);
    proxy.forward_to(&store.store_url);
    let fleet = traced(folder.path(), &proxy.url, &format!("{}/", collector.url)).await;
    let http = Client::builder().no_proxy().build().unwrap();
    let id = upload(&http, &fleet.url(0).unwrap()).await;
    // What has not been sent by then is sent before the process ends.
    stop(&fleet).await;

    let received = collector.received();
    let spans = &received.spans;
    let of = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}: {spans:#?}"))
    };
    let init = of("POST /upload/init");
    assert_eq!(
        (hex::encode(&init.trace_id), hex::encode(&init.parent_span_id)),
        (TRACE.into(), CALLER.into())
    );
    assert_eq!(init.kind(), SpanKind::Server);
    for (name, value) in [
        ("request.id", "init-1"),
        ("http.request.method", "POST"),
        ("http.route", "/upload/init"),
        ("http.response.status_code", "201"),
    ] {
        assert_eq!(attribute(&init.attributes, name).as_deref(), Some(value), "{name}");
    }
    let create = of("CreateMultipartUpload");
    assert_eq!(ancestry(spans, create), ["CreateMultipartUpload", "init", "POST /upload/init"]);
    assert_eq!(create.kind(), SpanKind::Client);
    assert_eq!(attribute(&create.attributes, "storage.result").as_deref(), Some("ok"));
    let complete = ["CompleteMultipartUpload", "finish", "complete", "POST /upload/{id}/complete"];
    assert_eq!(ancestry(spans, of("CompleteMultipartUpload")), complete);
    assert_eq!(attribute(&received.resource, "service.name").as_deref(), Some("uploads"));

    let created = format!("00-{TRACE}-{}-01", hex::encode(&create.span_id));
    assert!(proxy.traceparents().contains(&created), "storage is told: {:?}", proxy.traceparents());
    let log = fleet.logs();
    assert!(log.contains(&format!("\"trace.id\":\"{TRACE}\"")), "the log names the trace:\n{log}");
    let told = String::from_utf8_lossy(&received.bytes);
    for secret in [FILENAME, SECRET_ACCESS_KEY, "X-Amz-", "AWS4-HMAC", &id] {
        assert!(!told.contains(secret), "spans tell {secret}");
    }
}

#[tokio::test]
async fn collector_that_does_not_answer_harms_nothing() {
    embedded_only!("the gateway is a process, which is given the embedded store");
    let folder = tempfile::tempdir().unwrap();
    let store = Gateway::start().await;
    let fleet = traced(folder.path(), &store.store_url, "http://127.0.0.1:1").await;
    let http = Client::builder().no_proxy().build().unwrap();
    upload(&http, &fleet.url(0).unwrap()).await;
    stop(&fleet).await;
    let told = fleet.logs().matches("traces do not reach the collector").count();
    assert_eq!(told, 1, "an outage is told once:\n{}", fleet.logs());
}
