//! Tests of the room as a whole; each step's own are beside it.

mod equivalence;
mod refusals;
mod vectors;

use std::time::Duration;

use time::macros::datetime;

use super::{AddressingStyle, BucketAddress, Credentials, SigningContext};

fn credentials(session_token: Option<&str>) -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, session_token.map(str::to_owned))
}

fn path_address() -> BucketAddress {
    BucketAddress::new("https://127.0.0.1:9000", "bkt", AddressingStyle::Path).unwrap()
}

fn context<'a>(credentials: &'a Credentials, address: &'a BucketAddress) -> SigningContext<'a> {
    SigningContext {
        credentials,
        region: "us-east-1",
        address,
        now: datetime!(2026-01-01 0:00 UTC),
        expires: Duration::from_secs(300),
    }
}
