//! Opening, closing, migrating.

use super::databases::open;
use super::*;

pub(super) async fn live_database_answers_a_ping(url: String) {
    open(&url, Migrations::Run).await.unwrap().ping().await.unwrap();
}

pub(super) async fn everything_survives_a_reopening(url: String) {
    let store = open(&url, Migrations::Run).await.unwrap();
    let completed = in_state(&store, upload(1), State::Completed).await;
    store.record_parts(completed.id, &[listed(1, "\"a\"")], NOW).await.unwrap();
    let expected = loaded(&store, completed.id).await;
    store.close().await;
    let store = open(&url, Migrations::Refuse).await.unwrap();
    assert_eq!(loaded(&store, completed.id).await, expected);
    assert_eq!(known_parts(&store, completed.id).await, [listed(1, "\"a\"")]);
}

pub(super) async fn empty_database_is_outdated_unless_it_may_be_migrated(url: String) {
    let refused = open(&url, Migrations::Refuse).await;
    assert!(matches!(refused, Err(StoreError::SchemaOutdated)), "{refused:?}");
    open(&url, Migrations::Run).await.unwrap().ping().await.unwrap();
}

pub(super) async fn several_gateways_may_migrate_at_once(url: String) {
    let openings = (0..4).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { open(&url, Migrations::Run).await.map(|_| ()) })
    });
    for opening in openings.collect::<Vec<_>>() {
        opening.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn url_that_is_not_a_database_is_told_without_its_password() {
    for url in
        ["mysql://me:hunter2@localhost/partgate", "postgres://me:hunter2", "postgres:me:hunter2", "hunter2"]
    {
        let refused = open(url, Migrations::Run).await.unwrap_err();
        assert!(matches!(refused, StoreError::Url(_)), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
    }
}
