//! The doctor beside whoever else uses the bucket.

use futures_util::future::join;
use serde_json::json;

use super::*;
use crate::api::support::{id, open, send};
use crate::harness::{Gateway, bytes, multiparts, objects, part_size, parts};

#[tokio::test]
async fn uploads_under_way_are_left_alone() {
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let data = bytes(71, parts(1) + 500);
    let upload = open(&gateway, &data, json!({"part_size": part_size()})).await;
    send(&gateway, &upload, &data, &[1]).await;
    let small = open(&gateway, b"x", json!({})).await;
    send(&gateway, &small, b"x", &[1]).await;
    let before = (objects(&gateway).await, multiparts(&gateway).await);

    setup.examine().await.assert_blames("beside uploads", &[]);

    assert_eq!((objects(&gateway).await, multiparts(&gateway).await), before);
    send(&gateway, &upload, &data, &[2]).await;
    for created in [&upload, &small] {
        gateway.complete(id(created)).await.expect(200);
    }
    assert!(gateway.download(id(&upload)).await == data);
}

#[tokio::test]
async fn two_examinations_at_once_do_not_see_each_other() {
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let (one, other) = join(setup.examine(), setup.examine()).await;
    for report in [one, other] {
        report.assert_blames("two at once", &[]);
    }
    healthy::assert_empty(&gateway).await;
}
