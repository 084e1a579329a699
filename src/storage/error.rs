//! What storage refuses, by S3's own codes.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::causes::causes;

/// Stands for what must not be in a log.
const HIDDEN: &str = "[…]";

/// A call to storage that did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {detail}")]
pub struct StorageError {
    /// The S3 operation.
    pub operation: &'static str,
    /// What the caller branches on.
    pub kind: StorageErrorKind,
    /// Storage's code and words, or what went wrong on the way. For the log, hence without what may name an object.
    pub detail: String,
}

/// What a failed call means to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// The multipart upload is unknown: finished, aborted or reaped.
    NoSuchUpload,
    /// There is no object at the key.
    NoSuchObject,
    /// A condition (`If-None-Match`) did not hold, or another writer was at it.
    PreconditionFailed,
    /// A part is missing, changed or too small.
    InvalidPart,
    /// The bytes do not have the checksum or length that was said.
    BadDigest,
    /// Storage says no and will say no again: permissions, bucket, settings.
    Rejected,
    /// Storage did not answer, or asks to slow down; the same call may work later.
    Unavailable,
    /// The bytes of a request ended early: their sender is gone or lied about the length.
    BodyBroken,
}

impl StorageError {
    pub(super) fn from_sdk<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                let code = context.err().code().unwrap_or_default();
                let message = without_names(context.err().message().unwrap_or_default());
                let detail = format!("storage answered {status} {code} {message}").trim_end().to_owned();
                Self { operation, kind: kind_of(operation, status, code), detail }
            }
            SdkError::ConstructionFailure(_) => {
                Self { operation, kind: StorageErrorKind::Rejected, detail: without_names(&causes(&error)) }
            }
            _ => Self {
                operation,
                kind: StorageErrorKind::Unavailable,
                detail: without_names(&causes(&error)),
            },
        }
    }

    pub(super) fn unavailable(operation: &'static str, detail: impl Into<String>) -> Self {
        Self { operation, kind: StorageErrorKind::Unavailable, detail: detail.into() }
    }

    pub(super) fn rejected(operation: &'static str, detail: impl Into<String>) -> Self {
        Self { operation, kind: StorageErrorKind::Rejected, detail: detail.into() }
    }
}

/// S3's codes (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>) and those that other stores
/// use in their place. A HEAD has no body, hence no code: there the status decides.
fn kind_of(operation: &'static str, status: u16, code: &str) -> StorageErrorKind {
    match (code, status) {
        ("NoSuchUpload", _) => StorageErrorKind::NoSuchUpload,
        ("NoSuchKey", _) | ("" | "NotFound", 404) if operation != "HeadBucket" => {
            StorageErrorKind::NoSuchObject
        }
        ("PreconditionFailed" | "ConditionalRequestConflict", _) | ("", 412) => {
            StorageErrorKind::PreconditionFailed
        }
        ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall", _) => StorageErrorKind::InvalidPart,
        // MinIO: XAmzContentChecksumMismatch; Garage: InvalidDigest.
        ("BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch", _) => {
            StorageErrorKind::BadDigest
        }
        ("IncompleteBody" | "RequestTimeout", _) => StorageErrorKind::BodyBroken,
        ("SlowDown" | "ServiceUnavailable" | "InternalError" | "OperationAborted", _) => {
            StorageErrorKind::Unavailable
        }
        // It never will: Unavailable would be tried again for ever.
        ("NotImplemented", _) | (_, 501) => StorageErrorKind::Rejected,
        (_, 429 | 500..=599) => StorageErrorKind::Unavailable,
        _ => StorageErrorKind::Rejected,
    }
}

/// The words of storage without what may be the key of an object, which is a person's file name: what is in quotes,
/// and words with a slash. Amazon S3 says what was denied on which resource, with the key
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
fn without_names(words: &str) -> String {
    // A quote that is not closed hides all that follows.
    let unquoted: String = words
        .split('"')
        .enumerate()
        .map(|(index, text)| if index % 2 == 0 { text } else { HIDDEN })
        .collect();
    let kept = unquoted.split_whitespace().map(|word| if word.contains(['/', '%']) { HIDDEN } else { word });
    kept.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_every_store_level_out() {
        for (operation, status, code, expected) in [
            ("UploadPart", 404, "NoSuchUpload", StorageErrorKind::NoSuchUpload),
            ("HeadObject", 404, "", StorageErrorKind::NoSuchObject),
            ("HeadBucket", 404, "", StorageErrorKind::Rejected),
            ("PutObject", 412, "PreconditionFailed", StorageErrorKind::PreconditionFailed),
            (
                "CompleteMultipartUpload",
                409,
                "ConditionalRequestConflict",
                StorageErrorKind::PreconditionFailed,
            ),
            ("CompleteMultipartUpload", 400, "EntityTooSmall", StorageErrorKind::InvalidPart),
            ("UploadPart", 400, "XAmzContentChecksumMismatch", StorageErrorKind::BadDigest),
            ("ListParts", 503, "SlowDown", StorageErrorKind::Unavailable),
            ("CompleteMultipartUpload", 200, "InternalError", StorageErrorKind::Unavailable),
            ("ListParts", 502, "", StorageErrorKind::Unavailable),
            ("ListMultipartUploads", 501, "NotImplemented", StorageErrorKind::Rejected),
            ("ListParts", 403, "AccessDenied", StorageErrorKind::Rejected),
        ] {
            assert_eq!(kind_of(operation, status, code), expected, "{operation} {status} {code}");
        }
    }

    #[test]
    fn words_of_storage_lose_the_names_of_objects() {
        for (words, expected) in [
            ("Access Denied.", "Access Denied."),
            (
                "User: arn:aws:iam::1:user/me is not authorized to perform: s3:PutObject on resource: \
                 \"arn:aws:s3:::b/in/my salary.pdf\" because no identity-based policy allows it",
                "User: […] is not authorized to perform: s3:PutObject on resource: […] because no identity-based \
                 policy allows it",
            ),
            ("no such key: in/my%20salary.pdf", "no such key: […]"),
            ("broken \"in/my salary.pdf", "broken […]"),
        ] {
            assert_eq!(without_names(words), expected);
        }
    }
}
