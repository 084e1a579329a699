//! Opening, closing, migrating.

use std::borrow::Cow;

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

use super::databases::open;
use super::progress::progress;
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

/// The migrations before the one that is called so.
fn before(name: &str, migrations: &Migrator) -> Migrator {
    let older = migrations.iter().take_while(|migration| migration.description != name).cloned().collect();
    Migrator { migrations: Cow::Owned(older), ..Migrator::DEFAULT }
}

/// Opens a database in which something was written before the migration that is called so.
async fn opened_with_old(url: &str, migration: &str, sql: &'static str) -> Store {
    if DatabaseKind::of(url) == Some(DatabaseKind::Sqlite) {
        let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        before(migration, &super::sqlite::MIGRATIONS).run(&mut connection).await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        before(migration, &super::postgres::MIGRATIONS).run(&mut connection).await.unwrap();
        connection.execute(sql).await.unwrap();
    }
    open(url, Migrations::Run).await.unwrap()
}

/// Uploads, the second without parts, and parts as they were written before their sum was kept.
const OLD_PARTS: &str = "INSERT INTO uploads (id, tenant, state, version, transfer, bucket, object_key, filename, \
    content_type, checksum_algorithm, metadata, overwrite, part_size_bytes, created_at, updated_at, expires_at) VALUES \
    ('00000000-0000-0000-0000-000000000001', 'd', 'open', 2, 'multipart', 'b', 'k', 'f', 't', 'none', '{}', false, 10, 1, 1, 1), \
    ('00000000-0000-0000-0000-000000000002', 'd', 'open', 2, 'multipart', 'b', 'k', 'f', 't', 'none', '{}', false, 10, 1, 1, 1), \
    ('00000000-0000-0000-0000-000000000003', 'd', 'open', 2, 'multipart', 'b', 'k', 'f', 't', 'none', '{}', false, 10, 1, 1, 1); \
    INSERT INTO parts (upload_id, number, size_bytes, recorded_at, evidence) VALUES \
    ('00000000-0000-0000-0000-000000000001', 1, 10, 1, 'reported'), \
    ('00000000-0000-0000-0000-000000000001', 2, 10, 1, 'mismatched'), \
    ('00000000-0000-0000-0000-000000000001', 8, 10, 1, 'listed'), \
    ('00000000-0000-0000-0000-000000000001', 9, 7, 1, 'listed'), \
    ('00000000-0000-0000-0000-000000000001', 30, 4, 1, 'mismatched'), \
    ('00000000-0000-0000-0000-000000000003', 10000, 10, 1, 'listed'), \
    ('00000000-0000-0000-0000-000000000003', 5000, 10, 1, 'reported')";

pub(super) async fn older_parts_are_counted(url: String) {
    let store = opened_with_old(&url, "progress", OLD_PARTS).await;
    let expected = [(vec![1, 8, 9], 27), (vec![], 0), (vec![5_000, 10_000], 20)];
    for (id, (numbers, total_bytes)) in (1..).map(|id| UploadId(Uuid::from_u128(id))).zip(expected) {
        let numbers = numbers.into_iter().filter_map(PartNumber::new).collect();
        assert_eq!(store.received(id).await.unwrap(), ReceivedParts { numbers, total_bytes });
        // Over what the migration wrote.
        let recorded = store.record_parts(id, &[part(2), part(9)], NOW).await.unwrap().unwrap();
        assert_eq!(recorded.received, progress(&store, id).await);
    }
}

pub(super) async fn older_uploads_have_no_owner_and_count_for_quotas(url: String) {
    let store = opened_with_old(&url, "access", OLD_UPLOAD).await;
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
