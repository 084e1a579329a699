//! When, where and as whom a URL is signed; the string to sign's fixed part.

use std::time::Duration;

use time::{Date, OffsetDateTime, UtcOffset};

use super::encode::push_padded;
use super::{BucketAddress, SignError, SigningKey};

/// The longest life that S3 allows a URL: seven days. Temporary credentials may end it earlier.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>
pub const MAX_EXPIRES: Duration = Duration::from_secs(604_800);

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What every request of a batch has in common: as whom, where and when it is signed.
#[derive(Debug, Clone, Copy)]
pub struct SigningContext<'a> {
    /// As whom and in which region: a key of the day of `now`.
    pub key: &'a SigningKey,
    /// Where the one who uses the URL reaches the bucket (the public endpoint).
    pub address: &'a BucketAddress,
    /// The time of signing, in any offset, in the years 0 to 9999. The life of the URL starts here.
    pub now: OffsetDateTime,
    /// How long the URL lives: 1 s to [`MAX_EXPIRES`]. A fraction of a second is dropped, so that
    /// no URL outlives what was asked. The credentials' own expiry is the caller's to respect.
    pub expires: Duration,
}

/// A checked context, formatted as the signature needs it.
pub(super) struct Scope<'a> {
    pub(super) key: &'a SigningKey,
    /// `20130524T000000Z`
    pub(super) timestamp: String,
    pub(super) expires_seconds: u64,
}

impl<'a> Scope<'a> {
    pub(super) fn new(context: &SigningContext<'a>) -> Result<Self, SignError> {
        let expires_seconds = context.expires.as_secs();
        if !(1..=MAX_EXPIRES.as_secs()).contains(&expires_seconds) {
            return Err(SignError::ExpiresOutOfRange(context.expires));
        }
        if !context.key.signs_on(context.now) {
            return Err(SignError::KeyOfAnotherDay);
        }
        Ok(Self { key: context.key, timestamp: timestamp(utc(context.now)?), expires_seconds })
    }

    /// The string to sign up to the hash of the canonical request, which ends it.
    pub(super) fn string_to_sign_prefix(&self) -> String {
        [ALGORITHM, &self.timestamp, &self.key.credential_scope, ""].join("\n")
    }
}

/// The moment as SigV4 writes it: in UTC, with a year of four digits.
pub(super) fn utc(now: OffsetDateTime) -> Result<OffsetDateTime, SignError> {
    now.checked_to_offset(UtcOffset::UTC)
        .filter(|utc| (0..=9999).contains(&utc.year()))
        .ok_or(SignError::TimeOutOfRange)
}

/// `20130524`, of a date in the years 0 to 9999.
pub(super) fn compact_date(date: Date) -> String {
    let mut text = String::with_capacity("20130524T000000Z".len());
    push_padded(&mut text, date.year().unsigned_abs(), 4);
    push_padded(&mut text, u8::from(date.month()).into(), 2);
    push_padded(&mut text, date.day().into(), 2);
    text
}

fn timestamp(utc: OffsetDateTime) -> String {
    let mut text = compact_date(utc.date());
    text.push('T');
    for number in [utc.hour(), utc.minute(), utc.second()] {
        push_padded(&mut text, number.into(), 2);
    }
    text.push('Z');
    text
}
