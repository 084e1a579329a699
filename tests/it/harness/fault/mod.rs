//! A proxy between gateway and store that fails on demand or by chance: the network's weather, one S3 operation at a
//! time.

mod cut;
mod forward;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::Dice;
use cut::{Cut, CuttableListener};
use forward::{Onward, meet, operation};

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
    /// The connection is reset; the store never sees the request.
    Reset,
    /// The store sees half of the request's body, then the connection is reset. Without a body: [`Fault::Reset`].
    CutRequest,
    /// The store acts; the connection is reset before a byte of the answer arrives.
    DropAnswer,
    /// The store acts; the connection breaks within the answer's body. Without a body: [`Fault::DropAnswer`].
    CutAnswer,
    /// The store acts; the answer is 500 InternalError.
    FailAfterActing,
    /// The request reaches the store after so long, even if nobody waits for it any more.
    Delay(Duration),
    /// The store acts; the answer waits until the test lets it go.
    HoldAnswer(Hold),
    /// The request waits until the test lets it go.
    HoldRequest(Hold),
    /// The request waits until the test lets it go; then this status with this S3 code.
    HoldAndRefuse(Hold, u16, &'static str),
}

impl Fault {
    /// Its name in counts.
    const fn name(&self) -> &'static str {
        match self {
            Self::SlowDown => "503",
            Self::ErrorIn200 => "error in 200",
            Self::Refuse(..) => "refused",
            Self::Reset => "reset",
            Self::CutRequest => "cut request",
            Self::DropAnswer => "reset after acting",
            Self::CutAnswer => "cut answer",
            Self::FailAfterActing => "500 after acting",
            Self::Delay(_) => "delay",
            Self::HoldAnswer(_) | Self::HoldRequest(_) | Self::HoldAndRefuse(..) => "held",
        }
    }
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

/// Faults by chance.
#[derive(Debug)]
pub(crate) struct Weather {
    pub(crate) dice: Dice,
    /// How many of a hundred requests meet a fault.
    pub(crate) percent: u64,
    /// Kinds by weight.
    pub(crate) kinds: Vec<(u64, Fault)>,
}

impl Weather {
    fn next(&mut self, operation: &str) -> Option<Fault> {
        if !self.dice.chance(self.percent) {
            return None;
        }
        Some(match self.dice.pick_weighted(&self.kinds) {
            // S3 does this where it answers before it is done, nowhere else.
            Fault::ErrorIn200 if operation != "CompleteMultipartUpload" => Fault::SlowDown,
            fault => fault.clone(),
        })
    }
}

#[derive(Debug)]
struct Rule {
    operation: &'static str,
    fault: Fault,
    left: u32,
}

/// How often faults happened: by kind and S3 operation.
pub(crate) type FaultCounts = BTreeMap<(&'static str, &'static str), u32>;

#[derive(Debug, Default)]
struct Faults {
    store_url: String,
    rules: Vec<Rule>,
    weather: Option<Weather>,
    counts: FaultCounts,
    seen: Vec<&'static str>,
    traceparents: Vec<String>,
    is_away: bool,
    under_way: usize,
}

impl Faults {
    fn next(&mut self, operation: &'static str) -> Option<Fault> {
        self.seen.push(operation);
        let matches = |rule: &&mut Rule| rule.left > 0 && [operation, "*"].contains(&rule.operation);
        if self.is_away {
            *self.counts.entry(("away", operation)).or_default() += 1;
            return Some(Fault::Reset);
        }
        let fault = if let Some(rule) = self.rules.iter_mut().find(matches) {
            rule.left -= u32::from(rule.left != EVERY_TIME);
            Some(rule.fault.clone())
        } else {
            self.weather.as_mut().and_then(|weather| weather.next(operation))
        }?;
        *self.counts.entry((fault.name(), operation)).or_default() += 1;
        Some(fault)
    }
}

/// The proxy. Stops when dropped.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    /// `http://127.0.0.1:port` for the gateway.
    pub(crate) url: String,
    address: SocketAddr,
    shared: Shared,
    server: Mutex<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
struct Shared {
    faults: Arc<Mutex<Faults>>,
    traffic: Arc<Notify>,
    http: reqwest::Client,
}

impl FaultProxy {
    /// Listens; where to is said by [`FaultProxy::forward_to`], before the first request.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = Shared { faults: Arc::default(), traffic: Arc::default(), http };
        let server = Mutex::new(serve(listener, shared.clone()));
        Self { url: format!("http://{address}"), address, shared, server }
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.shared.faults.lock().unwrap()
    }

    pub(crate) fn forward_to(&self, store_url: &str) {
        store_url.clone_into(&mut self.faults().store_url);
    }

    /// The next so many requests of an S3 operation (`*`: of any) meet this fault.
    pub(crate) fn fail(&self, operation: &'static str, fault: Fault, times: u32) {
        self.faults().rules.push(Rule { operation, fault, left: times });
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

    /// From now on requests that no rule is for meet faults by chance.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.faults().weather = Some(weather);
    }

    /// Everything works again.
    pub(crate) fn clear(&self) {
        let mut faults = self.faults();
        faults.rules.clear();
        faults.weather = None;
    }

    /// Nobody listens any more: new connections are refused, and open ones break.
    pub(crate) async fn go_away(&self) {
        self.faults().is_away = true;
        let server = {
            let server = self.server.lock().unwrap();
            server.abort();
            server.abort_handle()
        };
        while !server.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    /// It listens again, at the same address.
    pub(crate) async fn come_back(&self) {
        // Somebody's outgoing connection may have got the port meanwhile.
        let mut listener = TcpListener::bind(self.address).await;
        for _ in 0..1_000 {
            if listener.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            listener = TcpListener::bind(self.address).await;
        }
        *self.server.lock().unwrap() = serve(listener.unwrap(), self.shared.clone());
        self.faults().is_away = false;
    }

    /// Every operation that the gateway asked for, in turn.
    pub(crate) fn operations(&self) -> Vec<&'static str> {
        self.faults().seen.clone()
    }

    /// The `traceparent` of every request that had one, in turn.
    pub(crate) fn traceparents(&self) -> Vec<String> {
        self.faults().traceparents.clone()
    }

    /// How often the gateway asked for an operation.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.faults().seen.iter().filter(|seen| **seen == operation).count()
    }

    /// How many requests met a fault.
    pub(crate) fn hits(&self) -> u32 {
        self.faults().counts.values().sum()
    }

    /// How often faults happened so far.
    pub(crate) fn counts(&self) -> FaultCounts {
        self.faults().counts.clone()
    }

    /// Waits until a request comes or has been answered.
    pub(crate) async fn traffic(&self) {
        self.shared.traffic.notified().await;
    }

    /// Whether a request is on its way to the store, perhaps one that nobody waits for.
    pub(crate) fn is_quiet(&self) -> bool {
        self.faults().under_way == 0
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.lock().unwrap().abort();
    }
}

fn serve(listener: TcpListener, shared: Shared) -> JoinHandle<()> {
    let router = Router::new().fallback(forward).with_state(shared);
    let service = router.into_make_service_with_connect_info::<Cut>();
    tokio::spawn(async move { axum::serve(CuttableListener(listener), service).await.unwrap() })
}

/// Counts a request as under way until it is dropped, and tells of its coming and going.
struct UnderWay(Shared);

impl UnderWay {
    fn new(shared: Shared) -> Self {
        shared.faults.lock().unwrap().under_way += 1;
        shared.traffic.notify_waiters();
        Self(shared)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.faults.lock().unwrap().under_way -= 1;
        self.0.traffic.notify_waiters();
    }
}

async fn forward(
    State(shared): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let operation = operation(request.method(), request.uri().path(), request.uri().query());
    let traceparent = request.headers().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
    let (fault, store_url) = {
        let mut faults = shared.faults.lock().unwrap();
        faults.traceparents.extend(traceparent);
        (faults.next(operation), faults.store_url.clone())
    };
    let onward = Onward { http: shared.http.clone(), store_url };
    let under_way = UnderWay::new(shared);
    match fault {
        None => {
            let answer = onward.send(request).await;
            drop(under_way);
            answer
        }
        Some(fault) => meet(fault, request, onward, (cut, under_way)).await,
    }
}
