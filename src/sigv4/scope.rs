//! When, where and as whom a URL is signed; the string to sign's fixed part.

use std::time::Duration;

use time::{Date, OffsetDateTime, UtcOffset};

use super::{BucketAddress, Credentials, SignError};

/// The longest life that S3 allows a URL: seven days. Temporary credentials may end it earlier.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>
pub const MAX_EXPIRES: Duration = Duration::from_secs(604_800);

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const SERVICE: &str = "s3";
pub(super) const TERMINATOR: &str = "aws4_request";

/// What every request of a batch has in common: as whom, where and when it is signed.
#[derive(Debug, Clone, Copy)]
pub struct SigningContext<'a> {
    /// The identity that storage will hold responsible.
    pub credentials: &'a Credentials,
    /// The region of the credential scope, such as `us-east-1`, or `auto` on some stores. It must
    /// be the region of the bucket: visible ASCII without a slash.
    pub region: &'a str,
    /// Where the one who uses the URL reaches the bucket (the public endpoint).
    pub address: &'a BucketAddress,
    /// The time of signing, in any offset, in the years 0 to 9999. The life of the URL starts here.
    pub now: OffsetDateTime,
    /// How long the URL lives: 1 s to [`MAX_EXPIRES`]. A fraction of a second is dropped, so that
    /// no URL outlives what was asked. The credentials' own expiry is the caller's to respect.
    pub expires: Duration,
}

/// A checked context, formatted as the signature needs it.
pub(super) struct Scope {
    /// `20130524T000000Z`
    pub(super) timestamp: String,
    /// `20130524/us-east-1/s3/aws4_request`
    pub(super) credential_scope: String,
    pub(super) expires_seconds: u64,
    pub(super) date: Date,
}

impl Scope {
    pub(super) fn new(context: &SigningContext<'_>) -> Result<Self, SignError> {
        let expires_seconds = context.expires.as_secs();
        if !(1..=MAX_EXPIRES.as_secs()).contains(&expires_seconds) {
            return Err(SignError::ExpiresOutOfRange(context.expires));
        }
        let region = context.region;
        let breaks_scope = |byte: u8| !byte.is_ascii_graphic() || byte == b'/';
        if region.is_empty() || region.bytes().any(breaks_scope) {
            return Err(SignError::InvalidRegion(region.to_owned()));
        }
        let now = context
            .now
            .checked_to_offset(UtcOffset::UTC)
            .filter(|utc| (0..=9999).contains(&utc.year()))
            .ok_or(SignError::TimeOutOfRange)?;
        let (date, (hour, minute, second)) = (now.date(), now.to_hms());
        let day = compact_date(date);
        Ok(Self {
            timestamp: format!("{day}T{hour:02}{minute:02}{second:02}Z"),
            credential_scope: format!("{day}/{region}/{SERVICE}/{TERMINATOR}"),
            expires_seconds,
            date,
        })
    }

    /// The string to sign up to the hash of the canonical request, which ends it.
    pub(super) fn string_to_sign_prefix(&self) -> String {
        format!("{ALGORITHM}\n{}\n{}\n", self.timestamp, self.credential_scope)
    }
}

/// `20130524`
pub(super) fn compact_date(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}
