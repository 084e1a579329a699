//! Several gateways and callers at one upload at once.

use std::pin::pin;

use futures_util::future::{join, join_all};
use partgate::upload::COMPLETION_LEASE;
use reqwest::Method;

use super::*;

const COMPLETE: &str = "CompleteMultipartUpload";

async fn complete_at(gateway: &Gateway, url: &str, sent: &Sent) -> Answer {
    gateway.call_at(url, Method::POST, &format!("/upload/{}/complete", sent.id), Some(json!({}))).await
}

/// Completes at another gateway, for which the one that is at it counts as dead: the clock moves faster than it can
/// renew its lease.
async fn overtake_at(gateway: &Gateway, url: &str, sent: &Sent) -> Answer {
    let mut complete = pin!(complete_at(gateway, url, sent));
    let mut moments = tokio::time::interval(std::time::Duration::from_millis(100));
    loop {
        tokio::select! {
            answer = &mut complete => return answer,
            _ = moments.tick() => gateway.clock.advance(COMPLETION_LEASE),
        }
    }
}

#[tokio::test]
async fn completes_from_two_gateways_at_once_make_one_object_and_one_answer() {
    let gateway = Gateway::start().await;
    let other = gateway.another().await;
    let sent = Sent::three_parts(&gateway).await;
    let urls = [&gateway.url, &other].into_iter().cycle().take(16);
    let answers = join_all(urls.map(|url| complete_at(&gateway, url, &sent))).await;
    let bodies: Vec<_> = answers.into_iter().map(|answer| answer.expect(200)).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    sent.assert_whole(&gateway).await;
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn gateway_whose_answer_is_late_says_what_the_faster_one_said() {
    let (gateway, proxy) = behind_faults().await;
    let other = gateway.another().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer(COMPLETE);
    let faster = async {
        hold.arrived().await;
        let answer = overtake_at(&gateway, &other, &sent).await.expect(200);
        gateway.clock.advance(time::Duration::MINUTE);
        hold.release();
        answer
    };
    let (slow, fast) = join(gateway.complete(&sent.id), faster).await;
    assert_eq!(slow.expect(200), fast);
}

/// The slower gateway hears this refusal after the faster one has finished.
async fn late_refusal_is_overruled(status: u16, code: &'static str) {
    let (gateway, proxy) = behind_faults().await;
    let other = gateway.another().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_and_refuse(COMPLETE, status, code);
    let faster = async {
        hold.arrived().await;
        let answer = overtake_at(&gateway, &other, &sent).await.expect(200);
        hold.release();
        answer
    };
    let (slow, fast) = join(gateway.complete(&sent.id), faster).await;
    assert_eq!(slow.expect(200), fast);
}

#[tokio::test]
async fn late_no_such_upload_is_overruled_by_the_finished_upload() {
    late_refusal_is_overruled(404, "NoSuchUpload").await;
}

#[tokio::test]
async fn late_conflict_is_overruled_by_the_finished_upload() {
    late_refusal_is_overruled(409, "ConditionalRequestConflict").await;
}

#[tokio::test]
async fn late_invalid_part_is_overruled_by_the_finished_upload() {
    late_refusal_is_overruled(400, "InvalidPart").await;
}

#[tokio::test]
async fn late_rejection_is_overruled_by_the_finished_upload() {
    late_refusal_is_overruled(403, "AccessDenied").await;
}

#[tokio::test]
async fn upload_that_another_gateway_reopened_is_still_finished() {
    let (gateway, proxy) = behind_faults().await;
    let other = gateway.another().await;
    let sent = Sent::three_parts(&gateway).await;
    // The slow gateway's request has made the object, which the other one cannot know and is refused.
    let hold = proxy.hold_answer(COMPLETE);
    let refused = async {
        hold.arrived().await;
        proxy.fail(COMPLETE, crate::harness::Fault::Refuse(403, "AccessDenied"), 1);
        let answer = overtake_at(&gateway, &other, &sent).await;
        assert_eq!(answer.status, 502);
        hold.release();
    };
    let (slow, ()) = join(gateway.complete(&sent.id), refused).await;
    slow.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn of_complete_and_abort_exactly_one_wins() {
    let gateway = Gateway::start().await;
    let other = gateway.another().await;
    for _ in 0..10 {
        let sent = Sent::three_parts(&gateway).await;
        let path = format!("/upload/{}", sent.id);
        let abort = gateway.call_at(&other, Method::DELETE, &path, None);
        let (completed, aborted) = join(gateway.complete(&sent.id), abort).await;
        let is_there = objects(&gateway).await.contains(&sent.key);
        match (completed.status.as_u16(), aborted.status.as_u16()) {
            (200, 409) => assert!(is_there, "said to be completed"),
            (410, 204) => assert!(!is_there, "said to be aborted"),
            both => panic!("complete and abort answered {both:?}: {:#}", completed.body),
        }
        assert_eq!(multiparts(&gateway).await, []);
    }
}

#[tokio::test]
async fn abort_wins_while_complete_still_asks_for_the_parts() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_answer("ListParts");
    let abort = async {
        hold.arrived().await;
        assert_eq!(sent.abort(&gateway).await.status, 204);
        hold.release();
    };
    let (completed, ()) = join(gateway.complete(&sent.id), abort).await;
    completed.problem(410, "upload_gone");
    assert_eq!((objects(&gateway).await.len(), multiparts(&gateway).await.len()), (0, 0));
}

#[tokio::test]
async fn abort_loses_once_storage_was_asked_for_the_object() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    let hold = proxy.hold_request(COMPLETE);
    let abort = async {
        hold.arrived().await;
        sent.abort(&gateway).await.problem(409, "upload_closed");
        hold.release();
    };
    let (completed, ()) = join(gateway.complete(&sent.id), abort).await;
    completed.expect(200);
    sent.assert_whole(&gateway).await;
}

#[tokio::test]
async fn status_that_asks_storage_while_the_upload_is_aborted_answers_what_it_is_now() {
    let (gateway, proxy) = behind_faults().await;
    let sent = Sent::three_parts(&gateway).await;
    let path = format!("/upload/{}/status?refresh=true", sent.id);
    let hold = proxy.hold_request("ListParts");
    let abort = async {
        hold.arrived().await;
        assert_eq!(sent.abort(&gateway).await.status, 204);
        hold.release();
    };
    let (status, ()) = join(gateway.get(&path), abort).await;
    assert_eq!(status.expect(200)["state"], "aborted");
    assert_eq!(multiparts(&gateway).await, []);
    assert_eq!(proxy.count("CreateMultipartUpload"), 1, "nothing was opened for it anew");
}

#[tokio::test]
async fn abort_during_create_leaves_no_multipart_upload() {
    let (gateway, proxy) = behind_faults().await;
    let hold = proxy.hold_answer("CreateMultipartUpload");
    let body = json!({"filename": "a", "size": parts(3), "part_size": part_size()});
    let abort = async {
        hold.arrived().await;
        let page = gateway.get("/upload").await.expect(200);
        let path = format!("/upload/{}", page["uploads"][0]["upload_id"].as_str().unwrap());
        assert_eq!(gateway.call(Method::DELETE, &path, None).await.status, 204);
        hold.release();
    };
    let (created, ()) = join(gateway.post("/upload/init", body), abort).await;
    created.problem(410, "upload_gone");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn reaped_upload_reopened_by_two_gateways_has_one_multipart_upload() {
    let gateway = Gateway::start().await;
    let other = gateway.another().await;
    let mut sent = Sent::three_parts(&gateway).await;
    reap(&gateway).await;
    let path = format!("/upload/{}/status?refresh=true", sent.id);
    let urls = [&gateway.url, &other].into_iter().cycle().take(8);
    let answers = join_all(urls.map(|url| gateway.call_at(url, Method::GET, &path, None))).await;
    for answer in answers {
        assert_eq!(answer.expect(200)["missing"], json!([[1, 3]]));
    }
    assert_eq!(multiparts(&gateway).await.len(), 1);
    sent.send_again(&gateway).await;
    gateway.complete(&sent.id).await.expect(200);
    sent.assert_whole(&gateway).await;
}
