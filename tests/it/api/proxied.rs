//! Parts that go through the gateway, for clients that cannot reach storage.

use futures_util::stream;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{checksum, id, open, slice, status, stored_parts};
use crate::harness::{Answer, Gateway, bytes, part_size, parts};

/// A gateway with an upload of three parts, the last one of 500 bytes.
async fn start(kind: &str) -> (Gateway, Value, Vec<u8>) {
    let gateway = Gateway::start().await;
    let data = bytes(100, parts(2) + 500);
    let created = open(&gateway, &data, json!({"part_size": part_size(), "checksum_algorithm": kind})).await;
    (gateway, created, data)
}

async fn put(gateway: &Gateway, created: &Value, number: u32, body: impl Into<Body>) -> Answer {
    let url = format!("{}/upload/{}/parts/{number}", gateway.url, id(created));
    Answer::of(gateway.http.put(url).body(body).send().await.unwrap()).await
}

/// A body whose length is not said.
fn chunked(bytes: Vec<u8>) -> Body {
    let pieces: Vec<_> =
        bytes.chunks(bytes.len() / 3).map(<[u8]>::to_vec).map(Ok::<_, std::io::Error>).collect();
    Body::wrap_stream(stream::iter(pieces))
}

#[tokio::test]
async fn parts_through_the_gateway_make_the_object() {
    let (gateway, created, data) = start("none").await;
    for number in 1..=3 {
        put(&gateway, &created, number, slice(&created, &data, number).to_vec()).await.expect(200);
    }
    gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn chunks_are_parts_counted_from_zero() {
    let (gateway, created, data) = start("none").await;
    let url = |index: usize| format!("{}/upload/{}/chunk/{index}", gateway.url, id(&created));
    for (index, chunk) in data.chunks(part_size()).enumerate() {
        let answer = gateway.http.post(url(index)).body(chunk.to_vec()).send().await.unwrap();
        assert_eq!(Answer::of(answer).await.expect(200)["number"], index + 1);
    }
    gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn answer_names_size_and_etag() {
    let (gateway, created, data) = start("none").await;
    let answer = put(&gateway, &created, 3, slice(&created, &data, 3).to_vec()).await.expect(200);
    let (_, size, etag) = stored_parts(&gateway).await.remove(0);
    assert_eq!(answer, json!({"number": 3, "size": size, "etag": etag}));
}

#[tokio::test]
async fn proxied_part_needs_no_report() {
    let (gateway, created, data) = start("none").await;
    put(&gateway, &created, 2, slice(&created, &data, 2).to_vec()).await.expect(200);
    assert_eq!(status(&gateway, &created, "").await["missing"], json!([[1, 1], [3, 3]]));
}

#[tokio::test]
async fn sending_a_part_again_gives_the_same_answer() {
    let (gateway, created, data) = start("none").await;
    let part = slice(&created, &data, 1);
    let first = put(&gateway, &created, 1, part.to_vec()).await.expect(200);
    assert_eq!(put(&gateway, &created, 1, part.to_vec()).await.expect(200), first);
}

/// A good part 1 is there, and what is done next leaves it so.
async fn check_good_part_stays(gateway: &Gateway, created: &Value, data: &[u8], good: &str) {
    assert_eq!(stored_parts(gateway).await, [(1, part_size() as i64, good.to_owned())]);
    for number in 2..=3 {
        put(gateway, created, number, slice(created, data, number).to_vec()).await.expect(200);
    }
    gateway.complete(id(created)).await.expect(200);
    assert!(gateway.download(id(created)).await == data, "the object is not the file");
}

async fn put_good(gateway: &Gateway, created: &Value, data: &[u8]) -> String {
    let answer = put(gateway, created, 1, slice(created, data, 1).to_vec()).await.expect(200);
    answer["etag"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn wrong_length_is_refused_and_the_good_part_stays() {
    let (gateway, created, data) = start("none").await;
    let good = put_good(&gateway, &created, &data).await;
    for length in [part_size() - 1, part_size() + 1] {
        let problem = put(&gateway, &created, 1, bytes(101, length)).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], "header.Content-Length", "{length}");
    }
    check_good_part_stays(&gateway, &created, &data, &good).await;
}

#[tokio::test]
async fn wrong_checksum_is_refused_and_the_good_part_stays() {
    let (gateway, created, data) = start("crc32c").await;
    let url = |number| format!("{}/upload/{}/parts/{number}", gateway.url, id(&created));
    let put = async |number, bytes: &[u8], declared: &[u8]| {
        let header = checksum("crc32c", declared);
        let request = gateway.http.put(url(number)).header("x-amz-checksum-crc32c", header);
        Answer::of(request.body(bytes.to_vec()).send().await.unwrap()).await
    };
    let part = slice(&created, &data, 1);
    let good = put(1, part, part).await.expect(200);
    put(1, &bytes(101, part_size()), part).await.problem(422, "checksum_mismatch");
    assert_eq!(stored_parts(&gateway).await[0].2, good["etag"].as_str().unwrap());
    for number in 2..=3 {
        let part = slice(&created, &data, number);
        put(number, part, part).await.expect(200);
    }
    gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn checksummed_upload_wants_the_checksum_header() {
    let (gateway, created, data) = start("crc64nvme").await;
    let answer = put(&gateway, &created, 1, slice(&created, &data, 1).to_vec()).await;
    let problem = answer.problem(400, "invalid_request");
    assert!(problem["errors"][0]["field"].as_str().unwrap().starts_with("header.x-amz-checksum"));
}

#[tokio::test]
async fn md5_is_said_by_content_md5() {
    let (gateway, created, data) = start("md5").await;
    let part = slice(&created, &data, 1);
    let url = format!("{}/upload/{}/parts/1", gateway.url, id(&created));
    let request = gateway.http.put(url).header("content-md5", checksum("md5", part)).body(part.to_vec());
    Answer::of(request.send().await.unwrap()).await.expect(200);
}

/// Sends the head of a PUT and half of its body, then closes; waits until the gateway has closed too.
async fn send_half(gateway: &Gateway, created: &Value) {
    let mut stream = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "PUT /upload/{}/parts/1 HTTP/1.1\r\nhost: localhost\r\n{}content-length: {}\r\n\r\n",
        id(created),
        gateway.http.head_line(),
        part_size()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes(102, part_size() / 2)).await.unwrap();
    stream.shutdown().await.unwrap();
    // Whether it answers somebody who is gone is its own affair.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn body_that_breaks_off_leaves_the_good_part() {
    let (gateway, created, data) = start("none").await;
    let good = put_good(&gateway, &created, &data).await;
    send_half(&gateway, &created).await;
    check_good_part_stays(&gateway, &created, &data, &good).await;
}

#[tokio::test]
async fn body_that_breaks_off_is_not_received() {
    let (gateway, created, _) = start("none").await;
    send_half(&gateway, &created).await;
    assert_eq!(status(&gateway, &created, "?refresh=true").await["received_parts"], 0);
}

#[tokio::test]
async fn body_of_unknown_length_and_right_size_is_taken() {
    let (gateway, created, data) = start("none").await;
    put(&gateway, &created, 1, chunked(slice(&created, &data, 1).to_vec())).await.expect(200);
    assert_eq!(stored_parts(&gateway).await[0].1, part_size() as i64);
}

#[tokio::test]
async fn body_of_unknown_length_and_wrong_size_is_refused() {
    let (gateway, created, data) = start("none").await;
    let good = put_good(&gateway, &created, &data).await;
    for length in [part_size() - 100, part_size() + 200] {
        let problem = put(&gateway, &created, 1, chunked(bytes(103, length))).await;
        assert_eq!(problem.problem(400, "invalid_request")["errors"][0]["field"], "body", "{length}");
    }
    check_good_part_stays(&gateway, &created, &data, &good).await;
}

#[tokio::test]
async fn part_numbers_that_are_none_are_refused() {
    let (gateway, created, _) = start("none").await;
    for number in ["0", "4", "10001", "4294967296", "-1", "x", "1.5"] {
        let path = format!("/upload/{}/parts/{number}", id(&created));
        let problem = gateway.call(Method::PUT, &path, None).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], "path.number", "{number}");
    }
}

#[tokio::test]
async fn chunk_beyond_the_last_is_refused() {
    let (gateway, created, _) = start("none").await;
    for index in ["3", "4294967295"] {
        let path = format!("/upload/{}/chunk/{index}", id(&created));
        gateway.call(Method::POST, &path, None).await.problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn small_file_goes_through_the_gateway() {
    let gateway = Gateway::start().await;
    let data = bytes(104, 700);
    let created = open(&gateway, &data, json!({"metadata": {"colour": "red"}})).await;
    put(&gateway, &created, 1, data.clone()).await.expect(200);
    gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "the object is not the file");
}

#[tokio::test]
async fn small_file_may_be_sent_again() {
    let gateway = Gateway::start().await;
    let data = bytes(104, 700);
    let created = open(&gateway, &data, json!({})).await;
    let first = put(&gateway, &created, 1, data.clone()).await.expect(200);
    assert_eq!(put(&gateway, &created, 1, data).await.expect(200), first);
}

#[tokio::test]
async fn proxied_part_of_a_reaped_upload_is_taken_when_repeated() {
    let (gateway, created, data) = start("none").await;
    super::support::reap(&gateway).await;
    let part = slice(&created, &data, 1);
    put(&gateway, &created, 1, part.to_vec()).await.problem(503, "busy");
    put(&gateway, &created, 1, part.to_vec()).await.expect(200);
}

/// A counter of this process, which all tests share.
async fn counter(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.http.get(format!("{}/metrics", gateway.url)).send().await.unwrap();
    let text = text.text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn large_part_streams_through_and_is_counted() {
    const SIZE: usize = 20 * 1024 * 1024;
    let gateway = Gateway::start().await;
    let created = gateway.post("/upload/init", json!({"filename": "a", "size": SIZE, "part_size": SIZE}));
    let created = created.await.expect(201);
    let before = counter(&gateway, "partgate_proxied_bytes_total").await;
    put(&gateway, &created, 1, bytes(105, SIZE)).await.expect(200);
    gateway.complete(id(&created)).await.expect(200);
    assert!(counter(&gateway, "partgate_proxied_bytes_total").await >= before + SIZE as u64);
}

#[tokio::test]
async fn refusal_arrives_although_a_large_body_is_under_way() {
    let (gateway, created, _) = start("none").await;
    for _ in 0..5 {
        put(&gateway, &created, 9, bytes(106, 8 * 1024 * 1024)).await.problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn checksum_header_of_another_kind_does_not_hide_the_right_one() {
    let (gateway, created, data) = start("md5").await;
    let part = slice(&created, &data, 1);
    let url = format!("{}/upload/{}/parts/1", gateway.url, id(&created));
    let request = gateway.http.put(url).header("x-amz-checksum-crc32", checksum("crc32", part));
    let request = request.header("content-md5", checksum("md5", part)).body(part.to_vec());
    Answer::of(request.send().await.unwrap()).await.expect(200);
}
