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
