//! A proxy between gateway and store that fails on demand: the network's weather, one S3 operation at a time.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Often enough for every retry of the SDK.
pub(crate) const EVERY_TIME: u32 = u32::MAX;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// 503 SlowDown; the store never sees the request.
    SlowDown,
    /// 200 with `<Error>` inside; the store never sees the request.
    ErrorIn200,
    /// This status with this S3 code; the store never sees the request.
    Refuse(u16, &'static str),
    /// The store acts; the connection breaks before a byte of the answer arrives.
    DropAnswer,
    /// The store acts; the answer is 500 InternalError.
    FailAfterActing,
    /// The store acts; the answer waits until the test lets it go.
    HoldAnswer(Hold),
    /// The request waits until the test lets it go.
    HoldRequest(Hold),
    /// The request waits until the test lets it go; then this status with this S3 code.
    HoldAndRefuse(Hold, u16, &'static str),
}

/// Where a held request and the test meet.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until a request is held.
    pub(crate) async fn arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets one request go.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }

    async fn wait(&self) {
        self.arrived.add_permits(1);
        self.released.acquire().await.unwrap().forget();
    }
}

#[derive(Debug)]
struct Rule {
    operation: &'static str,
    fault: Fault,
    left: u32,
}

#[derive(Debug, Default)]
struct Weather {
    upstream: String,
    rules: Vec<Rule>,
    hits: u32,
    seen: Vec<&'static str>,
}

/// The proxy. Stops when dropped.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    /// `http://127.0.0.1:port` for the gateway.
    pub(crate) url: String,
    weather: Arc<Mutex<Weather>>,
    server: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens; where to is said by [`FaultProxy::forward_to`], before the first request.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let weather = Arc::new(Mutex::new(Weather::default()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let router = Router::new().fallback(forward).with_state((Arc::clone(&weather), http));
        let service = router.into_make_service_with_connect_info::<Cut>();
        let server = tokio::spawn(async move {
            axum::serve(CuttableListener(listener), service).await.unwrap();
        });
        Self { url, weather, server }
    }

    pub(crate) fn forward_to(&self, store_url: &str) {
        store_url.clone_into(&mut self.weather.lock().unwrap().upstream);
    }

    /// The next so many requests of an S3 operation meet this fault.
    pub(crate) fn fail(&self, operation: &'static str, fault: Fault, times: u32) {
        self.weather.lock().unwrap().rules.push(Rule { operation, fault, left: times });
    }

    /// The next request of the operation is held, after the store has acted.
    pub(crate) fn hold_answer(&self, operation: &'static str) -> Hold {
        let hold = Hold::new();
        self.fail(operation, Fault::HoldAnswer(hold.clone()), 1);
        hold
    }

    /// The next request of the operation is held before the store sees it.
    pub(crate) fn hold_request(&self, operation: &'static str) -> Hold {
        let hold = Hold::new();
        self.fail(operation, Fault::HoldRequest(hold.clone()), 1);
        hold
    }

    /// The next request of the operation is held, and then refused without the store's doing.
    pub(crate) fn hold_and_refuse(&self, operation: &'static str, status: u16, code: &'static str) -> Hold {
        let hold = Hold::new();
        self.fail(operation, Fault::HoldAndRefuse(hold.clone(), status, code), 1);
        hold
    }

    /// Everything works again.
    pub(crate) fn clear(&self) {
        self.weather.lock().unwrap().rules.clear();
    }

    /// Every operation that the gateway asked for, in turn.
    pub(crate) fn operations(&self) -> Vec<&'static str> {
        self.weather.lock().unwrap().seen.clone()
    }

    /// How often the gateway asked for an operation.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.operations().into_iter().filter(|seen| *seen == operation).count()
    }

    /// How many requests met a fault.
    pub(crate) fn hits(&self) -> u32 {
        self.weather.lock().unwrap().hits
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Weather {
    fn next(&mut self, operation: &str) -> Option<Fault> {
        let matches = |rule: &Rule| rule.left > 0 && (rule.operation == operation || rule.operation == "*");
        let rule = self.rules.iter_mut().find(|rule| matches(rule))?;
        rule.left = rule.left.saturating_sub(u32::from(rule.left != EVERY_TIME));
        self.hits += 1;
        Some(rule.fault.clone())
    }
}

async fn forward(
    State((weather, http)): State<(Arc<Mutex<Weather>>, reqwest::Client)>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let operation = operation(request.method(), request.uri().path(), request.uri().query());
    let (fault, upstream) = {
        let mut weather = weather.lock().unwrap();
        weather.seen.push(operation);
        (weather.next(operation), weather.upstream.clone())
    };
    match &fault {
        Some(Fault::SlowDown) => return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        Some(Fault::ErrorIn200) => return error(StatusCode::OK, "InternalError"),
        Some(Fault::Refuse(status, code)) => return error(StatusCode::from_u16(*status).unwrap(), code),
        Some(Fault::HoldRequest(hold)) => hold.wait().await,
        Some(Fault::HoldAndRefuse(hold, status, code)) => {
            hold.wait().await;
            return error(StatusCode::from_u16(*status).unwrap(), code);
        }
        Some(Fault::DropAnswer | Fault::FailAfterActing | Fault::HoldAnswer(_)) | None => {}
    }
    let answer = send_on(&http, &upstream, request).await;
    match fault {
        Some(Fault::DropAnswer) => {
            cut.0.store(true, Ordering::SeqCst);
            StatusCode::OK.into_response()
        }
        Some(Fault::FailAfterActing) => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Some(Fault::HoldAnswer(hold)) => {
            hold.wait().await;
            answer
        }
        _ => answer,
    }
}

/// Method, path, query and headers go on as they came, Host among them: the signature covers it.
async fn send_on(http: &reqwest::Client, upstream: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut onward = http.request(parts.method, format!("{upstream}{target}")).headers(parts.headers.clone());
    if parts.headers.contains_key("content-length") || parts.headers.contains_key("transfer-encoding") {
        onward = onward.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    // A store that is not there is a store that breaks connections, which 502 stands for.
    let Ok(answer) = onward.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn error(status: StatusCode, code: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>weather</Message></Error>"
    );
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/xml".parse().unwrap());
    (status, headers, body).into_response()
}

/// S3's name of the operation, of those that a gateway calls.
fn operation(method: &Method, path: &str, query: Option<&str>) -> &'static str {
    let has = |name: &str| {
        let mut names = query.unwrap_or_default().split('&').map(|pair| pair.split('=').next());
        names.any(|found| found == Some(name))
    };
    let is_object = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match (is_object, method.as_str()) {
        (false, "HEAD") => "HeadBucket",
        (false, "GET") if has("uploads") => "ListMultipartUploads",
        (true, "POST") if has("uploads") => "CreateMultipartUpload",
        (true, "POST") if has("uploadId") => "CompleteMultipartUpload",
        (true, "DELETE") if has("uploadId") => "AbortMultipartUpload",
        (true, "DELETE") => "DeleteObject",
        (true, "GET") if has("uploadId") => "ListParts",
        (true, "GET") => "GetObject",
        (true, "HEAD") => "HeadObject",
        (true, "PUT") if has("uploadId") => "UploadPart",
        (true, "PUT") => "PutObject",
        _ => "Other",
    }
}

/// Set to break the connection that a request came by.
#[derive(Debug, Clone)]
struct Cut(Arc<AtomicBool>);

impl axum::extract::connect_info::Connected<IncomingStream<'_, CuttableListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

struct CuttableListener(TcpListener);

impl Listener for CuttableListener {
    type Io = Cuttable;
    type Addr = Cut;

    async fn accept(&mut self) -> (Cuttable, Cut) {
        let Ok((stream, _)) = self.0.accept().await else { return pending().await };
        let cut = Cut(Arc::default());
        (Cuttable { stream, cut: cut.clone() }, cut)
    }

    fn local_addr(&self) -> std::io::Result<Cut> {
        self.0.local_addr().map(|_: SocketAddr| Cut(Arc::default()))
    }
}

/// A connection that, once cut, writes nothing any more.
struct Cuttable {
    stream: TcpStream,
    cut: Cut,
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.cut.0.load(Ordering::SeqCst) {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
