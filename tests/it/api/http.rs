//! What surrounds the uploads: request ids, CORS, health, metrics, the API's description, lists.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{id, open};
use crate::harness::{Answer, Gateway, Options};

async fn get_with(gateway: &Gateway, path: &str, name: &str, value: &str) -> Answer {
    let request = gateway.http.get(format!("{}{path}", gateway.url)).header(name, value);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn request_id_of_the_caller_is_kept() {
    let gateway = Gateway::start().await;
    let answer = get_with(&gateway, "/nope", "x-request-id", "call-7.a_b").await;
    assert_eq!(answer.headers["x-request-id"], "call-7.a_b");
    assert_eq!(answer.problem(404, "no_such_route")["request_id"], "call-7.a_b");
}

#[tokio::test]
async fn every_request_has_its_own_id() {
    let gateway = Gateway::start().await;
    let (a, b) = tokio::join!(gateway.get("/healthz"), gateway.get("/healthz"));
    assert_ne!(a.headers["x-request-id"], b.headers["x-request-id"]);
}

#[tokio::test]
async fn request_id_that_is_unfit_for_a_log_is_replaced() {
    let gateway = Gateway::start().await;
    for unfit in ["a b", "<x>", &"x".repeat(129)] {
        let answer = get_with(&gateway, "/healthz", "x-request-id", unfit).await;
        assert_ne!(answer.headers["x-request-id"], unfit);
    }
}

async fn preflight(gateway: &Gateway, origin: &str, method: &str, path: &str, headers: &str) -> Answer {
    let request = gateway.http.request(Method::OPTIONS, format!("{}{path}", gateway.url));
    let request = request.header("origin", origin).header("access-control-request-method", method);
    Answer::of(request.header("access-control-request-headers", headers).send().await.unwrap()).await
}

#[tokio::test]
async fn page_of_an_allowed_origin_may_make_every_call() {
    let gateway = Gateway::start().await;
    let upload = "/upload/01890000-0000-7000-8000-000000000000";
    // Browsers name them in lower case, in alphabetical order.
    let (json, proxied) =
        ("authorization,content-type,idempotency-key", "authorization,content-type,x-amz-checksum-");
    for (method, path, headers) in [
        ("POST", "/upload/init".to_owned(), json.to_owned()),
        ("POST", format!("{upload}/sign"), json.to_owned()),
        ("POST", format!("{upload}/parts"), json.to_owned()),
        ("GET", format!("{upload}/status"), "authorization".to_owned()),
        ("POST", format!("{upload}/complete"), json.to_owned()),
        ("DELETE", upload.to_owned(), "authorization".to_owned()),
        ("GET", "/upload".to_owned(), "authorization".to_owned()),
        ("GET", format!("{upload}/file"), "authorization".to_owned()),
        ("PUT", format!("{upload}/parts/1"), format!("{proxied}crc64nvme")),
        ("POST", format!("{upload}/chunk/0"), format!("{proxied}sha256")),
        (
            "PUT",
            format!("{upload}/parts/1"),
            "authorization,content-md5,content-type,x-request-id".to_owned(),
        ),
    ] {
        let answer = preflight(&gateway, "http://app.example", method, &path, &headers).await;
        assert_eq!(answer.status, 200, "{method} {path}");
        let granted = |name: &str| answer.headers[name].to_str().unwrap().to_ascii_lowercase();
        assert_eq!(granted("access-control-allow-origin"), "http://app.example");
        assert!(
            granted("access-control-allow-methods").contains(&method.to_ascii_lowercase()),
            "{method} {path}"
        );
        let allowed = granted("access-control-allow-headers");
        for header in headers.split(',') {
            assert!(allowed.split(',').any(|name| name.trim() == header), "{header} is not in {allowed}");
        }
        assert_eq!(granted("access-control-max-age"), "600");
    }
}

#[tokio::test]
async fn page_of_another_origin_may_not_call() {
    let gateway = Gateway::start().await;
    let evil = "http://app.example.evil.example";
    let answer = preflight(&gateway, evil, "POST", "/upload/init", "content-type").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn page_may_read_problems_ids_and_the_time() {
    let gateway = Gateway::start().await;
    let answer = get_with(&gateway, "/nope", "origin", "http://app.example").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "http://app.example");
    let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
    for name in ["date", "location", "retry-after", "x-request-id"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn cache_keeps_answers_of_origins_apart() {
    let gateway = Gateway::start().await;
    let answer = get_with(&gateway, "/upload", "origin", "http://app.example").await;
    assert!(answer.headers["vary"].to_str().unwrap().to_lowercase().contains("origin"));
}

#[tokio::test]
async fn healthz_says_that_the_process_lives() {
    let gateway = Gateway::start().await;
    let expected = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    assert_eq!(gateway.get("/healthz").await.expect(200), expected);
}

#[tokio::test]
async fn readyz_says_that_database_and_storage_answer() {
    let gateway = Gateway::start().await;
    let expected = json!({"status": "ready", "database": "ok", "storage": "ok"});
    assert_eq!(gateway.get("/readyz").await.expect(200), expected);
}

#[tokio::test]
async fn gateway_is_not_ready_without_storage() {
    let options = Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..Options::default() };
    let gateway = Gateway::start_with(options).await;
    let answer = gateway.get("/readyz").await.expect(503);
    assert_eq!((&answer["status"], &answer["database"]), (&json!("not_ready"), &json!("ok")));
    assert_ne!(answer["storage"], "ok");
}

#[tokio::test]
async fn gateway_lives_without_storage() {
    let options = Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..Options::default() };
    let gateway = Gateway::start_with(options).await;
    gateway.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn metrics_have_their_names() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, &[], json!({})).await;
    gateway.complete(id(&created)).await.expect(200);
    let answer = gateway.http.get(format!("{}/metrics", gateway.url)).send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = answer.text().await.unwrap();
    for line in [
        "partgate_uploads{state=\"completed\"} ",
        "partgate_upload_transitions_total{to=\"completed\"} ",
        "partgate_urls_signed_total ",
        "partgate_bytes_completed_total ",
        "partgate_proxied_bytes_total ",
        "partgate_uploads_reopened_total ",
        "partgate_http_requests_total{method=\"POST\",route=\"/upload/init\",status=\"201\"} ",
        "partgate_http_request_duration_seconds_bucket{method=\"POST\",route=\"/upload/init\",le=\"0.05\"} ",
    ] {
        assert!(text.contains(&format!("\n{line}")), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn metrics_carry_no_paths_of_callers() {
    let gateway = Gateway::start().await;
    gateway.get("/a-path-that-nobody-knows").await.problem(404, "no_such_route");
    let answer = gateway.http.get(format!("{}/metrics", gateway.url)).send().await.unwrap();
    assert!(!answer.text().await.unwrap().contains("a-path-that-nobody-knows"));
}

#[tokio::test]
async fn served_description_is_the_committed_one() {
    let gateway = Gateway::start().await;
    let committed: Value =
        serde_json::from_str(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"))).unwrap();
    let generated = serde_json::to_value(partgate::http::openapi_document()).unwrap();
    assert!(generated == committed, "openapi.json is old: run `make openapi` and commit it");
    assert_eq!(gateway.get("/openapi.json").await.expect(200), committed);
}

#[tokio::test]
async fn description_is_openapi_3_1_and_names_every_route() {
    let gateway = Gateway::start().await;
    let document = gateway.get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    let routes = [
        "post /upload/init",
        "post /upload/{id}/sign",
        "post /upload/{id}/parts",
        "put /upload/{id}/parts/{number}",
        "post /upload/{id}/chunk/{index}",
        "get /upload/{id}/status",
        "post /upload/{id}/complete",
        "delete /upload/{id}",
        "get /upload",
        "get /upload/{id}/file",
        "get /healthz",
        "get /readyz",
        "get /metrics",
        "post /sweep",
    ];
    assert_eq!(described, routes.into_iter().map(str::to_owned).collect());
}

/// Ids of a page of the list, and where the next one begins.
async fn page(gateway: &Gateway, query: &str) -> (Vec<String>, Option<String>) {
    let page = gateway.get(&format!("/upload?{query}")).await.expect(200);
    let ids = page["uploads"].as_array().unwrap().iter().map(|upload| id(upload).to_owned()).collect();
    (ids, page["next_cursor"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn list_goes_page_by_page_newest_first() {
    let gateway = Gateway::start().await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.insert(0, id(&open(&gateway, &[], json!({})).await).to_owned());
    }
    let mut listed = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let (ids, next) = page(&gateway, &query).await;
        assert!(ids.len() <= 2);
        listed.extend(ids);
        let Some(next) = next else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn last_full_page_has_no_next() {
    let gateway = Gateway::start().await;
    for _ in 0..2 {
        open(&gateway, &[], json!({})).await;
    }
    assert_eq!(page(&gateway, "limit=2").await.1, None);
}

#[tokio::test]
async fn list_shows_only_the_state_that_was_asked_for() {
    let gateway = Gateway::start().await;
    let first = open(&gateway, &[], json!({})).await;
    let second = open(&gateway, &[], json!({})).await;
    gateway.complete(id(&first)).await.expect(200);
    assert_eq!(page(&gateway, "state=completed").await.0, [id(&first)]);
    assert_eq!(page(&gateway, "state=open").await.0, [id(&second)]);
}

#[tokio::test]
async fn list_names_the_file() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"xyz", json!({"filename": "ü.txt"})).await;
    let listed = gateway.get("/upload").await.expect(200);
    let upload = &listed["uploads"][0];
    let expected = (&json!("ü.txt"), &json!(3), &json!("open"), &created["key"]);
    assert_eq!((&upload["filename"], &upload["size"], &upload["state"], &upload["key"]), expected);
}
