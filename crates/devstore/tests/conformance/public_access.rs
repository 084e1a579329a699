//! The public access block of a bucket.

use aws_sdk_s3::types::PublicAccessBlockConfiguration;

use crate::support::{code, space};

#[tokio::test]
async fn block_comes_back_and_can_be_deleted() {
    let space = space().await;
    let get = || space.s3.get_public_access_block().bucket(&space.bucket).send();
    let delete = || space.s3.delete_public_access_block().bucket(&space.bucket).send();
    delete().await.unwrap();
    assert_eq!(code(get().await), "NoSuchPublicAccessBlockConfiguration");
    for is_blocked in [true, false] {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(is_blocked)
            .block_public_policy(true)
            .ignore_public_acls(false)
            .restrict_public_buckets(true)
            .build();
        let put = space.s3.put_public_access_block().bucket(&space.bucket);
        assert_eq!(code(put.public_access_block_configuration(block.clone()).send().await), "OK");
        assert_eq!(get().await.unwrap().public_access_block_configuration(), Some(&block));
    }
    delete().await.unwrap();
    assert_eq!(code(get().await), "NoSuchPublicAccessBlockConfiguration");
}

#[tokio::test]
async fn bucket_that_is_not_there_has_none() {
    let space = space().await;
    let missing = space.s3.get_public_access_block().bucket("there-is-no-such-bucket").send().await;
    assert_eq!(code(missing), "NoSuchBucket");
    let block = PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    let put = space.s3.put_public_access_block().bucket("there-is-no-such-bucket");
    assert_eq!(code(put.public_access_block_configuration(block).send().await), "NoSuchBucket");
}
