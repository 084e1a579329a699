//! One part of an upload, and what is known about it.

use std::fmt;

use super::Checksum;

/// The number of a part, 1 to 10,000
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u32);

impl PartNumber {
    /// The largest part number.
    pub const MAX: u32 = 10_000;

    /// A part number, if it is one.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// The number, from 1.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where our knowledge of a part comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartEvidence {
    /// A client said that storage accepted it.
    Reported,
    /// Storage listed it, or accepted it from our own hands.
    Listed,
    /// Storage lists other bytes than the client reported: to be sent again.
    Mismatched,
}

/// What a client says of a part that storage accepted. A hint, never the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartClaim {
    /// Which part.
    pub number: PartNumber,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its ETag, quotes included, where the client could read it.
    pub etag: Option<String>,
    /// The checksum that was sent with it.
    pub checksum: Option<Checksum>,
}

/// What we remember of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRecord {
    /// Which part.
    pub number: PartNumber,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its ETag, quotes included, once known.
    pub etag: Option<String>,
    /// Its checksum, once known.
    pub checksum: Option<Checksum>,
    /// Where this knowledge comes from.
    pub evidence: PartEvidence,
}

impl PartRecord {
    /// A part as a client reports it.
    #[must_use]
    pub fn reported(claim: PartClaim) -> Self {
        let PartClaim { number, size_bytes, etag, checksum } = claim;
        Self { number, size_bytes, etag, checksum, evidence: PartEvidence::Reported }
    }

    /// Whether this part need not be sent (again).
    #[must_use]
    pub fn is_received(&self) -> bool {
        match self.evidence {
            PartEvidence::Reported | PartEvidence::Listed => true,
            PartEvidence::Mismatched => false,
        }
    }
}

/// A part as storage lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    /// Which part.
    pub number: PartNumber,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its ETag, quotes included.
    pub etag: String,
    /// Its checksum, where the store lists checksums.
    pub checksum: Option<Checksum>,
}
