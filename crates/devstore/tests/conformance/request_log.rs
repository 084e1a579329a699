//! What tests can learn about the requests that a store got.

use crate::support::{embedded, space};

#[tokio::test]
async fn the_log_knows_which_parts_were_stored() {
    if embedded("the_log_knows_which_parts_were_stored").is_none() {
        return;
    }
    let space = space().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    for number in [2, 1, 2] {
        space.part(&key, &id, number, b"x").await;
    }
    let refused = space.presign_part(&key, &id, 3).header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    space.send_signed(&refused, b"not empty").await.assert_error(400, "BadDigest");
    let log = space.store().requests();
    assert_eq!(log.stored_parts(&id), [2, 1, 2]);
    assert!(log.count("UploadPart") >= 4);
    let entry = log.recent().into_iter().rfind(|entry| entry.s3_upload_id.as_ref() == Some(&id)).unwrap();
    assert_eq!((entry.operation, entry.part_number, entry.status), ("UploadPart", Some(3), 400));
    assert_eq!((entry.key, entry.size_bytes), (Some(key), Some(9)));
}
