//! Streams file slices to a response from a blocking thread, a few chunks ahead of the socket.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use s3s::dto::StreamingBlob;
use tokio::sync::mpsc;

use super::ReadGuard;

const CHUNK_BYTES: usize = 256 * 1024;
const QUEUE: usize = 4;

/// Where a buffer goes when the socket has taken its bytes: fresh ones would have to be zeroed, and their pages to be
/// mapped, which costs a third of a download.
type Returns = std::sync::mpsc::Sender<Vec<u8>>;

/// A chunk whose buffer is used again.
struct Chunk {
    buffer: Vec<u8>,
    returns: Returns,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // Fails when reading has come to its end, and then nobody needs it.
        let _ = self.returns.send(std::mem::take(&mut self.buffer));
    }
}

/// A run of bytes in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) file: String,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Slice {
    /// Cuts the range out of files that are laid end to end.
    pub(crate) fn cut(
        files: impl IntoIterator<Item = (String, u64)>,
        range: std::ops::Range<u64>,
    ) -> Vec<Self> {
        let mut slices = Vec::new();
        let mut position = 0;
        for (file, size_bytes) in files {
            let start = range.start.max(position);
            let end = range.end.min(position + size_bytes);
            if start < end {
                slices.push(Self { file, start: start - position, length: end - start });
            }
            position += size_bytes;
        }
        slices
    }
}

pub(super) fn stream(dir: PathBuf, slices: Vec<Slice>, guard: ReadGuard) -> StreamingBlob {
    let (queue, mut chunks) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
    if !slices.is_empty() {
        tokio::task::spawn_blocking(move || {
            let _guard = guard;
            let (returns, returned) = std::sync::mpsc::channel();
            let buffers = Buffers { returns, returned };
            for slice in slices {
                match send(&dir, &slice, &queue, &buffers) {
                    Ok(true) => {}
                    // The client has gone.
                    Ok(false) => return,
                    Err(error) => {
                        tracing::error!(target: "devstore", file = slice.file, %error, "a stored file cannot be read");
                        let _ = queue.blocking_send(Err(error));
                        return;
                    }
                }
            }
        });
    }
    StreamingBlob::wrap(futures_util::stream::poll_fn(move |context| chunks.poll_recv(context)))
}

/// The buffers of one download: as many as are under way at once.
struct Buffers {
    returns: Returns,
    returned: std::sync::mpsc::Receiver<Vec<u8>>,
}

impl Buffers {
    /// A chunk of that length, to be overwritten.
    fn take(&self, length: usize) -> Chunk {
        let mut buffer = self.returned.try_recv().unwrap_or_default();
        buffer.resize(length, 0);
        Chunk { buffer, returns: self.returns.clone() }
    }
}

/// `false`: nobody listens any more.
fn send(
    dir: &Path,
    slice: &Slice,
    queue: &mpsc::Sender<io::Result<Bytes>>,
    buffers: &Buffers,
) -> io::Result<bool> {
    let mut file = File::open(dir.join(&slice.file))?;
    file.seek(SeekFrom::Start(slice.start))?;
    let mut left = slice.length;
    while left > 0 {
        let length = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let mut chunk = buffers.take(length);
        file.read_exact(&mut chunk.buffer)?;
        left -= length as u64;
        if queue.blocking_send(Ok(Bytes::from_owner(chunk))).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::Slice;

    fn cut(range: std::ops::Range<u64>) -> Vec<(String, u64, u64)> {
        let files = [("a", 4), ("empty", 0), ("b", 6)].map(|(file, size)| (file.to_owned(), size));
        Slice::cut(files, range).into_iter().map(|slice| (slice.file, slice.start, slice.length)).collect()
    }

    #[test]
    fn cut_takes_the_range_across_files() {
        assert_eq!(cut(0..10), [("a".to_owned(), 0, 4), ("b".to_owned(), 0, 6)]);
        assert_eq!(cut(3..5), [("a".to_owned(), 3, 1), ("b".to_owned(), 0, 1)]);
        assert_eq!(cut(4..6), [("b".to_owned(), 0, 2)]);
        assert_eq!(cut(0..0), []);
    }
}
