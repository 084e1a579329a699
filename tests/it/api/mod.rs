//! The API over real HTTP, on the embedded store or on what `TEST_STORE` says.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, also in its helpers")]

mod abort;
mod bad_input;
mod bad_requests;
mod errors;
mod http;
mod lifecycle;
mod objects;
mod page;
mod proof;
mod proxied;
mod resume;
mod signing;
mod small_put;
mod streams;
pub(crate) mod support;
