//! The signing key of one secret, day and region.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::Date;

use super::Credentials;
use super::midstate::HmacMidstate;
use super::scope::{SERVICE, TERMINATOR, compact_date};

/// The key that signs for one UTC day and region, as HMAC midstates.
///
/// Whoever holds it can sign anything in that scope until the day's signatures have expired, so
/// `Debug` hides it.
#[derive(Clone, Copy)]
pub(super) struct SigningKey(pub(super) HmacMidstate);

impl SigningKey {
    /// Derives the key for `date` (UTC) and `region`.
    pub(super) fn derive(credentials: &Credentials, date: Date, region: &str) -> Self {
        Self(HmacMidstate::new(&derive_bytes(credentials, date, region)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey([redacted])")
    }
}

/// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")`.
pub(super) fn derive_bytes(credentials: &Credentials, date: Date, region: &str) -> [u8; 32] {
    let secret = format!("AWS4{}", credentials.secret_access_key());
    let date_key = hmac_sha256(secret.as_bytes(), &compact_date(date));
    let region_key = hmac_sha256(&date_key, region);
    let service_key = hmac_sha256(&region_key, SERVICE);
    hmac_sha256(&service_key, TERMINATOR)
}

fn hmac_sha256(key: &[u8], message: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("hmac takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}
