//! Tests of the room as a whole; each step's own are beside it.

mod equivalence;
mod refusals;
mod vectors;

use std::time::Duration;

use time::OffsetDateTime;
use time::macros::datetime;

use super::{AddressingStyle, BucketAddress, Credentials, SigningContext, SigningKey};

// Thursday, 1 January 2026.
const NOW: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

fn credentials(session_token: Option<&str>) -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, session_token.map(str::to_owned))
}

fn path_address() -> BucketAddress {
    BucketAddress::new("https://127.0.0.1:9000", "bkt", AddressingStyle::Path).unwrap()
}

fn key(session_token: Option<&str>) -> SigningKey {
    SigningKey::derive(&credentials(session_token), "us-east-1", NOW).unwrap()
}

fn context<'a>(key: &'a SigningKey, address: &'a BucketAddress) -> SigningContext<'a> {
    SigningContext { key, address, now: NOW, expires: Duration::from_secs(300) }
}
