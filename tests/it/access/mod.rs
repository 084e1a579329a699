//! Who may upload what, tried by hostile clients.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, also in its helpers")]

mod attempts;
mod keys_of_objects;
mod secrets;
mod signer;
mod url_scope;
