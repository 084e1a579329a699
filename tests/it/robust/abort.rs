//! Abort, when storage is away, or bytes are still on their way.

use bytes::Bytes;
use futures_util::stream;
use partgate::service::SweepMode;

use super::*;
use crate::harness::{EVERY_TIME, Fault};

#[tokio::test]
async fn abort_without_storage_is_accepted_and_done_by_the_sweep() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("*", Fault::SlowDown, EVERY_TIME);
    assert_eq!(sent.abort(&gateway).await.status, 204);
    assert_eq!(sent.state(&gateway).await, "aborting");
    proxy.clear();
    gateway.sweep(SweepMode::Act).await;
    assert_eq!(sent.state(&gateway).await, "aborted");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn abort_whose_answer_is_lost_ends_aborted() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    proxy.fail("AbortMultipartUpload", Fault::DropAnswer, 1);
    assert_eq!(sent.abort(&gateway).await.status, 204);
    assert_eq!(sent.state(&gateway).await, "aborted");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn abort_is_repeated_while_storage_still_lists_parts() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    // A store that says yes and has not done it.
    proxy.fail("AbortMultipartUpload", Fault::Refuse(404, "NoSuchUpload"), 1);
    assert_eq!(sent.abort(&gateway).await.status, 204);
    assert_eq!(sent.state(&gateway).await, "aborted");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn part_that_lands_after_the_abort_leaves_nothing() {
    let gateway = Gateway::start().await;
    let sent = Sent::open(&gateway, bytes(3, parts(3)), json!({})).await;
    let (first, rest) = sent.data[..part_size()].split_at(part_size() / 2);
    let (first, rest) = (Bytes::copy_from_slice(first), Bytes::copy_from_slice(rest));
    let (aborted, wait) = tokio::sync::oneshot::channel::<()>();
    let slow = stream::unfold((Some(first), Some(rest), Some(wait)), |(first, rest, wait)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, std::io::Error>(first), (None, rest, wait)));
        }
        if let Some(wait) = wait {
            wait.await.unwrap();
        }
        Some((Ok(rest?), (None, None, None)))
    });
    let url = sent.parts[0]["url"].as_str().unwrap();
    let body = reqwest::Body::wrap_stream(slow);
    let put = gateway.http.put(url).header("content-length", part_size().to_string()).body(body).send();
    let abort = async {
        assert_eq!(sent.abort(&gateway).await.status, 204);
        aborted.send(()).unwrap();
    };
    let (put, ()) = tokio::join!(put, abort);
    assert_eq!(put.unwrap().status(), 404);
    assert_eq!(sent.state(&gateway).await, "aborted");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn object_that_a_failed_complete_left_is_taken_back() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    // Storage has acted but does not show the object yet, so the upload is open again.
    proxy.fail("HeadObject", Fault::Refuse(404, "NoSuchKey"), EVERY_TIME);
    gateway.complete(&sent.id).await.problem(503, "storage_unavailable");
    proxy.clear();
    if sent.abort(&gateway).await.status == 204 {
        assert_eq!(objects(&gateway).await, [""; 0]);
    } else {
        assert_eq!(sent.state(&gateway).await, "completing");
    }
}

#[tokio::test]
async fn abort_is_idempotent() {
    let gateway = Gateway::start().await;
    let sent = Sent::three_parts(&gateway).await;
    for _ in 0..2 {
        assert_eq!(sent.abort(&gateway).await.status, 204);
    }
    gateway.complete(&sent.id).await.problem(410, "upload_gone");
}
