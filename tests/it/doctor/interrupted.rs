//! An examination that is stopped, or whose storage goes away under it.

use std::process::Command;

use futures_util::future::join_all;

use super::*;
use crate::harness::{Fault, FaultProxy, Gateway};

/// What can be in the bucket at that moment: nothing yet, a multipart upload, its parts, an object.
const MOMENTS: [&str; 4] = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject"];

/// The set-up of a gateway that reaches its store, as its clients do, through a proxy.
async fn behind_proxy(gateway: &Gateway) -> (FaultProxy, Setup) {
    let proxy = FaultProxy::start().await;
    proxy.forward_to(&gateway.store_url);
    let setup = healthy::bucket_of(gateway).await.with("storage.endpoint", &proxy.url);
    (proxy, setup)
}

#[tokio::test]
async fn interrupted_examination_leaves_nothing_behind() {
    for moment in MOMENTS {
        let gateway = Gateway::start().await;
        let (proxy, setup) = behind_proxy(&gateway).await;
        let hold = proxy.hold_answer(moment);
        let (_settings, child) = setup.spawn(&["doctor", "--json"]);
        hold.arrived().await;
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
        hold.release();
        let output = setup.outcome(child).await;
        assert_eq!(output.status.code(), Some(130), "{moment}");
        healthy::assert_empty(&gateway).await;
    }
}

#[tokio::test]
async fn storage_that_goes_away_is_told_in_bounded_time() {
    // The first abort is asked for alone; of completions several are under way.
    let moments = [("AbortMultipartUpload", Some("permission.abort")), ("CompleteMultipartUpload", None)];
    join_all(moments.map(async |(moment, check)| {
        let gateway = Gateway::start().await;
        let (proxy, setup) = behind_proxy(&gateway).await;
        let hold = proxy.hold_request(moment);
        let (_settings, child) = setup.spawn(&["doctor", "--json"]);
        hold.arrived().await;
        proxy.go_away().await;
        let report = Report::of(&setup.outcome(child).await);
        assert_ne!(report.blamed().len(), 0, "{moment}");
        if let Some(check) = check {
            assert_ne!(report.verdict_of(check), "good");
        }
        // What it could not take back it does not call gone.
        assert_ne!(report.verdict_of("leftovers"), "good", "{moment}");
    }))
    .await;
}

/// What is done twice then leaves nothing behind either.
#[tokio::test]
async fn lost_answers_are_nobodys_fault() {
    const OPERATIONS: [&str; 8] = [
        "CreateMultipartUpload",
        "UploadPart",
        "PutObject",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
        "ListMultipartUploads",
        "HeadObject",
        "DeleteObject",
    ];
    let gateway = Gateway::start().await;
    let reports = OPERATIONS.map(async |operation| {
        let (proxy, setup) = behind_proxy(&gateway).await;
        proxy.fail(operation, Fault::DropAnswer, 2);
        (operation, setup.examine().await)
    });
    for (operation, report) in join_all(reports).await {
        report.assert_blames(operation, &[]);
    }
    healthy::assert_empty(&gateway).await;
}
