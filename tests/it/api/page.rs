//! The upload page as browsers get it. What the built page says is its own affair: only the headers, the block of data
//! and the files' names are promised here.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use super::support::{open, sign};
use crate::harness::{EMBEDDED_BUCKET, Gateway, Options, TestAuth};

const FILES: [(&str, &str); 4] = [
    ("/", "text/html; charset=utf-8"),
    ("/page/app.css", "text/css; charset=utf-8"),
    ("/page/app.js", "text/javascript; charset=utf-8"),
    ("/page/hash-worker.js", "text/javascript; charset=utf-8"),
];

async fn ask(gateway: &Gateway, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = gateway.http.request(method, format!("{}{path}", gateway.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn get(gateway: &Gateway, path: &str) -> Response {
    ask(gateway, Method::GET, path, &[]).await
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// What the gateway tells its page, read as the page reads it.
async fn told(gateway: &Gateway) -> Value {
    let page = get(gateway, "/").await.text().await.unwrap();
    let (_, rest) = page.split_once(r#"<script type="application/json" id="gateway">"#).unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

/// The sources of one directive of the page's policy.
async fn sources(gateway: &Gateway, directive: &str) -> Vec<String> {
    let response = get(gateway, "/").await;
    let policy = header(&response, "content-security-policy");
    let mut directives = policy.split(';').map(|text| text.split_whitespace().map(str::to_owned));
    let found = directives.find_map(|mut words| (words.next()? == directive).then_some(words));
    found.unwrap_or_else(|| panic!("no {directive} in {policy}")).collect()
}

#[tokio::test]
async fn page_is_told_how_uploads_are_taken() {
    let settings = [
        ("storage.prefix", "</script>/"),
        ("uploads.max_size", "3GiB"),
        ("uploads.part_size", "8MiB"),
        ("uploads.lifetime", "2d"),
        ("urls.ttl", "20m"),
        ("storage.checksum_algorithms", "crc64nvme,sha256"),
    ];
    let options =
        settings.into_iter().fold(Options::default(), |options, (name, value)| options.with(name, value));
    let gateway = Gateway::start_with(options).await;
    let mut expected = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "auth": "open",
        "store": gateway.store_url,
        "bucket": gateway.bucket,
        "prefix": "</script>/",
        "max_size": 3_u64 << 30,
        "part_size": 8 << 20,
        "lifetime_seconds": 2 * 24 * 60 * 60,
        "url_ttl_seconds": 20 * 60,
        "checksum_algorithms": ["crc64nvme", "sha256"],
    });
    if TestAuth::chosen() == TestAuth::Required {
        expected["auth"] = json!("required");
    }
    assert_eq!(told(&gateway).await, expected);
}

#[tokio::test]
async fn page_is_told_what_storage_allows_where_settings_say_nothing() {
    let options =
        Options::default().with("storage.max_object_size", "5TiB").with("storage.max_part_size", "6MiB");
    let gateway = Gateway::start_with(options).await;
    let told = told(&gateway).await;
    // 10,000 parts of 6 MiB are less than the store's largest object, and the usual part is larger than its largest.
    assert_eq!((&told["max_size"], &told["part_size"]), (&json!(10_000_u64 * (6 << 20)), &json!(6 << 20)));
    let too_large = json!({"filename": "f", "size": 10_000_u64 * (6 << 20) + 1});
    gateway.post("/upload/init", too_large).await.problem(413, "too_large");
}

#[tokio::test]
async fn page_and_files_are_what_they_say_and_kept_to_themselves() {
    let gateway = Gateway::start().await;
    for (path, content_type) in FILES {
        let response = get(&gateway, path).await;
        assert_eq!(response.status(), 200, "{path}");
        for (name, expected) in [
            ("content-type", content_type),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(header(&response, name), expected, "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn every_file_carries_the_strict_policy() {
    let gateway = Gateway::start().await;
    let expected = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         worker-src 'self'; connect-src 'self' {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        gateway.store_url
    );
    for (path, _) in FILES {
        assert_eq!(header(&get(&gateway, path).await, "content-security-policy"), expected, "{path}");
    }
}

#[tokio::test]
async fn file_that_the_browser_has_is_not_sent_again() {
    let gateway = Gateway::start().await;
    for (path, _) in FILES {
        let first = get(&gateway, path).await;
        let etag = header(&first, "etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() > 2, "{etag} is no strong tag");
        let again = ask(&gateway, Method::GET, path, &[("if-none-match", &etag)]).await;
        assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, &*etag), "{path}");
        assert_eq!(header(&again, "cache-control"), "no-cache");
        assert_eq!(again.bytes().await.unwrap().len(), 0);
        let other = ask(&gateway, Method::GET, path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn page_of_other_settings_is_another_page() {
    let gateway = Gateway::start().await;
    let other = Gateway::start_with(Options::default().with("uploads.max_size", "1GiB")).await;
    let (page, other_page) = (get(&gateway, "/").await, get(&other, "/").await);
    assert_ne!(header(&page, "etag"), header(&other_page, "etag"));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let gateway = Gateway::start().await;
    for (path, _) in FILES {
        let (get, head) = (get(&gateway, path).await, ask(&gateway, Method::HEAD, path, &[]).await);
        assert_eq!(head.status(), 200, "{path}");
        for name in ["content-type", "content-length", "etag", "content-security-policy"] {
            assert_eq!(header(&head, name), header(&get, name), "{name} of {path}");
        }
        assert_eq!(head.bytes().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn file_that_is_not_the_pages_is_a_problem() {
    let gateway = Gateway::start().await;
    for path in
        ["/page/other.js", "/page/index.html", "/page/", "/page", "/page/..%2fCargo.toml", "/page/%ff"]
    {
        gateway.get(path).await.problem(404, "no_such_route");
    }
    gateway.call(Method::POST, "/page/app.js", None).await.problem(405, "method_not_allowed");
    gateway.call(Method::PUT, "/", None).await.problem(405, "method_not_allowed");
}

/// The origin of a signed URL, which the page must be allowed to reach.
async fn origin_of_signed_url(gateway: &Gateway) -> String {
    // One PUT, so that signing it needs no answer of a storage that is not there.
    let created = open(gateway, b"hello", json!({})).await;
    let signed = sign(gateway, &created, b"hello", &[1]).await;
    let url = Url::parse(signed[0]["url"].as_str().unwrap()).unwrap();
    url.origin().ascii_serialization()
}

#[tokio::test]
async fn page_may_reach_what_is_signed_for_it() {
    let usual: &[(&str, &str)] = &[];
    let behind_a_path: &[_] = &[("storage.public_endpoint", "HTTPS://Files.Example:443/s3")];
    let bucket_in_the_host: &[_] =
        &[("storage.public_endpoint", "https://files.example:8443"), ("storage.path_style", "false")];
    // AWS itself is for a unit test of `storage`: a gateway would call it.
    for (settings, expected) in [
        (usual, None),
        (behind_a_path, Some("https://files.example".to_owned())),
        (bucket_in_the_host, Some(format!("https://{EMBEDDED_BUCKET}.files.example:8443"))),
    ] {
        let bucket = Options::default().with("storage.bucket", EMBEDDED_BUCKET);
        let options = settings.iter().fold(bucket, |options, (name, value)| options.with(name, *value));
        let gateway = Gateway::start_with(options).await;
        let origin = origin_of_signed_url(&gateway).await;
        assert_eq!(sources(&gateway, "connect-src").await, ["'self'", &origin]);
        assert_eq!(told(&gateway).await["store"], origin.as_str());
        assert_eq!(origin, expected.unwrap_or_else(|| gateway.store_url.clone()));
    }
}
