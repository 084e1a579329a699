//! Names of requests, and what every answer says.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::*;

async fn named(served: &Served, host: &str, path: &str) -> Answer {
    send(served.http.get(served.url(path)).header("host", host)).await
}

#[tokio::test]
async fn open_mode_answers_to_its_own_names_only() {
    let settings = [("public_url", "https://up.example.com/gate"), ("http.hosts", "gate.lan,192.168.7.7")];
    let served = Served::start(&settings).await;
    for host in [
        "localhost",
        "localhost:8080",
        "LOCALHOST",
        "app.localhost:3000",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]:8080",
        "up.example.com",
        "Up.Example.Com.:443",
        "gate.lan:8080",
        "192.168.7.7",
    ] {
        named(&served, host, "/upload").await.expect(200);
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8080",
        "127.0.0.1.nip.io",
        "192.168.7.8",
        "0.0.0.0",
        "up.example.com.evil.example",
        "sub.up.example.com",
    ] {
        for path in ["/upload", "/", "/metrics", "/page/app.js", "/nope"] {
            let problem = named(&served, host, path).await.problem(421, "misdirected_request");
            assert!(problem["detail"].as_str().unwrap().contains("http.hosts"), "{problem}");
        }
        named(&served, host, "/healthz").await.expect(200);
    }
}

#[tokio::test]
async fn target_counts_more_than_the_host_header() {
    let served = Served::start(&[]).await;
    for (head, status) in [
        ("GET http://evil.example/upload HTTP/1.1\r\nhost: localhost\r\n", "421"),
        ("GET /upload HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n", "421"),
        ("GET /upload HTTP/1.0\r\n", "421"),
        ("GET /upload HTTP/1.1\r\nhost: localhost\r\n", "200"),
    ] {
        let mut connection = served.connect().await;
        connection.write(&format!("{head}connection: close\r\n\r\n")).await;
        let answer = connection.read_to_end().await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
}

/// Every route of the description with an id that nobody has, and what is beside the API.
fn every_route() -> Vec<(Method, String)> {
    let document = serde_json::to_value(partgate::http::openapi_document()).unwrap();
    let paths: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_value(document["paths"].clone()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in paths {
        let path = path.replace("{id}", "0197a000-0000-7000-8000-000000000000");
        let path = path.replace("{number}", "1").replace("{index}", "0");
        for method in methods.into_keys() {
            routes.push((method.to_ascii_uppercase().parse().unwrap(), path.clone()));
        }
    }
    for path in ["/", "/page/app.js", "/page/app.css", "/openapi.json", "/nope"] {
        routes.push((Method::GET, path.to_owned()));
    }
    routes.push((Method::PATCH, "/upload".to_owned()));
    routes.push((Method::HEAD, "/upload".to_owned()));
    routes
}

fn assert_protected(answer: &Answer, of: &str) {
    let says = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(says("x-content-type-options"), "nosniff", "{of}");
    assert_eq!(says("referrer-policy"), "no-referrer", "{of}");
    assert_eq!(says("cross-origin-resource-policy"), "same-origin", "{of}");
    assert!(!answer.headers.contains_key("server"), "{of}");
    let is_page = says("content-security-policy").contains("default-src 'none'");
    assert_eq!(says("cache-control"), if is_page { "no-cache" } else { "no-store" }, "{of}");
}

#[tokio::test]
async fn every_answer_tells_browsers_what_they_may_do_with_it() {
    let served = Served::start(&[("cors.origins", "http://app.example")]).await;
    let routes = every_route();
    assert!(routes.len() > 15, "{routes:?}");
    for (method, path) in routes {
        let of = format!("{method} {path}");
        let answer = send(served.http.request(method, served.url(&path)).json(&json!({}))).await;
        assert_protected(&answer, &of);
        assert!(!answer.headers.contains_key("strict-transport-security"), "{of}");
    }
    let preflight = served.http.request(Method::OPTIONS, served.url("/upload/init"));
    let preflight = preflight.header("origin", "http://app.example");
    assert_protected(&send(preflight.header("access-control-request-method", "POST")).await, "preflight");
    assert_protected(&named(&served, "evil.example", "/upload").await, "another name");
}

#[tokio::test]
async fn browsers_are_told_to_stay_with_tls_where_callers_use_it() {
    let served = Served::start(&[("public_url", "https://up.example.com")]).await;
    for path in ["/", "/upload", "/nope"] {
        assert_eq!(served.get(path).await.headers["strict-transport-security"], "max-age=31536000");
    }
}
