//! A store that is the embedded one but for one habit. What the store refuses and the habit allows is asked again in the
//! store's own right, so that it is really done; everything else passes as it came, signatures included.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_sdk_s3::config::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use partgate_devstore::S3_MIN_PART_SIZE_BYTES;

use crate::harness::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

/// What the store does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// `If-None-Match` is read by nobody, as on Garage 2.5.0.
    IgnoresConditions,
    /// The same for PUT alone: conditions hold when parts are completed.
    IgnoresConditionsOfPut,
    /// A PUT whose condition does not hold is not answered at all.
    HangsUpOnConditionsOfPut,
    /// The signed length is read by nobody.
    TakesAnyLength,
    /// Checksums are read by nobody, as by s3s-fs.
    IgnoresChecksums,
    /// Only `x-amz-checksum-…` headers are read by nobody; Content-MD5 is enforced.
    KnowsMd5Only,
    /// Headers that were not signed are honoured, as on MinIO and by RustFS before September 2026.
    TakesUnsignedHeaders,
    /// URLs never expire, as on moto.
    NeverExpires,
    /// ListParts tells no checksums, as on SeaweedFS.
    ListsNoChecksums,
    /// An abort is answered with 204, and nothing is done.
    KeepsAborted,
    /// Multipart uploads are listed by their exact key only, as on MinIO.
    ListsByKeyOnly,
    /// A completion that is repeated is answered with NoSuchUpload, as on MinIO and Garage.
    ForgetsCompletions,
    /// Parts but the last have five MiB at least, as on AWS.
    WantsLargeParts,
}

/// The store. Stops when dropped.
pub(super) struct Liar {
    pub(super) url: String,
    server: JoinHandle<()>,
}

impl Liar {
    pub(super) async fn start(store_url: &str, habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (completed, lengths) = (Arc::default(), Arc::default());
        let store = Store { url: store_url.to_owned(), http, habit, completed, lengths };
        let router = Router::new().fallback(async move |request: Request| store.answer(request).await);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, server }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A request, whole.
#[derive(Clone)]
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone)]
struct Store {
    url: String,
    http: reqwest::Client,
    habit: Habit,
    /// The queries of completions that went well; each has an upload id in it.
    completed: Arc<Mutex<BTreeSet<String>>>,
    /// The length of each part that was sent, by upload id and number.
    lengths: Arc<Mutex<BTreeMap<(String, String), usize>>>,
}

impl Store {
    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let mut asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
        if asked.has("partNumber") {
            let part = (asked.value_of("uploadId").to_owned(), asked.value_of("partNumber").to_owned());
            self.lengths.lock().unwrap().insert(part, asked.body.len());
        }
        let answer = match self.instead(&asked) {
            Some(refusal) => refusal,
            // What is never read is not remembered either, where it only announces what will come.
            None if asked.has("uploads") && self.forgets_unread(&mut asked) => {
                self.do_all_the_same(asked).await
            }
            None => {
                let answer = self.pass(&asked).await;
                if self.habit == Habit::HangsUpOnConditionsOfPut
                    && answer.status == 412
                    && !asked.has("uploadId")
                {
                    // The end of its task is the end of the connection; unlike a panic, nobody is told.
                    std::panic::resume_unwind(Box::new("hung up"));
                }
                match self.allows(&asked, &answer) {
                    true => {
                        self.forgets_unread(&mut asked);
                        self.do_all_the_same(asked).await
                    }
                    false => self.reworded(&asked, answer),
                }
            }
        };
        let mut response = Body::from(answer.body).into_response();
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }

    /// What is answered without asking the store.
    fn instead(&self, asked: &Asked) -> Option<Answer> {
        let is_complete = asked.method == Method::POST && asked.has("uploadId");
        match self.habit {
            Habit::KeepsAborted if asked.method == Method::DELETE && asked.has("uploadId") => {
                Some(Answer::of(StatusCode::NO_CONTENT, ""))
            }
            Habit::ForgetsCompletions
                if is_complete && self.completed.lock().unwrap().contains(asked.query()) =>
            {
                Some(Answer::error(StatusCode::NOT_FOUND, "NoSuchUpload"))
            }
            Habit::WantsLargeParts if is_complete && self.has_small_part(asked) => {
                Some(Answer::error(StatusCode::BAD_REQUEST, "EntityTooSmall"))
            }
            Habit::ListsByKeyOnly if asked.has("uploads") && asked.value_of("prefix").ends_with("%2F") => {
                let none = "<ListMultipartUploadsResult></ListMultipartUploadsResult>";
                Some(Answer::of(StatusCode::OK, none))
            }
            _ => None,
        }
    }

    /// Whether a part but the last of a completion has less than S3 wants.
    fn has_small_part(&self, asked: &Asked) -> bool {
        let list = String::from_utf8_lossy(&asked.body);
        let numbers = list.split("<PartNumber>").skip(1).filter_map(|rest| rest.split('<').next());
        let numbers: Vec<_> = numbers.collect();
        let lengths = self.lengths.lock().unwrap();
        let length = |number: &str| lengths[&(asked.value_of("uploadId").to_owned(), number.to_owned())];
        numbers.iter().rev().skip(1).any(|number| (length(number) as u64) < S3_MIN_PART_SIZE_BYTES)
    }

    /// Whether the store has refused what the habit allows.
    fn allows(&self, asked: &Asked, answer: &Answer) -> bool {
        let says = |words: &str| String::from_utf8_lossy(&answer.body).contains(words);
        let is_signed_url = asked.has("X-Amz-Signature");
        let is_wrong = says("BadDigest") || says("InvalidDigest");
        match self.habit {
            Habit::IgnoresConditions => answer.status == 412,
            Habit::IgnoresConditionsOfPut => answer.status == 412 && !asked.has("uploadId"),
            Habit::TakesAnyLength => is_signed_url && says("SignatureDoesNotMatch"),
            Habit::IgnoresChecksums => is_wrong,
            Habit::KnowsMd5Only => is_wrong && !asked.headers.contains_key("content-md5"),
            Habit::TakesUnsignedHeaders => is_signed_url && says("HeadersNotSigned"),
            Habit::NeverExpires => is_signed_url && says("expired"),
            Habit::HangsUpOnConditionsOfPut
            | Habit::ListsNoChecksums
            | Habit::KeepsAborted
            | Habit::ListsByKeyOnly
            | Habit::ForgetsCompletions
            | Habit::WantsLargeParts => false,
        }
    }

    /// Takes away the headers that nobody reads; answers whether there were any.
    fn forgets_unread(&self, asked: &mut Asked) -> bool {
        let unread: &[&str] = match self.habit {
            Habit::IgnoresConditions | Habit::IgnoresConditionsOfPut => &["if-none-match"],
            Habit::IgnoresChecksums => &["x-amz-checksum-", "content-md5"],
            Habit::KnowsMd5Only => &["x-amz-checksum-"],
            _ => &[],
        };
        let is_unread = |name: &str| unread.iter().any(|start| name.starts_with(start));
        let names: Vec<_> = asked.headers.keys().filter(|name| is_unread(name.as_str())).cloned().collect();
        for name in &names {
            asked.headers.remove(name);
        }
        !names.is_empty()
    }

    /// The store's answer, as the habit gives it.
    fn reworded(&self, asked: &Asked, answer: Answer) -> Answer {
        let is_complete = asked.method == Method::POST && asked.has("uploadId");
        if is_complete && answer.status == StatusCode::OK {
            self.completed.lock().unwrap().insert(asked.query().to_owned());
        }
        let is_list = asked.method == Method::GET && asked.has("uploadId");
        if self.habit != Habit::ListsNoChecksums || !is_list {
            return answer;
        }
        let body = String::from_utf8_lossy(&answer.body);
        // Of `<ChecksumCRC32>…</ChecksumCRC32>` neither tag is known any more.
        let body = body.replace("<Checksum", "<Unknown").replace("</Checksum", "</Unknown");
        let mut headers = answer.headers;
        headers.remove("content-length");
        Answer { status: answer.status, headers, body: body.into() }
    }

    /// As it came, Host among the headers: the signature covers it.
    async fn pass(&self, asked: &Asked) -> Answer {
        let url = format!("{}{}", self.url, asked.uri);
        self.send(asked.method.clone(), url, asked.headers.clone(), asked.body.clone()).await
    }

    /// Signed by the store's own keys, for what is really asked.
    async fn do_all_the_same(&self, asked: Asked) -> Answer {
        let url = asked.without_signature(&self.url);
        let kept = |name: &str| {
            name.starts_with("x-amz-") || ["if-none-match", "content-type", "content-md5"].contains(&name)
        };
        let mut headers: HeaderMap = asked
            .headers
            .iter()
            .filter(|(name, _)| kept(name.as_str()))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        for stale in ["x-amz-date", "x-amz-content-sha256", "x-amz-user-agent"] {
            headers.remove(stale);
        }
        sign_headers(asked.method.as_str(), &url, &mut headers);
        self.send(asked.method, url, headers, asked.body).await
    }

    async fn send(&self, method: Method, url: String, headers: HeaderMap, body: Bytes) -> Answer {
        let answer = self.http.request(method, url).headers(headers).body(body).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.bytes().await.unwrap_or_default() }
    }
}

fn sign_headers(method: &str, url: &str, headers: &mut HeaderMap) {
    let identity = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let signable = SignableRequest::new(method, url, named, SignableBody::UnsignedPayload);
    let (signed, _) = sign(signable.unwrap(), &parameters).unwrap().into_parts();
    for (name, value) in signed.headers() {
        headers.insert(name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
    }
}

impl Asked {
    fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    fn has(&self, parameter: &str) -> bool {
        self.query().split('&').any(|pair| pair.split('=').next() == Some(parameter))
    }

    /// A parameter's value as it was sent; empty where there is none.
    fn value_of(&self, parameter: &str) -> &str {
        let mut pairs = self.query().split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == parameter).map_or("", |(_, value)| value)
    }

    /// The same place in the store, without what only says who may.
    fn without_signature(&self, store_url: &str) -> String {
        let is_of_signature = |pair: &&str| pair.to_ascii_lowercase().starts_with("x-amz-");
        let query: Vec<_> = self.query().split('&').filter(|pair| !is_of_signature(pair)).collect();
        format!("{store_url}{}?{}", self.uri.path(), query.join("&")).trim_end_matches('?').to_owned()
    }
}

impl Answer {
    fn of(status: StatusCode, body: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/xml".parse().unwrap());
        Self { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn error(status: StatusCode, code: &str) -> Self {
        Self::of(status, &format!("<Error><Code>{code}</Code><Message>so it is here</Message></Error>"))
    }
}
