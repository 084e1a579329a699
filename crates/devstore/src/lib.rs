//! An embedded S3-compatible store for `partgate dev` and for tests. Not production storage.
//!
//! [`DevStore::open`] opens a data directory, [`DevStore::router`] is the S3 endpoint, to be served with
//! `axum::serve`. The README says what it can do and how to run its conformance suite against other stores.

mod backend;
mod blob;
mod checksum;
mod config;
mod db;
mod error;
mod http;
mod lifecycle;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;

pub use crate::config::{DevStoreConfig, Durability, S3_MIN_PART_SIZE_BYTES};
pub use crate::error::{OpenError, StoreError};
pub use crate::http::{LoggedRequest, RequestLog};

use crate::backend::Backend;
use crate::blob::BlobStore;
use crate::db::Database;

/// A handle to an open store; clones share it.
#[derive(Clone, Debug)]
pub struct DevStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: DevStoreConfig,
    backend: Backend,
    requests: RequestLog,
}

impl DevStore {
    /// Opens the store in `config.data_dir`, which is made if absent, and removes what a crash left over.
    ///
    /// # Errors
    /// The directory cannot be used, or another process has it open.
    pub async fn open(config: DevStoreConfig) -> Result<Self, OpenError> {
        let blobs_dir = config.data_dir.join("blobs");
        let directory = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Directory { path, source }
        };
        tokio::fs::create_dir_all(&config.data_dir).await.map_err(directory(&config.data_dir))?;
        let blobs = BlobStore::open(&config.data_dir, config.durability).await?;
        let file = config.data_dir.join("devstore.db");
        let database = |source| OpenError::Database { path: file.clone(), source };
        let db = Database::open(&file, config.durability).await.map_err(database)?;
        let known = db.files().await.map_err(database)?;
        let orphans = blobs.remove_orphans(known).await.map_err(directory(&blobs_dir))?;
        if orphans > 0 {
            tracing::info!(target: "devstore", orphans, "removed files that a crash left without a row");
        }
        let backend = Backend {
            db,
            blobs,
            region: config.region.clone(),
            min_part_size_bytes: config.min_part_size_bytes,
        };
        Ok(Self { inner: Arc::new(Inner { config, backend, requests: RequestLog::default() }) })
    }

    /// Makes the bucket unless it is there already. A new one lets any web page GET, PUT and HEAD, and read
    /// ETag and checksums; change that with PutBucketCors.
    ///
    /// # Errors
    /// The name is not one that S3 allows, or the database failed.
    pub async fn ensure_bucket(&self, name: &str) -> Result<(), StoreError> {
        backend::ensure(&self.inner.backend, name).await
    }

    /// The S3 endpoint, path-style, with CORS and a request log (tracing target `devstore`).
    pub fn router(&self) -> Router {
        http::router(self.inner.backend.clone(), &self.inner.config, self.inner.requests.clone())
    }

    /// What was asked of the store since it was opened.
    #[must_use]
    pub fn requests(&self) -> RequestLog {
        self.inner.requests.clone()
    }

    /// Executes every bucket's AbortIncompleteMultipartUpload rules as of `now`; returns how many uploads
    /// were aborted.
    ///
    /// # Errors
    /// The database failed; uploads of the buckets before are aborted then.
    pub async fn run_lifecycle(&self, now: SystemTime) -> Result<usize, StoreError> {
        lifecycle::run(&self.inner.backend, now).await
    }

    /// Runs the lifecycle now and then every `interval`, for ever: spawn it.
    pub async fn run_lifecycle_every(&self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        loop {
            ticks.tick().await;
            if let Err(error) = self.run_lifecycle(SystemTime::now()).await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(target: "devstore", error, "the lifecycle run failed; the next one tries again");
            }
        }
    }

    /// Closes the database and gives the directory free. Call it when the server has stopped: requests
    /// that come later fail.
    pub async fn close(&self) {
        self.inner.backend.db.close().await;
        self.inner.backend.blobs.unlock();
    }
}
