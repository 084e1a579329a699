//! An empty database for each test.

use super::*;

pub(super) const CONNECTIONS: u32 = 8;

pub(super) async fn open(url: &str, migrations: Migrations) -> Result<Store, StoreError> {
    Store::open(url, CONNECTIONS, migrations).await
}

pub(super) mod sqlite {
    use tempfile::TempDir;

    use super::*;

    #[expect(clippy::unused_async, reason = "as on the other databases")]
    pub(in super::super) async fn url() -> Option<(String, TempDir)> {
        let dir = tempfile::tempdir().unwrap();
        Some((format!("sqlite://{}", dir.path().join("gateway.db").display()), dir))
    }

    pub(in super::super) async fn store() -> Option<(Store, TempDir)> {
        let (url, dir) = url().await?;
        Some((open(&url, Migrations::Run).await.unwrap(), dir))
    }
}

pub(super) mod postgres {
    use partgate_testkit::Postgres;

    use super::*;

    pub(in super::super) async fn url() -> Option<(String, ())> {
        Some((Postgres::shared()?.create_database().await, ()))
    }

    pub(in super::super) async fn store() -> Option<(Store, ())> {
        let (url, ()) = url().await?;
        Some((open(&url, Migrations::Run).await.unwrap(), ()))
    }
}

/// The plain value of the model, which has no URL.
pub(super) mod model {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::Port;
    use crate::store::model::{ModelStore, Tables};

    pub(in super::super) async fn url() -> Option<(String, ())> {
        None
    }

    pub(in super::super) async fn store() -> Option<(Store, ())> {
        let tables = Arc::new(Mutex::new(Tables::default()));
        Some((Store::Model(ModelStore::new(Port::direct(tables))), ()))
    }
}
