//! Uploads from init to a proven object.

use serde_json::json;

use crate::harness::{Gateway, bytes, put_part};

#[tokio::test]
async fn small_file_is_one_put() {
    let gateway = Gateway::start().await;
    let data = bytes(1, 5_000);
    let created = gateway.post("/upload/init", json!({"filename": "a.bin", "size": 5_000, "sign": 1})).await;
    let created = created.expect(201);
    let id = created["upload_id"].as_str().unwrap();
    assert_eq!(created["total_parts"], 1);
    assert_eq!(put_part(&gateway, &created["parts"][0], data.clone()).await.status(), 200);
    let completed = gateway.complete(id).await.expect(200);
    assert_eq!(completed["state"], "completed");
    assert_eq!(completed["size"], 5_000);
    assert_eq!(gateway.download(id).await, data);
    assert_eq!(gateway.store.requests().count("CreateMultipartUpload"), 0);
    assert_eq!(gateway.puts(), 1);
}

#[tokio::test]
async fn large_file_is_sent_in_parts() {
    let gateway = Gateway::start().await;
    let data = bytes(2, 25_000);
    let body = json!({"filename": "b.bin", "size": 25_000, "part_size": 10_000, "sign": 3});
    let created = gateway.post("/upload/init", body).await.expect(201);
    let id = created["upload_id"].as_str().unwrap();
    for (part, chunk) in created["parts"].as_array().unwrap().iter().zip(data.chunks(10_000)) {
        assert_eq!(put_part(&gateway, part, chunk.to_vec()).await.status(), 200);
    }
    let completed = gateway.complete(id).await.expect(200);
    assert_eq!(completed["checksum"]["type"], "FULL_OBJECT");
    assert_eq!(gateway.download(id).await, data);
}
