//! Identities beside the one that a store starts with.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use url::form_urlencoded::Serializer;

use super::stores::Server;
use super::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, TestStore};

/// SeaweedFS knows it from its configuration; MinIO makes one when asked.
pub(super) const WRITER: [&str; 2] = ["writer", "partgate-test-writer-secret"];

/// SeaweedFS knows it too: whoever does all that a gateway does, and changes no bucket.
pub(super) const READER_AND_WRITER: [&str; 2] = ["gateway", "partgate-test-gateway-secret"];

/// The most that a signer of uploads needs.
const PUT_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::*"]}]}"#;

/// Keys that may put objects and nothing else; none on the embedded store, which has one identity.
pub(crate) async fn writer() -> Option<Credentials> {
    match TestStore::chosen() {
        TestStore::Embedded => None,
        TestStore::MinIo => Some(assume_role(Some(PUT_ONLY)).await),
        TestStore::SeaweedFs => Some(Credentials::new(WRITER[0], WRITER[1], None, None, "tests")),
    }
}

/// Keys that may do what these statements of a policy say, on MinIO.
pub(crate) async fn minio_identity(statements: &str) -> Credentials {
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    assume_role(Some(&policy)).await
}

/// Keys for a quarter of an hour that may do what the store's own may; none where the store has no such thing.
pub(crate) async fn temporary() -> Option<Credentials> {
    match TestStore::chosen() {
        TestStore::MinIo => Some(assume_role(None).await),
        TestStore::Embedded | TestStore::SeaweedFs => None,
    }
}

/// Keys that SeaweedFS lets read, write and list.
pub(crate) fn reader_and_writer() -> Credentials {
    Credentials::new(READER_AND_WRITER[0], READER_AND_WRITER[1], None, None, "tests")
}

/// Keys that may do what this policy says; none where the store takes no policies.
pub(crate) async fn limited_to(policy: &str) -> Option<Credentials> {
    match TestStore::chosen() {
        TestStore::MinIo => Some(assume_role(Some(policy)).await),
        TestStore::Embedded | TestStore::SeaweedFs => None,
    }
}

/// MinIO's AssumeRole (<https://min.io/docs/minio/linux/developers/security-token-service/AssumeRole.html>).
async fn assume_role(policy: Option<&str>) -> Credentials {
    let url = format!("{}/", Server::shared().await.url);
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", "AssumeRole").append_pair("Version", "2011-06-15");
    form.append_pair("DurationSeconds", "900");
    if let Some(policy) = policy {
        form.append_pair("Policy", policy);
    }
    let body = form.finish();
    let identity = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests").into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sts")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let content_type = ("content-type", "application/x-www-form-urlencoded");
    let signable =
        SignableRequest::new("POST", &url, [content_type].into_iter(), SignableBody::Bytes(body.as_bytes()));
    let (signed, _) = sign(signable.unwrap(), &parameters).unwrap().into_parts();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.post(&url).header(content_type.0, content_type.1).body(body);
    for (name, value) in signed.headers() {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap().text().await.unwrap();
    let field = |name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inner = answer.split(&open).nth(1).and_then(|rest| rest.split(&close).next());
        inner.unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
    };
    let end = SystemTime::now() + Duration::from_secs(900);
    let token = Some(field("SessionToken"));
    Credentials::new(field("AccessKeyId"), field("SecretAccessKey"), token, Some(end), "AssumeRole")
}
