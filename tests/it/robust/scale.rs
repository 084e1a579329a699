//! As many parts as S3 allows.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::harness::embedded_only;

const PARTS: usize = 10_000;
const BATCH: usize = 1_000;
const LANES: usize = 8;

/// Sends parts of one byte over one connection, one after the other. A full HTTP client in a test build takes longer
/// for a request than the store.
async fn put_in_turn(gateway: &Gateway, parts: &[(&Value, &u8)]) {
    let address = gateway.store_url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.set_nodelay(true).unwrap();
    let mut answer = Vec::new();
    for (part, byte) in parts {
        let target = part["url"].as_str().unwrap().strip_prefix(&gateway.store_url).unwrap();
        let head = format!("PUT {target} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1\r\n\r\n");
        connection.write_all(&[head.as_bytes(), &[**byte]].concat()).await.unwrap();
        answer.clear();
        while !answer.ends_with(b"\r\n\r\n") {
            assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "the store hung up");
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-length: 0"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_parts_are_listed_in_pages_and_become_one_object() {
    embedded_only!("10,000 parts of one byte");
    let gateway = Gateway::start().await;
    let data = bytes(9, PARTS);
    let body = json!({"filename": "a.bin", "size": PARTS, "part_size": 1});
    let created = gateway.post("/upload/init", body).await.expect(201);
    assert_eq!(created["total_parts"], PARTS);
    let id = created["upload_id"].as_str().unwrap();
    for first in (1..=PARTS).step_by(BATCH) {
        let numbers: Vec<_> = (first..first + BATCH).collect();
        let signed =
            gateway.post(&format!("/upload/{id}/sign"), json!({ "parts": numbers })).await.expect(200);
        let parts: Vec<_> = signed["parts"].as_array().unwrap().iter().zip(&data[first - 1..]).collect();
        let lanes = parts.chunks(BATCH / LANES).map(|lane| put_in_turn(&gateway, lane));
        futures_util::future::join_all(lanes).await;
    }
    gateway.clock.advance(time::Duration::SECOND);
    let status = gateway.get(&format!("/upload/{id}/status?refresh=true")).await.expect(200);
    assert_eq!((&status["received_parts"], &status["missing"]), (&json!(PARTS), &json!([])));
    let listed = gateway.requests().count("ListParts");
    assert_eq!(listed, 1 + 10, "one answer shows that the store's lists have pages, of 1,000 parts each");
    let completed = gateway.complete(id).await.expect(200);
    assert_eq!(completed["size"], PARTS);
    assert_eq!(gateway.requests().count("ListParts"), listed + 10, "complete asks storage itself");
    assert!(gateway.download(id).await == data, "the object is not the file");
}
