//! The API over real HTTP, on the embedded store.

mod lifecycle;
