//! The signing key of one secret, day and region.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::{Date, OffsetDateTime};

use super::midstate::{DIGEST_BYTES, HmacMidstate};
use super::scope::{compact_date, utc};
use super::{Credentials, SignError, encode};

const SERVICE: &str = "s3";
const TERMINATOR: &str = "aws4_request";

/// The key by which one identity signs in one region for one UTC day, and what its URLs say of it.
///
/// Deriving it costs about as much as two URLs, so it is worth keeping until the day ends.
/// Whoever holds it can sign anything in that scope until the day's signatures have expired, so
/// `Debug` shows the scope only.
#[derive(Clone)]
pub struct SigningKey {
    pub(super) hmac: HmacMidstate,
    region: String,
    date: Date,
    /// `20130524/us-east-1/s3/aws4_request`
    pub(super) credential_scope: String,
    /// The value of `X-Amz-Credential`, encoded.
    pub(super) credential: String,
    /// The value of `X-Amz-Security-Token`, encoded.
    pub(super) session_token: Option<String>,
}

impl SigningKey {
    /// Derives the key for the UTC day of `now`.
    ///
    /// `region` is that of the bucket, such as `us-east-1`, or `auto` on some stores: visible ASCII
    /// without a slash.
    ///
    /// # Errors
    /// [`SignError::InvalidRegion`], and [`SignError::TimeOutOfRange`] outside the years 0 to 9999.
    pub fn derive(credentials: &Credentials, region: &str, now: OffsetDateTime) -> Result<Self, SignError> {
        let breaks_scope = |byte: u8| !byte.is_ascii_graphic() || byte == b'/';
        if region.is_empty() || region.bytes().any(breaks_scope) {
            return Err(SignError::InvalidRegion(region.to_owned()));
        }
        let date = utc(now)?.date();
        let day = compact_date(date);
        let credential_scope = [&day, region, SERVICE, TERMINATOR].join("/");
        let credential = [credentials.access_key_id(), &credential_scope].join("/");
        Ok(Self {
            hmac: HmacMidstate::new(&derive_bytes(credentials, &day, region)),
            region: region.to_owned(),
            date,
            credential: encode::query(&credential),
            credential_scope,
            session_token: credentials.session_token().map(encode::query),
        })
    }

    /// Whether [`Self::derive`] would give this key again, for the same credentials.
    #[must_use]
    pub fn is_for(&self, region: &str, now: OffsetDateTime) -> bool {
        self.region == region && self.signs_on(now)
    }

    /// Whether it is the key of this moment's day.
    pub(super) fn signs_on(&self, now: OffsetDateTime) -> bool {
        utc(now).is_ok_and(|now| now.date() == self.date)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("credential_scope", &self.credential_scope)
            .finish_non_exhaustive()
    }
}

/// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")`.
pub(super) fn derive_bytes(credentials: &Credentials, day: &str, region: &str) -> [u8; DIGEST_BYTES] {
    let secret = ["AWS4", credentials.secret_access_key()].concat();
    let mut date_key =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("hmac takes keys of any length");
    date_key.update(day.as_bytes());
    let date_key = date_key.finalize().into_bytes().into();
    let region_key = HmacMidstate::new(&date_key).mac(region.as_bytes());
    let service_key = HmacMidstate::new(&region_key).mac(SERVICE.as_bytes());
    HmacMidstate::new(&service_key).mac(TERMINATOR.as_bytes())
}
