//! The upload whose parts all sign: usual lengths of names and ids on AWS.

use std::time::Duration;

use time::OffsetDateTime;
use time::macros::datetime;

pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ENDPOINT: &str = "https://s3.us-east-1.amazonaws.com";
pub(crate) const HOST: &str = "s3.us-east-1.amazonaws.com";
pub(crate) const BUCKET: &str = "example-uploads";
pub(crate) const KEY: &str = "uploads/2026/01/0198a000-0000-7000-8000-000000000000/holiday.mp4";
/// As long as those of AWS, which are of the characters that need no encoding.
pub(crate) const S3_UPLOAD_ID: &str = "ibZBv_75gd9r8lH_gqXatLdxMVpAlj6ZQjEs.OwyF3953YdwbcQnMA2BLGn8Lx12fQNICtMw5KyteFeHw.\
                                       Sjng--9r0sn0cJzFmMdwXq.BSrLW43Ef1pQKcF8PJ1dAhZ";
pub(crate) const PART_SIZE_BYTES: u64 = 16 << 20;
/// Of no bytes; the signers do not look into it.
pub(crate) const SHA256_BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
// Thursday, 1 January 2026, noon.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);
pub(crate) const EXPIRES: Duration = Duration::from_secs(3600);

/// Which headers a URL binds beside the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The part's length: the least that partgate signs.
    Length,
    /// Its length and its SHA-256.
    LengthAndChecksum,
}

impl Shape {
    pub(crate) const ALL: [Self; 2] = [Self::Length, Self::LengthAndChecksum];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::LengthAndChecksum => "length_and_checksum",
        }
    }

    pub(crate) fn checksum(self) -> Option<&'static str> {
        (self == Self::LengthAndChecksum).then_some(SHA256_BASE64)
    }

    /// The signed headers but for the host, in order of their names.
    pub(crate) fn headers(self, length: &str) -> impl Iterator<Item = (&str, &str)> + Clone {
        let checksum = self.checksum().map(|value| ("x-amz-checksum-sha256", value));
        [("content-length", length)].into_iter().chain(checksum)
    }
}
