//! The upload page: what is at `/`, and the files that it loads.
//!
//! The page is built in `web/page`, and what was built is committed and compiled in: a gateway is one file, and nobody
//! needs Node to build one.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Gateway;
use crate::service::{Authenticator, Terms};

const INDEX: &str = include_str!("../../web/page/dist/index.html");

/// What the page loads: name, type and content.
const FILES: [(&str, &str, &str); 3] = [
    ("app.css", "text/css; charset=utf-8", include_str!("../../web/page/dist/app.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("../../web/page/dist/app.js")),
    ("hash-worker.js", "text/javascript; charset=utf-8", include_str!("../../web/page/dist/hash-worker.js")),
];

/// Where the page reads what it has to know of the gateway.
const DATA_START: &str = r#"<script type="application/json" id="gateway">"#;
const DATA_END: &str = "</script>";

/// How much of a SHA-256 tells contents apart, bytes.
const ETAG_BYTES: usize = 16;

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    // Kept, but asked for each time: the names of the files do not change with the version.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// What the gateway tells its page. The names are a contract with `web/page`.
#[derive(Debug, Serialize)]
struct PageData<'a> {
    version: &'static str,
    /// `open` or `required`: whether the page has to ask who somebody is.
    auth: &'static str,
    store: &'a str,
    bucket: &'a str,
    prefix: &'a str,
    max_size: u64,
    part_size: u64,
    lifetime_seconds: u64,
    url_ttl_seconds: u64,
    checksum_algorithms: Vec<&'static str>,
}

/// The page and its files.
pub(super) fn routes(terms: &Terms, auth: &Authenticator) -> Router<Arc<Gateway>> {
    let policy = policy(&terms.storage_origin);
    let index = Asset::new(
        "text/html; charset=utf-8",
        index(terms, if auth.is_open() { "open" } else { "required" }),
        &policy,
    );
    FILES.into_iter().fold(Router::new().route("/", index.route()), |router, (name, content_type, body)| {
        let asset = Asset::new(content_type, body, &policy);
        router.route(&format!("/page/{name}"), asset.route())
    })
}

/// Scripts, styles and workers of our own, calls to the gateway and to storage, and nothing else. The worker is held
/// to the policy of its own answer, so every file carries it; `wasm-unsafe-eval` is for what hashes.
fn policy(storage_origin: &str) -> String {
    let storage = source(storage_origin);
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         worker-src 'self'; connect-src 'self' {storage}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// An origin as a policy spells it. There hosts have letters, digits and hyphens only
/// (<https://www.w3.org/TR/CSP3/#grammardef-host-char>), so an IPv6 address or a name with an underscore, which browsers
/// would ignore, is allowed by its scheme: else the page could not reach storage at all.
fn source(origin: &str) -> &str {
    let (scheme, host) = origin.split_once(':').unwrap_or((origin, ""));
    let is_spelt = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-.:".contains(&byte));
    if is_spelt { origin } else { &origin[..=scheme.len()] }
}

/// The page with what it has to know in its place.
fn index(terms: &Terms, auth: &'static str) -> String {
    let data = PageData {
        version: env!("CARGO_PKG_VERSION"),
        auth,
        store: &terms.storage_origin,
        bucket: &terms.bucket,
        prefix: &terms.key_prefix,
        max_size: terms.max_size_bytes,
        part_size: terms.part_size_bytes,
        lifetime_seconds: terms.lifetime.as_secs(),
        url_ttl_seconds: terms.url_ttl.as_secs(),
        checksum_algorithms: terms.checksum_algorithms.iter().map(|kind| kind.name()).collect(),
    };
    let json = serde_json::to_string(&data).expect("strings and numbers are JSON");
    // JSON has `<` in strings only, and there could be `</script>` or `<!--`.
    let json = json.replace('<', "\\u003c");
    INDEX.replacen(&format!("{DATA_START}{{}}{DATA_END}"), &format!("{DATA_START}{json}{DATA_END}"), 1)
}

/// A file as it is answered.
#[derive(Debug)]
struct Asset {
    content_type: HeaderValue,
    policy: HeaderValue,
    etag: HeaderValue,
    body: Bytes,
}

impl Asset {
    fn new(content_type: &'static str, body: impl Into<Bytes>, policy: &str) -> Self {
        let body = body.into();
        let digest = Sha256::digest(&body);
        let text = |text: String| HeaderValue::try_from(text).expect("it is ASCII without line ends");
        Self {
            content_type: HeaderValue::from_static(content_type),
            policy: text(policy.to_owned()),
            etag: text(format!("\"{}\"", hex::encode(&digest[..ETAG_BYTES]))),
            body,
        }
    }

    fn route(self) -> MethodRouter<Arc<Gateway>> {
        let asset = Arc::new(self);
        get(async move |headers: HeaderMap| asset.answer(&headers))
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let mut response = if self.is_known_to(asked) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let content_type = [(header::CONTENT_TYPE, self.content_type.clone())];
            (content_type, Body::from(self.body.clone())).into_response()
        };
        let headers = response.headers_mut();
        headers.extend(HEADERS);
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::ETAG, self.etag.clone());
        response
    }

    /// Whether the caller has it already. A proxy that compresses weakens the tag, and that is compared too
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>).
    fn is_known_to(&self, asked: &HeaderMap) -> bool {
        let tags = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        tags.flat_map(|tags| tags.split(',')).map(str::trim).any(|tag| {
            tag == "*" || self.etag.to_str().is_ok_and(|own| tag.strip_prefix("W/").unwrap_or(tag) == own)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::upload::ChecksumAlgorithm;

    fn terms() -> Terms {
        Terms {
            storage_origin: "https://s3.example".into(),
            bucket: "b".into(),
            key_prefix: String::new(),
            max_size_bytes: 5_000_000,
            part_size_bytes: 1_000,
            lifetime: Duration::from_secs(60),
            url_ttl: Duration::from_secs(30),
            checksum_algorithms: vec![ChecksumAlgorithm::Crc64nvme],
        }
    }

    #[test]
    fn built_page_has_one_place_for_what_the_gateway_tells() {
        assert_eq!(INDEX.matches(&format!("{DATA_START}{{}}{DATA_END}")).count(), 1);
        assert_eq!(INDEX.matches("id=\"gateway\"").count(), 1);
    }

    #[test]
    fn every_built_file_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/page/dist");
        let built: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served = FILES.iter().map(|(name, _, _)| *name).chain(["index.html"]);
        assert_eq!(built, served.map(str::to_owned).collect());
    }

    #[test]
    fn data_cannot_end_its_script() {
        let hostile = Terms { key_prefix: "</script><!--<script>\"&amp;".into(), ..terms() };
        let page = index(&hostile, "open");
        let (_, rest) = page.split_once(DATA_START).unwrap();
        let (json, _) = rest.split_once(DATA_END).unwrap();
        let data: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(data["prefix"], hostile.key_prefix);
        assert!(!json.contains('<'), "{json}");
    }

    #[test]
    fn policy_allows_storage_by_origin_and_what_it_cannot_spell_by_scheme() {
        for (origin, expected) in [
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
            ("https://b-1.s3.eu-central-1.amazonaws.com", "https://b-1.s3.eu-central-1.amazonaws.com"),
            ("http://[::1]:9090", "http:"),
            ("https://object_store:9000", "https:"),
        ] {
            let policy = policy(origin);
            assert!(policy.contains(&format!("connect-src 'self' {expected};")), "{policy}");
        }
    }

    #[test]
    fn any_spelling_of_a_tag_is_known() {
        let asset = Asset::new("text/css", "body", "default-src 'none'");
        let own = asset.etag.to_str().unwrap();
        for (tags, expected) in [
            (own.to_owned(), true),
            (format!("W/{own}"), true),
            (format!("\"other\", {own}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (own.trim_matches('"').to_owned(), false),
        ] {
            let asked =
                HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::try_from(&tags).unwrap())]);
            assert_eq!(asset.is_known_to(&asked), expected, "{tags}");
        }
    }
}
