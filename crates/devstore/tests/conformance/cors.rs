//! Cross-origin rules per bucket.

use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
use reqwest::{Method, Response};

use crate::support::{Space, code, embedded, space};

const APP: &str = "https://app.example.com";

async fn configure(space: &Space, rule: aws_sdk_s3::types::builders::CorsRuleBuilder) -> String {
    let configuration = CorsConfiguration::builder().cors_rules(rule.build().unwrap()).build().unwrap();
    code(space.s3.put_bucket_cors().bucket(&space.bucket).cors_configuration(configuration).send().await)
}

/// A bucket whose one rule lets the app PUT with any x-amz-checksum header.
async fn with_rule() -> Space {
    let space = space().await;
    let rule = CorsRule::builder()
        .allowed_origins(APP)
        .allowed_methods("PUT")
        .allowed_headers("content-type")
        .allowed_headers("x-amz-checksum-*")
        .expose_headers("ETag")
        .max_age_seconds(600);
    assert_eq!(configure(&space, rule).await, "OK");
    space
}

async fn preflight(space: &Space, origin: &str, method: &str, headers: &str) -> Response {
    let url = space.url(&space.presign("PUT", &space.key("file")));
    let mut request = space.http.request(Method::OPTIONS, url).header("origin", origin);
    request = request.header("access-control-request-method", method);
    if !headers.is_empty() {
        request = request.header("access-control-request-headers", headers);
    }
    request.send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_allowed_preflight_is_granted() {
    let space = with_rule().await;
    let response = preflight(&space, APP, "PUT", "content-type, X-Amz-Checksum-CRC64NVME").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "access-control-allow-origin"), APP);
    assert!(header(&response, "access-control-allow-methods").contains("PUT"));
    assert!(
        header(&response, "access-control-allow-headers").to_lowercase().contains("x-amz-checksum-crc64nvme")
    );
    assert_eq!(header(&response, "access-control-max-age"), "600");
    assert!(header(&response, "vary").to_lowercase().contains("origin"));
}

#[tokio::test]
async fn a_preflight_of_another_origin_method_or_header_is_refused() {
    let space = with_rule().await;
    for (origin, method, headers) in [
        ("https://evil.example.com", "PUT", ""),
        ("https://app.example.com.evil.com", "PUT", ""),
        (APP, "DELETE", ""),
        (APP, "PUT", "x-amz-copy-source"),
    ] {
        let response = preflight(&space, origin, method, headers).await;
        assert_eq!(response.status(), 403, "{origin} {method} {headers}");
        assert_eq!(header(&response, "access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn a_bucket_without_rules_refuses_preflights() {
    let space = space().await;
    assert_eq!(preflight(&space, APP, "PUT", "").await.status(), 403);
}

#[tokio::test]
async fn a_preflight_without_an_origin_is_a_bad_request() {
    let space = with_rule().await;
    let url = space.url(&space.presign("PUT", &space.key("file")));
    assert_eq!(space.http.request(Method::OPTIONS, url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_upload_from_an_allowed_origin_can_read_the_etag() {
    let space = with_rule().await;
    let url = space.url(&space.presign("PUT", &space.key("file")));
    let response = space.http.put(url).header("origin", APP).body("x").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "access-control-allow-origin"), APP);
    assert_eq!(header(&response, "access-control-expose-headers"), "ETag");
}

#[tokio::test]
async fn an_upload_from_another_origin_gets_no_cors_headers() {
    let space = with_rule().await;
    let url = space.url(&space.presign("PUT", &space.key("file")));
    let request = space.http.put(url).header("origin", "https://evil.example.com").body("x");
    assert_eq!(header(&request.send().await.unwrap(), "access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_page_can_read_a_refusal() {
    let space = with_rule().await;
    let mut presign = space.presign("PUT", &space.key("file"));
    presign.signed_at = std::time::SystemTime::now() - std::time::Duration::from_secs(61);
    let request = space.http.put(space.url(&presign)).header("origin", APP).body("x");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "access-control-allow-origin"), APP);
}

#[tokio::test]
async fn origins_may_have_a_wildcard() {
    let space = space().await;
    let rule = CorsRule::builder().allowed_origins("https://*.example.com").allowed_methods("GET");
    configure(&space, rule).await;
    let response = preflight(&space, "https://a.b.example.com", "GET", "").await;
    assert_eq!(header(&response, "access-control-allow-origin"), "https://a.b.example.com");
    assert_eq!(preflight(&space, "https://example.org", "GET", "").await.status(), 403);
}

#[tokio::test]
async fn any_origin_is_answered_with_a_star() {
    let space = space().await;
    configure(&space, CorsRule::builder().allowed_origins("*").allowed_methods("GET")).await;
    let response = preflight(&space, APP, "GET", "").await;
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
}

#[tokio::test]
async fn the_configuration_comes_back_and_can_be_deleted() {
    let space = with_rule().await;
    let got = space.s3.get_bucket_cors().bucket(&space.bucket).send().await.unwrap();
    assert_eq!(got.cors_rules()[0].allowed_origins(), [APP]);
    assert_eq!(got.cors_rules()[0].max_age_seconds(), Some(600));
    space.s3.delete_bucket_cors().bucket(&space.bucket).send().await.unwrap();
    let gone = space.s3.get_bucket_cors().bucket(&space.bucket).send().await;
    assert_eq!(code(gone), "NoSuchCORSConfiguration");
    assert_eq!(preflight(&space, APP, "PUT", "").await.status(), 403);
}

#[tokio::test]
async fn an_impossible_configuration_is_refused() {
    let space = space().await;
    let method = CorsRule::builder().allowed_origins("*").allowed_methods("PATCH");
    assert_eq!(configure(&space, method).await, "InvalidRequest");
    let origin = CorsRule::builder().allowed_origins("https://*.*").allowed_methods("GET");
    assert_eq!(configure(&space, origin).await, "InvalidRequest");
}

#[tokio::test]
async fn a_bucket_of_dev_lets_any_page_upload_and_read_checksums() {
    if embedded("a_bucket_of_dev_lets_any_page_upload_and_read_checksums").is_none() {
        return;
    }
    let mut space = space().await;
    space.bucket = format!("dev-{}", crate::support::unique());
    space.store().ensure_bucket(&space.bucket).await.unwrap();
    space.store().ensure_bucket(&space.bucket).await.unwrap();
    // What the one PUT of a small file carries.
    let headers = "content-type,if-none-match,x-amz-checksum-crc64nvme,x-amz-meta-partgate-upload-id";
    let response = preflight(&space, APP, "PUT", headers).await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "access-control-allow-origin").as_str()),
        (200, "*")
    );
    assert_ne!(header(&response, "access-control-max-age"), "", "a preflight for every part");
    let exposed = header(&response, "access-control-expose-headers").to_lowercase();
    for name in ["etag", "x-amz-checksum-crc64nvme", "x-amz-version-id"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn a_page_can_read_every_refusal_of_a_bucket_of_dev() {
    if embedded("a_page_can_read_every_refusal_of_a_bucket_of_dev").is_none() {
        return;
    }
    let mut space = space().await;
    space.bucket = format!("dev-{}", crate::support::unique());
    space.store().ensure_bucket(&space.bucket).await.unwrap();
    let key = space.key("file");
    space.put(&key, "taken").await;
    let upload_id = space.create(&key).await;

    let part = || space.presign_part(&key, &upload_id, 1);
    let mut expired = part();
    expired.signed_at = std::time::SystemTime::now() - std::time::Duration::from_secs(61);
    let wrong_bytes = part().header("x-amz-checksum-crc32", "AAAAAA==");
    let gone = space.presign_part(&key, "no-such-upload", 1);
    let taken = space.presign("PUT", &key).header("if-none-match", "*");
    let unsigned_header = part();
    let longer = part().header("content-length", "2");
    for (presign, sent, status, code) in [
        (&expired, &[][..], 403, "AccessDenied"),
        (&unsigned_header, &[("x-amz-copy-source", "/b/k")], 403, "AccessDenied"),
        (&longer, &[], 403, "SignatureDoesNotMatch"),
        (&wrong_bytes, &[("x-amz-checksum-crc32", "AAAAAA==")], 400, "BadDigest"),
        (&gone, &[], 404, "NoSuchUpload"),
        (&taken, &[("if-none-match", "*")], 412, "PreconditionFailed"),
    ] {
        let mut request = space.http.put(space.url(presign)).header("origin", APP).body("x");
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (origin, exposed) = (
            header(&response, "access-control-allow-origin"),
            header(&response, "access-control-expose-headers"),
        );
        assert_eq!((origin.as_str(), exposed.contains("x-amz-request-id")), ("*", true), "{code}");
        assert_eq!(response.status(), status, "{code}");
        let body = response.text().await.unwrap();
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{body}");
    }
}

#[tokio::test]
async fn ensure_bucket_keeps_rules_that_were_changed() {
    if embedded("ensure_bucket_keeps_rules_that_were_changed").is_none() {
        return;
    }
    let space = with_rule().await;
    space.store().ensure_bucket(&space.bucket).await.unwrap();
    assert_eq!(preflight(&space, "https://evil.example.com", "PUT", "").await.status(), 403);
}

#[tokio::test]
async fn ensure_bucket_refuses_impossible_names() {
    if embedded("ensure_bucket_refuses_impossible_names").is_none() {
        return;
    }
    let space = space().await;
    assert!(space.store().ensure_bucket("No Such Name").await.is_err());
}
