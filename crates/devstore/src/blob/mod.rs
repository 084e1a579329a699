//! The files that hold the bytes: one per part or object put in one piece, never changed once written.

mod reader;
mod reclaim;
mod writer;

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use partgate_md5::Md5;
pub(crate) use reader::Slice;
pub(crate) use reclaim::ReadGuard;
pub(crate) use writer::{BlobWriter, Expected, NewBlob, WriteError};

use crate::checksum::Algorithm;
use crate::config::Durability;
use crate::error::OpenError;
use reclaim::Reclaimer;

/// The directory of blob files.
#[derive(Clone, Debug)]
pub(crate) struct BlobStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// Kept open to be synced: a new file survives a power cut only once its directory entry does.
    dir_handle: File,
    durability: Durability,
    reclaimer: Reclaimer,
    md5: Md5,
    /// Held while the store is open: a second process would take this one's unfinished files for orphans.
    lock: Mutex<Option<File>>,
}

impl BlobStore {
    /// Opens the blobs of a data directory, and keeps other processes out of it.
    pub(crate) async fn open(data_dir: &Path, durability: Durability) -> Result<Self, OpenError> {
        let lock_path = data_dir.join("lock");
        let dir = data_dir.join("blobs");
        let failed = dir.clone();
        let opened = blocking(move || {
            let lock = File::create(lock_path)?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            std::fs::create_dir_all(&dir)?;
            let dir_handle = File::open(&dir)?;
            let (reclaimer, md5, lock) = (Reclaimer::default(), Md5::start()?, Mutex::new(Some(lock)));
            Ok(Some(Inner { dir, dir_handle, durability, reclaimer, md5, lock }))
        });
        match opened.await {
            Ok(Some(inner)) => Ok(Self { inner: Arc::new(inner) }),
            Ok(None) => Err(OpenError::InUse { path: data_dir.to_owned() }),
            Err(source) => Err(OpenError::Directory { path: failed, source }),
        }
    }

    /// Lets other processes in.
    pub(crate) fn unlock(&self) {
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Starts a new file. `wanted` is hashed besides MD5 and CRC-64/NVME.
    pub(crate) fn writer(&self, wanted: Option<Algorithm>) -> BlobWriter {
        BlobWriter::start(self.inner.clone(), wanted)
    }

    /// Announces a read. Files retired from now on stay until the guard is dropped, so take it before
    /// looking up which files to read.
    pub(crate) fn begin_read(&self) -> ReadGuard {
        ReadGuard::new(self.inner.clone())
    }

    /// Streams slices of files, one after the other.
    pub(crate) fn read(&self, slices: Vec<Slice>, guard: ReadGuard) -> s3s::dto::StreamingBlob {
        reader::stream(self.inner.dir.clone(), slices, guard)
    }

    /// Removes files that no row refers to any more, at once or when the last reader has gone.
    pub(crate) async fn retire(&self, files: Vec<String>) {
        let removable = self.inner.reclaimer.retire(files);
        let inner = self.inner.clone();
        let removal = blocking(move || {
            inner.remove(&removable);
            Ok(())
        });
        if let Err(error) = removal.await {
            tracing::warn!(target: "devstore", %error, "files were left behind; the next open removes them");
        }
    }

    /// Removes every file that is not `known`: what a crash left between a file and its row.
    pub(crate) async fn remove_orphans(&self, known: HashSet<String>) -> io::Result<usize> {
        let inner = self.inner.clone();
        blocking(move || {
            let mut orphans = Vec::new();
            for entry in std::fs::read_dir(&inner.dir)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if !known.contains(&name) {
                    orphans.push(name);
                }
            }
            inner.remove(&orphans);
            Ok(orphans.len())
        })
        .await
    }
}

impl Inner {
    fn remove(&self, files: &[String]) {
        for file in files {
            if let Err(error) = std::fs::remove_file(self.dir.join(file)) {
                tracing::warn!(target: "devstore", file, %error, "a file could not be removed");
            }
        }
    }
}

/// Runs blocking file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
