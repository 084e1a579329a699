//! Who may upload what, tried by hostile clients.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, also in its helpers")]

mod callers;
mod quotas;
mod support;
mod tenants;
