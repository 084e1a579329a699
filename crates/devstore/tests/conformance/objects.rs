//! Whole objects and buckets.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::support::{PART, Space, bytes, code, encode, space, unique};

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let space = space().await;
    let key = space.key("file");
    let body = bytes(1, 3 * 1024 * 1024 + 1);
    space.put(&key, body.clone()).await;
    assert!(space.get(&key).await == body);
}

#[tokio::test]
async fn the_etag_of_a_put_is_the_md5_of_its_body() {
    let space = space().await;
    let etag = space.put(&space.key("file"), b"hello".to_vec()).await;
    assert_eq!(etag, "\"5d41402abc4b2a76b9719d911017c592\"");
}

#[tokio::test]
async fn an_empty_object_is_legal() {
    let space = space().await;
    let key = space.key("empty");
    space.put(&key, Vec::new()).await;
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(head.content_length(), Some(0));
    assert_eq!(space.get(&key).await, b"");
}

#[tokio::test]
async fn a_put_replaces_the_object() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"old and longer".to_vec()).await;
    space.put(&key, b"new".to_vec()).await;
    assert_eq!(space.get(&key).await, b"new");
}

#[tokio::test]
async fn a_download_in_progress_survives_a_replacement() {
    let space = space().await;
    let key = space.key("file");
    let body = bytes(1, 24 * 1024 * 1024);
    space.put(&key, body.clone()).await;
    let mut got = space.s3.get_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    let mut received = got.body.next().await.unwrap().unwrap().to_vec();
    space.put(&key, b"new".to_vec()).await;
    while let Some(chunk) = got.body.next().await {
        received.extend_from_slice(&chunk.unwrap());
    }
    assert!(received == body);
    assert_eq!(space.get(&key).await, b"new");
}

#[tokio::test]
async fn headers_and_metadata_come_back() {
    let space = space().await;
    let key = space.key("file");
    let put = space.s3.put_object().bucket(&space.bucket).key(&key).body(b"x".to_vec().into());
    put.content_type("text/html; charset=utf-8")
        .content_disposition("inline")
        .content_encoding("br")
        .content_language("de")
        .cache_control("no-store")
        .metadata("one", "1")
        .metadata("two", "2")
        .send()
        .await
        .unwrap();
    let got = space.s3.get_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(got.content_type(), Some("text/html; charset=utf-8"));
    assert_eq!(got.content_disposition(), Some("inline"));
    assert_eq!(got.content_encoding(), Some("br"));
    assert_eq!(got.content_language(), Some("de"));
    assert_eq!(got.cache_control(), Some("no-store"));
    let metadata = got.metadata().unwrap();
    assert_eq!((metadata["one"].as_str(), metadata["two"].as_str()), ("1", "2"));
}

async fn range(space: &Space, key: &str, range: &str) -> (u16, String, Vec<u8>) {
    let request = space.http.get(space.url(&space.presign("GET", key))).header("range", range);
    let response = request.send().await.unwrap();
    let content_range = response.headers().get("content-range");
    let content_range = content_range.map_or(String::new(), |value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), content_range, response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn ranges_are_served() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"0123456789".to_vec()).await;
    for (asked, content_range, body) in [
        ("bytes=0-3", "bytes 0-3/10", "0123"),
        ("bytes=4-", "bytes 4-9/10", "456789"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=8-100", "bytes 8-9/10", "89"),
        ("bytes=-100", "bytes 0-9/10", "0123456789"),
    ] {
        let expected = (206, content_range.to_owned(), body.as_bytes().to_vec());
        assert_eq!(range(&space, &key, asked).await, expected, "{asked}");
    }
}

#[tokio::test]
async fn a_range_beyond_the_object_is_not_satisfiable() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"0123456789".to_vec()).await;
    assert_eq!(range(&space, &key, "bytes=10-").await.0, 416);
}

#[tokio::test]
async fn a_range_may_span_parts() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let (first, second) = (bytes(1, PART), bytes(2, 1000));
    let parts = [space.part(&key, &id, 1, &first).await, space.part(&key, &id, 2, &second).await];
    space.completing(&key, &id, &parts).send().await.unwrap();
    let whole = [first, second].concat();
    let (status, _, body) = range(&space, &key, &format!("bytes={}-{}", PART - 10, PART + 9)).await;
    assert_eq!(status, 206);
    assert!(body == whole[PART - 10..PART + 10]);
}

#[tokio::test]
async fn one_part_of_an_object_can_be_read() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, &bytes(1, PART)).await, space.part(&key, &id, 2, b"second").await];
    space.completing(&key, &id, &parts).send().await.unwrap();
    let got = space.s3.get_object().bucket(&space.bucket).key(&key).part_number(2).send().await.unwrap();
    assert_eq!(got.parts_count(), Some(2));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"second");
}

#[tokio::test]
async fn an_unknown_key_is_no_such_key() {
    let space = space().await;
    let key = space.key("nothing");
    let got = space.s3.get_object().bucket(&space.bucket).key(&key).send().await;
    assert_eq!(code(got), "NoSuchKey");
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
}

#[tokio::test]
async fn deleting_is_idempotent() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"x".to_vec()).await;
    for _ in 0..2 {
        space.s3.delete_object().bucket(&space.bucket).key(&key).send().await.unwrap();
        assert!(!space.exists(&key).await);
    }
}

#[tokio::test]
async fn several_objects_are_deleted_at_once() {
    let space = space().await;
    let keys = [space.key("one"), space.key("two ü&<>"), space.key("never there")];
    for key in &keys[..2] {
        space.put(key, b"x".to_vec()).await;
    }
    let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build().unwrap()).collect();
    let delete = Delete::builder().set_objects(Some(objects)).build().unwrap();
    let deleted = space.s3.delete_objects().bucket(&space.bucket).delete(delete).send().await.unwrap();
    assert_eq!(deleted.deleted().len(), 3);
    for key in &keys {
        assert!(!space.exists(key).await, "{key}");
    }
}

#[tokio::test]
async fn an_object_can_be_copied_with_its_metadata() {
    let space = space().await;
    let (source, target) = (space.key("source ü"), space.key("target"));
    let put = space.s3.put_object().bucket(&space.bucket).key(&source).body(b"copy".to_vec().into());
    put.metadata("a", "b").content_type("x/y").send().await.unwrap();
    let from = format!("{}/{}", space.bucket, encode(&source, true));
    let copy = space.s3.copy_object().bucket(&space.bucket).key(&target).copy_source(from);
    copy.send().await.unwrap();
    let got = space.s3.get_object().bucket(&space.bucket).key(&target).send().await.unwrap();
    assert_eq!((got.content_type(), got.metadata().unwrap()["a"].as_str()), (Some("x/y"), "b"));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"copy");
}

#[tokio::test]
async fn odd_keys_are_kept_exactly() {
    let space = space().await;
    for name in
        ["a b", "plus+", "per%25cent", "%41", "//", "a//b/", "ü日𝄞", "q?x=1&y#z", "new\nline", "\"<>&'"]
    {
        let key = space.key(name);
        space.put(&key, name.as_bytes().to_vec()).await;
        assert_eq!(space.get(&key).await, name.as_bytes(), "{name:?}");
    }
}

#[tokio::test]
async fn keys_have_at_most_1024_bytes() {
    let space = space().await;
    let prefix = space.key("");
    let longest = format!("{prefix}{}", "k".repeat(1024 - prefix.len()));
    space.put(&longest, b"x".to_vec()).await;
    assert_eq!(space.get(&longest).await, b"x");
    let longer = space.s3.put_object().bucket(&space.bucket).key(format!("{longest}k")).send().await;
    assert_eq!(code(longer), "KeyTooLongError");
}

#[tokio::test]
async fn buckets_are_made_once_and_deleted_when_empty() {
    let space = space().await;
    let name = format!("conformance-{}", unique());
    space.s3.create_bucket().bucket(&name).send().await.unwrap();
    space.s3.head_bucket().bucket(&name).send().await.unwrap();
    let again = space.s3.create_bucket().bucket(&name).send().await;
    assert_eq!(code(again), "BucketAlreadyOwnedByYou");
    let listed = space.s3.list_buckets().send().await.unwrap();
    assert!(listed.buckets().iter().any(|bucket| bucket.name() == Some(&name)));
    space.s3.put_object().bucket(&name).key("k").send().await.unwrap();
    assert_eq!(code(space.s3.delete_bucket().bucket(&name).send().await), "BucketNotEmpty");
    space.s3.delete_object().bucket(&name).key("k").send().await.unwrap();
    space.s3.delete_bucket().bucket(&name).send().await.unwrap();
    assert!(space.s3.head_bucket().bucket(&name).send().await.is_err());
}

#[tokio::test]
async fn a_bucket_tells_its_location() {
    let space = space().await;
    space.s3.get_bucket_location().bucket(&space.bucket).send().await.unwrap();
}

#[tokio::test]
async fn an_unknown_bucket_is_no_such_bucket() {
    let space = space().await;
    let put = space.s3.put_object().bucket("no-such-bucket-here").key("k").send().await;
    assert_eq!(code(put), "NoSuchBucket");
    let get = space.s3.get_object().bucket("no-such-bucket-here").key("k").send().await;
    assert_eq!(code(get), "NoSuchBucket");
}

#[tokio::test]
async fn versioning_was_never_turned_on() {
    let space = space().await;
    let got = space.s3.get_bucket_versioning().bucket(&space.bucket).send().await.unwrap();
    assert_eq!(got.status(), None);
}

#[tokio::test]
async fn head_shows_a_range_and_one_part() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"0123456789".to_vec()).await;
    let head = || space.s3.head_object().bucket(&space.bucket).key(&key);
    assert_eq!(head().range("bytes=2-4").send().await.unwrap().content_length(), Some(3));
    assert_eq!(head().part_number(1).send().await.unwrap().content_length(), Some(10));
}
