//! One connection, from its handshake to its end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::Version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::phase::{Late, Phases, Watched};
use super::{ConnectionLimits, Tls};

/// The largest head of a request, bytes; more is answered by 431. Credentials and cookies of other services on the
/// same host fit, as nginx's 4 buffers of 8 KiB do.
const MAX_HEAD_BYTES: u32 = 32 * 1024;
/// An HTTP/2 connection with requests under way is asked so often whether its peer lives, and given as long to answer.
const PING: Duration = Duration::from_secs(20);
/// How many requests may be under way on one HTTP/2 connection: as many as nginx allows.
const MAX_STREAMS: u32 = 128;

/// What the connections of a listener have in common.
pub(super) struct Shared {
    http: Builder<TokioExecutor>,
    router: Router,
    limits: ConnectionLimits,
    tls: Option<Tls>,
    stop: CancellationToken,
}

impl Shared {
    pub(super) fn new(
        router: Router,
        limits: ConnectionLimits,
        tls: Option<Tls>,
        stop: CancellationToken,
    ) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        // `Phases` watches over the time that heads take.
        http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES as usize);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_header_list_size(MAX_HEAD_BYTES)
            .max_concurrent_streams(MAX_STREAMS);
        Self { http, router, limits, tls, stop }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, peer: SocketAddr) {
        let phases = Phases::new();
        let (router, watched) = (self.router.clone(), phases.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let under_way = watched.begin(request.version() == Version::HTTP_2);
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            // A router is always ready.
            let answer = router.clone().call(request);
            async move { answer.await.map(|answer| answer.map(|body| under_way.answer(body))) }
        });
        let stream = TokioIo::new(Watched { stream, phases: phases.clone() });
        let mut connection = pin!(self.http.serve_connection(stream, service));
        let late = tokio::select! {
            // Bytes that have arrived are read before they are called late: we may have been kept from looking.
            biased;
            ended = connection.as_mut() => return told(ended, peer),
            late = phases.late(&self.limits) => Some(late),
            () = self.stop.cancelled() => None,
        };
        if late == Some(Late::Head) {
            tracing::debug!(%peer, "a connection was cut: its request took too long to arrive");
            return;
        }
        // Requests under way, and answers that are being read, get to their end.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection.as_mut() => told(ended, peer),
            _ = phases.late(&self.limits) => tracing::debug!(%peer, "a connection was cut: it does not end"),
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn run(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    // Small answers must not wait for more to send (Nagle).
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let Some(tls) = &shared.tls else { return shared.serve(stream, peer).await };
    let handshake = tokio::time::timeout(shared.limits.header_timeout, tls.accept(stream));
    match shared.stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => shared.serve(stream, peer).await,
        Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Some(Err(_)) => tracing::debug!(%peer, "a TLS handshake took too long"),
        None => {}
    }
}

/// Callers hang up all the time; that is nobody's failure.
fn told<E: std::fmt::Display>(ended: Result<(), E>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}
