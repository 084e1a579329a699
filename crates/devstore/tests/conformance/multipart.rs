//! Multipart uploads: parts, completion, abort, copies.

use aws_sdk_s3::types::CompletedPart;
use tempfile::tempdir;

use crate::support::{OwnStore, PART, Space, bytes, code, embedded, space};

#[tokio::test]
async fn parts_become_one_object_in_order() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let (first, second) = (bytes(1, PART), bytes(2, 1000));
    // Out of order, as parallel uploads are.
    let two = space.part(&key, &id, 2, &second).await;
    let one = space.part(&key, &id, 1, &first).await;
    space.completing(&key, &id, &[one, two]).send().await.unwrap();
    assert!(space.get(&key).await == [first, second].concat());
}

#[tokio::test]
async fn the_etag_is_the_md5_of_the_parts_md5s_with_their_count() {
    use md5::Digest as _;
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let bodies = [bytes(1, PART), bytes(2, 10)];
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        parts.push(space.part(&key, &id, number, body).await);
    }
    let done = space.completing(&key, &id, &parts).send().await.unwrap();
    let digests: Vec<u8> = bodies.iter().flat_map(|body| md5::Md5::digest(body).to_vec()).collect();
    let expected = format!("\"{}-2\"", hex::encode(md5::Md5::digest(digests)));
    assert_eq!(done.e_tag.as_deref(), Some(expected.as_str()));
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(head.e_tag, Some(expected));
    assert_eq!(head.content_length, Some(PART as i64 + 10));
}

#[tokio::test]
async fn an_upload_is_invisible_until_completed() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    space.part(&key, &id, 1, b"x").await;
    assert!(!space.exists(&key).await);
}

#[tokio::test]
async fn part_numbers_may_have_gaps_without_checksums() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let (first, last) = (bytes(1, PART), bytes(2, 7));
    let parts = [space.part(&key, &id, 3, &first).await, space.part(&key, &id, 10_000, &last).await];
    space.completing(&key, &id, &parts).send().await.unwrap();
    assert!(space.get(&key).await == [first, last].concat());
}

#[tokio::test]
async fn a_part_can_be_replaced() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    space.part(&key, &id, 1, b"first try").await;
    let second = space.part(&key, &id, 1, b"second try").await;
    space.completing(&key, &id, &[second]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"second try");
}

#[tokio::test]
async fn parts_left_out_of_complete_are_dropped() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let kept = space.part(&key, &id, 1, b"kept").await;
    space.part(&key, &id, 2, b"left out").await;
    space.completing(&key, &id, &[kept]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"kept");
}

#[tokio::test]
async fn a_single_empty_part_makes_an_empty_object() {
    let space = space().await;
    let key = space.key("empty");
    let id = space.create(&key).await;
    let part = space.part(&key, &id, 1, b"").await;
    space.completing(&key, &id, &[part]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"");
}

#[tokio::test]
async fn part_numbers_zero_and_above_ten_thousand_are_refused() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    for number in [0, 10_001, 4_000_000] {
        let answer = space.send_signed(&space.presign_part(&key, &id, number), b"x").await;
        answer.assert_error(400, "InvalidArgument");
    }
}

#[tokio::test]
async fn a_wrong_etag_is_an_invalid_part_and_the_upload_stays_usable() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let part = space.part(&key, &id, 1, b"good").await;
    let wrong = CompletedPart::builder().part_number(1).e_tag("\"00000000000000000000000000000000\"").build();
    assert_eq!(code(space.completing(&key, &id, &[wrong]).send().await), "InvalidPart");
    assert!(!space.exists(&key).await);
    space.completing(&key, &id, &[part]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"good");
}

#[tokio::test]
async fn a_part_that_was_never_uploaded_is_an_invalid_part() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let part = space.part(&key, &id, 1, &bytes(1, PART)).await;
    let missing = CompletedPart::builder().part_number(2).e_tag("\"00\"").build();
    assert_eq!(code(space.completing(&key, &id, &[part, missing]).send().await), "InvalidPart");
}

#[tokio::test]
async fn parts_out_of_order_are_refused_and_the_upload_stays_usable() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let one = space.part(&key, &id, 1, &bytes(1, PART)).await;
    let two = space.part(&key, &id, 2, b"end").await;
    let reversed = [two.clone(), one.clone()];
    assert_eq!(code(space.completing(&key, &id, &reversed).send().await), "InvalidPartOrder");
    space.completing(&key, &id, &[one, two]).send().await.unwrap();
}

#[tokio::test]
async fn a_small_part_before_the_last_is_refused_and_the_upload_stays_usable() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let small = space.part(&key, &id, 1, &bytes(1, PART - 1)).await;
    let last = space.part(&key, &id, 2, b"end").await;
    assert_eq!(code(space.completing(&key, &id, &[small, last.clone()]).send().await), "EntityTooSmall");
    let large = space.part(&key, &id, 1, &bytes(1, PART)).await;
    space.completing(&key, &id, &[large, last]).send().await.unwrap();
}

#[tokio::test]
async fn an_empty_part_list_is_malformed() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    assert_eq!(code(space.completing(&key, &id, &[]).send().await), "MalformedXML");
}

#[tokio::test]
async fn a_wrong_object_size_is_refused_and_the_upload_stays_usable() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"four").await];
    let wrong = space.completing(&key, &id, &parts).mpu_object_size(5).send().await;
    assert_eq!(code(wrong), "InvalidRequest");
    space.completing(&key, &id, &parts).mpu_object_size(4).send().await.unwrap();
}

#[tokio::test]
async fn repeating_complete_gives_the_same_answer() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"once").await];
    let first = space.completing(&key, &id, &parts).send().await.unwrap();
    let second = space.completing(&key, &id, &parts).send().await.unwrap();
    assert_eq!(first.e_tag, second.e_tag);
    assert_eq!(first.checksum_crc64_nvme, second.checksum_crc64_nvme);
    assert_eq!(space.get(&key).await, b"once");
}

#[tokio::test]
async fn a_completed_upload_takes_no_more_parts() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"done").await];
    space.completing(&key, &id, &parts).send().await.unwrap();
    space.send_signed(&space.presign_part(&key, &id, 2), b"late").await.assert_error(404, "NoSuchUpload");
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"x").await];
    space.s3.abort_multipart_upload().bucket(&space.bucket).key(&key).upload_id(&id).send().await.unwrap();
    space.send_signed(&space.presign_part(&key, &id, 1), b"x").await.assert_error(404, "NoSuchUpload");
    assert_eq!(code(space.completing(&key, &id, &parts).send().await), "NoSuchUpload");
    let list = space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id).send().await;
    assert_eq!(code(list), "NoSuchUpload");
    assert!(!space.exists(&key).await);
}

#[tokio::test]
async fn aborting_an_unknown_upload_is_no_such_upload() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let abort =
        |id: &str| space.s3.abort_multipart_upload().bucket(&space.bucket).key(&key).upload_id(id).send();
    abort(&id).await.unwrap();
    assert_eq!(code(abort(&id).await), "NoSuchUpload");
    assert_eq!(code(abort("nonsense").await), "NoSuchUpload");
}

#[tokio::test]
async fn an_upload_id_is_bound_to_its_key() {
    let space = space().await;
    let (key, other) = (space.key("file"), space.key("other"));
    let id = space.create(&key).await;
    let part = space.part(&key, &id, 1, b"x").await;
    space.send_signed(&space.presign_part(&other, &id, 1), b"x").await.assert_error(404, "NoSuchUpload");
    assert_eq!(code(space.completing(&other, &id, &[part]).send().await), "NoSuchUpload");
    let list = space.s3.list_parts().bucket(&space.bucket).key(&other).upload_id(&id).send().await;
    assert_eq!(code(list), "NoSuchUpload");
    let abort =
        space.s3.abort_multipart_upload().bucket(&space.bucket).key(&other).upload_id(&id).send().await;
    assert_eq!(code(abort), "NoSuchUpload");
}

#[tokio::test]
async fn two_uploads_of_one_key_do_not_mix() {
    let space = space().await;
    let key = space.key("file");
    let (first, second) = (space.create(&key).await, space.create(&key).await);
    let one = space.part(&key, &first, 1, b"first").await;
    let two = space.part(&key, &second, 1, b"second").await;
    space.completing(&key, &second, &[two]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"second");
    space.completing(&key, &first, &[one]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"first");
}

#[tokio::test]
async fn an_upload_into_an_unknown_bucket_is_refused() {
    let space = space().await;
    let created = space.s3.create_multipart_upload().bucket("no-such-bucket-here").key("k").send().await;
    assert_eq!(code(created), "NoSuchBucket");
}

#[tokio::test]
async fn headers_and_metadata_of_create_come_back_with_the_object() {
    let space = space().await;
    let key = space.key("file");
    let created = space
        .s3
        .create_multipart_upload()
        .bucket(&space.bucket)
        .key(&key)
        .content_type("video/mp4")
        .content_disposition("attachment; filename=\"a.mp4\"")
        .cache_control("max-age=60")
        .content_encoding("gzip")
        .metadata("upload-id", "u-1")
        .send()
        .await
        .unwrap();
    let id = created.upload_id.unwrap();
    let part = space.part(&key, &id, 1, b"x").await;
    space.completing(&key, &id, &[part]).send().await.unwrap();
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(head.content_type(), Some("video/mp4"));
    assert_eq!(head.content_disposition(), Some("attachment; filename=\"a.mp4\""));
    assert_eq!(head.cache_control(), Some("max-age=60"));
    assert_eq!(head.content_encoding(), Some("gzip"));
    assert_eq!(head.metadata().unwrap().get("upload-id").map(String::as_str), Some("u-1"));
}

async fn copied(space: &Space, source: &str, range: Option<&str>) -> Result<Vec<u8>, String> {
    let key = space.key("copy");
    let id = space.create(&key).await;
    let copy = space.s3.upload_part_copy().bucket(&space.bucket).key(&key).upload_id(&id).part_number(1);
    let source = format!("{}/{}", space.bucket, crate::support::encode(source, true));
    let copy = copy.copy_source(source).set_copy_source_range(range.map(str::to_owned)).send().await;
    let result = match copy {
        Err(error) => return Err(code(Err::<(), _>(error))),
        Ok(copy) => copy.copy_part_result.unwrap(),
    };
    let part = CompletedPart::builder().part_number(1).e_tag(result.e_tag.unwrap()).build();
    space.completing(&key, &id, &[part]).send().await.unwrap();
    Ok(space.get(&key).await)
}

#[tokio::test]
async fn a_part_can_be_copied_from_an_object() {
    let space = space().await;
    let source = space.key("source ü+");
    space.put(&source, b"copy me".to_vec()).await;
    assert_eq!(copied(&space, &source, None).await.unwrap(), b"copy me");
}

#[tokio::test]
async fn a_part_can_be_copied_from_a_range() {
    let space = space().await;
    let source = space.key("source");
    let body = bytes(1, PART + 100);
    space.put(&source, body.clone()).await;
    let copy = copied(&space, &source, Some("bytes=100-5242979")).await.unwrap();
    assert!(copy == body[100..5_242_980]);
}

#[tokio::test]
async fn a_copy_range_beyond_the_source_is_refused() {
    let space = space().await;
    let source = space.key("source");
    space.put(&source, bytes(1, PART + 1)).await;
    let beyond = format!("bytes=0-{}", PART + 1);
    assert_eq!(copied(&space, &source, Some(&beyond)).await.unwrap_err(), "InvalidArgument");
}

#[tokio::test]
async fn a_copy_of_an_unknown_source_is_no_such_key() {
    let space = space().await;
    let source = space.key("nothing");
    assert_eq!(copied(&space, &source, None).await.unwrap_err(), "NoSuchKey");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_parts_complete_in_a_moment() {
    use futures_util::StreamExt as _;
    if embedded("ten_thousand_parts_complete_in_a_moment").is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let upload = |number: u32| {
        let (space, key, id) = (&space, &key, &id);
        async move {
            let url = space.url(&space.presign_part(key, id, number));
            let body = number.to_le_bytes().to_vec();
            let response = space.http.put(url).body(body).send().await.unwrap();
            let etag = response.headers()["etag"].to_str().unwrap().to_owned();
            CompletedPart::builder().part_number(number as i32).e_tag(etag).build()
        }
    };
    let parts: Vec<_> = futures_util::stream::iter(1..=10_000).map(upload).buffered(16).collect().await;
    let started = std::time::Instant::now();
    space.completing(&key, &id, &parts).send().await.unwrap();
    let took = started.elapsed();
    assert!(took.as_secs() < 5, "{took:?}, though unoptimised and on a busy machine");
    println!("10,000 parts completed in {took:?}");
    let expected: Vec<u8> = (1..=10_000_u32).flat_map(u32::to_le_bytes).collect();
    assert!(space.get(&key).await == expected);
    own.close().await;
}
