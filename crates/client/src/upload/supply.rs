//! Where the driver gets parts from: a source that can be read again, or a stream.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use partgate_api::ChecksumAlgorithm;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::checksum::Hasher;
use crate::grid::Grid;
use crate::source::{Slice, Source};

pub(super) type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// Where parts come from.
pub(super) enum Supply {
    /// Any part, any time.
    Repeatable(Source, Grid),
    /// One after the other, kept in memory until storage has them.
    Stream(Stream),
}

/// A stream that is being read.
pub(super) struct Stream {
    /// Away while a part is being read.
    pub(super) tap: Option<Tap>,
    pub(super) parts: HashMap<u32, Bytes>,
}

/// The reading end of a stream, with what is known of all that came out.
pub(super) struct Tap {
    pub(super) reader: Reader,
    pub(super) read_bytes: u64,
    pub(super) sha256: Option<Sha256>,
}

impl Supply {
    /// The bytes of a part; `None` when it is no longer there.
    pub(super) fn slice(&self, number: u32) -> Option<Slice> {
        match self {
            Self::Repeatable(source, grid) => Some(Slice {
                source: source.clone(),
                offset: grid.offset(number),
                len_bytes: grid.part_len(number),
            }),
            Self::Stream(stream) => stream.parts.get(&number).map(|bytes| Slice {
                source: Source::Memory(bytes.clone()),
                offset: 0,
                len_bytes: bytes.len() as u64,
            }),
        }
    }

    /// Storage has the part: a stream's bytes are not needed any more.
    pub(super) fn release(&mut self, number: u32) {
        if let Self::Stream(stream) = self {
            stream.parts.remove(&number);
        }
    }

    /// The bytes read from a stream and their SHA-256 (hex), if that was asked for.
    pub(super) fn stream_totals(&self) -> Option<(u64, Option<String>)> {
        match self {
            Self::Stream(Stream { tap: Some(tap), .. }) => {
                Some((tap.read_bytes, tap.sha256.clone().map(|hasher| hex::encode(hasher.finalize()))))
            }
            Self::Stream(Stream { tap: None, .. }) | Self::Repeatable(..) => None,
        }
    }
}

impl Tap {
    /// Reads up to `len_bytes`; fewer only at the stream's end, nothing after it.
    pub(super) async fn read(
        &mut self,
        len_bytes: u64,
        algorithm: ChecksumAlgorithm,
    ) -> io::Result<(Bytes, Option<String>)> {
        let mut part = Vec::new();
        let mut hasher = Hasher::new(algorithm);
        let mut piece = vec![0; 1 << 20];
        while (part.len() as u64) < len_bytes {
            let want = (len_bytes - part.len() as u64).min(piece.len() as u64) as usize;
            let len = match self.reader.read(&mut piece[..want]).await {
                Ok(0) => break,
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(&piece[..len]);
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(&piece[..len]);
            }
            part.extend_from_slice(&piece[..len]);
        }
        self.read_bytes += part.len() as u64;
        Ok((part.into(), hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_cut_into_equal_parts_and_a_rest() {
        let bytes: Vec<u8> = (0..25u8).collect();
        let reader: Reader = Box::new(io::Cursor::new(bytes.clone()));
        let mut tap = Tap { reader, read_bytes: 0, sha256: Some(Sha256::new()) };
        let mut lens = Vec::new();
        loop {
            let (part, checksum) = tap.read(10, ChecksumAlgorithm::Crc32).await.unwrap();
            assert!(checksum.is_some());
            lens.push(part.len());
            if part.is_empty() {
                break;
            }
        }
        assert_eq!((lens, tap.read_bytes), (vec![10, 10, 5, 0], 25));
        assert_eq!(tap.sha256.unwrap().finalize(), Sha256::digest(&bytes));
    }
}
