//! Takes a request's body into a new file and checks all that the request said about it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::StreamExt as _;
use http::HeaderMap;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

use super::Backend;
use crate::blob::{Expected, NewBlob, WriteError};
use crate::checksum::{Algorithm, Checksum, Coverage, Declared};
use crate::error::StoreError;

/// Largest body of one PutObject or UploadPart, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MAX_BODY_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// What the headers say about the body.
#[derive(Debug)]
pub(super) struct Claims {
    md5: Option<Vec<u8>>,
    checksum: Option<Checksum>,
    /// The checksum follows the body as a trailer.
    trailer: Option<Algorithm>,
    size_bytes: u64,
}

impl Claims {
    /// # Errors
    /// AWS's codes for headers that contradict each other or cannot be read.
    pub(super) fn parse(headers: &HeaderMap) -> S3Result<Self> {
        let md5 = match text(headers, "content-md5")? {
            None => None,
            Some(value) => match BASE64.decode(value) {
                Ok(digest) if digest.len() == 16 => Some(digest),
                _ => return Err(s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid.")),
            },
        };
        let checksum = header_checksum(headers)?;
        let trailer = text(headers, "x-amz-trailer")?.and_then(|names| {
            Algorithm::ALL.into_iter().find(|algorithm| {
                names.split(',').any(|name| name.trim().eq_ignore_ascii_case(algorithm.header()))
            })
        });
        if checksum.is_some() && trailer.is_some() {
            return Err(single_checksum());
        }
        let named = text(headers, "x-amz-sdk-checksum-algorithm")?;
        if named.is_some() && checksum.is_none() && trailer.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
            ));
        }
        let size_bytes = declared_length(headers)?;
        if size_bytes > MAX_BODY_BYTES {
            return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
        }
        Ok(Self { md5, checksum, trailer, size_bytes })
    }

    fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|checksum| checksum.algorithm).or(self.trailer)
    }

    /// The algorithm to hash an object's body with.
    pub(super) fn for_object(&self) -> Option<Algorithm> {
        self.algorithm()
    }

    /// The algorithm to hash a part's body with, by what its upload declared.
    ///
    /// # Errors
    /// `InvalidRequest` if the part's algorithm is another, or is missing where AWS wants it.
    pub(super) fn for_part(&self, declared: Option<Declared>) -> S3Result<Option<Algorithm>> {
        let Some(declared) = declared else { return Ok(self.algorithm()) };
        let actual = match (self.algorithm(), declared.coverage) {
            (Some(actual), _) if actual == declared.algorithm => return Ok(Some(actual)),
            (None, Coverage::FullObject) => return Ok(Some(declared.algorithm)),
            (Some(actual), _) => actual.name().to_ascii_lowercase(),
            (None, Coverage::Composite) => "null".to_owned(),
        };
        Err(s3_error!(
            InvalidRequest,
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {actual}",
            declared.algorithm.name().to_ascii_lowercase()
        ))
    }
}

impl Backend {
    /// Streams a body into a new file. On an error nothing is left behind.
    ///
    /// # Errors
    /// `IncompleteBody`, `BadDigest` and the like, as AWS.
    pub(super) async fn receive(
        &self,
        body: Option<StreamingBlob>,
        claims: Claims,
        wanted: Option<Algorithm>,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<NewBlob> {
        let writer = self.blobs.writer(wanted);
        if let Some(mut body) = body {
            let mut received = 0;
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(body_error).and_then(|chunk| {
                    received += chunk.len() as u64;
                    if received > claims.size_bytes { Err(incomplete_body()) } else { Ok(chunk) }
                });
                match chunk {
                    Ok(chunk) => {
                        if !writer.write(chunk).await {
                            // A full disk or the like: `finish` says what it was.
                            break;
                        }
                    }
                    Err(refusal) => {
                        writer.abandon().await;
                        return Err(refusal);
                    }
                }
            }
        }
        let checksum = match claims.trailer {
            None => claims.checksum,
            Some(algorithm) => match trailing_checksum(algorithm, trailers.as_ref()) {
                Ok(checksum) => Some(checksum),
                Err(refusal) => {
                    writer.abandon().await;
                    return Err(refusal);
                }
            },
        };
        let expected = Expected { size_bytes: Some(claims.size_bytes), md5: claims.md5, checksum };
        writer.finish(expected).await.map_err(write_error)
    }
}

/// Turns a failed write into AWS's answer.
pub(super) fn write_error(error: WriteError) -> S3Error {
    match error {
        WriteError::Files(error) => StoreError::from(error).into(),
        WriteError::Task(error) => StoreError::from(error).into(),
        WriteError::Incomplete => incomplete_body(),
        WriteError::Md5 => {
            s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received.")
        }
        WriteError::Checksum(algorithm) => s3_error!(
            BadDigest,
            "The {} you specified did not match the calculated checksum.",
            algorithm.name()
        ),
    }
}

fn incomplete_body() -> S3Error {
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )
}

/// The one `x-amz-checksum-*` value among the headers.
///
/// # Errors
/// `InvalidRequest` for several, or one that cannot be read.
fn header_checksum(headers: &HeaderMap) -> S3Result<Option<Checksum>> {
    let mut found = None;
    for algorithm in Algorithm::ALL {
        if let Some(value) = text(headers, algorithm.header())? {
            if found.is_some() {
                return Err(single_checksum());
            }
            found = Some(Checksum::parse(algorithm, value)?);
        }
    }
    Ok(found)
}

fn single_checksum() -> S3Error {
    s3_error!(
        InvalidRequest,
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
    )
}

fn trailing_checksum(algorithm: Algorithm, trailers: Option<&TrailingHeaders>) -> S3Result<Checksum> {
    let value = trailers
        .and_then(|trailers| {
            trailers.read(|headers| {
                headers.get(algorithm.header()).and_then(|value| value.to_str().ok()).map(str::to_owned)
            })
        })
        .flatten();
    match value {
        Some(value) => Checksum::parse(algorithm, &value),
        None => Err(custom(
            "MalformedTrailerError",
            "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        )),
    }
}

/// The length of the object itself: with aws-chunked framing that is not Content-Length.
fn declared_length(headers: &HeaderMap) -> S3Result<u64> {
    let chunked = text(headers, "x-amz-content-sha256")?.is_some_and(|value| value.starts_with("STREAMING-"));
    let name = if chunked { "x-amz-decoded-content-length" } else { "content-length" };
    let value = text(headers, name)?
        .ok_or_else(|| s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header."))?;
    value.parse().map_err(|_| s3_error!(InvalidArgument, "Invalid {name}"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> S3Result<Option<&'a str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(s3_error!(InvalidArgument, "The header {name} is not text")),
    }
}

/// s3s keeps the types of its body errors to itself, so they are told apart by their names.
fn body_error(error: s3s::StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        custom(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else if text.contains("SignatureMismatch") {
        s3_error!(
            SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided."
        )
    } else {
        incomplete_body()
    }
}

/// A code that s3s has no name for; these are all 400.
fn custom(code: &'static str, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}
