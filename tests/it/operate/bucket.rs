//! `partgate bucket` on real buckets.

use std::path::PathBuf;
use std::process::Output;

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, CorsConfiguration, CorsRule,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    PublicAccessBlockConfiguration,
};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{
    ACCESS_KEY_ID, Gateway, PARTGATE, SECRET_ACCESS_KEY, TestStore, bytes, part_size, parts, put_part, s3,
    writer,
};

const ORIGIN: &str = "https://app.example.com";

/// A bucket with nothing in it and no rules, and settings for it.
struct Bucket {
    gateway: Gateway,
    settings: TempDir,
}

impl Bucket {
    async fn new() -> Self {
        let gateway = Gateway::start().await;
        if TestStore::chosen() == TestStore::Embedded {
            // `dev` makes its bucket with a rule for every page.
            s3(&gateway).delete_bucket_cors().bucket(&gateway.bucket).send().await.unwrap();
        }
        let settings = tempfile::tempdir().unwrap();
        let bucket = Self { gateway, settings };
        bucket.set([ACCESS_KEY_ID, SECRET_ACCESS_KEY, ""], &bucket.gateway.bucket);
        bucket
    }

    /// Other credentials: id, secret and, of temporary ones, their token.
    fn set(&self, [id, secret, token]: [&str; 3], bucket: &str) {
        let database = self.settings.path().join("partgate.db");
        let toml = format!(
            "database = \"sqlite://{}\"\npublic_url = \"https://upload.example.com/here\"\n[cors]\norigins = \
             [\"{ORIGIN}\", \"http://localhost:*\"]\n[storage]\nendpoint = \"{}\"\nbucket = \"{bucket}\"\n\
             access_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n",
            database.display(),
            self.gateway.store_url,
        );
        let token = if token.is_empty() { String::new() } else { format!("session_token = \"{token}\"\n") };
        std::fs::write(self.config(), toml + &token).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.settings.path().join("partgate.toml")
    }

    async fn partgate(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PARTGATE);
        command.arg("bucket").args(arguments).arg("--config").arg(self.config()).env_clear();
        command.stdin(std::process::Stdio::null()).output().await.unwrap()
    }

    /// Applies, with this exit code; answers what was printed.
    async fn apply(&self, exit_code: i32) -> String {
        let output = self.partgate(&["apply", "--yes"]).await;
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(exit_code), "{text}{}", words(&output));
        text
    }

    async fn plan(&self) -> Value {
        let output = self.partgate(&["plan", "--format", "json"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", words(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What is to be done: cors, lifecycle, public access block.
    async fn actions(&self) -> [String; 3] {
        let plan = self.plan().await;
        [0, 1, 2].map(|index| plan["changes"][index]["action"].as_str().unwrap().to_owned())
    }

    async fn cors(&self) -> Vec<CorsRule> {
        let got = s3(&self.gateway).get_bucket_cors().bucket(&self.gateway.bucket).send().await;
        got.map(|got| got.cors_rules().to_vec()).unwrap_or_default()
    }

    async fn lifecycle(&self) -> Vec<LifecycleRule> {
        let call = s3(&self.gateway).get_bucket_lifecycle_configuration().bucket(&self.gateway.bucket);
        call.send().await.map(|got| got.rules().to_vec()).unwrap_or_default()
    }

    async fn set_cors(&self, rules: Vec<CorsRule>) {
        let configuration = CorsConfiguration::builder().set_cors_rules(Some(rules)).build().unwrap();
        let put = s3(&self.gateway).put_bucket_cors().bucket(&self.gateway.bucket);
        put.cors_configuration(configuration).send().await.unwrap();
    }

    async fn set_lifecycle(&self, rules: Vec<LifecycleRule>) {
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().unwrap();
        let put = s3(&self.gateway).put_bucket_lifecycle_configuration().bucket(&self.gateway.bucket);
        put.lifecycle_configuration(configuration).send().await.unwrap();
    }

    /// The first part of a new upload, signed.
    async fn signed_part(&self) -> Value {
        let wanted = json!({"filename": "f", "size": parts(2), "part_size": part_size(), "sign": 1});
        self.gateway.post("/upload/init", wanted).await.expect(201)["parts"][0].clone()
    }

    async fn preflight(&self, url: &str, origin: &str, headers: &str) -> Response {
        let request = self.gateway.http.request(Method::OPTIONS, url).header("origin", origin);
        let request = request.header("access-control-request-method", "PUT");
        request.header("access-control-request-headers", headers).send().await.unwrap()
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// MinIO takes none of the three calls: what it has are settings of the server.
fn is_told() -> bool {
    TestStore::chosen() != TestStore::MinIo
}

fn expiring(id: &str, prefix: &str, days: i32) -> LifecycleRule {
    LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .expiration(LifecycleExpiration::builder().days(days).build())
        .build()
        .unwrap()
}

fn aborting(id: &str, days: i32) -> LifecycleRule {
    LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build(),
        )
        .build()
        .unwrap()
}

fn foreign_cors(origin: &str, methods: &[&str]) -> CorsRule {
    CorsRule::builder()
        .id("theirs")
        .allowed_origins(origin)
        .set_allowed_methods(Some(methods.iter().map(|method| (*method).to_owned()).collect()))
        .allowed_headers("*")
        .max_age_seconds(60)
        .build()
        .unwrap()
}

#[tokio::test]
async fn second_apply_changes_nothing() {
    let bucket = Bucket::new().await;
    let detailed = async || bucket.partgate(&["plan", "--detailed-exitcode"]).await.status.code();
    assert_eq!(detailed().await, Some(if is_told() { 3 } else { 0 }));
    bucket.apply(0).await;
    let (cors, lifecycle) = (bucket.cors().await, bucket.lifecycle().await);
    let actions = bucket.actions().await;
    assert!(actions.iter().all(|action| action == "none" || action == "by_hand"), "{actions:?}");
    assert_eq!(detailed().await, Some(0));
    let second = bucket.apply(0).await;
    assert!(!second.contains("applied"), "{second}");
    assert_eq!((bucket.cors().await, bucket.lifecycle().await), (cors, lifecycle));
}

#[tokio::test]
async fn what_a_store_has_no_call_for_is_told_with_its_settings() {
    let bucket = Bucket::new().await;
    let text = bucket.apply(0).await;
    match TestStore::chosen() {
        TestStore::MinIo => {
            assert_eq!(bucket.actions().await, ["by_hand", "by_hand", "by_hand"]);
            for setting in [
                "MINIO_API_CORS_ALLOW_ORIGIN=https://app.example.com,http://localhost:*,https://upload.example.com",
                "MINIO_API_STALE_UPLOADS_EXPIRY=192h",
                &format!("mc anonymous get ALIAS/{}", bucket.gateway.bucket),
            ] {
                assert!(text.contains(setting), "{setting} is not told:\n{text}");
            }
        }
        TestStore::SeaweedFs => {
            assert_eq!(bucket.actions().await, ["none", "none", "by_hand"], "{text}");
            assert!(text.contains("this store has no public access block"), "{text}");
            assert!(text.contains("SeaweedFS takes the origin http://localhost:*"), "{text}");
        }
        TestStore::Embedded => assert_eq!(bucket.actions().await, ["none", "none", "none"], "{text}"),
    }
}

#[tokio::test]
async fn after_apply_a_page_may_send_parts_and_read_their_etags() {
    let bucket = Bucket::new().await;
    bucket.apply(0).await;
    let part = bucket.signed_part().await;
    let url = part["url"].as_str().unwrap();
    let asked = "content-type,content-md5,x-amz-checksum-crc64nvme,if-none-match,x-amz-meta-partgate-upload-id,\
                 x-amz-meta-any";
    for origin in [ORIGIN, "https://upload.example.com", "http://localhost:5173"] {
        if origin.ends_with("5173") && TestStore::chosen() == TestStore::SeaweedFs {
            // It knows a * for names of hosts only, not for ports.
            continue;
        }
        let granted = bucket.preflight(url, origin, asked).await;
        assert!(granted.status().is_success(), "{origin}: {}", granted.status());
        let allowed = header(&granted, "access-control-allow-origin");
        assert!(allowed == origin || allowed == "*", "{origin}: {allowed:?}");
        assert!(header(&granted, "access-control-allow-methods").contains("PUT"), "{origin}");
    }
    let mut signed = part.clone();
    signed["headers"]["origin"] = json!(ORIGIN);
    let put = put_part(&bucket.gateway, &signed, bytes(1, part_size())).await;
    assert_eq!(put.status(), 200);
    let exposed = header(&put, "access-control-expose-headers");
    let is_exposed = |name: &str| {
        let mut names = exposed.split(',').map(str::trim);
        names.any(|other| other == "*" || other.eq_ignore_ascii_case(name))
    };
    assert!(is_exposed("etag") && is_exposed("x-amz-checksum-crc64nvme"), "{exposed:?}");
    if is_told() {
        let stranger = bucket.preflight(url, "https://evil.example", asked).await;
        assert_eq!(header(&stranger, "access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn rules_of_others_survive() {
    let bucket = Bucket::new().await;
    let logs = expiring("expire-logs", "logs/", 90);
    bucket.set_lifecycle(vec![logs.clone()]).await;
    if is_told() {
        bucket.set_cors(vec![foreign_cors("https://other.example", &["GET"])]).await;
    }
    let (cors, lifecycle) = (bucket.cors().await, bucket.lifecycle().await);
    assert_eq!(lifecycle.len(), 1);
    bucket.apply(0).await;
    let after = bucket.lifecycle().await;
    assert!(after.contains(&lifecycle[0]), "{after:?}");
    let after_cors = bucket.cors().await;
    assert!(cors.iter().all(|rule| after_cors.contains(rule)), "{after_cors:?}");
    if is_told() {
        assert_eq!((after.len(), after_cors.len()), (2, 2));
    }
}

#[tokio::test]
async fn rule_of_others_that_hides_etag_does_not_answer_first() {
    if !is_told() {
        return;
    }
    let bucket = Bucket::new().await;
    bucket.set_cors(vec![foreign_cors("*", &["GET", "PUT"])]).await;
    let text = bucket.apply(0).await;
    assert!(text.contains("it goes before the rule theirs"), "{text}");
    let ids: Vec<_> =
        bucket.cors().await.iter().map(|rule| rule.id().unwrap_or_default().to_owned()).collect();
    assert_eq!(ids, ["partgate-uploads", "theirs"]);
    let mut signed = bucket.signed_part().await;
    signed["headers"]["origin"] = json!(ORIGIN);
    let put = put_part(&bucket.gateway, &signed, bytes(1, part_size())).await;
    assert!(header(&put, "access-control-expose-headers").contains("ETag"));
}

#[tokio::test]
async fn rule_of_others_that_only_reads_keeps_no_page_from_sending() {
    if !is_told() {
        return;
    }
    let bucket = Bucket::new().await;
    bucket.set_cors(vec![foreign_cors("*", &["GET"])]).await;
    bucket.apply(0).await;
    assert_eq!(bucket.actions().await[0], "none");
    let part = bucket.signed_part().await;
    let granted = bucket.preflight(part["url"].as_str().unwrap(), ORIGIN, "x-amz-checksum-crc64nvme").await;
    assert!(header(&granted, "access-control-allow-methods").contains("PUT"), "{granted:?}");
}

#[tokio::test]
async fn rule_that_ends_uploads_too_soon_is_told_and_left() {
    if !is_told() {
        return;
    }
    let bucket = Bucket::new().await;
    bucket.set_lifecycle(vec![aborting("tidy", 1)]).await;
    let before = bucket.lifecycle().await;
    let text = bucket.apply(1).await;
    assert!(
        text.contains(
            "the rule tidy aborts uploads of the whole bucket after 1 day, but they live for 7 days"
        ),
        "{text}"
    );
    assert_eq!(bucket.lifecycle().await, before);
    let plan = bucket.plan().await;
    assert_eq!(plan["changes"][1]["reason"], "conflict");
    assert_eq!(bucket.partgate(&["plan", "--detailed-exitcode"]).await.status.code(), Some(3));
    // A person does what they are told.
    bucket.set_lifecycle(vec![aborting("tidy", 8)]).await;
    let text = bucket.apply(0).await;
    assert!(text.contains("the rule tidy already does it"), "{text}");
}

#[tokio::test]
async fn own_rules_follow_the_settings() {
    if !is_told() {
        return;
    }
    let bucket = Bucket::new().await;
    bucket.apply(0).await;
    let toml = std::fs::read_to_string(bucket.config()).unwrap();
    let toml = toml.replace("http://localhost:*", "https://new.example");
    std::fs::write(bucket.config(), format!("{toml}[uploads]\nlifetime = \"36h\"\n")).unwrap();
    assert_eq!(bucket.actions().await[..2], ["update", "update"]);
    let text = bucket.apply(0).await;
    assert!(text.contains("origins: - http://localhost:*, + https://new.example"), "{text}");
    assert!(text.contains("8 -> 3 days"), "{text}");
    assert_eq!((bucket.cors().await.len(), bucket.lifecycle().await.len()), (1, 1));
}

#[tokio::test]
async fn public_access_that_somebody_left_open_is_closed_unless_excepted() {
    if TestStore::chosen() != TestStore::Embedded {
        return;
    }
    let bucket = Bucket::new().await;
    let open = PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    let s3 = s3(&bucket.gateway);
    let put = s3.put_public_access_block().bucket(&bucket.gateway.bucket);
    put.public_access_block_configuration(open).send().await.unwrap();
    let blocked = async || {
        let got = s3.get_public_access_block().bucket(&bucket.gateway.bucket).send().await.unwrap();
        got.public_access_block_configuration().unwrap().block_public_policy()
    };
    let excepted = bucket.partgate(&["apply", "--yes", "--except", "public_access_block"]).await;
    assert_eq!(excepted.status.code(), Some(0), "{}", words(&excepted));
    assert_ne!(blocked().await, Some(true));
    bucket.apply(0).await;
    assert_eq!(blocked().await, Some(true));
}

#[tokio::test]
async fn nothing_is_changed_unasked() {
    if !is_told() {
        return;
    }
    let bucket = Bucket::new().await;
    let refused = bucket.partgate(&["apply"]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(words(&refused).contains("--yes"), "{}", words(&refused));
    assert_eq!((bucket.cors().await.len(), bucket.lifecycle().await.len()), (0, 0));
}

#[tokio::test]
async fn bucket_or_keys_that_are_wrong_are_told() {
    let bucket = Bucket::new().await;
    bucket.set([ACCESS_KEY_ID, SECRET_ACCESS_KEY, ""], "there-is-no-such-bucket");
    let missing = bucket.partgate(&["plan"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(words(&missing).contains("NoSuchBucket"), "{}", words(&missing));
    bucket.set([ACCESS_KEY_ID, "wrong", ""], &bucket.gateway.bucket);
    let wrong = bucket.partgate(&["plan"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(words(&wrong).contains("SignatureDoesNotMatch"), "{}", words(&wrong));
}

#[tokio::test]
async fn identity_that_may_not_is_told_what_it_lacks() {
    // The embedded store has one identity, who may everything.
    let Some(keys) = writer().await else { return };
    let bucket = Bucket::new().await;
    let token = keys.session_token().unwrap_or_default();
    bucket.set([keys.access_key_id(), keys.secret_access_key(), token], &bucket.gateway.bucket);
    let text = bucket.apply(1).await;
    assert!(text.contains("s3:PutBucketCORS") && text.contains("s3:PutLifecycleConfiguration"), "{text}");
}
