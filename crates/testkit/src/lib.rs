//! Servers that more than one of our test binaries needs. No part of the gateway.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod postgres;

pub use postgres::Postgres;

/// What a machine cannot provide is skipped with its reason, and fails where `REQUIRE_ALL=1` is set.
fn skip(what: &str, reason: &str) {
    use std::io::Write as _;

    assert!(std::env::var("REQUIRE_ALL").as_deref() != Ok("1"), "{what} is required: {reason}");
    // Not `eprintln!`, which the test harness captures.
    let _ = writeln!(std::io::stderr(), "SKIP {what}: {reason}");
}
