//! One attempt to send one part.

use std::time::{Duration, Instant};

use reqwest::header::ETAG;
use reqwest::{Method, Response};

use super::transfer::{Outcome, Ticket};
use crate::body::{PartBody, Sent};
use crate::decide::{Seen, StorageAnswer};
use crate::error::chain;
use crate::gateway::retry_after;
use crate::source::Slice;

/// How often a part in flight is checked for a stall.
const STALL_CHECK: Duration = Duration::from_secs(1);
/// What is read of an error answer at most.
const ERROR_BODY_MAX_BYTES: usize = 64 << 10;

/// What one attempt needs.
pub(crate) struct Shipment {
    pub(crate) client: reqwest::Client,
    pub(crate) ticket: Ticket,
    pub(crate) slice: Slice,
    pub(crate) sent: Sent,
    pub(crate) stall_after: Duration,
}

/// Sends a part.
pub(crate) async fn send(shipment: Shipment) -> Outcome {
    let Shipment { client, ticket, slice, sent, stall_after } = shipment;
    let started = Instant::now();
    let number = ticket.number;
    let mut request = client.request(Method::PUT, &ticket.url);
    for (name, value) in &ticket.headers {
        request = request.header(name, value);
    }
    let body = reqwest::Body::wrap(PartBody::new(slice, sent.clone()));
    let exchange = async {
        let response = request.body(body).send().await?;
        read_answer(response, ticket.expires).await
    };
    let outcome = tokio::select! {
        result = exchange => result.unwrap_or_else(|error| {
            let error = error.without_url();
            let seen = if sent.read_failed() { Seen::Unreadable } else { Seen::Network };
            tracing::debug!(part.number = number, error = %chain(&error), "sending a part failed");
            Outcome::Failed(seen)
        }),
        () = stall(&sent, stall_after) => Outcome::Failed(Seen::Stall),
    };
    let duration_ms = started.elapsed().as_millis();
    match outcome {
        Outcome::Stored { etag, .. } => {
            tracing::debug!(part.number = number, duration_ms, "part stored");
            Outcome::Stored { etag, took: started.elapsed() }
        }
        Outcome::Failed(seen) => {
            let reason = super::transfer::describe(&seen);
            tracing::debug!(part.number = number, duration_ms, reason, "part failed");
            Outcome::Failed(seen)
        }
    }
}

async fn read_answer(mut response: Response, expires: Instant) -> reqwest::Result<Outcome> {
    let status = response.status();
    if status.is_success() {
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        // Read to its end, so that the connection can be used again.
        while response.chunk().await?.is_some() {}
        return Ok(Outcome::Stored { etag, took: Duration::ZERO });
    }
    let told = retry_after(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BODY_MAX_BYTES {
            break;
        }
    }
    let text = String::from_utf8_lossy(&body);
    Ok(Outcome::Failed(Seen::Storage(StorageAnswer {
        status: status.as_u16(),
        code: element(&text, "Code"),
        message: element(&text, "Message"),
        retry_after: told,
        url_expired: Instant::now() >= expires,
    })))
}

/// Ends when no byte has moved for `stall_after`.
async fn stall(sent: &Sent, stall_after: Duration) {
    let mut bytes = 0;
    let mut since = Instant::now();
    loop {
        tokio::time::sleep(STALL_CHECK).await;
        let now_bytes = sent.part_bytes();
        if now_bytes != bytes {
            bytes = now_bytes;
            since = Instant::now();
        } else if since.elapsed() >= stall_after {
            return;
        }
    }
}

/// The text of the first `<name>` element of an S3 error; empty when there is none.
fn element(xml: &str, name: &str) -> String {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let text = xml.split_once(&start).and_then(|(_, rest)| rest.split_once(&end)).map(|(text, _)| text);
    text.unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control())
        .take(300)
        .collect::<String>()
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use std::collections::BTreeMap;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Sends five bytes to a store that answers this, or keeps silent.
    async fn send_to(answer: Option<&'static str>) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/part?X-Amz-Signature=s", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\nhello") {
                connection.read_buf(&mut request).await.unwrap();
            }
            match answer {
                Some(answer) => connection.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
        });
        let later = Instant::now() + Duration::from_secs(900);
        let headers = BTreeMap::new();
        let ticket = Ticket { number: 1, url, headers, size_bytes: 5, use_until: later, expires: later };
        let slice = Slice { source: Source::Memory("hello".into()), offset: 0, len_bytes: 5 };
        let (client, sent, stall_after) = (reqwest::Client::new(), Sent::default(), Duration::from_secs(1));
        let outcome = send(Shipment { client, ticket, slice, sent, stall_after }).await;
        server.abort();
        outcome
    }

    #[tokio::test]
    async fn a_stored_part_answers_its_etag() {
        let answer = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n";
        let Outcome::Stored { etag, .. } = send_to(Some(answer)).await else { panic!() };
        assert_eq!(etag.as_deref(), Some("\"e\""));
    }

    #[tokio::test]
    async fn a_refusal_is_read_with_code_words_and_wait() {
        let answer = "HTTP/1.1 503 Slow\r\nretry-after: 7\r\nconnection: close\r\n\r\n\
            <Error><Code>SlowDown</Code><Message>m</Message></Error>";
        let Outcome::Failed(seen) = send_to(Some(answer)).await else { panic!() };
        let expected = StorageAnswer {
            status: 503,
            code: "SlowDown".into(),
            message: "m".into(),
            retry_after: Some(Duration::from_secs(7)),
            url_expired: false,
        };
        assert_eq!(seen, Seen::Storage(expected));
    }

    #[tokio::test]
    async fn a_closed_connection_is_the_network_and_silence_is_a_stall() {
        let closed = send_to(Some("")).await;
        assert!(matches!(closed, Outcome::Failed(Seen::Network)), "{closed:?}");
        let silent = send_to(None).await;
        assert!(matches!(silent, Outcome::Failed(Seen::Stall)), "{silent:?}");
    }

    #[test]
    fn code_and_message_of_an_s3_error_are_found() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>BadDigest</Code><Message>a &lt;b&gt; &amp;lt;</Message></Error>";
        assert_eq!(element(xml, "Code"), "BadDigest");
        assert_eq!(element(xml, "Message"), "a <b> &lt;");
        assert_eq!(element("<html>", "Code"), "");
    }
}
