//! What an operator does beside running a gateway.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod bucket;
