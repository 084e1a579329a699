//! What a connection is at, and when it has been at it for too long.
//!
//! hyper's own limit on the time of a head also closes HTTP/1 connections that are merely kept alive, does not see the
//! bytes by which the version is told, and leaves HTTP/2 out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::ConnectionLimits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request's head is on its way, or the first one is waited for.
    Head,
    /// So many requests are under way, 1 or more. Each has limits of its own.
    Busy(usize),
    /// Requests were answered, and none has come since.
    Idle {
        /// HTTP/2 has frames that begin no request.
        is_http2: bool,
    },
}

/// How a connection took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// A head did not arrive.
    Head,
    /// No request came. An answer that is still being read is not seen here, so it may take twice as long.
    Idle,
}

/// Follows one connection.
#[derive(Debug, Clone)]
pub(super) struct Phases(watch::Sender<Phase>);

impl Phases {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Head))
    }

    /// A request is under way until what is answered here is dropped.
    pub(super) fn begin(&self, is_http2: bool) -> UnderWay {
        self.0.send_modify(|phase| {
            *phase = match *phase {
                Phase::Busy(requests) => Phase::Busy(requests + 1),
                Phase::Head | Phase::Idle { .. } => Phase::Busy(1),
            };
        });
        UnderWay { phases: self.clone(), is_http2 }
    }

    /// Ends when the connection has been at one thing for too long.
    pub(super) async fn late(&self, limits: &ConnectionLimits) -> Late {
        let mut phase = self.0.subscribe();
        loop {
            let now = *phase.borrow_and_update();
            let (limit, late) = match now {
                Phase::Head => (limits.header_timeout, Late::Head),
                Phase::Idle { .. } => (limits.idle_timeout, Late::Idle),
                Phase::Busy(_) => {
                    // The sender is `self`, so it is not gone.
                    let _ = phase.changed().await;
                    continue;
                }
            };
            if tokio::time::timeout(limit, phase.changed()).await.is_err() {
                return late;
            }
        }
    }

    fn bytes_arrived(&self) {
        self.0.send_if_modified(|phase| {
            let is_start = *phase == Phase::Idle { is_http2: false };
            if is_start {
                *phase = Phase::Head;
            }
            is_start
        });
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    phases: Phases,
    is_http2: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.phases.0.send_modify(|phase| {
            *phase = match *phase {
                Phase::Busy(requests) if requests > 1 => Phase::Busy(requests - 1),
                _ => Phase::Idle { is_http2: self.is_http2 },
            };
        });
    }
}

/// A stream that tells when bytes arrive.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) phases: Phases,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.phases.bytes_arrived();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(phases: &Phases) -> Phase {
        *phases.0.borrow()
    }

    #[test]
    fn connection_is_busy_until_its_last_request_is_answered() {
        let phases = Phases::new();
        let (one, other) = (phases.begin(true), phases.begin(true));
        assert_eq!(now(&phases), Phase::Busy(2));
        drop(one);
        assert_eq!(now(&phases), Phase::Busy(1));
        drop(other);
        assert_eq!(now(&phases), Phase::Idle { is_http2: true });
    }

    #[test]
    fn bytes_after_an_answer_begin_a_head_except_in_http2() {
        for (is_http2, expected) in [(false, Phase::Head), (true, Phase::Idle { is_http2: true })] {
            let phases = Phases::new();
            let request = phases.begin(is_http2);
            phases.bytes_arrived();
            assert_eq!(now(&phases), Phase::Busy(1), "these are a body's");
            drop(request);
            phases.bytes_arrived();
            assert_eq!(now(&phases), expected);
        }
    }

    #[tokio::test]
    async fn more_bytes_of_a_head_buy_no_more_time() {
        let phases = Phases::new();
        let limits = ConnectionLimits {
            header_timeout: std::time::Duration::from_millis(20),
            ..ConnectionLimits::default()
        };
        let drip = async {
            loop {
                phases.bytes_arrived();
                tokio::task::yield_now().await;
            }
        };
        let late = tokio::select! {
            late = phases.late(&limits) => late,
            () = drip => unreachable!("it goes on for ever"),
        };
        assert_eq!(late, Late::Head);
    }
}
