//! A part as an HTTP body: read as it is sent, of exactly known length.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::source::{Slice, Source};

/// One read while sending: sixteen parts in flight, two reads each, are 8 MiB.
const SEND_CHUNK_BYTES: u64 = 256 << 10;

/// What is known of an attempt while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    part_bytes: Arc<AtomicU64>,
    /// Of the whole upload, lost attempts included.
    wire_bytes: Arc<AtomicU64>,
    read_error: Arc<OnceLock<io::ErrorKind>>,
}

impl Sent {
    /// Counts for one attempt, and into the sum of all.
    pub(crate) fn new(wire_bytes: Arc<AtomicU64>) -> Self {
        Self { wire_bytes, ..Self::default() }
    }

    /// Bytes of this attempt handed to the connection.
    pub(crate) fn part_bytes(&self) -> u64 {
        self.part_bytes.load(Ordering::Relaxed)
    }

    /// Whether the attempt failed because the file could not be read.
    pub(crate) fn read_failed(&self) -> bool {
        self.read_error.get().is_some()
    }

    /// Why the file could not be read.
    pub(crate) fn read_error(&self) -> Option<io::ErrorKind> {
        self.read_error.get().copied()
    }

    fn add(&self, len_bytes: u64) {
        self.part_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        self.wire_bytes.fetch_add(len_bytes, Ordering::Relaxed);
    }
}

/// The body of one attempt to send a part.
///
/// Its size hint is exact, so that the HTTP client sets Content-Length (which the URL's signature covers).
pub(crate) struct PartBody {
    slice: Slice,
    position: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    sent: Sent,
}

impl PartBody {
    pub(crate) fn new(slice: Slice, sent: Sent) -> Self {
        Self { slice, position: 0, reading: None, sent }
    }

    /// Starts reading what follows `position`; memory needs no thread.
    fn start_reading(&mut self) {
        let (slice, start) = (self.slice.clone(), self.position);
        let len = (slice.len_bytes - start).min(SEND_CHUNK_BYTES) as usize;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            if let Source::Memory(bytes) = &slice.source {
                let from = (slice.offset + start) as usize;
                return Ok(bytes.slice(from..from + len));
            }
            let mut buffer = vec![0; len];
            slice.read_at(&mut buffer, start)?;
            Ok(buffer.into())
        }));
    }
}

impl Body for PartBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.position >= this.slice.len_bytes {
            return Poll::Ready(None);
        }
        if this.reading.is_none() {
            this.start_reading();
        }
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other).flatten();
        this.reading = None;
        if let Err(error) = &read {
            let _ = this.sent.read_error.set(error.kind());
        }
        Poll::Ready(Some(read.map(|bytes| {
            let len = bytes.len() as u64;
            this.position += len;
            this.sent.add(len);
            if this.position < this.slice.len_bytes {
                this.start_reading();
            }
            Frame::data(bytes)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.position >= self.slice.len_bytes
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.slice.len_bytes - self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Takes one request and returns it whole.
    async fn take_request(listener: TcpListener, body_bytes: usize) -> Vec<u8> {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let header_end = loop {
            let len = connection.read_buf(&mut request).await.unwrap();
            let end = request.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end.filter(|end| request.len() >= end + 4 + body_bytes) {
                break end;
            }
            assert!(len > 0, "the request ended early");
        };
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        assert_eq!(request.len(), header_end + 4 + body_bytes);
        request
    }

    #[tokio::test]
    async fn a_part_is_sent_with_its_length_and_not_in_chunks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/part", listener.local_addr().unwrap());
        let bytes: Vec<u8> = (0..1_000_000u32).map(|index| (index % 251) as u8).collect();
        let taken = tokio::spawn(take_request(listener, 700_000));
        let source = Source::Memory(bytes.clone().into());
        let sent = Sent::default();
        let body = PartBody::new(Slice { source, offset: 100_000, len_bytes: 700_000 }, sent.clone());
        reqwest::Client::new().put(url).body(reqwest::Body::wrap(body)).send().await.unwrap();
        let request = taken.await.unwrap();
        let head = String::from_utf8_lossy(&request[..request.len() - 700_000]).to_lowercase();
        assert!(head.contains("content-length: 700000\r\n"), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(request.ends_with(&bytes[100_000..800_000]));
        assert_eq!(sent.part_bytes(), 700_000);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_told_apart_from_the_network() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/part", listener.local_addr().unwrap());
        let sent = Sent::default();
        let source = Source::File(Arc::new(crate::source::SharedFile::new(tempfile::tempfile().unwrap())));
        let body = PartBody::new(Slice { source, offset: 0, len_bytes: 10 }, sent.clone());
        let result = reqwest::Client::new().put(url).body(reqwest::Body::wrap(body)).send().await;
        assert!(result.is_err());
        assert_eq!(sent.read_error(), Some(io::ErrorKind::UnexpectedEof));
    }
}
