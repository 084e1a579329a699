//! Writes a body to a new file: checksummed and written on a blocking thread that a short queue feeds, while the threads
//! of [`Md5`](partgate_md5::Md5) hash it.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Inner;
use crate::checksum::{Algorithm, BodyDigests, BodyHasher, Checksum};
use crate::config::Durability;

/// Chunks between the socket and the disk. hyper's are at most about 400 KiB, so a request holds
/// a few MiB at most however long its body.
const QUEUE: usize = 8;

/// So many bytes are written at once: the page cache takes large writes in large pages.
const WRITE_BYTES: usize = 512 * 1024;
/// … or so many chunks: a client that sends a byte at a time must not make half a million of them wait.
const WRITE_CHUNKS: usize = 64;

/// A file in the making. Dropped or cut off before [`finish`](Self::finish), it leaves nothing behind.
pub(crate) struct BlobWriter {
    queue: mpsc::Sender<Message>,
    task: JoinHandle<Result<NewBlob, WriteError>>,
}

/// A complete, synced file that no row refers to yet: it is removed again unless kept.
#[derive(Debug)]
pub(crate) struct NewBlob {
    inner: Arc<Inner>,
    file: String,
    size_bytes: u64,
    digests: BodyDigests,
    kept: bool,
}

/// What the sender said of the body; checked before the file can be kept.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) size_bytes: Option<u64>,
    pub(crate) md5: Option<Vec<u8>>,
    pub(crate) checksum: Option<Checksum>,
}

/// Why a body did not become a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the file could not be written")]
    Files(#[from] io::Error),
    #[error("the body was cut off")]
    Incomplete,
    #[error("the body does not match its Content-MD5")]
    Md5,
    #[error("the body does not match its {}", .0.name())]
    Checksum(Algorithm),
    #[error("the writing task ended")]
    Task(#[from] tokio::task::JoinError),
}

enum Message {
    Chunk(Bytes),
    Finish(Expected),
}

impl BlobWriter {
    pub(super) fn start(inner: Arc<Inner>, wanted: Option<Algorithm>) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let task = tokio::task::spawn_blocking(move || write(inner, wanted, messages));
        Self { queue, task }
    }

    /// Queues a chunk. A failed disk shows at [`finish`](Self::finish): `false` says to go there.
    pub(crate) async fn write(&self, chunk: Bytes) -> bool {
        self.queue.send(Message::Chunk(chunk)).await.is_ok()
    }

    /// Checks the body, syncs the file and its directory entry.
    pub(crate) async fn finish(self, expected: Expected) -> Result<NewBlob, WriteError> {
        // A failed send means that the task has ended early, and its result says why.
        let _ = self.queue.send(Message::Finish(expected)).await;
        drop(self.queue);
        self.task.await?
    }

    /// Gives up; the file is gone when this returns.
    pub(crate) async fn abandon(self) {
        drop(self.queue);
        let _ = self.task.await;
    }
}

impl NewBlob {
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(crate) fn digests(&self) -> &BodyDigests {
        &self.digests
    }

    /// The MD5 in hex, as in an ETag.
    pub(crate) fn etag(&self) -> String {
        hex::encode(self.digests.md5)
    }

    /// Call once a committed row refers to the file.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// Removes the file; it is gone when this returns.
    pub(crate) async fn discard(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if !self.kept {
            self.inner.remove(std::slice::from_ref(&self.file));
        }
    }
}

fn write(
    inner: Arc<Inner>,
    wanted: Option<Algorithm>,
    mut messages: mpsc::Receiver<Message>,
) -> Result<NewBlob, WriteError> {
    let name = uuid::Uuid::new_v4().simple().to_string();
    let mut file = File::options().write(true).create_new(true).open(inner.dir.join(&name))?;
    let mut unfinished = Unfinished { inner: &inner, name: Some(name) };
    let mut md5 = inner.md5.stream();
    let mut hasher = BodyHasher::new(wanted);
    let (mut size_bytes, mut unwritten, mut unwritten_bytes) = (0, Vec::new(), 0);
    let expected = loop {
        match messages.blocking_recv() {
            Some(Message::Chunk(chunk)) => {
                md5.update(&chunk);
                hasher.update(&chunk);
                size_bytes += chunk.len() as u64;
                unwritten_bytes += chunk.len();
                unwritten.push(chunk);
            }
            Some(Message::Finish(expected)) => break expected,
            None => return Err(WriteError::Incomplete),
        }
        if unwritten_bytes >= WRITE_BYTES || unwritten.len() >= WRITE_CHUNKS {
            write_all(&mut file, &unwritten)?;
            unwritten.clear();
            unwritten_bytes = 0;
        }
    };
    write_all(&mut file, &unwritten)?;
    // A body that was cut off is not worth the disk's time. One with another hash is rare, and MD5 is still at work.
    expected.check_size(size_bytes)?;
    if inner.durability == Durability::Full {
        file.sync_all()?;
        inner.dir_handle.sync_all()?;
    }
    let digests = hasher.finish(wanted, md5.finish());
    expected.check(&digests)?;
    let file = unfinished.name.take().unwrap_or_default();
    drop(unfinished);
    Ok(NewBlob { inner, file, size_bytes, digests, kept: false })
}

fn write_all(file: &mut File, chunks: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<_> =
        chunks.iter().filter(|chunk| !chunk.is_empty()).map(|chunk| IoSlice::new(chunk)).collect();
    let mut slices = slices.as_mut_slice();
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes the file on every way out of [`write`] but success.
struct Unfinished<'a> {
    inner: &'a Inner,
    name: Option<String>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.inner.remove(&[name]);
        }
    }
}

impl Expected {
    fn check_size(&self, size_bytes: u64) -> Result<(), WriteError> {
        if self.size_bytes.is_some_and(|expected| expected != size_bytes) {
            return Err(WriteError::Incomplete);
        }
        Ok(())
    }

    fn check(&self, digests: &BodyDigests) -> Result<(), WriteError> {
        if self.md5.as_ref().is_some_and(|expected| expected[..] != digests.md5) {
            return Err(WriteError::Md5);
        }
        match &self.checksum {
            Some(expected) if digests.checksum.as_ref() != Some(expected) => {
                Err(WriteError::Checksum(expected.algorithm))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::BlobStore;
    use super::*;

    /// Sends a body and looks, before it ends, whether so much of it gets to disk, and no more.
    async fn assert_written(chunk: &Bytes, chunks: usize, written_bytes: usize) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path(), Durability::Full).await.unwrap();
        let length = || {
            let file = std::fs::read_dir(folder.path().join("blobs")).unwrap().next()?.ok()?;
            Some(file.metadata().ok()?.len())
        };
        let writer = blobs.writer(None);
        for _ in 0..chunks {
            assert!(writer.write(chunk.clone()).await);
        }
        for _ in 0..1_000 {
            if length() >= Some(written_bytes as u64) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(length(), Some(written_bytes as u64));
        let blob = writer.finish(Expected::default()).await.unwrap();
        assert_eq!(blob.size_bytes(), (chunk.len() * chunks) as u64);
        assert_eq!(length(), Some(blob.size_bytes()));
    }

    #[tokio::test]
    async fn tiny_chunks_do_not_pile_up_before_they_are_written() {
        assert_written(&Bytes::from_static(b"x"), WRITE_CHUNKS + 1, WRITE_CHUNKS).await;
    }

    #[tokio::test]
    async fn large_chunks_are_written_together() {
        assert_written(&Bytes::from(vec![7; WRITE_BYTES / 2]), 3, WRITE_BYTES).await;
    }
}
