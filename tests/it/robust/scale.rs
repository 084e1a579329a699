//! As many parts as S3 allows.

use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::*;

const PARTS: usize = 10_000;
const BATCH: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_parts_are_listed_in_pages_and_become_one_object() {
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
        let puts = signed["parts"].as_array().unwrap().iter().map(|part| {
            let at = usize::try_from(part["offset"].as_u64().unwrap()).unwrap();
            put_part(&gateway, part, data[at..=at].to_vec())
        });
        let statuses: Vec<_> =
            stream::iter(puts).buffered(16).map(|put| put.status().as_u16()).collect().await;
        assert_eq!(statuses, vec![200; BATCH]);
    }
    gateway.clock.advance(time::Duration::SECOND);
    let status = gateway.get(&format!("/upload/{id}/status?refresh=true")).await.expect(200);
    assert_eq!((&status["received_parts"], &status["missing"]), (&json!(PARTS), &json!([])));
    assert_eq!(gateway.store.requests().count("ListParts"), 10, "a page holds 1,000 parts");
    let completed = gateway.complete(id).await.expect(200);
    assert_eq!(completed["size"], PARTS);
    assert_eq!(gateway.store.requests().count("ListParts"), 20, "complete asks storage itself");
    assert!(gateway.download(id).await == data, "the object is not the file");
}
