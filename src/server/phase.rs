//! What a connection is at, and when it has been at it for too long.
//!
//! hyper's own limit on the time of a head also closes HTTP/1 connections that are merely kept alive, does not see the
//! bytes by which the version is told, and leaves HTTP/2 out.
//!
//! A request changes the phase of its connection some five times, so a change costs no more than the reading of a clock:
//! it wakes nobody and moves no timer. Whoever waits for [`Phases::late`] looks at the phase now and then instead.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

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
pub(super) struct Phases(Arc<Mutex<Now>>);

#[derive(Debug)]
struct Now {
    phase: Phase,
    /// Since when, or when more of an answer was last wanted.
    since: Instant,
}

impl Now {
    fn is(&mut self, phase: Phase) {
        *self = Self { phase, since: Instant::now() };
    }

    /// When this has gone on for too long; never while a request is under way.
    fn deadline(&self, limits: &ConnectionLimits) -> Option<(Instant, Late)> {
        match self.phase {
            Phase::Head => Some((self.since + limits.header_timeout, Late::Head)),
            Phase::Busy { requests: 0, .. } | Phase::Idle { .. } => {
                Some((self.since + limits.idle_timeout, Late::Idle))
            }
            Phase::Busy { .. } => None,
        }
    }
}

impl Phases {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Now { phase: Phase::Head, since: Instant::now() })))
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is under way until what is returned here is dropped.
    pub(super) fn begin(&self, is_http2: bool) -> UnderWay {
        let mut now = self.lock();
        now.phase = match now.phase {
            Phase::Busy { requests, answers } => Phase::Busy { requests: requests + 1, answers },
            Phase::Head | Phase::Idle { .. } => Phase::Busy { requests: 1, answers: 0 },
        };
        drop(now);
        UnderWay { phases: self.clone(), is_http2, is_answered: false }
    }

    /// Ends when the connection has been at one thing for too long.
    pub(super) async fn late(&self, limits: &ConnectionLimits) -> Late {
        // What begins from now on has this long at least, so nothing is late before the next look.
        let shortest = limits.header_timeout.min(limits.idle_timeout);
        loop {
            let (now, deadline) = (Instant::now(), self.lock().deadline(limits));
            let next_look = match deadline {
                Some((at, late)) if at <= now => return late,
                Some((at, _)) => at.min(now + shortest),
                None => now + shortest,
            };
            sleep_until(next_look).await;
        }
    }

    fn bytes_arrived(&self) {
        let mut now = self.lock();
        if now.phase == (Phase::Idle { is_http2: false }) {
            now.is(Phase::Head);
        }
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
        let mut now = self.phases.lock();
        if let Phase::Busy { requests, answers } = now.phase {
            now.is(Phase::Busy { requests: requests - 1, answers: answers + 1 });
        }
        drop(now);
        self.is_answered = true;
        Answer { body, under_way: self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut now = self.phases.lock();
        let Phase::Busy { mut requests, mut answers } = now.phase else { return };
        *if self.is_answered { &mut answers } else { &mut requests } -= 1;
        now.is(match (requests, answers) {
            (0, 0) => Phase::Idle { is_http2: self.is_http2 },
            _ => Phase::Busy { requests, answers },
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
        self.under_way.phases.lock().since = Instant::now();
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
        phases.lock().phase
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
