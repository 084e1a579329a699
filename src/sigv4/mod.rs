//! Presigned S3 URLs: AWS Signature Version 4 in the query string, as pure functions.
//!
//! Nothing here reads a clock, randomness, the environment or the network: the time is an argument,
//! the result is a URL. The room depends on `time`, `hmac` and `sha2` only.
//!
//! Two ways to the same signature:
//! - [`PartSigner`] signs many parts of one upload. It hashes once what the parts share, and a URL
//!   then costs only the blocks of SHA-256 that differ.
//! - [`presign`] signs any one request: method, key, extra query parameters, signed headers.
//!
//! Invariant: both give, byte for byte, what the `aws-sigv4` crate signs for the same request; the
//! property tests in `tests/equivalence.rs` guard it, and `vectors.json` pins it to botocore.
//!
//! The steps, one file each, in the order in which AWS describes them:
//! `encode`, `canonical` (request), `scope` (string to sign), `key`, then `presign` or `part`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
//!
//! Rules that hold for S3 and not for other AWS services: the key is percent-encoded once and its
//! path is never normalised (`a//b/../c` is a legal key), and the payload is `UNSIGNED-PAYLOAD`.
//! URL libraries do normalise `.` and `..` segments, encoded or not, so a browser cannot use the
//! URL of a key that has them: whoever chooses keys must avoid them.

mod address;
mod canonical;
mod credentials;
mod encode;
mod error;
mod key;
mod midstate;
mod part;
mod presign;
mod scope;

#[cfg(test)]
mod tests;

pub use address::{AddressError, AddressingStyle, BucketAddress};
pub use credentials::Credentials;
pub use error::SignError;
pub use key::SigningKey;
pub use part::{ChecksumHeader, MAX_PART_NUMBER, PartBatch, PartSigner};
pub use presign::{Method, PresignRequest, presign};
pub use scope::{MAX_EXPIRES, SigningContext};
