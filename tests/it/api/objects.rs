//! The finished object: its key, its headers, its download, and what was at the key before.

use serde_json::{Value, json};

use super::support::{id, open, send, stored_keys};
use crate::harness::{Gateway, Options, bytes, part_size, parts};

/// Uploads a file as a whole.
async fn upload(gateway: &Gateway, data: &[u8], fields: Value) -> Value {
    let created = open(gateway, data, fields).await;
    let numbers: Vec<u32> = (1..=created["total_parts"].as_u64().unwrap() as u32).collect();
    send(gateway, &created, data, &numbers).await;
    gateway.complete(id(&created)).await.expect(200)
}

/// The headers of a download.
async fn download_headers(gateway: &Gateway, completed: &Value) -> reqwest::header::HeaderMap {
    let url = format!("{}/upload/{}/file", gateway.url, id(completed));
    let answer = gateway.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers().clone()
}

async fn check_metadata_arrives(size: usize) {
    let gateway = Gateway::start().await;
    let fields = json!({
        "part_size": part_size(),
        "content_type": "text/plain; charset=utf-8",
        "metadata": {"colour": "dark blue", "a_b-1": "x=y;\"z\""},
    });
    let completed = upload(&gateway, &bytes(30, size), fields).await;
    let headers = download_headers(&gateway, &completed).await;
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(headers["x-amz-meta-colour"], "dark blue");
    assert_eq!(headers["x-amz-meta-a_b-1"], "x=y;\"z\"");
}

#[tokio::test]
async fn metadata_arrives_with_an_empty_file() {
    check_metadata_arrives(0).await;
}

#[tokio::test]
async fn metadata_arrives_with_a_small_file() {
    check_metadata_arrives(10).await;
}

#[tokio::test]
async fn metadata_arrives_with_a_large_file() {
    check_metadata_arrives(parts(1) + 500).await;
}

#[tokio::test]
async fn download_has_the_files_name() {
    let gateway = Gateway::start().await;
    let completed = upload(&gateway, b"x", json!({"filename": "Zürich \"plan\" – 日本.pdf"})).await;
    let headers = download_headers(&gateway, &completed).await;
    assert_eq!(
        headers["content-disposition"],
        "attachment; filename=\"Z_rich _plan_ _ __.pdf\"; \
         filename*=UTF-8''Z%C3%BCrich%20%22plan%22%20%E2%80%93%20%E6%97%A5%E6%9C%AC.pdf"
    );
}

#[tokio::test]
async fn download_link_is_not_cached() {
    let gateway = Gateway::start().await;
    let completed = upload(&gateway, b"x", json!({})).await;
    let url = format!("{}/upload/{}/file", gateway.url, id(&completed));
    let answer = gateway.http.without_redirects().get(url).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (307, &"no-store".parse().unwrap())
    );
}

#[tokio::test]
async fn unfinished_upload_has_no_download() {
    let gateway = Gateway::start().await;
    let created = open(&gateway, b"x", json!({})).await;
    let answer = gateway.get(&format!("/upload/{}/file", id(&created))).await;
    assert_eq!(answer.problem(409, "upload_closed")["state"], "open");
}

#[tokio::test]
async fn usual_key_has_id_and_safe_name() {
    let options = Options::default().with("storage.prefix", "in/");
    let gateway = Gateway::start_with(options).await;
    let completed = upload(&gateway, b"x", json!({"filename": "my <file>.txt"})).await;
    assert_eq!(stored_keys(&gateway).await, [format!("in/{}/my__file_.txt", id(&completed))]);
}

#[tokio::test]
async fn caller_may_name_the_key_below_the_prefix() {
    let options = Options::default().with("storage.prefix", "in/");
    let gateway = Gateway::start_with(options).await;
    upload(&gateway, b"x", json!({"key": "a/b c+ü.txt"})).await;
    assert_eq!(stored_keys(&gateway).await, ["in/a/b c+ü.txt"]);
}

#[tokio::test]
async fn location_names_the_object() {
    let gateway = Gateway::start().await;
    let completed = upload(&gateway, b"x", json!({"key": "a/b.txt"})).await;
    assert_eq!(completed["location"], format!("{}/{}/a/b.txt", gateway.store_url, gateway.bucket));
}

/// A second upload to a key that is taken; answers what its completion says, and the first upload.
async fn second_at_key(gateway: &Gateway, size: usize, overwrite: bool) -> (Value, crate::harness::Answer) {
    let first = upload(gateway, b"first", json!({"key": "k"})).await;
    let data = bytes(31, size);
    let fields = json!({"key": "k", "part_size": part_size(), "overwrite": overwrite});
    let created = open(gateway, &data, fields).await;
    if size > part_size() || overwrite {
        let numbers: Vec<u32> = (1..=created["total_parts"].as_u64().unwrap() as u32).collect();
        send(gateway, &created, &data, &numbers).await;
    }
    let answer = gateway.complete(id(&created)).await;
    (first, answer)
}

async fn check_old_object_stays(size: usize) {
    let gateway = Gateway::start().await;
    let (first, answer) = second_at_key(&gateway, size, false).await;
    answer.problem(409, "object_exists");
    assert_eq!(gateway.download(id(&first)).await, b"first");
}

#[tokio::test]
async fn empty_file_does_not_replace_an_object() {
    check_old_object_stays(0).await;
}

#[tokio::test]
async fn small_file_does_not_replace_an_object() {
    check_old_object_stays(10).await;
}

#[tokio::test]
async fn large_file_does_not_replace_an_object() {
    check_old_object_stays(parts(1) + 500).await;
}

#[tokio::test]
async fn object_stays_on_a_store_without_conditions() {
    let options = Options::default().with("storage.conditional_writes", "false");
    let gateway = Gateway::start_with(options).await;
    let (first, answer) = second_at_key(&gateway, parts(1) + 500, false).await;
    answer.problem(409, "object_exists");
    assert_eq!(gateway.download(id(&first)).await, b"first");
}

async fn check_replaces(size: usize) {
    let gateway = Gateway::start().await;
    let (_, answer) = second_at_key(&gateway, size, true).await;
    let second = answer.expect(200);
    assert!(gateway.download(id(&second)).await == bytes(31, size), "the object is not the file");
}

#[tokio::test]
async fn empty_file_replaces_an_object_when_told_to() {
    check_replaces(0).await;
}

#[tokio::test]
async fn small_file_replaces_an_object_when_told_to() {
    check_replaces(10).await;
}

#[tokio::test]
async fn large_file_replaces_an_object_when_told_to() {
    check_replaces(parts(1) + 500).await;
}

#[tokio::test]
async fn odd_key_is_uploaded_in_parts_and_downloaded() {
    let gateway = Gateway::start().await;
    let key = "odd/%2F ?#&=+~'()*!$@,;:[]\"|<>^`{} 🦀/ü.tar.gz";
    let data = bytes(32, parts(1) + 500);
    let completed = upload(&gateway, &data, json!({"key": key, "part_size": part_size()})).await;
    assert_eq!(completed["key"], key);
    assert!(gateway.download(id(&completed)).await == data, "the object is not the file");
}

#[tokio::test]
async fn longest_key_is_uploaded_in_parts_and_downloaded() {
    let gateway = Gateway::start().await;
    let key = [&*"k".repeat(255); 4].join("/");
    let data = bytes(35, parts(1) + 500);
    let completed = upload(&gateway, &data, json!({"key": key, "part_size": part_size()})).await;
    assert_eq!(completed["key"], key);
    assert!(gateway.download(id(&completed)).await == data, "the object is not the file");
}

#[tokio::test]
async fn keys_below_the_key_of_an_object_are_uploaded_and_downloaded() {
    let gateway = Gateway::start().await;
    let above = upload(&gateway, b"above", json!({"key": "a"})).await;
    let below = upload(&gateway, b"below", json!({"key": "a/b"})).await;
    assert_eq!(gateway.download(id(&above)).await, b"above");
    assert_eq!(gateway.download(id(&below)).await, b"below");
}

#[tokio::test]
async fn odd_key_of_a_small_file_is_downloaded() {
    let gateway = Gateway::start().await;
    let key = "odd/%2F ?#&=+~'()*!$@,;:[]\"|<>^`{} 🦀/ü.txt";
    let completed = upload(&gateway, b"x", json!({"key": key})).await;
    assert_eq!(stored_keys(&gateway).await, [key]);
    assert_eq!(gateway.download(id(&completed)).await, b"x");
}

#[tokio::test]
async fn two_uploads_to_one_key_have_one_winner() {
    let gateway = Gateway::start().await;
    let files = [bytes(33, parts(1) + 500), bytes(34, parts(1) + 500)];
    let fields = json!({"key": "k", "part_size": part_size()});
    let (a, b) = (open(&gateway, &files[0], fields.clone()).await, open(&gateway, &files[1], fields).await);
    send(&gateway, &a, &files[0], &[1, 2]).await;
    send(&gateway, &b, &files[1], &[1, 2]).await;
    let (first, second) = tokio::join!(gateway.complete(id(&a)), gateway.complete(id(&b)));
    let (winner, loser, data) =
        if first.status == 200 { (first, second, &files[0]) } else { (second, first, &files[1]) };
    loser.problem(409, "object_exists");
    assert!(gateway.download(id(&winner.expect(200))).await == *data, "the object is not the file");
}
