//! The database, and what the bucket has of uploads that nobody wants.

use std::borrow::Cow;

use futures_util::future::join_all;
use partgate_testkit::Postgres;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, SqliteConnection};

use super::*;
use crate::harness::{Gateway, embedded_only, multiparts, s3};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// A database whose schema is of an older version.
async fn older_database(file: &std::path::Path) -> String {
    let url = format!("sqlite://{}", file.display());
    let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let older = MIGRATIONS.migrations[..2].to_vec();
    let older = Migrator { migrations: Cow::Owned(older), ..Migrator::DEFAULT };
    older.run_direct(None, &mut connection, false).await.unwrap();
    connection.close().await.unwrap();
    url
}

#[tokio::test]
async fn database_that_cannot_be_used_is_named() {
    embedded_only!("the database is the same whatever the store is");
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("sqlite://{}", folder.path().join("no/such/folder/partgate.db").display());
    let rubbish = folder.path().join("rubbish.db");
    std::fs::write(&rubbish, "no database, but long enough to be taken for the head of one".repeat(9))
        .unwrap();
    let set_ups = [
        ("a closed port", "postgres://partgate:hunter2@127.0.0.1:9/partgate".to_owned(), "database"),
        (
            "a host without address",
            "postgres://partgate:hunter2@database.invalid/partgate".to_owned(),
            "database",
        ),
        ("no such folder", nowhere, "database"),
        ("a file of something else", format!("sqlite://{}", rubbish.display()), "database"),
        ("an older schema", older_database(&folder.path().join("older.db")).await, "partgate migrate"),
    ];
    let reports = set_ups.map(async |(name, database, mend)| {
        let output = setup.clone().with("database", database).run(&["doctor", "--json"]).await;
        assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"), "{name}");
        (name, mend, Report::of(&output))
    });
    for (name, mend, report) in join_all(reports).await {
        report.assert_blames(name, &[Blame::bad("database", &[mend])]);
        assert_eq!(report.verdict_of("orphans"), "skipped", "{name}: which are wanted is not known");
        assert_eq!(report.verdict_of("permission.create"), "good", "{name}: storage is as it was");
    }
    healthy::assert_empty(&gateway).await;
}

#[tokio::test]
async fn examination_does_not_touch_the_schema() {
    embedded_only!("the database is the same whatever the store is");
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let older = older_database(&folder.path().join("older.db")).await;
    let setup = healthy::bucket_of(&gateway).await.with("database", &older);
    setup.examine().await;
    let mut connection = SqliteConnection::connect(&older).await.unwrap();
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
    assert_eq!(applied, 2);
    // One that is not there is no fault of anybody's before the first start, and is not made.
    let new = folder.path().join("new.db");
    let report = setup.with("database", format!("sqlite://{}", new.display())).examine().await;
    let finding = report.finding("database");
    assert!(finding.mend.contains("partgate migrate"), "{finding:?}");
    assert!(!new.exists());
}

#[tokio::test]
async fn postgresql_is_looked_at_too() {
    embedded_only!("the database is the same whatever the store is");
    let Some(server) = Postgres::shared() else { return };
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await.with("database", server.create_database().await);
    let empty = setup.examine().await;
    empty.assert_blames("an empty database", &[Blame::bad("database", &["partgate migrate"])]);
    assert_eq!(setup.run(&["migrate"]).await.status.code(), Some(0));
    let report = setup.examine().await;
    report.assert_blames("a migrated database", &[]);
    assert!(report.finding("database").found.contains("PostgreSQL"));
}

#[tokio::test]
async fn multipart_uploads_that_nobody_wants_are_counted() {
    embedded_only!("the age of a multipart upload is changed in the store's own database");
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let upload =
        |key: &'static str| s3(&gateway).create_multipart_upload().bucket(&gateway.bucket).key(key).send();
    let old = upload("old.bin").await.unwrap().upload_id.unwrap();
    upload("young.bin").await.unwrap();
    let file = format!("sqlite://{}", gateway.data.path().join("store/devstore.db").display());
    let mut store = SqliteConnection::connect(&file).await.unwrap();
    let aged =
        sqlx::query("UPDATE uploads SET initiated_ms = initiated_ms - 9 * 86400000 WHERE s3_upload_id = $1");
    aged.bind(old).execute(&mut store).await.unwrap();

    let before = multiparts(&gateway).await;
    let report = setup.examine().await;
    report.assert_blames("an orphan", &[Blame::warning("orphans", &["sweep.orphans"])]);
    let found = &report.finding("orphans").found;
    assert!(found.contains("1 in no database of ours"), "{found}");
    assert_eq!(multiparts(&gateway).await, before, "looking is all that the doctor does");
}
