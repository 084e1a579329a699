//! How the gateway is reached: slow and greedy callers, TLS, names, addresses, listeners.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod addresses;
mod head;
mod operations;
mod slow;
mod stop;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use partgate::app::{App, AppError};
use partgate::clock::Clock;
use partgate::config::Settings;
use partgate::store::Migrations;
use reqwest::{Client, RequestBuilder};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::Answer;

/// A gateway whose storage does not answer, which most of what is tested here does not need. Stops when dropped.
struct Served {
    address: SocketAddr,
    operations: Option<SocketAddr>,
    http: Client,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
    _data: TempDir,
}

impl Served {
    async fn start(settings: &[(&'static str, &str)]) -> Self {
        Self::try_start(settings).await.unwrap()
    }

    async fn try_start(settings: &[(&'static str, &str)]) -> Result<Self, AppError> {
        let data = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}", data.path().join("gateway.db").display());
        let usual = [
            ("listen", "127.0.0.1:0"),
            ("database", &*database),
            ("storage.endpoint", "http://127.0.0.1:1"),
            ("storage.bucket", "uploads"),
            ("storage.access_key_id", "id"),
            ("storage.secret_access_key", "secret"),
        ];
        let values = usual.iter().chain(settings).map(|(path, value)| (*path, (*value).to_owned()));
        let settings = Settings::of(&values.collect::<Vec<_>>()).unwrap();
        let app = App::start(&settings, Clock::System, Migrations::Run).await?;
        let (address, operations) = (app.address().unwrap(), app.operations_address());
        let stop = CancellationToken::new();
        let server = Some(tokio::spawn(app.run(stop.clone())));
        let http = Client::builder().no_proxy().build().unwrap();
        Ok(Self { address, operations, http, stop, server, _data: data })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.http.get(self.url(path))).await
    }

    /// Calls as the proxy of somebody at this address would.
    async fn get_from(&self, address: &str, path: &str) -> Answer {
        send(self.http.get(self.url(path)).header("x-forwarded-for", address)).await
    }

    async fn connect(&self) -> Connection {
        Connection(TcpStream::connect(self.address).await.unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

/// A test that waits for what never happens fails instead of hanging.
const NEVER: Duration = Duration::from_secs(60);

/// A connection to write anything on.
struct Connection(TcpStream);

impl Connection {
    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// What comes until this text has, or the connection ends.
    async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        loop {
            let mut some = [0; 4096];
            // A connection that is cut may also end in a reset.
            let read_some = tokio::time::timeout(NEVER, self.0.read(&mut some)).await;
            let count = read_some.expect("something comes, or the connection ends").unwrap_or(0);
            read.extend_from_slice(&some[..count]);
            let text = String::from_utf8_lossy(&read);
            if count == 0 || text.contains(end) {
                return text.into_owned();
            }
        }
    }

    /// What comes until the connection ends.
    async fn read_to_end(&mut self) -> String {
        self.read_until("\0").await
    }

    /// Writes a little again and again until the other side ends it; answers what came.
    async fn drip(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let started = tokio::time::Instant::now();
        while started.elapsed() < NEVER {
            let mut some = [0; 4096];
            tokio::select! {
                count = self.0.read(&mut some) => match count {
                    Ok(count) if count > 0 => read.extend_from_slice(&some[..count]),
                    _ => return String::from_utf8_lossy(&read).into_owned(),
                },
                _ = ticks.tick() => {
                    // Once it is cut, reading tells.
                    let _ = self.0.write_all(text.as_bytes()).await;
                }
            }
        }
        panic!("the connection does not end");
    }
}
