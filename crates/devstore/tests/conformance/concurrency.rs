//! Requests that race for one upload.

use futures_util::future::{join, join_all};
use tempfile::tempdir;

use crate::support::{OwnStore, PART, Space, blob_files, bytes, code, embedded, space};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_completes_of_one_upload_at_once_give_one_answer() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"once").await];
    let completes = (0..8).map(|_| space.completing(&key, &id, &parts).if_none_match("*").send());
    let answers: Vec<_> =
        join_all(completes).await.into_iter().map(|answer| answer.unwrap().e_tag.unwrap()).collect();
    assert!(answers.iter().all(|etag| *etag == answers[0]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_sent_in_parallel_are_put_together_in_order() {
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let bodies: Vec<Vec<u8>> = (0..4).map(|number| bytes(number, PART + number as usize)).collect();
    let uploads = (1..).zip(&bodies).map(|(number, body)| space.part(&key, &id, number, body));
    let parts = join_all(uploads).await;
    space.completing(&key, &id, &parts).send().await.unwrap();
    assert!(space.get(&key).await == bodies.concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_part_number_sent_many_times_at_once_keeps_one_body_whole() {
    if embedded("one_part_number_sent_many_times_at_once_keeps_one_body_whole").is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let bodies: Vec<Vec<u8>> = (0..8_u8).map(|writer| vec![writer; 100_000]).collect();
    join_all(bodies.iter().map(|body| space.part(&key, &id, 1, body))).await;
    assert_eq!(blob_files(dir.path()).len(), 1);
    let list = space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id).send().await.unwrap();
    let part = aws_sdk_s3::types::CompletedPart::builder()
        .part_number(1)
        .set_e_tag(list.parts()[0].e_tag.clone())
        .build();
    space.completing(&key, &id, &[part]).send().await.unwrap();
    assert!(bodies.contains(&space.get(&key).await));
    own.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complete_and_abort_at_once_have_one_winner_and_leave_nothing_else() {
    if embedded("complete_and_abort_at_once_have_one_winner_and_leave_nothing_else").is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    for round in 0..10 {
        let key = space.key(&round.to_string());
        let id = space.create(&key).await;
        let parts = [space.part(&key, &id, 1, b"x").await];
        let abort = space.s3.abort_multipart_upload().bucket(&space.bucket).key(&key).upload_id(&id);
        let (completed, aborted) = join(space.completing(&key, &id, &parts).send(), abort.send()).await;
        let outcome = (code(completed), code(aborted));
        let won = outcome == ("OK".to_owned(), "NoSuchUpload".to_owned());
        assert!(won || outcome == ("NoSuchUpload".to_owned(), "OK".to_owned()), "{outcome:?}");
        assert_eq!(space.exists(&key).await, won);
        assert_eq!(blob_files(dir.path()).len(), usize::from(won));
        space.s3.delete_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    }
    own.close().await;
}
