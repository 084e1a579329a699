//! What an upload costs in requests to storage: docs/operations.md has the same numbers.

use super::*;
use crate::harness::embedded_only;

/// How many requests of each kind were made.
fn counts(gateway: &Gateway) -> Vec<(&'static str, u64)> {
    const KINDS: [&str; 7] = [
        "CreateMultipartUpload",
        "UploadPart",
        "ListParts",
        "CompleteMultipartUpload",
        "PutObject",
        "HeadObject",
        "ListMultipartUploads",
    ];
    let log = gateway.requests();
    KINDS.map(|kind| (kind, log.count(kind))).into_iter().filter(|(_, count)| *count > 0).collect()
}

#[tokio::test]
async fn an_upload_of_many_parts_costs_four_requests_more_than_its_parts() {
    embedded_only!("it counts the requests of its own store");
    let gateway = Gateway::start().await;
    File::completed(&gateway).await;
    let expected = [
        ("CreateMultipartUpload", 1),
        ("UploadPart", 3),
        ("ListParts", 1),
        ("CompleteMultipartUpload", 1),
        ("HeadObject", 1),
    ];
    assert_eq!(counts(&gateway), expected);
}

#[tokio::test]
async fn a_small_file_costs_three_requests() {
    embedded_only!("it counts the requests of its own store");
    let gateway = Gateway::start().await;
    let file = File::send(&gateway, 500, &[1], json!({})).await;
    gateway.complete(&file.id).await.expect(200);
    assert_eq!(counts(&gateway), [("PutObject", 1), ("HeadObject", 2)]);
}

#[tokio::test]
async fn an_abandoned_upload_costs_requests_too() {
    embedded_only!("it counts the requests of its own store");
    let gateway = Gateway::start().await;
    let file = File::send(&gateway, parts(2) + 500, &[1], json!({})).await;
    let aborted = gateway.call(reqwest::Method::DELETE, &format!("/upload/{}", file.id), None).await;
    assert_eq!(aborted.status, 204);
    assert_eq!(gateway.requests().count("AbortMultipartUpload"), 1);
}
