//! Listings: order, prefix, delimiter, paging.

use futures_util::StreamExt as _;
use tempfile::tempdir;

use crate::support::{OwnStore, Space, code, embedded, space};

async fn fill(space: &Space, names: &[&str]) {
    for name in names {
        space.put(&space.key(name), b"x".to_vec()).await;
    }
}

/// Keys without the test's own prefix.
fn names<'a>(space: &Space, keys: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let prefix = space.key("");
    keys.into_iter().map(|key| key.strip_prefix(&prefix).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn objects_are_listed_in_order_of_their_bytes() {
    let space = space().await;
    fill(&space, &["b", "a/2", "Z", "ü", "a", "a/10", "𝄞", "日"]).await;
    let listed = space.s3.list_objects_v2().bucket(&space.bucket).prefix(space.key(""));
    let listed = listed.send().await.unwrap();
    let keys = names(&space, listed.contents().iter().filter_map(|object| object.key()));
    assert_eq!(keys, ["Z", "a", "a/10", "a/2", "b", "ü", "日", "𝄞"]);
    assert_eq!(listed.key_count(), Some(8));
    assert_eq!(listed.is_truncated(), Some(false));
}

#[tokio::test]
async fn a_listed_object_shows_size_and_etag() {
    let space = space().await;
    let key = space.key("file");
    let etag = space.put(&key, b"12345".to_vec()).await;
    let listed = space.s3.list_objects_v2().bucket(&space.bucket).prefix(&key).send().await.unwrap();
    assert_eq!(listed.contents()[0].size(), Some(5));
    assert_eq!(listed.contents()[0].e_tag(), Some(etag.as_str()));
}

#[tokio::test]
async fn a_delimiter_rolls_keys_up() {
    let space = space().await;
    fill(&space, &["a", "dir/1", "dir/2", "dir/sub/3", "other/4"]).await;
    let listed = space.s3.list_objects_v2().bucket(&space.bucket).prefix(space.key("")).delimiter("/");
    let listed = listed.send().await.unwrap();
    assert_eq!(names(&space, listed.contents().iter().filter_map(|object| object.key())), ["a"]);
    let prefixes = listed.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
    assert_eq!(names(&space, prefixes), ["dir/", "other/"]);
}

#[tokio::test]
async fn pages_of_keys_and_prefixes_make_the_whole_listing() {
    let space = space().await;
    fill(&space, &["a", "dir/1", "dir/2", "e", "f/1", "g"]).await;
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let page = space.s3.list_objects_v2().bucket(&space.bucket).prefix(space.key("")).delimiter("/");
        let page = page.max_keys(2).set_continuation_token(token).send().await.unwrap();
        assert!(page.key_count().unwrap() <= 2);
        seen.extend(names(&space, page.contents().iter().filter_map(|object| object.key())));
        seen.extend(names(&space, page.common_prefixes().iter().filter_map(|prefix| prefix.prefix())));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, ["a", "dir/", "e", "f/", "g"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_thousand_objects_need_a_second_page() {
    let space = space().await;
    let put = |number: u32| {
        let (space, key) = (&space, space.key(&format!("{number:05}")));
        async move {
            let url = space.url(&space.presign("PUT", &key));
            assert_eq!(space.http.put(url).body("x").send().await.unwrap().status(), 200);
        }
    };
    futures_util::stream::iter(0..1_050).map(put).buffer_unordered(16).collect::<Vec<()>>().await;
    let list = || space.s3.list_objects_v2().bucket(&space.bucket).prefix(space.key(""));
    // A page is never larger than 1,000, whatever is asked for.
    let first = list().max_keys(5_000).send().await.unwrap();
    assert_eq!((first.contents().len(), first.is_truncated()), (1_000, Some(true)));
    let second = list().set_continuation_token(first.next_continuation_token).send().await.unwrap();
    assert_eq!((second.contents().len(), second.is_truncated()), (50, Some(false)));
}

#[tokio::test]
async fn start_after_skips_keys() {
    let space = space().await;
    fill(&space, &["a", "b", "c"]).await;
    let listed = space.s3.list_objects_v2().bucket(&space.bucket).prefix(space.key(""));
    let listed = listed.start_after(space.key("a")).send().await.unwrap();
    assert_eq!(names(&space, listed.contents().iter().filter_map(|object| object.key())), ["b", "c"]);
}

#[tokio::test]
async fn url_encoding_is_applied_to_keys() {
    let space = space().await;
    fill(&space, &["a b/ü+&"]).await;
    let presign = space
        .presign("GET", "")
        .query("encoding-type", "url")
        .query("list-type", "2")
        .query("prefix", &space.key(""));
    let answer = space.send_signed(&presign, b"").await;
    answer.assert_ok();
    let encoded = answer.body.split_once("<Key>").unwrap().1.split_once("</Key>").unwrap().0;
    assert!(encoded.ends_with("/%C3%BC%2B%26"), "{encoded}");
    assert!(encoded.contains("a+b/") || encoded.contains("a%20b/"), "{encoded}");
}

#[tokio::test]
async fn zero_keys_can_be_asked_for() {
    let space = space().await;
    fill(&space, &["a"]).await;
    let listed = space.s3.list_objects_v2().bucket(&space.bucket).max_keys(0).send().await.unwrap();
    assert_eq!((listed.contents().len(), listed.is_truncated()), (0, Some(false)));
}

#[tokio::test]
async fn a_negative_limit_is_refused() {
    let space = space().await;
    let listed = space.s3.list_objects_v2().bucket(&space.bucket).max_keys(-1).send().await;
    assert_eq!(code(listed), "InvalidArgument");
}

#[tokio::test]
async fn a_made_up_continuation_token_is_refused() {
    let space = space().await;
    let listed = space.s3.list_objects_v2().bucket(&space.bucket).continuation_token("%%%").send().await;
    assert_eq!(code(listed), "InvalidArgument");
}

#[tokio::test]
async fn the_first_listing_version_pages_by_marker() {
    let space = space().await;
    fill(&space, &["a", "b", "c"]).await;
    let list = || space.s3.list_objects().bucket(&space.bucket).prefix(space.key(""));
    let first = list().max_keys(2).send().await.unwrap();
    assert_eq!(first.is_truncated(), Some(true));
    let marker = first.contents().last().unwrap().key().unwrap();
    let second = list().marker(marker).send().await.unwrap();
    assert_eq!(names(&space, second.contents().iter().filter_map(|object| object.key())), ["c"]);
}

#[tokio::test]
async fn listing_an_unknown_bucket_is_no_such_bucket() {
    let space = space().await;
    let listed = space.s3.list_objects_v2().bucket("no-such-bucket-here").send().await;
    assert_eq!(code(listed), "NoSuchBucket");
}

#[tokio::test]
async fn parts_are_listed_by_number_in_pages() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    for number in [5, 1, 9, 3] {
        space.part(&key, &id, number, &vec![b'x'; number as usize]).await;
    }
    let list = || space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id);
    let numbers = |parts: &[aws_sdk_s3::types::Part]| -> Vec<_> {
        parts.iter().filter_map(|part| part.part_number()).collect()
    };
    let first = list().max_parts(3).send().await.unwrap();
    assert_eq!(numbers(first.parts()), [1, 3, 5]);
    assert_eq!(first.parts()[1].size(), Some(3));
    assert_eq!((first.is_truncated(), first.next_part_number_marker()), (Some(true), Some("5")));
    let second = list().part_number_marker("5").send().await.unwrap();
    assert_eq!((numbers(second.parts()), second.is_truncated()), (vec![9], Some(false)));
}

#[tokio::test]
async fn a_part_marker_need_not_be_a_part() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    space.part(&key, &id, 8, b"x").await;
    let list = space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id);
    assert_eq!(list.part_number_marker("4").send().await.unwrap().parts().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_thousand_parts_need_a_second_page() {
    if embedded("more_than_a_thousand_parts_need_a_second_page").is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let put = |number: u32| {
        let (space, url) = (&space, space.url(&space.presign_part(&key, &id, number)));
        async move { assert_eq!(space.http.put(url).body("x").send().await.unwrap().status(), 200) }
    };
    futures_util::stream::iter(1..=1_003).map(put).buffer_unordered(16).collect::<Vec<()>>().await;
    let list = || space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id);
    let first = list().max_parts(10_000).send().await.unwrap();
    assert_eq!((first.parts().len(), first.next_part_number_marker()), (1_000, Some("1000")));
    let second = list().part_number_marker("1000").send().await.unwrap();
    assert_eq!((second.parts().len(), second.is_truncated()), (3, Some(false)));
    own.close().await;
}

#[tokio::test]
async fn open_uploads_are_listed_by_prefix() {
    let space = space().await;
    let (one, _other) = (space.create(&space.key("a/1")).await, space.create(&space.key("b/1")).await);
    let listed = space.s3.list_multipart_uploads().bucket(&space.bucket).prefix(space.key("a/"));
    let listed = listed.send().await.unwrap();
    let ids: Vec<_> = listed.uploads().iter().filter_map(|upload| upload.upload_id()).collect();
    assert_eq!(ids, [one]);
    assert_eq!(listed.uploads()[0].key(), Some(space.key("a/1").as_str()));
    let initiated = listed.uploads()[0].initiated().unwrap().secs();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((now - initiated).abs() < 120, "{initiated}");
}

#[tokio::test]
async fn uploads_roll_up_by_delimiter() {
    let space = space().await;
    for name in ["a", "dir/1", "dir/2"] {
        space.create(&space.key(name)).await;
    }
    let listed = space.s3.list_multipart_uploads().bucket(&space.bucket).prefix(space.key("")).delimiter("/");
    let listed = listed.send().await.unwrap();
    assert_eq!(names(&space, listed.uploads().iter().filter_map(|upload| upload.key())), ["a"]);
    let prefixes = listed.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
    assert_eq!(names(&space, prefixes), ["dir/"]);
}

#[tokio::test]
async fn uploads_are_paged_also_within_a_key() {
    let space = space().await;
    let mut created = Vec::new();
    for name in ["a", "b", "b", "b", "c"] {
        created.push(space.create(&space.key(name)).await);
    }
    let mut seen = Vec::new();
    let (mut key_marker, mut id_marker) = (None, None);
    loop {
        let page =
            space.s3.list_multipart_uploads().bucket(&space.bucket).prefix(space.key("")).max_uploads(2);
        let page = page.set_key_marker(key_marker).set_upload_id_marker(id_marker).send().await.unwrap();
        assert!(page.uploads().len() <= 2);
        seen.extend(page.uploads().iter().filter_map(|upload| upload.upload_id()).map(str::to_owned));
        if page.is_truncated() != Some(true) {
            break;
        }
        (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
    }
    // Within a key, by time of initiation.
    assert_eq!(seen, created);
}

#[tokio::test]
async fn completed_and_aborted_uploads_are_not_listed() {
    let space = space().await;
    let key = space.key("file");
    let (done, gone) = (space.create(&key).await, space.create(&key).await);
    let part = space.part(&key, &done, 1, b"x").await;
    space.completing(&key, &done, &[part]).send().await.unwrap();
    space.s3.abort_multipart_upload().bucket(&space.bucket).key(&key).upload_id(gone).send().await.unwrap();
    let listed = space.s3.list_multipart_uploads().bucket(&space.bucket).prefix(&key).send().await.unwrap();
    assert_eq!(listed.uploads().len(), 0);
}
