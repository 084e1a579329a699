//! Plain HTTP to storage, as a client does it: the answer with S3's code, or in words why there is none.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::clock::Clock;

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same after a part of some MiB, which has to get through a person's line first.
const PART_TIMEOUT: Duration = Duration::from_secs(60);
/// Bodies from here on count as such, bytes.
const LARGE_BYTES: usize = 1024 * 1024;
/// Of an answer's body so much is read, bytes: S3's errors are far smaller.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How often a request is sent whose connection is cut before the answer comes. A server that refuses a PUT need not
/// read its body, and when it then closes, the reset can overtake the answer
/// (<https://www.rfc-editor.org/rfc/rfc9112#section-9.6>). All requests here can be repeated.
const TRIES: u32 = 4;
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
/// What of storage's own words is shown, characters.
const MAX_WORDS: usize = 200;

/// A client that follows no redirects and uses no proxy, as the gateway's own.
pub(super) fn client() -> Result<Client, String> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())
}

/// What a server answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: String,
    /// The server's clock minus ours, by its `Date` header.
    pub(super) skew: Option<time::Duration>,
    /// Whether the request had been sent before, and the connection was cut.
    follows_cut: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing was sent: there is nothing to sign it with.
    Unsigned(String),
    /// The host's name has no address.
    Unresolved(String),
    /// The certificate is refused.
    Tls(String),
    /// Nobody answers, or not in time.
    Unreachable(String),
    /// The connection was cut before the answer came, each time.
    Cut(String),
}

impl Silence {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Unsigned(words)
            | Self::Unresolved(words)
            | Self::Tls(words)
            | Self::Unreachable(words)
            | Self::Cut(words) => words,
        }
    }
}

/// A request with the header that a browser adds.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Bytes,
}

impl<'a> Request<'a> {
    pub(super) fn get(url: &'a str) -> Self {
        Self { method: Method::GET, url, headers: &[], body: Bytes::new() }
    }

    pub(super) async fn send(self, client: &Client) -> Result<Answer, Silence> {
        let mut sent = self.send_once(client).await;
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            if !matches!(sent, Err(Silence::Cut(_))) {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            sent = self.send_once(client).await.map(|answer| Answer { follows_cut: true, ..answer });
        }
        sent
    }

    async fn send_once(&self, client: &Client) -> Result<Answer, Silence> {
        let timeout = if self.body.len() < LARGE_BYTES { ANSWER_TIMEOUT } else { PART_TIMEOUT };
        let mut request = client.request(self.method.clone(), self.url).timeout(timeout);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if self.method == Method::PUT {
            request = request.body(self.body.clone());
        }
        answer(request).await
    }
}

async fn answer(request: RequestBuilder) -> Result<Answer, Silence> {
    let before = Clock::System.now();
    let mut response = request.send().await.map_err(silence)?;
    let now = Clock::System.now();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    // A body that breaks off is as good as none: status and headers are here.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            break;
        }
    }
    let date = headers.get("date").and_then(|date| date.to_str().ok()).and_then(parse_date);
    let skew = date.map(|date| date - (before + (now - before) / 2));
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, headers, body, skew, follows_cut: false })
}

#[cfg(test)]
impl Answer {
    pub(super) fn of(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()));
        Self { status, headers: headers.collect(), body: body.to_owned(), skew: None, follows_cut: false }
    }
}

/// RFC 2822 with `GMT` is what HTTP dates are (<https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>).
fn parse_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc2822).ok()
}

impl Answer {
    /// Whether storage did it: now, or for an earlier try whose answer was lost, so that this one, which may only
    /// create, finds the object there.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status) || (self.status == 412 && self.follows_cut)
    }

    /// S3's code, where the body is one of its errors.
    pub(super) fn code(&self) -> &str {
        element(&self.body, "Code").unwrap_or_default()
    }

    /// The region that storage wants, where it says so.
    pub(super) fn region(&self) -> Option<&str> {
        let header = self.header("x-amz-bucket-region");
        let element = || element(&self.body, "Region");
        // `…the region 'a' is wrong; expecting 'b'`: not every store says it in a field of its own.
        let in_words = || self.message().split_once("expecting '")?.1.split('\'').next();
        header.or_else(element).or_else(in_words).filter(|region| !region.is_empty())
    }

    pub(super) fn message(&self) -> &str {
        element(&self.body, "Message").unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether an S3 server said this: others have pages of their own.
    pub(super) fn is_of_s3(&self) -> bool {
        self.headers.keys().any(|name| name.as_str().starts_with("x-amz-")) || !self.code().is_empty()
    }

    /// Whether it tells of a copy that was made.
    pub(super) fn is_of_copy(&self) -> bool {
        self.body.contains("<CopyObjectResult") || self.body.contains("<CopyPartResult")
    }

    /// `403 SignatureDoesNotMatch`, for reports.
    pub(super) fn status_and_code(&self) -> String {
        format!("{} {}", self.status, self.code()).trim_end().to_owned()
    }

    /// The same with storage's own words.
    pub(super) fn words(&self) -> String {
        let message: String = self.message().chars().take(MAX_WORDS).collect();
        format!("{} {}", self.status_and_code(), message).trim_end().to_owned()
    }
}

/// The text of the first element of this name. S3's errors are flat, so this is all that is needed of XML.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

fn silence(error: reqwest::Error) -> Silence {
    let (is_timeout, is_connect) = (error.is_timeout(), error.is_connect());
    // The URL is signed: it must not be shown.
    let error = error.without_url();
    let mut causes = Vec::new();
    let mut source: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let root = causes.last().cloned().unwrap_or_default();
    let mentions = |text: &str| causes.iter().any(|cause| cause.contains(text));
    if mentions("certificate") {
        Silence::Tls(root)
    } else if mentions("dns error") || mentions("failed to lookup address") {
        Silence::Unresolved(root)
    } else if is_timeout {
        Silence::Unreachable("no answer in time".to_owned())
    } else if is_connect {
        Silence::Unreachable(root)
    } else {
        Silence::Cut(root)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn errors_of_s3_are_read() {
        let body =
            "<?xml?><Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        assert_eq!(element(body, "Code"), Some("AuthorizationHeaderMalformed"));
        assert_eq!(element(body, "Region"), Some("eu-west-1"));
        assert_eq!(element(body, "Message"), None);
        assert_eq!(element("<Code>broken", "Code"), None);
    }

    /// A server that resets this many connections, each with a request that it has not read, and answers then.
    async fn resetting(times: u32) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for _ in 0..times {
                let (stream, _) = listener.accept().await.unwrap();
                stream.readable().await.unwrap();
                // With bytes unread, closing is a reset.
                drop(stream);
            }
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            stream.write_all(b"HTTP/1.1 412 \r\ncontent-length: 0\r\n\r\n").await.unwrap();
        });
        url
    }

    async fn put(url: &str) -> Result<u16, Silence> {
        let body = Bytes::from_static(b"bytes");
        let request = Request { method: Method::PUT, url, headers: &[], body };
        request.send(&client().unwrap()).await.map(|answer| answer.status)
    }

    #[tokio::test]
    async fn request_whose_connection_is_cut_is_sent_again_some_times() {
        assert_eq!(put(&resetting(TRIES - 1).await).await, Ok(412));
        assert!(matches!(put(&resetting(TRIES).await).await, Err(Silence::Cut(_))));
    }

    #[test]
    fn dates_of_http_are_read() {
        let date = parse_date("Mon, 23 Nov 2026 05:49:16 GMT").unwrap();
        assert_eq!(date, time::macros::datetime!(2026-11-23 05:49:16 UTC));
    }
}
