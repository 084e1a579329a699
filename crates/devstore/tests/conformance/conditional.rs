//! Conditional writes and reads.

use futures_util::future::join_all;

use crate::support::{Space, code, space};

async fn ready(space: &Space, key: &str, body: &[u8]) -> (String, Vec<aws_sdk_s3::types::CompletedPart>) {
    let id = space.create(key).await;
    let part = space.part(key, &id, 1, body).await;
    (id, vec![part])
}

/// How many got 200 and how many PreconditionFailed (or the conflict that AWS allows itself).
fn tally(codes: &[String]) -> (usize, usize) {
    let of = |names: &[&str]| codes.iter().filter(|code| names.contains(&code.as_str())).count();
    (of(&["OK"]), of(&["PreconditionFailed", "ConditionalRequestConflict"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_conditional_puts_at_once_store_one() {
    let space = space().await;
    let key = space.key("file");
    let puts = (0..8_u8).map(|writer| {
        let put = space.s3.put_object().bucket(&space.bucket).key(&key).if_none_match("*");
        put.body(vec![writer; 100_000].into()).send()
    });
    let codes: Vec<String> = join_all(puts).await.into_iter().map(code).collect();
    assert_eq!(tally(&codes), (1, 7), "{codes:?}");
    let stored = space.get(&key).await;
    assert!(stored.len() == 100_000 && stored.iter().all(|byte| *byte == stored[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_conditional_completes_at_once_store_one_and_leave_the_others_open() {
    let space = space().await;
    let key = space.key("file");
    let mut uploads = Vec::new();
    for writer in 0..8_u8 {
        uploads.push(ready(&space, &key, &[writer; 100]).await);
    }
    let completes =
        uploads.iter().map(|(id, parts)| space.completing(&key, id, parts).if_none_match("*").send());
    let codes: Vec<String> = join_all(completes).await.into_iter().map(code).collect();
    assert_eq!(tally(&codes), (1, 7), "{codes:?}");
    let loser = codes.iter().position(|code| code != "OK").unwrap();
    let (id, parts) = &uploads[loser];
    space.completing(&key, id, parts).send().await.unwrap();
    assert_eq!(space.get(&key).await, [loser as u8; 100]);
}

#[tokio::test]
async fn complete_if_none_match_refuses_to_replace_and_the_upload_stays_usable() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"old".to_vec()).await;
    let (id, parts) = ready(&space, &key, b"new").await;
    let refused = space.completing(&key, &id, &parts).if_none_match("*").send().await;
    assert_eq!(code(refused), "PreconditionFailed");
    assert_eq!(space.get(&key).await, b"old");
    space.completing(&key, &id, &parts).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"new");
}

#[tokio::test]
async fn repeating_a_conditional_complete_gives_the_same_answer() {
    let space = space().await;
    let key = space.key("file");
    let (id, parts) = ready(&space, &key, b"new").await;
    let first = space.completing(&key, &id, &parts).if_none_match("*").send().await.unwrap();
    let second = space.completing(&key, &id, &parts).if_none_match("*").send().await.unwrap();
    assert_eq!(first.e_tag, second.e_tag);
}

#[tokio::test]
async fn complete_if_match_replaces_only_the_matching_object() {
    let space = space().await;
    let key = space.key("file");
    let etag = space.put(&key, b"old".to_vec()).await;
    let (id, parts) = ready(&space, &key, b"new").await;
    let wrong = "\"00000000000000000000000000000000\"";
    let refused = space.completing(&key, &id, &parts).if_match(wrong).send().await;
    assert_eq!(code(refused), "PreconditionFailed");
    space.completing(&key, &id, &parts).if_match(etag).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"new");
}

#[tokio::test]
async fn complete_if_match_where_nothing_is_is_refused() {
    let space = space().await;
    let key = space.key("file");
    let (id, parts) = ready(&space, &key, b"new").await;
    let refused = space.completing(&key, &id, &parts).if_match("\"00\"").send().await;
    assert_eq!(code(refused), "NoSuchKey");
}

#[tokio::test]
async fn put_if_match_replaces_only_the_matching_object() {
    let space = space().await;
    let key = space.key("file");
    let etag = space.put(&key, b"old".to_vec()).await;
    let put = |condition: &str| {
        let put = space.s3.put_object().bucket(&space.bucket).key(&key).if_match(condition);
        put.body(b"new".to_vec().into()).send()
    };
    assert_eq!(code(put("\"00000000000000000000000000000000\"").await), "PreconditionFailed");
    assert_eq!(space.get(&key).await, b"old");
    put(&etag).await.unwrap();
    assert_eq!(space.get(&key).await, b"new");
}

#[tokio::test]
async fn reads_follow_if_match_and_if_none_match() {
    let space = space().await;
    let key = space.key("file");
    let etag = space.put(&key, b"x".to_vec()).await;
    let other = "\"00000000000000000000000000000000\"";
    for (header, value, status) in [
        ("if-match", etag.as_str(), 200),
        ("if-match", other, 412),
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", other, 200),
    ] {
        let url = space.url(&space.presign("GET", &key));
        let response = space.http.get(url).header(header, value).send().await.unwrap();
        assert_eq!(response.status(), status, "{header}: {value}");
    }
}

#[tokio::test]
async fn reads_follow_the_modification_time() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"x".to_vec()).await;
    let (past, future) = ("Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    for (header, value, status) in [
        ("if-modified-since", past, 200),
        ("if-unmodified-since", past, 412),
        ("if-unmodified-since", future, 200),
    ] {
        let url = space.url(&space.presign("GET", &key));
        let response = space.http.get(url).header(header, value).send().await.unwrap();
        assert_eq!(response.status(), status, "{header}: {value}");
    }
}
