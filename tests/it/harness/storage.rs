//! A look into the store past the gateway (and past a proxy of faults), with a plain S3 client.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};

use super::{ACCESS_KEY_ID, Gateway, SECRET_ACCESS_KEY};

/// A client of a store.
pub(crate) fn client(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests"))
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// A client of the gateway's store that does not know the gateway.
pub(crate) fn s3(gateway: &Gateway) -> Client {
    client(&gateway.store_url)
}

/// The keys of all objects in storage.
pub(crate) async fn objects(gateway: &Gateway) -> Vec<String> {
    let listed = s3(gateway).list_objects_v2().bucket(&gateway.bucket).send().await.unwrap();
    listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

/// All multipart uploads in storage: key and S3 upload id.
///
/// MinIO lists by exact key only (without one it tells what this process of it remembers), so the keys of all
/// uploads are asked for too.
pub(crate) async fn multiparts(gateway: &Gateway) -> Vec<(String, String)> {
    let page = gateway.get("/upload?limit=1000").await.expect(200);
    let keys = page["uploads"].as_array().unwrap().iter().map(|upload| upload["key"].as_str().unwrap());
    let mut found = BTreeSet::new();
    for prefix in keys.chain([""]) {
        let request = s3(gateway).list_multipart_uploads().bucket(&gateway.bucket).prefix(prefix);
        for upload in request.send().await.unwrap().uploads() {
            found.insert((upload.key().unwrap().to_owned(), upload.upload_id().unwrap().to_owned()));
        }
    }
    found.into_iter().collect()
}

/// Takes all multipart uploads out of storage behind the gateway's back, as a lifecycle rule does.
pub(crate) async fn reap(gateway: &Gateway) {
    for (key, id) in multiparts(gateway).await {
        let reaped = s3(gateway).abort_multipart_upload().bucket(&gateway.bucket).key(key).upload_id(id);
        reaped.send().await.unwrap();
    }
}
