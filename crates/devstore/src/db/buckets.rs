//! Rows of buckets and their configurations.

use sqlx::SqliteConnection;

use super::{execute, now_ms};

#[derive(sqlx::FromRow)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) created_ms: i64,
}

/// A bucket's configuration document, kept as JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Document {
    Cors,
    Lifecycle,
    PublicAccessBlock,
}

/// Adds a bucket; `false` if it was there already.
pub(crate) async fn create(connection: &mut SqliteConnection, name: &str) -> sqlx::Result<bool> {
    let query = sqlx::query("INSERT INTO buckets (name, created_ms) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(name)
        .bind(now_ms());
    Ok(execute(connection, query).await? == 1)
}

pub(crate) async fn exists(connection: &mut SqliteConnection, name: &str) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM buckets WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

pub(crate) async fn list(connection: &mut SqliteConnection) -> sqlx::Result<Vec<Bucket>> {
    sqlx::query_as("SELECT name, created_ms FROM buckets ORDER BY name").fetch_all(connection).await
}

/// Whether the bucket holds an object or an open upload.
pub(crate) async fn in_use(connection: &mut SqliteConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1)")
        .bind(name)
        .fetch_one(connection)
        .await
}

pub(crate) async fn delete(connection: &mut SqliteConnection, name: &str) -> sqlx::Result<()> {
    execute(connection, sqlx::query("DELETE FROM buckets WHERE name = ?").bind(name)).await?;
    Ok(())
}

/// Replaces or removes a document; `false` if there is no such bucket.
pub(crate) async fn set_document(
    connection: &mut SqliteConnection,
    name: &str,
    document: Document,
    json: Option<&str>,
) -> sqlx::Result<bool> {
    let query = match document {
        Document::Cors => sqlx::query("UPDATE buckets SET cors = ? WHERE name = ?"),
        Document::Lifecycle => sqlx::query("UPDATE buckets SET lifecycle = ? WHERE name = ?"),
        // A table of its own, because data directories of older versions have no such column.
        Document::PublicAccessBlock => sqlx::query(
            "INSERT INTO public_access_blocks (document, bucket) SELECT ?, name FROM buckets WHERE name = ? \
             ON CONFLICT (bucket) DO UPDATE SET document = excluded.document",
        ),
    };
    Ok(execute(connection, query.bind(json).bind(name)).await? == 1)
}

/// `None`: no such bucket. `Some(None)`: no such document.
pub(crate) async fn document(
    connection: &mut SqliteConnection,
    name: &str,
    document: Document,
) -> sqlx::Result<Option<Option<String>>> {
    let query = match document {
        Document::Cors => sqlx::query_scalar("SELECT cors FROM buckets WHERE name = ?"),
        Document::Lifecycle => sqlx::query_scalar("SELECT lifecycle FROM buckets WHERE name = ?"),
        Document::PublicAccessBlock => sqlx::query_scalar(
            "SELECT document FROM buckets LEFT JOIN public_access_blocks ON bucket = name WHERE name = ?",
        ),
    };
    query.bind(name).fetch_optional(connection).await
}

/// Name and lifecycle of each bucket that has one.
pub(crate) async fn lifecycles(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as("SELECT name, lifecycle FROM buckets WHERE lifecycle IS NOT NULL ORDER BY name")
        .fetch_all(connection)
        .await
}
