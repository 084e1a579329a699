//! What an S3-compatible store must do for partgate, judged by independent clients: aws-sdk-s3, the
//! aws-sigv4 signer and plain HTTP.
//!
//! Runs against the embedded store, or against any endpoint named by `CONFORMANCE_ENDPOINT` (see README).

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, also in its helpers")]

mod checksums;
mod concurrency;
mod conditional;
mod cors;
mod durability;
mod lifecycle;
mod listing;
mod multipart;
mod objects;
mod presigned;
mod public_access;
mod request_log;
mod support;
