//! Gateways, store, weather, and what clients are doing: all that a run needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use partgate::clock::Clock;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::harness::{Answer, Dice, FaultProxy, Fleet, Gateway, Options};

/// How long an upload may take, as the settings have it.
pub(super) const LIFETIME: time::Duration = time::Duration::days(7);
/// No run lasts longer: what hangs fails.
const PATIENCE: Duration = Duration::from_secs(300);

/// What differs from run to run.
pub(super) struct Setup {
    pub(super) gateways: usize,
    /// `sqlite://…` or `postgres://…`; none for a new SQLite file.
    pub(super) database: Option<String>,
    /// Whether sweeps look for multipart uploads that no upload wants; without that, nothing may leak either.
    pub(super) orphans: &'static str,
}

/// Everything around the clients.
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) proxy: FaultProxy,
    /// The store, and a gateway in this process over the same database, whose clock can be set back so that what it
    /// opens is soon over.
    pub(super) past: Gateway,
    pub(super) database: String,
    pub(super) http: reqwest::Client,
    /// Calls that are under way, by gateway and name.
    calls: Mutex<BTreeMap<(usize, &'static str), u32>>,
    deadline: Instant,
    /// Held while no gateway may be killed.
    pub(super) steady: tokio::sync::Mutex<()>,
    /// Databases and logs; deleted with it.
    _folder: TempDir,
}

impl World {
    pub(super) async fn new(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = setup.database.unwrap_or_else(|| sqlite(folder.path()));
        let proxy = FaultProxy::start().await;
        let options = Options { endpoint: Some(proxy.url.clone()), ..Options::default() }
            .with("database", database.clone())
            .with("database_connections", "4")
            .with("storage.public_endpoint", proxy.url.clone());
        let past = Gateway::start_with(options).await;
        proxy.forward_to(&past.store_url);
        let settings = settings(&database, &proxy.url, setup.orphans);
        let fleet = Fleet::start(folder.path(), &settings, setup.gateways).await;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let (calls, steady) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { fleet, proxy, past, database, http, calls, deadline, steady, _folder: folder }
    }

    /// Whether there is time left.
    #[track_caller]
    pub(super) fn check_patience(&self) {
        assert!(
            Instant::now() < self.deadline,
            "the run takes for ever; now under way: {:?}",
            self.under_way(None)
        );
    }

    /// The names of calls that are under way, at one gateway or at all.
    pub(super) fn under_way(&self, gateway: Option<usize>) -> Vec<&'static str> {
        let calls = self.calls.lock().unwrap();
        let at =
            calls.iter().filter(|((at, _), count)| **count > 0 && gateway.is_none_or(|number| number == *at));
        at.map(|((_, name), _)| *name).collect()
    }

    /// Calls until some gateway answers: a client that jumps between gateways and takes no 503 for an answer.
    pub(super) async fn call(&self, dice: &mut Dice, call: Call<'_>) -> Answer {
        loop {
            self.check_patience();
            let number = usize::try_from(dice.within(0..=self.fleet.size() as u64 - 1)).unwrap();
            let pause = Duration::from_millis(dice.within(2..=40));
            if let Some(url) = self.fleet.url(number)
                && let Some(answer) = self.try_at(&url, number, &call).await
            {
                if answer.status != 503 {
                    return answer;
                }
                assert!(answer.headers.contains_key(RETRY_AFTER), "503 without Retry-After: {answer:?}");
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Calls the gateway in this process so that what it opens has only so long to live.
    pub(super) async fn call_past(&self, life: time::Duration, call: &Call<'_>) -> Answer {
        loop {
            self.check_patience();
            let opened_at = OffsetDateTime::now_utc() - LIFETIME + life;
            let shown = Clock::Manual(self.past.clock.clone()).now();
            self.past.clock.advance(opened_at - shown);
            match self.try_at(&self.past.url, self.fleet.size(), call).await {
                Some(answer) if answer.status != 503 => return answer,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// One attempt at a gateway; none when the connection broke.
    async fn try_at(&self, url: &str, number: usize, call: &Call<'_>) -> Option<Answer> {
        let _under_way = UnderWay::new(&self.calls, (number, call.name));
        let answer = call.request(&self.http, url).send().await.ok()?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.ok()?;
        Some(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }
}

/// A call to the API.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
    pub(super) idempotency_key: Option<&'a str>,
}

impl Call<'_> {
    pub(super) fn request(&self, http: &reqwest::Client, url: &str) -> RequestBuilder {
        let mut request = http.request(self.method.clone(), format!("{url}{}", self.path));
        if let Some(body) = self.body {
            request = request.json(body);
        }
        if let Some(key) = self.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        request
    }
}

struct UnderWay<'a> {
    calls: &'a Mutex<BTreeMap<(usize, &'static str), u32>>,
    call: (usize, &'static str),
}

impl<'a> UnderWay<'a> {
    fn new(calls: &'a Mutex<BTreeMap<(usize, &'static str), u32>>, call: (usize, &'static str)) -> Self {
        *calls.lock().unwrap().entry(call).or_default() += 1;
        Self { calls, call }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        *self.calls.lock().unwrap().entry(self.call).or_default() -= 1;
    }
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("gateways.db").display())
}

/// Short times, so that a run sees timeouts, sweeps and completions that outlast their calls.
fn settings(database: &str, storage: &str, orphans: &str) -> String {
    let usual = Fleet::settings(database, storage);
    format!(
        "{usual}\
         connect_timeout = \"1s\"\n\
         attempt_timeout = \"1s\"\n\
         operation_timeout = \"3s\"\n\
         complete_timeout = \"2s\"\n\
         [uploads]\n\
         complete_wait = \"2s\"\n\
         [sweep]\n\
         interval = \"1s\"\n\
         orphans = \"{orphans}\"\n"
    )
}
