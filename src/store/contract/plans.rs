//! The queries that every request or sweep makes are answered by an index, not by reading the whole table.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};

use super::databases::{open, postgres, sqlite};
use super::*;

/// A query with the values that PostgreSQL plans it for.
type Hot = (&'static str, &'static str);

const ID: &str = "md5('7')::uuid";

/// What both databases are asked in the same words.
fn shared() -> Vec<Hot> {
    vec![
        (sql::LOAD, ID),
        (
            sql::UPDATE,
            "md5('7')::uuid, 1, 'open', 2, 1, '', '', '', 1, '', '', '', 1, '', '', 1, '', '', 1, false, 1",
        ),
        (sql::EXTEND_URLS, "md5('7')::uuid, 1"),
        (sql::FIND_BY_IDEMPOTENCY_KEY, "'tenant-3', '', 'key-3'"),
        (sql::FIND_BY_FINGERPRINT, "'tenant-3', '', 'print-3', 1"),
        (page(None, None), "'tenant-3', md5('7')::uuid, 100"),
        (page(None, Some(State::Open)), "'tenant-3', md5('7')::uuid, 100, 'open', 1"),
        (page(None, Some(State::Completed)), "'tenant-3', md5('7')::uuid, 100, 'completed'"),
        (page(None, Some(State::Expired)), "'tenant-3', md5('7')::uuid, 100, 'expired', 1"),
        (page(Some("o"), None), "'tenant-3', md5('7')::uuid, 100, NULL, NULL, 'owner-3'"),
        (page(Some("o"), Some(State::Open)), "'tenant-3', md5('7')::uuid, 100, 'open', 1, 'owner-3'"),
        (sql::DUE, "100, 200"),
        (sql::LOOKED, "md5('7')::uuid, 1, 1, false"),
        (sql::POSTPONE, "md5('7')::uuid, 1, 1, 1"),
        (sql::LEASE, "md5('7')::uuid, 1, 1, 1, 1"),
        (sql::COUNT_FINISHED, "100"),
        (sql::PARTS, ID),
        (sql::IN_USE, "'tenant-3'"),
        (sql::RESERVED, ID),
        (sql::RAISE, "md5('7')::uuid, 1, 2"),
        (sql::COUNTED, "'counter-3'"),
        (sql::FORGET_COUNTERS, "100"),
        (sql::KEY, "'key-3'"),
        (sql::KEY_USED, "'key-3', 2, 1"),
        (sql::HAS_UPLOADS, "'tenant-3'"),
        (sql::HAS_UPLOADS, "'nobody'"),
    ]
}

fn page(owner: Option<&str>, state: Option<State>) -> &'static str {
    sql::page(&ListFilter { owner: owner.map(str::to_owned), state, ..filter(100) })
}

/// A step that reads a whole table.
fn scans(step: &str) -> bool {
    TABLES.iter().any(|table| {
        step.contains(&format!("Seq Scan on {table}")) || step.contains(&format!("SCAN {table}"))
    })
}

const TABLES: [&str; 5] = ["uploads", "parts", "progress", "counters", "api_keys"];

#[tokio::test]
async fn hot_queries_of_sqlite_use_an_index() {
    let (url, _dir) = sqlite::url().await.unwrap();
    open(&url, Migrations::Run).await.unwrap();
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let own = [super::sqlite::CLAIM, super::sqlite::OWNERS, super::sqlite::FORGET];
    let of_parts = super::sqlite::OF_PARTS;
    for sql in shared().into_iter().map(|(sql, _)| sql).chain(own).chain(of_parts) {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        assert!(!plan.iter().any(|step| scans(step)), "{sql}\n{plan:#?}");
        if sql == sql::IN_USE {
            assert!(plan.iter().any(|step| step.contains("COVERING INDEX uploads_in_use")), "{plan:#?}");
        }
    }
}

/// As many rows as make the planner think twice: few are due, and the owner of a key, an id, a page are few of many.
const ROWS: &str = "
    INSERT INTO uploads (id, tenant, state, version, transfer, bucket, object_key, filename, content_type,
        checksum_algorithm, metadata, overwrite, fingerprint, idempotency_key, size_bytes, part_size_bytes,
        s3_upload_id, created_at, updated_at, expires_at, sweep_at, owner, reserved_bytes)
    SELECT md5(n::text)::uuid, 'tenant-' || n % 20, (ARRAY['open', 'completed', 'aborted', 'failed'])[1 + n % 4], 1,
        'multipart', 'b', 'k', 'f', 't', 'none', '{}', false, 'print-' || n, 'key-' || n, 1, 1, 's3-' || n, n, n, n,
        CASE n % 4 WHEN 0 THEN n END, CASE n % 3 WHEN 0 THEN 'owner-' || n % 500 END, 1
    FROM generate_series(1, 20000) n;
    INSERT INTO parts (upload_id, number, size_bytes, recorded_at, evidence)
    SELECT md5(n::text)::uuid, number, 1, 1, 'listed' FROM generate_series(1, 400) n, generate_series(1, 50) number;
    INSERT INTO progress (upload_id, received)
    SELECT md5(n::text)::uuid, B'11111111' FROM generate_series(1, 20000) n;
    INSERT INTO counters SELECT 'counter-' || n, 1, 1, n FROM generate_series(1, 20000) n;
    INSERT INTO api_keys (id, name, roles, secret_hash, created_at)
    SELECT 'key-' || n, 'n', 'upload', 'h', n FROM generate_series(1, 20000) n";

#[tokio::test]
async fn hot_queries_of_postgresql_use_an_index() {
    let Some((url, ())) = postgres::url().await else { return };
    open(&url, Migrations::Run).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute(ROWS).await.unwrap();
    // Not only for the statistics: an index alone answers what vacuum has seen.
    connection.execute("VACUUM ANALYZE").await.unwrap();
    let parts = "md5('7')::uuid, 2, 2, '{1,2}', '{1,1}', '{a,b}', '{NULL,NULL}', '{listed,listed}'";
    let recorded = "md5('7')::uuid, 2, B'11000000', '{1,2}', '{1,1}', '{a,b}', '{NULL,NULL}', '{listed,listed}', B'11000000'";
    let own = [
        (super::postgres::CLAIM, "100, 200, 200"),
        (super::postgres::OWNERS, "ARRAY[md5('7')::uuid, md5('8')::uuid], ARRAY['s3-9', 's3-10']"),
        (super::postgres::FORGET, "100, 50"),
        (super::postgres::RECORD, recorded),
        (super::postgres::HOLD, ID),
        (super::postgres::REPLACE, parts),
        (super::postgres::RECOUNT, ID),
    ];
    for (sql, values) in shared().into_iter().chain(own) {
        // The types of what a list does not ask about cannot be inferred.
        let types = if sql.contains("owner = $6") { "(text, uuid, bigint, text, bigint, text)" } else { "" };
        connection.execute(AssertSqlSafe(format!("PREPARE hot{types} AS {sql}"))).await.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE hot ({values})"));
        let steps = connection.fetch_all(sqlx::raw_sql(explain)).await.unwrap();
        connection.execute("DEALLOCATE hot").await.unwrap();
        let plan: Vec<String> = steps.iter().map(|step| step.get(0)).collect();
        assert!(!plan.iter().any(|step| scans(step)), "{sql}\n{plan:#?}");
        if sql == sql::IN_USE {
            assert!(
                plan.iter().any(|step| step.contains("Index Only Scan using uploads_in_use")),
                "{plan:#?}"
            );
        }
    }
}
