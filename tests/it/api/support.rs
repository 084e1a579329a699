//! What several themes need: checksums, sending parts, and a look into storage past the gateway.

use serde_json::{Value, json};

use crate::harness::{Gateway, part_size, put_part, s3};
pub(crate) use crate::harness::{checksum, digest, multiparts, objects as stored_keys, reap, sha256_hex};

/// Opens an upload of these bytes, with `fields` over the usual ones; answers what init answered.
pub(crate) async fn open(gateway: &Gateway, data: &[u8], fields: Value) -> Value {
    let mut body = json!({"filename": "file.bin", "size": data.len()});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    gateway.post("/upload/init", body).await.expect(201)
}

/// Opens an upload of so many bytes in the smallest parts, without any bytes; answers what init answered.
pub(crate) async fn open_sized(gateway: &Gateway, size: usize) -> Value {
    let body = json!({"filename": "file.bin", "size": size, "part_size": part_size()});
    gateway.post("/upload/init", body).await.expect(201)
}

/// The id in an answer.
pub(crate) fn id(answer: &Value) -> &str {
    answer["upload_id"].as_str().unwrap()
}

/// The bytes of a part.
pub(crate) fn slice<'a>(created: &Value, data: &'a [u8], number: u32) -> &'a [u8] {
    let part_size = usize::try_from(created["part_size"].as_u64().unwrap()).unwrap();
    let start = (number as usize - 1) * part_size;
    &data[start..data.len().min(start + part_size)]
}

/// Signs parts of the file, with checksums where the upload wants them, and sizes where it is a stream.
pub(crate) async fn sign(gateway: &Gateway, created: &Value, data: &[u8], numbers: &[u32]) -> Vec<Value> {
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
pub(crate) async fn send(gateway: &Gateway, created: &Value, data: &[u8], numbers: &[u32]) -> Vec<String> {
    let mut etags = Vec::new();
    for (signed, number) in sign(gateway, created, data, numbers).await.iter().zip(numbers) {
        let stored = put_part(gateway, signed, slice(created, data, *number).to_vec()).await;
        assert_eq!(stored.status(), 200);
        etags.push(stored.headers()["etag"].to_str().unwrap().to_owned());
    }
    etags
}

/// The answer of status, with a query.
pub(crate) async fn status(gateway: &Gateway, created: &Value, query: &str) -> Value {
    gateway.get(&format!("/upload/{}/status{query}", id(created))).await.expect(200)
}

/// Every part that storage holds of every multipart upload: number, size and ETag.
pub(crate) async fn stored_parts(gateway: &Gateway) -> Vec<(i32, i64, String)> {
    let client = s3(gateway);
    let mut parts = Vec::new();
    for (key, id) in multiparts(gateway).await {
        let listed = client.list_parts().bucket(&gateway.bucket).key(key).upload_id(id).send().await.unwrap();
        parts.extend(listed.parts().iter().map(|part| {
            (part.part_number().unwrap(), part.size().unwrap(), part.e_tag().unwrap().to_owned())
        }));
    }
    parts
}
