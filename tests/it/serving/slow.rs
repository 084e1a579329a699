//! Callers who take their time, or more than their share.

use axum::body::Bytes;
use futures_util::stream;
use serde_json::json;

use super::*;
use crate::harness::{Gateway, Options, bytes, init, part_size, parts};

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn head_that_drips_is_cut() {
    let served = Served::start(&[("http.header_timeout", "1s")]).await;
    let mut connection = served.connect().await;
    connection.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n").await;
    assert_eq!(connection.drip("x-more: of it\r\n").await, "");
}

#[tokio::test]
async fn second_head_that_drips_is_cut_too() {
    let served = Served::start(&[("http.header_timeout", "1s")]).await;
    let mut connection = served.connect().await;
    connection.write(GET).await;
    assert!(connection.read_until("\"ok\"").await.starts_with("HTTP/1.1 200"));
    connection.write("GET /healthz HTTP/1.1\r\n").await;
    assert!(!connection.drip("x-more: of it\r\n").await.contains("HTTP/1.1 200"));
}

#[tokio::test]
async fn connection_that_does_not_say_what_it_wants_is_cut() {
    let served = Served::start(&[("http.header_timeout", "1s")]).await;
    // Nothing; what may become HTTP/2; and HTTP/2 that never asks.
    for start in ["", "PRI * HTT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        let mut connection = served.connect().await;
        connection.write(start).await;
        let read = connection.read_until("HTTP/1.1 200").await;
        assert!(!read.contains("200"), "{start:?}: {read:?}");
    }
}

#[tokio::test]
async fn connection_is_kept_between_requests_for_longer_than_a_head_may_take() {
    let served = Served::start(&[("http.header_timeout", "1s")]).await;
    let mut connection = served.connect().await;
    connection.write(GET).await;
    connection.read_until("\"ok\"").await;
    let mut silent = served.connect().await;
    assert_eq!(silent.read_to_end().await, "", "so long a head may take");
    connection.write(GET).await;
    assert!(connection.read_until("\"ok\"").await.starts_with("HTTP/1.1 200"));
}

/// A machine that stands still for a while (suspended, or its processor taken away) is not the caller's fault.
#[tokio::test]
async fn head_that_arrived_while_the_gateway_stood_still_is_answered() {
    let served = Served::start(&[("http.header_timeout", "1s")]).await;
    // What is read first was left to chance once.
    for _ in 0..5 {
        let mut connection = served.connect().await;
        // The gateway takes the connection, and waits for the head.
        tokio::time::sleep(Duration::from_millis(10)).await;
        connection.write(GET).await;
        // Test and gateway share one thread.
        std::thread::sleep(Duration::from_millis(1_100));
        assert!(connection.read_until("\"ok\"").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn connection_without_requests_ends() {
    let served = Served::start(&[("http.idle_timeout", "200ms")]).await;
    let mut connection = served.connect().await;
    connection.write(GET).await;
    assert!(connection.read_to_end().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn idle_connections_do_not_keep_others_out() {
    let limits = [("http.header_timeout", "1s"), ("http.max_connections", "4")];
    let served = Served::start(&limits).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(served.connect().await);
    }
    served.get("/healthz").await.expect(200);
    for mut connection in idle {
        assert_eq!(connection.read_to_end().await, "");
    }
}

#[tokio::test]
async fn head_that_is_too_large_is_refused() {
    let served = Served::start(&[]).await;
    let call = |size| served.http.get(served.url("/healthz")).header("cookie", "x".repeat(size));
    send(call(16 * 1024)).await.expect(200);
    send(call(40 * 1024)).await.expect(431);
}

#[tokio::test]
async fn json_that_is_too_large_is_refused() {
    let served = Served::start(&[]).await;
    let body = json!({"filename": "x".repeat(2 * 1024 * 1024)});
    let problem = send(served.http.post(served.url("/upload/init")).json(&body)).await;
    assert_eq!(problem.problem(413, "too_large")["limit"], 1536 * 1024);
}

#[tokio::test]
async fn json_that_drips_is_given_up() {
    let served = Served::start(&[("http.body_timeout", "200ms")]).await;
    let mut connection = served.connect().await;
    connection
        .write("POST /upload/init HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n")
        .await;
    connection.write("content-length: 1000000\r\n\r\n{").await;
    let answer = connection.drip(" ").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
}

#[tokio::test]
async fn part_may_take_longer_than_json_and_heads_may() {
    let limits = ["http.header_timeout", "http.idle_timeout", "http.body_timeout"];
    let options = limits.iter().fold(Options::default(), |options, limit| options.with(limit, "1s"));
    let gateway = Gateway::start_with(options).await;
    let data = bytes(20, parts(2));
    let id = init(&gateway, json!({"filename": "a", "size": data.len(), "part_size": part_size()})).await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let part = Bytes::from(data).slice(..part_size());
    let pieces = [part.slice(..100), part.slice(100..200), part.slice(200..)];
    let body = stream::unfold(pieces.into_iter(), move |mut pieces| {
        let address = address.clone();
        async move {
            // Long enough for the gateway to have lost its patience with a head.
            let mut silent = Connection(TcpStream::connect(address).await.unwrap());
            silent.read_to_end().await;
            let piece = pieces.next()?;
            Some((Ok::<_, std::io::Error>(piece), pieces))
        }
    });
    let request = gateway.http.put(format!("{}/upload/{id}/parts/1", gateway.url));
    let request = request.header("content-length", part_size()).body(reqwest::Body::wrap_stream(body));
    send(request).await.expect(200);
}
