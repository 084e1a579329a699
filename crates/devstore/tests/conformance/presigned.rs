//! A presigned URL allows one thing, until it expires.

use std::time::{Duration, SystemTime};

use crate::support::{Presign, Space, bytes, encode, space};

/// An open upload with a presigned part whose length is signed.
async fn signed_part(space: &Space, length: usize) -> (String, String, Presign) {
    let key = space.key("file");
    let id = space.create(&key).await;
    let presign = space.presign_part(&key, &id, 1).header("content-length", &length.to_string());
    (key, id, presign)
}

async fn put(space: &Space, url: &str, body: &[u8]) -> crate::support::Answer {
    space.send("PUT", url, &[], body).await
}

#[tokio::test]
async fn a_signed_part_of_the_signed_length_is_stored() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 5).await;
    space.send_signed(&presign, b"12345").await.assert_ok();
}

#[tokio::test]
async fn one_byte_more_is_refused() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 5).await;
    put(&space, &space.url(&presign), b"123456").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn one_byte_less_is_refused() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 5).await;
    put(&space, &space.url(&presign), b"1234").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn another_part_number_is_refused() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 1).await;
    let url = space.url(&presign).replace("partNumber=1&", "partNumber=2&");
    put(&space, &url, b"x").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn another_key_is_refused() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 1).await;
    let url = space.url(&presign).replace("/file?", "/fil2?");
    put(&space, &url, b"x").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn another_upload_is_refused() {
    let space = space().await;
    let (key, id, presign) = signed_part(&space, 1).await;
    let other = space.create(&key).await;
    let url = space.url(&presign).replace(&encode(&id, false), &encode(&other, false));
    put(&space, &url, b"x").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn another_method_is_refused() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"secret".to_vec()).await;
    let url = space.url(&space.presign("PUT", &key));
    space.send("GET", &url, &[], b"").await.assert_error(403, "SignatureDoesNotMatch");
    space.send("DELETE", &url, &[], b"").await.assert_error(403, "SignatureDoesNotMatch");
    assert!(space.exists(&key).await);
}

#[tokio::test]
async fn a_changed_signature_is_refused() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 1).await;
    let mut url = space.url(&presign);
    let last = if url.ends_with('0') { "1" } else { "0" };
    url.replace_range(url.len() - 1.., last);
    put(&space, &url, b"x").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn an_expired_url_is_refused() {
    let space = space().await;
    let (_, _, mut presign) = signed_part(&space, 1).await;
    presign.signed_at = SystemTime::now() - Duration::from_secs(61);
    put(&space, &space.url(&presign), b"x").await.assert_error(403, "AccessDenied");
}

#[tokio::test]
async fn an_expired_url_is_refused_before_its_large_body_and_the_refusal_is_readable() {
    let space = space().await;
    let body = bytes(1, 8 * 1024 * 1024);
    let (_, _, mut presign) = signed_part(&space, body.len()).await;
    presign.signed_at = SystemTime::now() - Duration::from_secs(61);
    put(&space, &space.url(&presign), &body).await.assert_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_url_from_the_far_future_is_refused() {
    let space = space().await;
    let (_, _, mut presign) = signed_part(&space, 1).await;
    presign.signed_at = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(put(&space, &space.url(&presign), b"x").await.status, 403);
}

#[tokio::test]
async fn a_lifetime_above_a_week_is_refused() {
    let space = space().await;
    let (_, _, mut presign) = signed_part(&space, 1).await;
    presign.expires_in = Duration::from_secs(604_801);
    let answer = put(&space, &space.url(&presign), b"x").await;
    answer.assert_error(400, "AuthorizationQueryParametersError");
}

#[tokio::test]
async fn a_changed_lifetime_is_refused() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 1).await;
    let url = space.url(&presign).replace("X-Amz-Expires=60", "X-Amz-Expires=6000");
    put(&space, &url, b"x").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn an_unsigned_copy_source_is_refused() {
    let space = space().await;
    let source = space.key("source");
    space.put(&source, b"secret".to_vec()).await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let url = space.url(&space.presign_part(&key, &id, 1));
    let header = ("x-amz-copy-source".to_owned(), format!("{}/{}", space.bucket, encode(&source, true)));
    let answer = space.send("PUT", &url, &[header], b"").await;
    answer.assert_error(403, "AccessDenied");
    assert!(
        answer.body.contains("<HeadersNotSigned>x-amz-copy-source</HeadersNotSigned>"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn unsigned_metadata_is_refused() {
    let space = space().await;
    let url = space.url(&space.presign("PUT", &space.key("file")));
    let header = ("x-amz-meta-owner".to_owned(), "me".to_owned());
    space.send("PUT", &url, &[header], b"x").await.assert_error(403, "AccessDenied");
}

#[tokio::test]
async fn an_unsigned_checksum_is_refused() {
    let space = space().await;
    let url = space.url(&space.presign("PUT", &space.key("file")));
    let header = ("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned());
    space.send("PUT", &url, &[header], b"x").await.assert_error(403, "AccessDenied");
}

#[tokio::test]
async fn an_unsigned_payload_hash_and_content_type_are_accepted() {
    let space = space().await;
    let key = space.key("file");
    let url = space.url(&space.presign("PUT", &key));
    let headers = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("content-type", "image/png")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    space.send("PUT", &url, &headers, b"x").await.assert_ok();
}

#[tokio::test]
async fn signed_metadata_is_stored() {
    let space = space().await;
    let key = space.key("file");
    let presign = space.presign("PUT", &key).header("x-amz-meta-upload", "u-1").header("content-type", "a/b");
    space.send_signed(&presign, b"x").await.assert_ok();
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["upload"], "u-1");
    assert_eq!(head.content_type(), Some("a/b"));
}

#[tokio::test]
async fn another_value_of_a_signed_header_is_refused() {
    let space = space().await;
    let presign = space.presign("PUT", &space.key("file")).header("x-amz-meta-upload", "u-1");
    let header = ("x-amz-meta-upload".to_owned(), "u-2".to_owned());
    let answer = space.send("PUT", &space.url(&presign), &[header], b"x").await;
    answer.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_missing_signed_header_is_refused() {
    let space = space().await;
    let presign = space.presign("PUT", &space.key("file")).header("x-amz-checksum-crc32", "AAAAAA==");
    put(&space, &space.url(&presign), b"x").await.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn another_checksum_than_the_signed_one_is_refused() {
    let space = space().await;
    let presign = space.presign("PUT", &space.key("file")).header("x-amz-checksum-crc32", "AAAAAA==");
    let header = ("x-amz-checksum-crc32".to_owned(), "jNw8ZA==".to_owned());
    let answer = space.send("PUT", &space.url(&presign), &[header], b"x").await;
    answer.assert_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn bytes_that_do_not_match_the_signed_checksum_are_refused() {
    let space = space().await;
    let key = space.key("file");
    let presign = space.presign("PUT", &key).header("x-amz-checksum-crc32", "AAAAAA==");
    space.send_signed(&presign, b"x").await.assert_error(400, "BadDigest");
    assert!(!space.exists(&key).await);
}

#[tokio::test]
async fn a_signed_if_none_match_protects_an_object() {
    let space = space().await;
    let key = space.key("file");
    let presign = space.presign("PUT", &key).header("if-none-match", "*");
    space.send_signed(&presign, b"first").await.assert_ok();
    space.send_signed(&presign, b"again").await.assert_error(412, "PreconditionFailed");
    assert_eq!(space.get(&key).await, b"first");
}

#[tokio::test]
async fn an_unknown_access_key_is_refused() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 1).await;
    let url = space.url(&presign).replace("X-Amz-Credential=", "X-Amz-Credential=NOBODY");
    put(&space, &url, b"x").await.assert_error(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"secret".to_vec()).await;
    let url = space.url(&space.presign("GET", &key));
    let bare = url.split('?').next().unwrap();
    space.send("GET", bare, &[], b"").await.assert_error(403, "AccessDenied");
    put(&space, bare, b"x").await.assert_error(403, "AccessDenied");
}

#[tokio::test]
async fn an_incomplete_query_signature_is_refused() {
    let space = space().await;
    let url = space.url(&space.presign("GET", &space.key("file"))).replace("X-Amz-Date=", "X-Date=");
    let answer = space.send("GET", &url, &[], b"").await;
    answer.assert_error(400, "AuthorizationQueryParametersError");
}

#[tokio::test]
async fn signature_version_two_is_refused() {
    let space = space().await;
    let url = space.url(&space.presign("GET", &space.key("file")));
    let bare = url.split('?').next().unwrap();
    let url = format!("{bare}?AWSAccessKeyId=k&Expires=4102444800&Signature=s");
    assert!(matches!(space.send("GET", &url, &[], b"").await.status, 400 | 403));
}

#[tokio::test]
async fn query_and_header_signature_together_are_refused() {
    let space = space().await;
    let url = space.url(&space.presign("GET", &space.key("file")));
    let header = ("authorization".to_owned(), "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request".to_owned());
    space.send("GET", &url, &[header], b"").await.assert_error(400, "InvalidArgument");
}

#[tokio::test]
async fn a_body_without_a_length_does_not_pass_for_a_signed_length() {
    let space = space().await;
    let (_, _, presign) = signed_part(&space, 5).await;
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>("12345")]);
    let request = space.http.put(space.url(&presign)).body(reqwest::Body::wrap_stream(stream));
    assert_eq!(request.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn odd_keys_can_be_presigned() {
    let space = space().await;
    for name in
        ["a b", "ü/日本語", "plus+plus", "per%cent%41", "q?a=b&c#d", "a//b", "tilde~'()*!", "x=y;z,w:@$"]
    {
        let key = space.key(name);
        space.send_signed(&space.presign("PUT", &key), name.as_bytes()).await.assert_ok();
        assert_eq!(space.get(&key).await, name.as_bytes(), "{name}");
        assert_eq!(space.send_signed(&space.presign("GET", &key), b"").await.body, name);
    }
}

#[tokio::test]
async fn a_presigned_get_can_name_the_download() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"x".to_vec()).await;
    let presign = space
        .presign("GET", &key)
        .query("response-content-disposition", "attachment; filename=\"my file.txt\"")
        .query("response-content-type", "text/plain");
    let response = space.http.get(space.url(&presign)).send().await.unwrap();
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"my file.txt\"");
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(response.text().await.unwrap(), "x");
}

#[tokio::test]
async fn a_presigned_delete_deletes() {
    let space = space().await;
    let key = space.key("file");
    space.put(&key, b"x".to_vec()).await;
    assert_eq!(space.send_signed(&space.presign("DELETE", &key), b"").await.status, 204);
    assert!(!space.exists(&key).await);
}

#[tokio::test]
async fn metadata_in_the_query_is_stored_and_a_checksum_there_is_ignored() {
    let space = space().await;
    let key = space.key("file");
    let presign = space
        .presign("PUT", &key)
        .query("x-amz-meta-upload", "u-1")
        .query("x-amz-checksum-crc32", "AAAAAA==")
        .query("x-amz-sdk-checksum-algorithm", "CRC32");
    space.send_signed(&presign, b"not empty").await.assert_ok();
    let head = space.s3.head_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["upload"], "u-1");
}

#[tokio::test]
async fn a_body_without_a_length_is_refused() {
    let space = space().await;
    let url = space.url(&space.presign("PUT", &space.key("file")));
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>("12345")]);
    let response = space.http.put(url).body(reqwest::Body::wrap_stream(stream)).send().await.unwrap();
    assert_eq!(response.status(), 411);
}

#[tokio::test]
async fn an_empty_body_with_its_length_signed_is_stored() {
    let space = space().await;
    let key = space.key("empty");
    let presign = space.presign("PUT", &key).header("content-length", "0").header("if-none-match", "*");
    space.send_signed(&presign, b"").await.assert_ok();
    assert_eq!(space.get(&key).await, b"");
}
