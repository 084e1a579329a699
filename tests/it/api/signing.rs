//! A signed URL allows one thing: the store refuses every other use of it, and nothing changes there.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use time::Duration;

use super::support::{checksum, id, open, send, sign, slice, stored_keys, stored_parts};
use crate::harness::{Gateway, TestStore, bytes, part_size, parts};

/// An upload of three parts, the first one in storage, the second one signed.
struct Signed {
    gateway: Gateway,
    created: Value,
    data: Vec<u8>,
    part: Value,
}

impl Signed {
    async fn start() -> Self {
        let gateway = Gateway::start().await;
        let data = bytes(70, parts(2) + 500);
        let fields =
            json!({"part_size": part_size(), "checksum_algorithm": "crc64nvme", "key": "a/file.bin"});
        let created = open(&gateway, &data, fields).await;
        send(&gateway, &created, &data, &[1]).await;
        let part = sign(&gateway, &created, &data, &[2]).await.remove(0);
        Self { gateway, created, data, part }
    }

    fn url(&self) -> &str {
        self.part["url"].as_str().unwrap()
    }

    fn body(&self) -> Vec<u8> {
        slice(&self.created, &self.data, 2).to_vec()
    }

    /// The signed request, to be bent.
    fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        let request = self.gateway.http.request(method, url);
        self.part["headers"]
            .as_object()
            .unwrap()
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value.as_str().unwrap()))
    }

    async fn put(&self, url: &str, body: Vec<u8>) -> Response {
        self.request(Method::PUT, url).body(body).send().await.unwrap()
    }

    /// The same request with one more header.
    async fn put_with(&self, name: &str, value: &str) -> Response {
        self.request(Method::PUT, self.url()).header(name, value).body(self.body()).send().await.unwrap()
    }

    /// The request was refused, and storage holds what it held before.
    async fn assert_refused(&self, answer: Response) {
        assert!(answer.status().is_client_error(), "{}", answer.status());
        let parts = stored_parts(&self.gateway).await;
        let numbers: Vec<_> = parts.iter().map(|(number, size, _)| (*number, *size)).collect();
        assert_eq!(numbers, [(1, part_size() as i64)]);
        assert_eq!(stored_keys(&self.gateway).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn url_works_for_what_it_was_signed_for() {
    let signed = Signed::start().await;
    assert_eq!(signed.put(signed.url(), signed.body()).await.status(), 200);
}

#[tokio::test]
async fn another_part_number_is_refused() {
    let signed = Signed::start().await;
    let url = signed.url().replace("partNumber=2", "partNumber=3");
    assert_ne!(url, signed.url());
    signed.assert_refused(signed.put(&url, signed.body()).await).await;
}

#[tokio::test]
async fn another_key_is_refused() {
    let signed = Signed::start().await;
    let url = signed.url().replace("/a/file.bin", "/a/other.bin");
    assert_ne!(url, signed.url());
    signed.assert_refused(signed.put(&url, signed.body()).await).await;
}

#[tokio::test]
async fn another_upload_is_refused() {
    let signed = Signed::start().await;
    let other =
        open(&signed.gateway, &signed.data, json!({"part_size": part_size(), "key": "a/second.bin"})).await;
    let parts = sign(&signed.gateway, &other, &signed.data, &[2]).await;
    let upload_id =
        |url: &str| url.split(['?', '&']).find_map(|pair| pair.strip_prefix("uploadId=")).unwrap().to_owned();
    let url = signed.url().replace(&upload_id(signed.url()), &upload_id(parts[0]["url"].as_str().unwrap()));
    assert_ne!(url, signed.url());
    signed.assert_refused(signed.put(&url, signed.body()).await).await;
}

#[tokio::test]
async fn whole_object_instead_of_a_part_is_refused() {
    let signed = Signed::start().await;
    let url = signed.url().replace("partNumber=2&", "").replace("&partNumber=2", "");
    assert_ne!(url, signed.url());
    signed.assert_refused(signed.put(&url, signed.body()).await).await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let signed = Signed::start().await;
    for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
        let answer = signed.request(method, signed.url()).send().await.unwrap();
        signed.assert_refused(answer).await;
    }
}

#[tokio::test]
async fn one_byte_more_is_refused() {
    let signed = Signed::start().await;
    let mut body = signed.body();
    body.push(0);
    signed.assert_refused(signed.put(signed.url(), body).await).await;
}

#[tokio::test]
async fn one_byte_less_is_refused() {
    let signed = Signed::start().await;
    let mut body = signed.body();
    body.pop();
    signed.assert_refused(signed.put(signed.url(), body).await).await;
}

#[tokio::test]
async fn no_bytes_are_refused() {
    let signed = Signed::start().await;
    signed.assert_refused(signed.put(signed.url(), Vec::new()).await).await;
}

#[tokio::test]
async fn another_checksum_is_refused() {
    let signed = Signed::start().await;
    let body = bytes(71, part_size());
    let header = checksum("crc64nvme", &body);
    let request = signed.gateway.http.put(signed.url()).header("x-amz-checksum-crc64nvme", header);
    signed.assert_refused(request.body(body).send().await.unwrap()).await;
}

#[tokio::test]
async fn other_bytes_under_the_signed_checksum_are_refused() {
    let signed = Signed::start().await;
    signed.assert_refused(signed.put(signed.url(), bytes(71, part_size())).await).await;
}

#[tokio::test]
async fn request_without_its_checksum_is_refused() {
    let signed = Signed::start().await;
    let answer = signed.gateway.http.put(signed.url()).body(signed.body()).send().await.unwrap();
    signed.assert_refused(answer).await;
}

#[tokio::test]
async fn copy_from_another_object_is_refused() {
    let signed = Signed::start().await;
    signed.assert_refused(signed.put_with("x-amz-copy-source", "/uploads/secret").await).await;
}

#[tokio::test]
async fn metadata_of_the_holder_is_refused() {
    let signed = Signed::start().await;
    signed.assert_refused(signed.put_with("x-amz-meta-partgate-upload-id", "mine").await).await;
}

#[tokio::test]
async fn acl_of_the_holder_does_not_open_the_object() {
    let signed = Signed::start().await;
    let answer = signed.put_with("x-amz-acl", "public-read").await;
    if TestStore::chosen() != TestStore::MinIo {
        return signed.assert_refused(answer).await;
    }
    // MinIO takes unsigned headers, but it knows no ACLs.
    assert_eq!(answer.status(), 200);
    send(&signed.gateway, &signed.created, &signed.data, &[3]).await;
    let completed = signed.gateway.complete(id(&signed.created)).await.expect(200);
    let stranger = signed.gateway.http.get(completed["location"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(stranger.status(), 403);
}

/// The holder of a URL for a part without a checksum names somebody else's object as the part's source.
#[tokio::test]
async fn copy_into_a_part_without_checksum_is_refused_by_all_but_minio() {
    let gateway = Gateway::start().await;
    let secret = open(&gateway, b"secret", json!({"key": "secret"})).await;
    send(&gateway, &secret, b"secret", &[1]).await;
    gateway.complete(id(&secret)).await.expect(200);
    let data = bytes(72, parts(1) + 6);
    let created = open(&gateway, &data, json!({"part_size": part_size()})).await;
    let part = sign(&gateway, &created, &data, &[2]).await.remove(0);
    let source = format!("/{}/secret", gateway.bucket);
    let request = gateway.http.put(part["url"].as_str().unwrap()).header("x-amz-copy-source", source);
    let answer = request.body(slice(&created, &data, 2).to_vec()).send().await.unwrap();
    // The reason for storage.signer, an identity that may not read: docs/stores.md.
    let is_copied = TestStore::chosen() == TestStore::MinIo;
    assert_eq!(answer.status().is_success(), is_copied, "{}", answer.status());
    assert_eq!(stored_parts(&gateway).await.len(), usize::from(is_copied));
}

#[tokio::test]
async fn longer_life_is_refused() {
    let signed = Signed::start().await;
    let url = signed.url().replace("X-Amz-Expires=900", "X-Amz-Expires=90000");
    assert_ne!(url, signed.url());
    signed.assert_refused(signed.put(&url, signed.body()).await).await;
}

#[tokio::test]
async fn expired_url_is_refused() {
    let mut signed = Signed::start().await;
    // The store keeps the real time: a URL that was signed half an hour ago is over.
    signed.gateway.clock.advance(Duration::minutes(-30));
    signed.part = sign(&signed.gateway, &signed.created, &signed.data, &[2]).await.remove(0);
    signed.assert_refused(signed.put(signed.url(), signed.body()).await).await;
}

#[tokio::test]
async fn life_of_urls_is_the_configured_one() {
    let options = crate::harness::Options::default().with("urls.ttl", "90s");
    let gateway = Gateway::start_with(options).await;
    let created = open(&gateway, b"x", json!({"sign": 1})).await;
    assert!(created["parts"][0]["url"].as_str().unwrap().contains("X-Amz-Expires=90&"));
    let parse = |field: &str| {
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(created[field].as_str().unwrap(), format).unwrap()
    };
    assert_eq!(parse("parts_expire_at") - parse("created_at"), Duration::seconds(90));
}

#[tokio::test]
async fn url_is_dead_after_completion() {
    let signed = Signed::start().await;
    send(&signed.gateway, &signed.created, &signed.data, &[2, 3]).await;
    signed.gateway.complete(id(&signed.created)).await.expect(200);
    assert_eq!(signed.put(signed.url(), signed.body()).await.status(), 404);
    assert!(signed.gateway.download(id(&signed.created)).await == signed.data);
}

#[tokio::test]
async fn url_is_dead_after_abort() {
    let signed = Signed::start().await;
    let path = format!("/upload/{}", id(&signed.created));
    signed.gateway.call(Method::DELETE, &path, None).await.expect(204);
    assert_eq!(signed.put(signed.url(), signed.body()).await.status(), 404);
    assert_eq!(stored_parts(&signed.gateway).await, []);
}

#[tokio::test]
async fn url_does_not_name_the_secret() {
    let signed = Signed::start().await;
    assert!(!signed.url().contains(crate::harness::SECRET_ACCESS_KEY));
}
