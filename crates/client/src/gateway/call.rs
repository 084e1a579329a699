//! One call to the gateway: attempts, waits, and when to give up.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;
use uuid::Uuid;

use super::{Gateway, problem};
use crate::backoff::backoff;
use crate::decide::{Action, GatewayAnswer, History, Seen, Stop, decide};
use crate::error::{Error, chain};

/// How long a gateway that never answered is tried: a wrong address should be told soon.
const FIRST_CONTACT: Duration = Duration::from_secs(15);

/// A call to make.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) idempotency_key: Option<Uuid>,
    /// The upload it is about, for errors that name it.
    pub(crate) upload_id: Option<Uuid>,
}

/// A successful answer, not yet parsed.
pub(crate) struct Answer {
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    pub(crate) date: Option<OffsetDateTime>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) location: Option<String>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::InvalidAnswer { call: self.name, detail: error.to_string() })
    }
}

impl Call {
    pub(crate) fn new(name: &'static str, method: Method) -> Self {
        Self {
            name,
            method,
            path: vec!["upload".into()],
            query: Vec::new(),
            body: None,
            idempotency_key: None,
            upload_id: None,
        }
    }

    /// About one upload; `rest` is the last piece of the path, empty for none.
    pub(crate) fn about(mut self, upload_id: Uuid, rest: &str) -> Self {
        self.upload_id = Some(upload_id);
        self.path.push(upload_id.to_string());
        if !rest.is_empty() {
            self.path.push(rest.to_owned());
        }
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| Error::InvalidAnswer { call: self.name, detail: error.to_string() })?;
        self.body = Some(bytes);
        Ok(self)
    }

    fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// Why one attempt brought no success.
struct Failure {
    seen: Seen,
    error: Error,
    words: String,
}

impl Gateway {
    /// Makes a call until it succeeds, is refused for good, or nothing came for `give_up_after`.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, Error> {
        let started = Instant::now();
        let mut history = History::default();
        let mut failures = 0;
        loop {
            let failure = match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            failures += 1;
            let wait = match decide(&failure.seen, history) {
                Action::AskToken => {
                    history.token_asked = true;
                    if !self.renew_token().await {
                        return Err(failure.error);
                    }
                    continue;
                }
                // The caller of this call knows what to make of a closed upload.
                Action::FetchAnswer | Action::RefreshThenContinue => return Err(failure.error),
                Action::Stop(Stop::Gone) => return Err(gone(call, failure.error)),
                Action::Stop(_) => return Err(failure.error),
                Action::BackOff(told) => told.unwrap_or_else(|| backoff(failures, rand::random())),
                Action::RefreshThenRetry | Action::SignAgain | Action::HashAgain => {
                    backoff(failures, rand::random())
                }
            };
            if matches!(&failure.seen, Seen::Gateway(answer) if answer.status == 500) {
                history.internal_errors += 1;
            }
            if let Some(error) = self.gave_up(started.elapsed(), wait, &failure) {
                return Err(error);
            }
            tracing::debug!(call = call.name, failures, wait_ms = wait.as_millis(), error = %failure.words,
                "gateway call failed, trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether it is time to stop trying: soon, if nothing ever answered at this address.
    fn gave_up(&self, after: Duration, wait: Duration, failure: &Failure) -> Option<Error> {
        let reached = self.inner.reached.load(Ordering::Relaxed);
        let limit =
            if reached { self.inner.give_up_after } else { self.inner.give_up_after.min(FIRST_CONTACT) };
        let detail = failure.words.clone();
        match reached {
            _ if after + wait <= limit => None,
            true => Some(Error::Stalled { after, detail }),
            false => Some(Error::Unreachable { address: self.address().to_owned(), detail }),
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Failure> {
        let mut request = self.inner.http.request(call.method.clone(), call.url(&self.inner.base));
        if let Some(token) = self.token() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key.to_string());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = request.send().await.map_err(|error| network_failure(call, error))?;
        self.inner.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(|error| network_failure(call, error))?;
        if status.is_success() || status.is_redirection() {
            return Ok(Answer {
                name: call.name,
                status,
                body: body.into(),
                date: header(&headers, DATE.as_str()).and_then(http_date),
                retry_after: retry_after(&headers),
                location: header(&headers, LOCATION.as_str()).map(str::to_owned),
            });
        }
        Err(refusal(status, &headers, &body))
    }
}

fn network_failure(call: &Call, error: reqwest::Error) -> Failure {
    let words = format!("{} call: {}", call.name, chain(&error.without_url()));
    Failure {
        seen: Seen::Network,
        error: Error::Stalled { after: Duration::ZERO, detail: words.clone() },
        words,
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let problem = problem::parse(status, body);
    let seen = Seen::Gateway(GatewayAnswer {
        status: status.as_u16(),
        code: problem.code.clone(),
        retry_after: retry_after(headers),
        state: problem.state,
    });
    let words = format!("{} {}: {}", problem.status, problem.code, problem.detail);
    let error = match status {
        StatusCode::UNAUTHORIZED => Error::Unauthorized(Box::new(problem)),
        _ => Error::Rejected(Box::new(problem)),
    };
    Failure { seen, error, words }
}

fn gone(call: &Call, error: Error) -> Error {
    match call.upload_id {
        Some(upload_id) => {
            Error::Gone { upload_id, state: error.problem().and_then(|problem| problem.state) }
        }
        None => error,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header(headers, RETRY_AFTER.as_str())?;
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => (http_date(text)? - OffsetDateTime::now_utc()).try_into().ok(),
    }
}

fn http_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc2822).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read() {
        let date = http_date("Sun, 22 Nov 2026 15:28:50 GMT").unwrap();
        assert_eq!(date.unix_timestamp(), 1_795_361_330);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, "Sun, 22 Nov 2150 15:28:50 GMT".parse().unwrap());
        assert!(retry_after(&headers).unwrap() > Duration::from_secs(3600));
        headers.insert(RETRY_AFTER, "soon".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn paths_and_queries_go_below_the_base() {
        let mut call = Call::new("status", Method::GET).about(Uuid::nil(), "status");
        call.query.push(("refresh", "true".into()));
        let base = Url::parse("http://h/x/").unwrap();
        assert_eq!(
            call.url(&base).as_str(),
            "http://h/x/upload/00000000-0000-0000-0000-000000000000/status?refresh=true"
        );
    }
}
