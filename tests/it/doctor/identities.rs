//! Keys, region, bucket and style of addresses.

use futures_util::future::join_all;

use super::*;
use crate::harness::{ACCESS_KEY_ID, Gateway, SECRET_ACCESS_KEY, TestStore, minio_identity};

const WRONG: &str = "a secret that was mistyped";

#[tokio::test]
async fn wrong_keys_are_named_and_not_what_they_may_not_do() {
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let keys = |section: [&'static str; 2], id: &str, secret: &str| {
        setup.clone().with(section[0], id).with(section[1], secret)
    };
    let own = ["storage.access_key_id", "storage.secret_access_key"];
    let signer = ["storage.signer.access_key_id", "storage.signer.secret_access_key"];
    let set_ups = [
        ("a wrong secret", "credentials", own[1], keys(own, ACCESS_KEY_ID, WRONG)),
        ("an unknown key", "credentials", own[0], keys(own, "nobody", SECRET_ACCESS_KEY)),
        ("a signer's wrong secret", "signer", signer[1], keys(signer, ACCESS_KEY_ID, WRONG)),
        ("an unknown signer", "signer", signer[0], keys(signer, "nobody", SECRET_ACCESS_KEY)),
    ];
    let reports = set_ups.map(async |(name, check, mend, setup)| (name, check, mend, setup.examine().await));
    for (name, check, mend, report) in join_all(reports).await {
        report.assert_blames(name, &[Blame::bad(check, &[mend])]);
    }
    healthy::assert_empty(&gateway).await;
}

#[tokio::test]
async fn signer_that_may_not_write_is_named() {
    if TestStore::chosen() != TestStore::MinIo {
        eprintln!("only MinIO makes identities when asked");
        return;
    }
    let gateway = Gateway::start().await;
    let keys =
        minio_identity(r#"{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::*"]}"#).await;
    let setup = healthy::bucket_of(&gateway)
        .await
        .with("storage.signer.access_key_id", keys.access_key_id())
        .with("storage.signer.secret_access_key", keys.secret_access_key())
        .with("storage.signer.session_token", keys.session_token().unwrap());
    let report = setup.examine().await;
    report.assert_blames("a signer that may only read", &[Blame::bad("signer", &["s3:PutObject"])]);
    healthy::assert_empty(&gateway).await;
}

#[tokio::test]
async fn wrong_region_is_named_with_the_right_one() {
    if TestStore::chosen() == TestStore::SeaweedFs {
        eprintln!("SeaweedFS takes any region");
        return;
    }
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await.with("storage.region", "eu-central-1");
    let mend = ["storage.region", "us-east-1"];
    setup.examine().await.assert_blames("another region", &[Blame::bad("region", &mend)]);
}

#[tokio::test]
async fn bucket_that_is_not_there_is_named() {
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await.with("storage.bucket", "not-there");
    let report = setup.examine().await;
    report.assert_blames("a misspelt bucket", &[Blame::bad("bucket", &["storage.bucket"])]);
    assert!(report.finding("bucket").found.contains("not-there"));
    assert_eq!(report.verdict_of("credentials"), "good", "the keys are right");
}

#[tokio::test]
async fn bucket_in_the_host_name_of_a_store_without_such_names_is_named() {
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await.with("storage.path_style", "false");
    let report = setup.examine().await;
    let mend = ["storage.path_style = true"];
    report.assert_blames("the bucket in the host name", &[Blame::bad("addressing", &mend)]);
}
