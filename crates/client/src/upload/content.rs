//! Bytes that can be read again, and what they are known by.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use partgate_api::ChecksumAlgorithm;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio::sync::oneshot;

use super::Job;
use super::session::DEFAULT_PART_SIZE_BYTES;
use crate::error::Error;
use crate::fingerprint::{Purpose, fingerprint, for_purpose};
use crate::record::Stamp;
use crate::source::{SharedFile, Slice, Source};

/// Bytes to upload.
pub(super) struct Content {
    pub(super) source: Source,
    pub(super) size_bytes: u64,
    pub(super) filename: String,
    /// As given, for messages.
    pub(super) path: PathBuf,
    /// `None` for memory: it does not change, and is not found again.
    identity: Option<Identity>,
}

/// What a file is known by.
struct Identity {
    absolute_path: PathBuf,
    stamp: Stamp,
    /// Of content and purpose.
    fingerprint: String,
    content_fingerprint: String,
}

/// Opens a file and reads what it is known by. Blocks.
pub(super) fn open(path: &Path, purpose: Purpose<'_>) -> io::Result<Content> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let filename = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy().into_owned();
    let source = Source::File(Arc::new(SharedFile::new(file)));
    let size_bytes = metadata.len();
    let content_fingerprint = fingerprint(&source, size_bytes)?;
    let identity = Identity {
        absolute_path: path.canonicalize()?,
        stamp: Stamp::of(&metadata),
        fingerprint: for_purpose(&content_fingerprint, purpose),
        content_fingerprint,
    };
    Ok(Content { source, size_bytes, filename, path: path.to_owned(), identity: Some(identity) })
}

impl Content {
    pub(super) fn from_memory(filename: String, bytes: Bytes) -> Self {
        let size_bytes = bytes.len() as u64;
        let path = PathBuf::from(&filename);
        Self { source: Source::Memory(bytes), size_bytes, filename, path, identity: None }
    }

    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.fingerprint.as_str())
    }

    pub(super) fn content_fingerprint(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.content_fingerprint.as_str())
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.identity.as_ref().map(|identity| identity.stamp)
    }

    pub(super) fn absolute_path(&self) -> Option<&Path> {
        self.identity.as_ref().map(|identity| identity.absolute_path.as_path())
    }

    /// The file has the size and the time that it had when it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        let (Source::File(file), Some(before)) = (&self.source, self.stamp()) else { return Ok(()) };
        let metadata = file.metadata().map_err(|source| self.unreadable(source))?;
        if Stamp::of(&metadata) != before {
            return Err(self.changed("it was modified while it was uploaded"));
        }
        Ok(())
    }

    pub(super) fn changed(&self, detail: &str) -> Error {
        Error::FileChanged { path: self.path.clone(), detail: detail.to_owned() }
    }

    pub(super) fn unreadable(&self, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.changed("it is shorter now"),
            _ => Error::FileUnreadable { path: self.path.clone(), source },
        }
    }

    fn whole(&self) -> Slice {
        Slice { source: self.source.clone(), offset: 0, len_bytes: self.size_bytes }
    }
}

/// The checksum of a file that will be one part, so that init can sign it: `None` for others.
pub(super) async fn hash_if_one_part(job: &Job, content: &Content) -> Result<Option<String>, Error> {
    let algorithm = job.options.checksum;
    let part_size_bytes = job.options.part_size_bytes.unwrap_or(DEFAULT_PART_SIZE_BYTES);
    let one_part = (1..=part_size_bytes).contains(&content.size_bytes);
    if !one_part || algorithm == ChecksumAlgorithm::None {
        return Ok(None);
    }
    let whole = content.whole();
    let hashed = blocking(move || whole.hash(algorithm, &|| false)).await;
    hashed.map(Some).map_err(|source| content.unreadable(source))
}

/// The whole file's SHA-256, computed while parts are being sent.
pub(super) struct WholeHash {
    task: tokio::sync::Mutex<Option<oneshot::Receiver<io::Result<String>>>>,
    value: OnceCell<String>,
    stop: Arc<AtomicBool>,
}

impl Drop for WholeHash {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl WholeHash {
    pub(super) fn start(content: &Content) -> Self {
        let whole = content.whole();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (sender, receiver) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let mut hasher = Sha256::new();
            let read =
                whole.for_each_chunk(&|| stopped.load(Ordering::Relaxed), |chunk| hasher.update(chunk));
            // Nobody listens any more when the upload was cancelled.
            let _ = sender.send(read.map(|()| hex::encode(hasher.finalize())));
        });
        Self { task: tokio::sync::Mutex::new(Some(receiver)), value: OnceCell::new(), stop }
    }

    /// The hash (hex), when it is there.
    pub(super) async fn get(&self, content: &Content) -> Result<String, Error> {
        let hash = async || match self.task.lock().await.take() {
            Some(task) => task.await.map_err(io::Error::other).flatten(),
            None => Err(io::Error::other("hashing failed before")),
        };
        self.value.get_or_try_init(hash).await.cloned().map_err(|source| content.unreadable(source))
    }
}

/// Runs what blocks on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten()
}
