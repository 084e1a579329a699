//! What several themes need: checksums, sending parts, and a look into storage past the gateway.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use serde_json::{Value, json};

use crate::harness::{ACCESS_KEY_ID, BUCKET, Gateway, SECRET_ACCESS_KEY, put_part};
pub(super) use crate::harness::{checksum, digest, sha256_hex};

/// Opens an upload of these bytes, with `fields` over the usual ones; answers what init answered.
pub(super) async fn open(gateway: &Gateway, data: &[u8], fields: Value) -> Value {
    let mut body = json!({"filename": "file.bin", "size": data.len()});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    gateway.post("/upload/init", body).await.expect(201)
}

/// The id in an answer.
pub(super) fn id(answer: &Value) -> &str {
    answer["upload_id"].as_str().unwrap()
}

/// The bytes of a part.
pub(super) fn slice<'a>(created: &Value, data: &'a [u8], number: u32) -> &'a [u8] {
    let part_size = usize::try_from(created["part_size"].as_u64().unwrap()).unwrap();
    let start = (number as usize - 1) * part_size;
    &data[start..data.len().min(start + part_size)]
}

/// Signs parts of the file, with checksums where the upload wants them, and sizes where it is a stream.
pub(super) async fn sign(gateway: &Gateway, created: &Value, data: &[u8], numbers: &[u32]) -> Vec<Value> {
    let kind = created["checksum_algorithm"].as_str().unwrap();
    let parts = numbers.iter().map(|number| {
        let bytes = slice(created, data, *number);
        let mut part = json!({"number": number});
        if kind != "none" {
            part["checksum"] = checksum(kind, bytes).into();
        }
        if created["size"].is_null() {
            part["size"] = bytes.len().into();
        }
        part
    });
    let body = json!({"parts": parts.collect::<Vec<_>>()});
    let mut signed = gateway.post(&format!("/upload/{}/sign", id(created)), body).await.expect(200);
    signed["parts"].take().as_array().unwrap().clone()
}

/// Signs and sends parts of the file; answers their ETags.
pub(super) async fn send(gateway: &Gateway, created: &Value, data: &[u8], numbers: &[u32]) -> Vec<String> {
    let mut etags = Vec::new();
    for (signed, number) in sign(gateway, created, data, numbers).await.iter().zip(numbers) {
        let stored = put_part(gateway, signed, slice(created, data, *number).to_vec()).await;
        assert_eq!(stored.status(), 200);
        etags.push(stored.headers()["etag"].to_str().unwrap().to_owned());
    }
    etags
}

/// The answer of status, with a query.
pub(super) async fn status(gateway: &Gateway, created: &Value, query: &str) -> Value {
    gateway.get(&format!("/upload/{}/status{query}", id(created))).await.expect(200)
}

/// A client of the store that does not know the gateway.
pub(super) fn storage(gateway: &Gateway) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&gateway.store_url)
        .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests"))
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// The keys of all objects in storage.
pub(super) async fn stored_keys(gateway: &Gateway) -> Vec<String> {
    let listed = storage(gateway).list_objects_v2().bucket(BUCKET).send().await.unwrap();
    listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

/// The S3 upload ids of all multipart uploads in storage, with their keys.
pub(super) async fn multiparts(gateway: &Gateway) -> Vec<(String, String)> {
    let listed = storage(gateway).list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    let pair = |upload: &aws_sdk_s3::types::MultipartUpload| {
        (upload.key().unwrap().to_owned(), upload.upload_id().unwrap().to_owned())
    };
    listed.uploads().iter().map(pair).collect()
}

/// Every part that storage holds of every multipart upload: number, size and ETag.
pub(super) async fn stored_parts(gateway: &Gateway) -> Vec<(i32, i64, String)> {
    let client = storage(gateway);
    let mut parts = Vec::new();
    for (key, id) in multiparts(gateway).await {
        let listed = client.list_parts().bucket(BUCKET).key(key).upload_id(id).send().await.unwrap();
        parts.extend(listed.parts().iter().map(|part| {
            (part.part_number().unwrap(), part.size().unwrap(), part.e_tag().unwrap().to_owned())
        }));
    }
    parts
}

/// Takes all multipart uploads out of storage behind the gateway's back, as a lifecycle rule does.
pub(super) async fn reap(gateway: &Gateway) {
    for (key, id) in multiparts(gateway).await {
        let reaped = storage(gateway).abort_multipart_upload().bucket(BUCKET).key(key).upload_id(id).send();
        reaped.await.unwrap();
    }
}
