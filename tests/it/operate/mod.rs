//! What an operator does: a bucket made ready, a lost database, an older copy of it.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod backup;
mod bucket;
mod page;
mod rebuild;
mod requests;

use serde_json::{Value, json};

use crate::harness::{Gateway, bytes, part_size, parts, put_part};

/// A file and its upload, as a client holds them.
struct File {
    id: String,
    key: String,
    data: Vec<u8>,
}

impl File {
    /// Opens an upload of so many bytes and sends these of its parts.
    async fn send(gateway: &Gateway, len: usize, numbers: &[u32], more: Value) -> Self {
        let data = bytes(len as u64, len);
        let mut body = json!({ "filename": "a.bin", "size": len, "part_size": part_size() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let created = gateway.post("/upload/init", body).await.expect(201);
        let [id, key] = ["upload_id", "key"].map(|field| created[field].as_str().unwrap().to_owned());
        let file = Self { id, key, data };
        file.send_parts(gateway, numbers.iter().map(|number| json!(number)).collect()).await;
        file
    }

    /// Three parts, the last one short, and all of it completed.
    async fn completed(gateway: &Gateway) -> Self {
        let file = Self::send(gateway, parts(2) + 500, &[1, 2, 3], json!({})).await;
        gateway.complete(&file.id).await.expect(200);
        file
    }

    /// Signs and sends these items of a sign call.
    async fn send_parts(&self, gateway: &Gateway, items: Vec<Value>) {
        if items.is_empty() {
            return;
        }
        let signed = gateway.post(&self.path("sign"), json!({ "parts": items })).await.expect(200);
        for part in signed["parts"].as_array().unwrap() {
            let number = part["number"].as_u64().unwrap() as usize;
            let chunk = self.data.chunks(part_size()).nth(number - 1).unwrap().to_vec();
            assert_eq!(put_part(gateway, part, chunk).await.status(), 200, "part {number}");
        }
    }

    async fn status(&self, gateway: &Gateway) -> Value {
        gateway.get(&self.path("status")).await.expect(200)
    }

    async fn assert_downloads(&self, gateway: &Gateway) {
        assert!(gateway.download(&self.id).await == self.data, "the object is not the file");
    }

    fn path(&self, call: &str) -> String {
        format!("/upload/{}/{call}", self.id)
    }
}
