//! Opening, closing, migrating.

use std::borrow::Cow;

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

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

/// An upload as it was written before there were owners and quotas.
const OLD_UPLOAD: &str = "INSERT INTO uploads (id, tenant, state, version, transfer, bucket, object_key, filename, \
    content_type, checksum_algorithm, metadata, overwrite, idempotency_key, size_bytes, part_size_bytes, created_at, \
    updated_at, expires_at) VALUES ('00000000-0000-0000-0000-000000000001', 'default', 'open', 2, 'multipart', 'b', \
    'k', 'f', 't', 'none', '{}', false, 'key', 700, 10, 1, 1, 1)";

fn before_access(migrations: &Migrator) -> Migrator {
    let older = migrations.iter().filter(|migration| migration.description != "access").cloned().collect();
    Migrator { migrations: Cow::Owned(older), ..Migrator::DEFAULT }
}

pub(super) async fn older_uploads_have_no_owner_and_count_for_quotas(url: String) {
    if DatabaseKind::of(&url) == Some(DatabaseKind::Sqlite) {
        let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        before_access(&super::sqlite::MIGRATIONS).run(&mut connection).await.unwrap();
        connection.execute(OLD_UPLOAD).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        before_access(&super::postgres::MIGRATIONS).run(&mut connection).await.unwrap();
        connection.execute(OLD_UPLOAD).await.unwrap();
    }
    let store = open(&url, Migrations::Run).await.unwrap();
    let old = store.find_by_idempotency_key("default", None, &name("key").unwrap()).await.unwrap().unwrap();
    assert_eq!((old.id.0.as_u128(), old.spec.owner), (1, None));
    let quota = Quota { max_bytes_in_flight: Some(700), ..Quota::default() };
    let over = OverQuota { limit: Limit::BytesInFlight, max: 700, used: 700 };
    assert_eq!(store.insert(&upload(2), &quota).await.unwrap(), InsertOutcome::OverQuota(over));
}

pub(super) async fn owner_without_a_name_is_refused(url: String) {
    let store = open(&url, Migrations::Run).await.unwrap();
    let nobody = upload_with(1, |spec| spec.owner = Some(String::new()));
    let refused = store.insert(&nobody, &Quota::default()).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
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
