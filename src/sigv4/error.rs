//! Why a URL could not be signed.

use std::time::Duration;

/// A request that SigV4 cannot express, or that S3 would refuse whatever its signature.
///
/// Messages name the field and never quote a credential, a key or a header's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The URL would expire in under one second or after more than seven days.
    #[error("url lifetime of {0:?} is not between 1 s and 604800 s")]
    ExpiresOutOfRange(Duration),
    /// The time of signing is not in the years 0 to 9999 UTC.
    #[error("time of signing is not in the years 0 to 9999 utc")]
    TimeOutOfRange,
    /// The signing key is for another UTC day than the time of signing.
    #[error("signing key is for another day than the time of signing")]
    KeyOfAnotherDay,
    /// The region is empty or has a character that would break the credential scope.
    #[error("region {0:?} is not a name of visible ascii characters without a slash")]
    InvalidRegion(String),
    /// The object key is empty: the URL would address the bucket.
    #[error("object key is empty")]
    EmptyKey,
    /// The S3 upload id is empty: the URL would not be bound to a multipart upload.
    #[error("s3 upload id is empty")]
    EmptyUploadId,
    /// The part number is not in 1..=10000.
    #[error("part number {0} is not between 1 and 10000")]
    PartNumberOutOfRange(u32),
    /// The batch signs a checksum header and this part came without its value.
    #[error("part {part_number} has no value for the signed header {header}")]
    ChecksumMissing {
        /// The part's number.
        part_number: u32,
        /// The header that the batch signs.
        header: &'static str,
    },
    /// The batch signs no checksum header and this part came with a value for one.
    #[error("part {0} has a checksum that the batch does not sign")]
    ChecksumUnexpected(u32),
    /// The checksum is not base64, so it could not be sent as the header that was signed.
    #[error("checksum of part {0} is not base64")]
    ChecksumInvalid(u32),
    /// A header is no HTTP token, is `host` or named twice, or its value has a control character.
    #[error("header {0:?} cannot be signed")]
    InvalidHeader(String),
    /// A query parameter has an empty name or one that belongs to the signature itself.
    #[error("query parameter {0:?} cannot be signed")]
    InvalidQueryParameter(String),
}
