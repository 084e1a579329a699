//! Where the bytes come from: a file read by slices, or memory.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use partgate_api::ChecksumAlgorithm;

use crate::checksum::Hasher;

/// One read while hashing.
const HASH_CHUNK_BYTES: usize = 1 << 20;

/// Bytes that can be read again.
#[derive(Clone)]
pub(crate) enum Source {
    File(Arc<SharedFile>),
    Memory(Bytes),
}

/// A piece of a source: one part.
#[derive(Clone)]
pub(crate) struct Slice {
    pub(crate) source: Source,
    pub(crate) offset: u64,
    pub(crate) len_bytes: u64,
}

impl Slice {
    /// Fills `buffer` from `start` bytes into the slice. Blocks.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file has become shorter.
    pub(crate) fn read_at(&self, buffer: &mut [u8], start: u64) -> io::Result<()> {
        let offset = self.offset + start;
        match &self.source {
            Source::File(file) => file.read_exact_at(buffer, offset),
            Source::Memory(bytes) => {
                let piece = usize::try_from(offset)
                    .ok()
                    .and_then(|from| bytes.get(from..from.checked_add(buffer.len())?))
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
                buffer.copy_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Reads and hashes the slice; `stop` is asked between reads. Blocks.
    ///
    /// # Errors
    /// What reading says; `Interrupted` when told to stop.
    pub(crate) fn hash(&self, algorithm: ChecksumAlgorithm, stop: &dyn Fn() -> bool) -> io::Result<String> {
        let mut hasher = Hasher::new(algorithm);
        self.for_each_chunk(stop, |chunk| hasher.update(chunk))?;
        Ok(hasher.finish().unwrap_or_default())
    }

    /// Reads the slice piece by piece. Blocks.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) fn for_each_chunk(
        &self,
        stop: &dyn Fn() -> bool,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let chunk_bytes = self.len_bytes.min(HASH_CHUNK_BYTES as u64) as usize;
        let mut buffer = vec![0; chunk_bytes];
        let mut start = 0;
        while start < self.len_bytes {
            if stop() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let len = (self.len_bytes - start).min(chunk_bytes as u64) as usize;
            self.read_at(&mut buffer[..len], start)?;
            take(&buffer[..len]);
            start += len as u64;
        }
        Ok(())
    }
}

/// A file that many threads read at their own positions.
#[cfg(unix)]
pub(crate) struct SharedFile(File);

/// A file that many threads read at their own positions, one at a time.
#[cfg(not(unix))]
pub(crate) struct SharedFile(std::sync::Mutex<File>);

#[cfg(unix)]
impl SharedFile {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.0.metadata()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }
}

#[cfg(not(unix))]
impl SharedFile {
    pub(crate) fn new(file: File) -> Self {
        Self(std::sync::Mutex::new(file))
    }

    pub(crate) fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.lock().metadata()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let mut file = self.lock();
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, File> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file_slice(bytes: &[u8], offset: u64, len_bytes: u64) -> Slice {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Slice { source: Source::File(Arc::new(SharedFile::new(file))), offset, len_bytes }
    }

    #[test]
    fn a_slice_of_a_file_and_of_memory_hash_alike() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|index| index as u8).collect();
        let memory =
            Slice { source: Source::Memory(Bytes::from(bytes.clone())), offset: 1_000, len_bytes: 2_500_000 };
        let of_file = file_slice(&bytes, 1_000, 2_500_000);
        let hash = |slice: &Slice| slice.hash(ChecksumAlgorithm::Crc64nvme, &|| false).unwrap();
        assert_eq!(hash(&memory), hash(&of_file));
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let error = file_slice(b"12345", 2, 10).hash(ChecksumAlgorithm::Md5, &|| false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn hashing_stops_when_told() {
        let error = file_slice(b"12345", 0, 5).hash(ChecksumAlgorithm::Md5, &|| true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
