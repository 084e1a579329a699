//! What a connection is at, and when it has been at it for too long.
//!
//! hyper's own limit on the time of a head also closes HTTP/1 connections that are merely kept alive, does not see the
//! bytes by which the version is told, and leaves HTTP/2 out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::ConnectionLimits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request's head is on its way, or the first one is waited for.
    Head,
    /// Something is under way.
    Busy {
        /// Not answered yet. Each has limits of its own.
        requests: usize,
        /// Answered, and the answer is being read.
        answers: usize,
    },
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
    /// No request came, or nothing of an answer was read.
    Idle,
}

/// Follows one connection.
#[derive(Debug, Clone)]
pub(super) struct Phases(watch::Sender<Phase>);

impl Phases {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Head))
    }

    /// A request is under way until what is returned here is dropped.
    pub(super) fn begin(&self, is_http2: bool) -> UnderWay {
        self.0.send_modify(|phase| {
            *phase = match *phase {
                Phase::Busy { requests, answers } => Phase::Busy { requests: requests + 1, answers },
                Phase::Head | Phase::Idle { .. } => Phase::Busy { requests: 1, answers: 0 },
            };
        });
        UnderWay { phases: self.clone(), is_http2, is_answered: false }
    }

    /// Ends when the connection has been at one thing for too long.
    pub(super) async fn late(&self, limits: &ConnectionLimits) -> Late {
        let mut phase = self.0.subscribe();
        loop {
            let now = *phase.borrow_and_update();
            let (limit, late) = match now {
                Phase::Head => (limits.header_timeout, Late::Head),
                Phase::Busy { requests: 0, .. } | Phase::Idle { .. } => (limits.idle_timeout, Late::Idle),
                Phase::Busy { .. } => {
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

/// A request, and then its answer.
#[derive(Debug)]
pub(super) struct UnderWay {
    phases: Phases,
    is_http2: bool,
    is_answered: bool,
}

impl UnderWay {
    /// What is under way from here on is the answer.
    pub(super) fn answer(mut self, body: Body) -> Answer {
        self.phases.0.send_modify(|phase| {
            if let Phase::Busy { requests, answers } = phase {
                *requests -= 1;
                *answers += 1;
            }
        });
        self.is_answered = true;
        Answer { body, under_way: self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.phases.0.send_modify(|phase| {
            let Phase::Busy { requests, answers } = phase else { return };
            *if self.is_answered { answers } else { requests } -= 1;
            if *phase == (Phase::Busy { requests: 0, answers: 0 }) {
                *phase = Phase::Idle { is_http2: self.is_http2 };
            }
        });
    }
}

/// The body of an answer, which tells when more of it is wanted.
pub(super) struct Answer {
    body: Body,
    under_way: UnderWay,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // Nothing but the time of it has changed.
        self.under_way.phases.0.send_modify(|_| {});
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

    fn busy(requests: usize, answers: usize) -> Phase {
        Phase::Busy { requests, answers }
    }

    #[test]
    fn connection_is_busy_until_its_last_answer_is_read() {
        let phases = Phases::new();
        let (one, other) = (phases.begin(true), phases.begin(true));
        assert_eq!(now(&phases), busy(2, 0));
        let answer = one.answer(Body::empty());
        assert_eq!(now(&phases), busy(1, 1));
        drop(answer);
        assert_eq!(now(&phases), busy(1, 0));
        drop(other);
        assert_eq!(now(&phases), Phase::Idle { is_http2: true });
    }

    #[test]
    fn bytes_after_an_answer_begin_a_head_except_in_http2() {
        for (is_http2, expected) in [(false, Phase::Head), (true, Phase::Idle { is_http2: true })] {
            let phases = Phases::new();
            let request = phases.begin(is_http2);
            phases.bytes_arrived();
            assert_eq!(now(&phases), busy(1, 0), "these are a body's");
            drop(request);
            phases.bytes_arrived();
            assert_eq!(now(&phases), expected);
        }
    }

    #[tokio::test]
    async fn answer_that_nobody_reads_is_late_and_a_request_is_not() {
        let limits = ConnectionLimits {
            idle_timeout: std::time::Duration::from_millis(20),
            ..ConnectionLimits::default()
        };
        let phases = Phases::new();
        let request = phases.begin(false);
        let late = phases.late(&limits);
        let mut late = std::pin::pin!(late);
        let early = tokio::time::timeout(limits.idle_timeout * 3, late.as_mut()).await;
        assert!(early.is_err(), "the gateway may take its time");
        let _answer = request.answer(Body::from("unread"));
        assert_eq!(late.await, Late::Idle);
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
