//! Takes connections: slow ones are cut, too many wait, a certificate is renewed without a restart, and what is under
//! way when the gateway stops gets to its end. Knows nothing of what is served.

mod connection;
mod phase;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use tls::{Tls, TlsError, TlsFiles};

use connection::Shared;

/// Requests that are under way when the server is asked to stop get so long.
pub const GRACE: Duration = Duration::from_secs(30);

/// Without a file handle or memory for a connection, the next attempt is made after so long: others end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How long connections are waited for, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// A request's head has to arrive in so long, from its first byte on (the first request's: from the connection on).
    /// A TLS handshake gets the same time before.
    pub header_timeout: Duration,
    /// A connection without requests is kept so long for the next one. It should be longer than the proxies before
    /// the gateway keep theirs: else they send requests into closing connections.
    pub idle_timeout: Duration,
    /// How many connections there are at most; whoever comes then waits in the system's queue.
    pub max_connections: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_connections: 10_000,
        }
    }
}

/// Serves until `stop`; then takes no more connections, and gives what is under way at most [`GRACE`]. With `tls` only
/// TLS is spoken. The peer's address reaches the router as `axum::extract::ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    tls: Option<Tls>,
    stop: CancellationToken,
) {
    let cut = CancellationToken::new();
    // However this ends, no connection outlives it.
    let _cut_at_end = cut.clone().drop_guard();
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let shared = Arc::new(Shared::new(router, limits, tls, stop.clone()));
    let connections = TaskTracker::new();
    loop {
        let (stream, peer, place) = tokio::select! {
            () = stop.cancelled() => break,
            next = next_connection(&listener, &places) => next,
        };
        // In a place of its own: each future that it is handed to would have room for it once more.
        let connection = Box::pin(connection::run(Arc::clone(&shared), stream, peer));
        let cut = cut.clone();
        connections.spawn(async move {
            let _place = place;
            cut.run_until_cancelled(connection).await;
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!("requests are still under way; closing their connections");
    }
}

/// Waits for a place first: whoever is not accepted costs the process nothing.
async fn next_connection(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("nobody closes the semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted for now; is the limit of open files too low?");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the caller is to blame, who has gone already.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
