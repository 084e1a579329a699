//! Identities that lack one permission.

use futures_util::future::join_all;

use super::*;
use crate::harness::{
    EVERY_TIME, Fault, FaultProxy, Gateway, TestStore, embedded_only, minio_identity, reap,
};

const REFUSED: Fault = Fault::Refuse(403, "AccessDenied");

/// What S3 calls the operation, the check that has to name it, and the action of a policy that allows it
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions>).
const OF_THE_GATEWAY: [(&str, &str, &str); 9] = [
    ("CreateMultipartUpload", "permission.create", "s3:PutObject"),
    ("ListParts", "permission.list_parts", "s3:ListMultipartUploadParts"),
    ("CompleteMultipartUpload", "permission.complete", "s3:PutObject"),
    ("AbortMultipartUpload", "permission.abort", "s3:AbortMultipartUpload"),
    ("HeadObject", "permission.head", "s3:GetObject"),
    ("GetObject", "permission.get", "s3:GetObject"),
    ("DeleteObject", "permission.delete", "s3:DeleteObject"),
    ("ListMultipartUploads", "permission.list_uploads", "s3:ListBucketMultipartUploads"),
    ("GetBucketLifecycleConfiguration", "permission.lifecycle", "s3:GetLifecycleConfiguration"),
];

/// The same for what clients do by signed URLs.
const OF_CLIENTS: [(&str, &str, &str); 2] = [
    ("UploadPart", "permission.upload_part", "s3:PutObject"),
    ("PutObject", "permission.put", "s3:PutObject"),
];

/// Without these something stays behind, and the report says so.
const LEAVES: [&str; 2] = ["AbortMultipartUpload", "DeleteObject"];

async fn without(gateway: &Gateway, operation: &'static str, setting: &'static str) -> Report {
    let proxy = FaultProxy::start().await;
    proxy.forward_to(&gateway.store_url);
    proxy.fail(operation, REFUSED, EVERY_TIME);
    let setup = healthy::bucket_of(gateway).await.with("storage.public_endpoint", &gateway.store_url);
    setup.with(setting, &proxy.url).examine().await
}

#[tokio::test]
async fn operation_that_is_refused_is_named_with_the_action_that_allows_it() {
    embedded_only!("each operation is refused for itself, which no policy of a store can do");
    let gateway = Gateway::start().await;
    let of_the_gateway = OF_THE_GATEWAY.map(|case| (case, "storage.endpoint"));
    let of_clients = OF_CLIENTS.map(|case| (case, "storage.public_endpoint"));
    let cases = of_the_gateway.into_iter().chain(of_clients);
    let reports = cases.map(async |((operation, check, action), setting)| {
        (operation, check, action, without(&gateway, operation, setting).await)
    });
    for (operation, check, action, report) in join_all(reports).await {
        let mend = [action];
        let blames: &[Blame] = match check {
            // Nothing fails without: nobody can look at the rules.
            "permission.lifecycle" => &[],
            // Uploads work without: the sweep does not find what nobody knows.
            "permission.list_uploads" => &[Blame::warning(check, &mend)],
            _ => &[Blame::bad(check, &mend)],
        };
        report.assert_blames(operation, blames);
        let finding = report.finding(check);
        assert!(finding.verdict != "good" && finding.mend.contains(action), "{finding:?}");
        let left = if LEAVES.contains(&operation) { "note" } else { "good" };
        assert_eq!(report.verdict_of("leftovers"), left, "{operation}");
    }
    reap(&gateway).await;
}

#[tokio::test]
async fn action_that_a_policy_denies_is_named() {
    if TestStore::chosen() != TestStore::MinIo {
        eprintln!("only MinIO makes identities when asked");
        return;
    }
    let cases: [(&str, &[&str]); 5] = [
        ("s3:PutObject", &["permission.create", "permission.put"]),
        ("s3:ListMultipartUploadParts", &["permission.list_parts"]),
        ("s3:AbortMultipartUpload", &["permission.abort"]),
        ("s3:GetObject", &["permission.get"]),
        ("s3:DeleteObject", &["permission.delete"]),
    ];
    let reports = cases.map(async |(action, checks)| {
        let gateway = Gateway::start().await;
        let everything = r#"{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}"#;
        let denied = format!(r#"{{"Effect":"Deny","Action":["{action}"],"Resource":["arn:aws:s3:::*"]}}"#);
        let keys = minio_identity(&format!("{everything},{denied}")).await;
        let setup = healthy::bucket_of(&gateway)
            .await
            .with("storage.access_key_id", keys.access_key_id())
            .with("storage.secret_access_key", keys.secret_access_key())
            .with("storage.session_token", keys.session_token().unwrap());
        let report = setup.examine().await;
        reap(&gateway).await;
        (action, checks, report)
    });
    for (action, checks, report) in join_all(reports).await {
        let mend = [action];
        let blame = |check: &&'static str| Blame::bad(check, &mend);
        report.assert_blames(action, &checks.iter().map(blame).collect::<Vec<_>>());
    }
}
