//! The API over real HTTP, on the embedded store.

mod abort;
mod bad_input;
mod errors;
mod http;
mod lifecycle;
mod objects;
mod proof;
mod proxied;
mod resume;
mod signing;
mod small_put;
mod streams;
mod support;
