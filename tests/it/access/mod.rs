//! Who may upload what, tried by hostile clients.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, also in its helpers")]

mod attempts;
mod callers;
mod keys_of_objects;
mod policies;
mod quotas;
mod secrets;
mod signer;
mod support;
mod tenants;
mod url_scope;
