//! Bodies, queries, paths and methods that cannot be.

use reqwest::{Body, Method, header};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::bad_input::{assert_nothing_made, fields};
use super::support::{id, open};
use crate::harness::{Answer, Gateway};

async fn post_raw(gateway: &Gateway, kind: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = gateway.http.post(format!("{}/upload/init", gateway.url)).body(body);
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn two_mebibytes_of_json_are_too_large() {
    let gateway = Gateway::start().await;
    let body = format!(r#"{{"filename": "{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let problem = post_raw(&gateway, Some("application/json"), body).await.problem(413, "too_large");
    assert_eq!(problem["limit"], 1_572_864);
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn body_that_is_no_json_object_is_refused() {
    let gateway = Gateway::start().await;
    for body in [
        "{",
        "nope",
        "[]",
        "[{\"filename\": \"a\"}]",
        "null",
        "5",
        "\"a\"",
        "{\"filename\":\"a\"}x",
        "\u{feff}{}",
    ] {
        let problem = post_raw(&gateway, Some("application/json"), body).await;
        assert_eq!(fields(&problem.problem(400, "invalid_request")), ["body"], "{body}");
    }
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn deeply_nested_json_is_refused() {
    let gateway = Gateway::start().await;
    let body = format!("{{\"filename\":{}", "[".repeat(100_000));
    let problem = post_raw(&gateway, Some("application/json"), body).await.problem(400, "invalid_request");
    assert_eq!(fields(&problem), ["body"]);
}

#[tokio::test]
async fn body_must_be_said_to_be_json() {
    let gateway = Gateway::start().await;
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        post_raw(&gateway, kind, "{\"filename\":\"a\"}").await.problem(415, "unsupported_media_type");
    }
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn body_that_breaks_off_makes_nothing() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /upload/init HTTP/1.1\r\nhost: localhost\r\n{}content-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{\"filename\": \"a\"",
        gateway.http.head_line()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "), "{answer:?}");
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn unknown_query_parameters_are_refused() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    let status = format!("/upload/{}/status", id(&created));
    for (path, field) in [
        (format!("{status}?refesh=true"), "query.refesh"),
        (format!("{status}?refresh=yes"), "query.refresh"),
        (format!("{status}?parts=1"), "query.parts"),
        ("/upload?page=2".to_owned(), "query.page"),
        ("/upload?limit=0".to_owned(), "query.limit"),
        ("/upload?limit=1001".to_owned(), "query.limit"),
        ("/upload?limit=ten".to_owned(), "query.limit"),
        ("/upload?cursor=next".to_owned(), "query.cursor"),
        ("/upload?state=done".to_owned(), "query.state"),
    ] {
        let problem = gateway.get(&path).await.problem(400, "invalid_request");
        assert_eq!(fields(&problem), [field], "{path}");
    }
}

#[tokio::test]
async fn every_bad_parameter_is_named_at_once() {
    let gateway = Gateway::start().await;
    let problem = gateway.get("/upload?limit=0&cursor=x&state=y&z=1").await.problem(400, "invalid_request");
    assert_eq!(fields(&problem), ["query.cursor", "query.limit", "query.state", "query.z"]);
}

#[tokio::test]
async fn what_is_no_id_names_no_upload() {
    let gateway = Gateway::start().await;
    for id in ["0197a000-0000-7000-8000-000000000000", "x", "..%2f", "%00", "%ff", "0"] {
        for (method, path) in [
            (Method::GET, "/status"),
            (Method::POST, "/sign"),
            (Method::POST, "/parts"),
            (Method::PUT, "/parts/1"),
            (Method::POST, "/chunk/0"),
            (Method::POST, "/complete"),
            (Method::GET, "/file"),
            (Method::DELETE, ""),
        ] {
            let body = match path {
                "/sign" => Some(json!({"parts": []})),
                "/parts" => Some(json!({"stored": []})),
                _ => None,
            };
            let answer = gateway.call(method, &format!("/upload/{id}{path}"), body).await;
            answer.problem(404, "upload_not_found");
        }
    }
}

#[tokio::test]
async fn unknown_path_is_no_route() {
    let gateway = Gateway::start().await;
    for path in ["/nope", "/upload/", "/upload/x/y/z", "/UPLOAD", "/openapi.yaml"] {
        gateway.get(path).await.problem(404, "no_such_route");
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let gateway = Gateway::start().await;
    for (method, path, allowed) in [
        (Method::GET, "/upload/init", "POST"),
        (Method::POST, "/upload", "GET,HEAD"),
        (Method::PATCH, "/upload/x", "DELETE"),
        (Method::GET, "/upload/x/parts/1", "PUT"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let answer = gateway.call(method, path, None).await;
        assert_eq!(answer.headers["allow"], allowed, "{path}");
        answer.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn body_of_complete_may_be_absent_but_not_null_as_described() {
    let document = serde_json::to_value(partgate::http::openapi_document()).unwrap();
    let body = &document["paths"]["/upload/{id}/complete"]["post"]["requestBody"];
    assert_eq!(body["required"], false);
    let schema = &body["content"]["application/json"]["schema"];
    assert_eq!(schema, &json!({"$ref": "#/components/schemas/CompleteRequest"}));

    let gateway = Gateway::start().await;
    let created = open(&gateway, b"", json!({})).await;
    let path = format!("/upload/{}/complete", id(&created));
    let problem = gateway.post(&path, json!(null)).await.problem(400, "invalid_request");
    assert_eq!(fields(&problem), ["body"]);
    gateway.call(Method::POST, &path, None).await.expect(200);
}
