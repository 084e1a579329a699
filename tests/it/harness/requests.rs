//! Requests as a client sends them, with whole answers.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Gateway;

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body, if it is JSON; else null.
    pub(crate) body: Value,
}

impl Answer {
    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    /// The body of a problem that must have this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["code"], code, "{:#}", self.body);
        assert_eq!(self.body["status"], status);
        assert!(!self.body["request_id"].as_str().unwrap().is_empty());
        self.body
    }
}

impl Gateway {
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_at(&self.url, method, path, body).await
    }

    pub(crate) async fn call_at(&self, url: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, format!("{url}{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn complete(&self, id: &str) -> Answer {
        self.post(&format!("/upload/{id}/complete"), json!({})).await
    }

    /// The object's bytes, by the download link of the upload.
    pub(crate) async fn download(&self, id: &str) -> Vec<u8> {
        let answer = self.http.get(format!("{}/upload/{id}/file", self.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap().to_vec()
    }
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        Self { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }
}

/// Opens an upload; answers its id.
pub(crate) async fn init(gateway: &Gateway, body: Value) -> String {
    let created = gateway.post("/upload/init", body).await.expect(201);
    created["upload_id"].as_str().unwrap().to_owned()
}

/// Sends bytes by a signed part, with the headers that it says.
pub(crate) async fn put_part(gateway: &Gateway, signed: &Value, bytes: Vec<u8>) -> reqwest::Response {
    let mut request = gateway.http.put(signed["url"].as_str().unwrap()).body(bytes);
    for (name, value) in signed["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    request.send().await.unwrap()
}

/// Bytes that differ from place to place, the same for the same seed. They repeat after a while, at an odd place,
/// so that no two parts are the same and an unoptimised build has little to compute.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    const PERIOD: usize = 65_537;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut block = Vec::with_capacity(PERIOD + 8);
    while block.len() < len.min(PERIOD) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block.truncate(len.min(PERIOD));
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let more = block.len().min(len - bytes.len());
        bytes.extend_from_slice(&block[..more]);
    }
    bytes
}
