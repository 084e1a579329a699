//! What becomes of one request: it goes on to the store, meets a fault, or both.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::cut::Cut;
use super::{Fault, UnderWay};

/// Where requests go on to.
#[derive(Debug, Clone)]
pub(super) struct Onward {
    pub(super) http: reqwest::Client,
    pub(super) store_url: String,
}

/// Lets a request meet its fault.
pub(super) async fn meet(
    fault: Fault,
    request: Request,
    onward: Onward,
    (cut, under_way): (Cut, UnderWay),
) -> Response {
    // Some stores say what was refused, so that their words have a key in them.
    let resource = request.uri().path().to_owned();
    let error = |status, code: &str| error(status, code, &resource);
    match fault {
        Fault::SlowDown => error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        Fault::ErrorIn200 => error(StatusCode::OK, "InternalError"),
        Fault::Refuse(status, code) => error(StatusCode::from_u16(status).unwrap(), code),
        Fault::Reset => cut.now(),
        Fault::CutRequest => {
            // The store sees a request that breaks off, if it has a body at all.
            let (parts, body) = request.into_parts();
            let half = half_of(&whole(body).await);
            if !half.is_empty() {
                onward.send(Request::from_parts(parts, broken_off(half))).await;
            }
            cut.now()
        }
        Fault::DropAnswer => {
            onward.send(request).await;
            cut.now()
        }
        Fault::CutAnswer => {
            let (parts, body) = onward.send(request).await.into_parts();
            let half = half_of(&whole(body).await);
            if half.is_empty() { cut.now() } else { Response::from_parts(parts, broken_off(half)) }
        }
        Fault::FailAfterActing => {
            onward.send(request).await;
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
        Fault::Delay(delay) => {
            let (parts, body) = request.into_parts();
            let request = Request::from_parts(parts, Body::from(whole(body).await));
            // A task of its own: what the gateway has given up on lands all the same.
            let late = tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let answer = onward.send(request).await;
                drop(under_way);
                answer
            });
            late.await.unwrap()
        }
        Fault::HoldRequest(hold) => {
            hold.wait().await;
            onward.send(request).await
        }
        Fault::HoldAnswer(hold) => {
            let answer = onward.send(request).await;
            hold.wait().await;
            answer
        }
        Fault::HoldAndRefuse(hold, status, code) => {
            hold.wait().await;
            error(StatusCode::from_u16(status).unwrap(), code)
        }
    }
}

impl Onward {
    /// Method, path, query and headers go on as they came, Host among them: the signature covers it.
    pub(super) async fn send(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let url = format!("{}{target}", self.store_url);
        let mut onward = self.http.request(parts.method, url).headers(parts.headers.clone());
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
}

/// The body, as far as it came.
async fn whole(body: Body) -> Bytes {
    to_bytes(body, usize::MAX).await.unwrap_or_default()
}

fn half_of(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

/// A body that ends with an error, after these bytes have gone out.
fn broken_off(bytes: Bytes) -> Body {
    Body::from_stream(stream::unfold(Some(bytes), |left| async move {
        match left {
            Some(bytes) => Some((Ok(bytes), None)),
            None => {
                tokio::task::yield_now().await;
                Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), None))
            }
        }
    }))
}

fn error(status: StatusCode, code: &str, resource: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>the weather forbids it on \
         resource: &quot;arn:aws:s3:::{}&quot; because it is bad</Message></Error>",
        resource.trim_start_matches('/')
    );
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/xml".parse().unwrap());
    (status, headers, body).into_response()
}

/// S3's name of the operation, of those that a gateway and its clients call.
pub(super) fn operation(method: &Method, path: &str, query: Option<&str>) -> &'static str {
    let has = |name: &str| {
        let mut names = query.unwrap_or_default().split('&').map(|pair| pair.split('=').next());
        names.any(|found| found == Some(name))
    };
    let is_object = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match (is_object, method.as_str()) {
        (false, "HEAD") => "HeadBucket",
        (false, "GET") if has("uploads") => "ListMultipartUploads",
        (false, "GET") if has("lifecycle") => "GetBucketLifecycleConfiguration",
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
