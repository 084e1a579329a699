//! Addresses that lead nowhere, or elsewhere.

use axum::Router;
use futures_util::future::join_all;
use partgate_devstore::{DevStore, DevStoreConfig, Durability};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::harness::{ACCESS_KEY_ID, EMBEDDED_BUCKET, Gateway, SECRET_ACCESS_KEY, embedded_only};

/// Nobody listens there: below the ports that a system gives out, and of a service that died out.
const CLOSED: &str = "http://127.0.0.1:9";
/// A name that never has an address (<https://www.rfc-editor.org/rfc/rfc2606#section-2>).
const NOWHERE: &str = "https://storage.invalid:9000";

/// Serves until the set is dropped.
async fn serve(servers: &mut JoinSet<()>, router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// Another store, with a bucket of the same name and the same keys.
async fn twin(servers: &mut JoinSet<()>, data: &tempfile::TempDir) -> String {
    let config = DevStoreConfig {
        data_dir: data.path().to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        min_part_size_bytes: 1,
        durability: Durability::Process,
    };
    let store = DevStore::open(config).await.unwrap();
    store.ensure_bucket(EMBEDDED_BUCKET).await.unwrap();
    serve(servers, store.router()).await
}

#[tokio::test]
async fn endpoint_that_does_not_answer_is_named_and_nothing_else() {
    embedded_only!("what answers is no store, or another one");
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let mut servers = JoinSet::new();
    let page = serve(&mut servers, Router::new().fallback(async || "a page of something else")).await;
    let set_ups = [("a closed port", CLOSED), ("a host without address", NOWHERE), ("no store", &page)];
    let reports = set_ups.map(async |(name, endpoint)| {
        // Where clients go does not depend on where the gateway goes.
        let public = setup.clone().with("storage.public_endpoint", &gateway.store_url);
        (name, endpoint, public.with("storage.endpoint", endpoint).examine().await)
    });
    for (name, endpoint, report) in join_all(reports).await {
        report.assert_blames(name, &[Blame::bad("endpoint", &["storage.endpoint"])]);
        let found = &report.finding("endpoint").found;
        let host = endpoint.split("//").nth(1).unwrap();
        assert!(found.contains(host), "{name}: {found}");
        for skipped in ["credentials", "permission.create", "abort"] {
            assert_eq!(report.verdict_of(skipped), "skipped", "{name}: {skipped}");
        }
    }
}

#[tokio::test]
async fn public_endpoint_that_clients_cannot_use_is_named_and_nothing_else() {
    embedded_only!("what answers is no store, or another one");
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let mut servers = JoinSet::new();
    let data = tempfile::tempdir().unwrap();
    let page = serve(&mut servers, Router::new().fallback(async || "a page of something else")).await;
    let twin = twin(&mut servers, &data).await;
    let set_ups = [
        ("a closed port", CLOSED),
        ("a host without address", NOWHERE),
        ("no store", &page),
        ("another store", &twin),
    ];
    let reports = set_ups.map(async |(name, endpoint)| {
        (name, setup.clone().with("storage.public_endpoint", endpoint).examine().await)
    });
    for (name, report) in join_all(reports).await {
        report.assert_blames(name, &[Blame::bad("public_endpoint", &["storage.public_endpoint"])]);
        assert_eq!(report.verdict_of("credentials"), "good", "{name}: the gateway's own way is as it was");
    }
    healthy::assert_empty(&gateway).await;
}
