//! Nothing lost, nothing leaked: lost answers, refusals, races, restarts and crashes.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod abort;
mod commands;
mod complete;
mod crash;
mod create;
mod disk;
mod faults;
mod orphans;
mod races;
mod scale;
mod slow;
mod sweep;
mod weather;

use serde_json::{Value, json};

use crate::harness::{
    Answer, FaultProxy, Gateway, behind_faults, bytes, multiparts, objects, part_size, parts, put_part, reap,
    s3,
};

/// An upload as a client holds it.
struct Sent {
    id: String,
    key: String,
    data: Vec<u8>,
    /// The signed parts.
    parts: Vec<Value>,
}

impl Sent {
    /// Opens an upload of a file and signs all of its parts.
    async fn open(gateway: &Gateway, data: Vec<u8>, more: Value) -> Self {
        let mut body = json!({"filename": "a.bin", "size": data.len(), "part_size": part_size()});
        body["sign"] = data.len().div_ceil(part_size()).into();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let created = gateway.post("/upload/init", body).await.expect(201);
        Self {
            id: created["upload_id"].as_str().unwrap().to_owned(),
            key: created["key"].as_str().unwrap().to_owned(),
            data,
            parts: created["parts"].as_array().unwrap().clone(),
        }
    }

    /// Three parts, the last one short, all in storage; a second has passed since.
    async fn three_parts(gateway: &Gateway) -> Self {
        let sent = Self::open(gateway, bytes(3, parts(2) + 500), json!({})).await;
        sent.send(gateway, [1, 2, 3]).await;
        gateway.clock.advance(time::Duration::SECOND);
        sent
    }

    /// A small file, one PUT, not yet sent.
    async fn one_put(gateway: &Gateway) -> Self {
        Self::open(gateway, bytes(4, 500), json!({})).await
    }

    async fn send(&self, gateway: &Gateway, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            let chunk = self.data.chunks(part_size()).nth(number - 1).unwrap().to_vec();
            assert_eq!(put_part(gateway, &self.parts[number - 1], chunk).await.status(), 200);
        }
    }

    /// Sends the whole file again by new URLs, for an upload whose parts storage has lost.
    async fn send_again(&mut self, gateway: &Gateway) {
        let all: Vec<_> = (1..=self.parts.len()).collect();
        let body = json!({ "parts": all });
        let signed = gateway.post(&format!("/upload/{}/sign", self.id), body).await.expect(200);
        self.parts = signed["parts"].as_array().unwrap().clone();
        self.send(gateway, all).await;
    }

    async fn state(&self, gateway: &Gateway) -> String {
        let status = gateway.get(&format!("/upload/{}/status", self.id)).await.expect(200);
        status["state"].as_str().unwrap().to_owned()
    }

    async fn abort(&self, gateway: &Gateway) -> Answer {
        gateway.call(reqwest::Method::DELETE, &format!("/upload/{}", self.id), None).await
    }

    async fn assert_whole(&self, gateway: &Gateway) {
        assert_eq!(objects(gateway).await, [&*self.key]);
        assert!(object(gateway, &self.key).await == self.data, "the object is not the file");
    }
}

/// Somebody else's object at a key.
async fn put_foreign(gateway: &Gateway, key: &str) {
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"foreign");
    s3(gateway).put_object().bucket(&gateway.bucket).key(key).body(body).send().await.unwrap();
}

/// The bytes of an object, past the gateway.
async fn object(gateway: &Gateway, key: &str) -> Vec<u8> {
    let answer = s3(gateway).get_object().bucket(&gateway.bucket).key(key).send().await.unwrap();
    answer.body.collect().await.unwrap().to_vec()
}
