//! Checksum kinds, by the names that the API uses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How each part's bytes are protected on their way to storage.
///
/// With any kind but `none`, each signed part carries its checksum as a signed header and storage itself refuses
/// other bytes. Values are base64, as S3 writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumAlgorithm {
    /// No checksum: plain `curl -T` works.
    #[default]
    None,
    /// CRC-64/NVME, of the whole object at the end. The choice of partgate's own clients.
    Crc64nvme,
    /// CRC-32C (Castagnoli), of the whole object at the end.
    Crc32c,
    /// CRC-32 (ISO-HDLC), of the whole object at the end.
    Crc32,
    /// SHA-1 of each part.
    Sha1,
    /// SHA-256 of each part.
    Sha256,
    /// MD5 of each part, as Content-MD5: the one kind that every store enforces.
    Md5,
}

impl ChecksumAlgorithm {
    /// Every kind, in the order in which the documentation lists them.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Crc64nvme, Self::Crc32c, Self::Crc32, Self::Sha1, Self::Sha256, Self::Md5];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Crc64nvme => "crc64nvme",
            Self::Crc32c => "crc32c",
            Self::Crc32 => "crc32",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Md5 => "md5",
        }
    }

    /// The length of the raw checksum in bytes; 0 for `none`.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc64nvme => 8,
            Self::Crc32c | Self::Crc32 => 4,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Md5 => 16,
        }
    }

    /// The HTTP header that carries a part's checksum to storage.
    #[must_use]
    pub const fn header(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Crc64nvme => Some("x-amz-checksum-crc64nvme"),
            Self::Crc32c => Some("x-amz-checksum-crc32c"),
            Self::Crc32 => Some("x-amz-checksum-crc32"),
            Self::Sha1 => Some("x-amz-checksum-sha1"),
            Self::Sha256 => Some("x-amz-checksum-sha256"),
            Self::Md5 => Some("content-md5"),
        }
    }
}

impl std::fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for ChecksumAlgorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("{name:?} is not one of {}", names.join(", "))
        })
    }
}

/// What an object's checksum was computed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChecksumType {
    /// Over the whole object, as if it had been sent in one piece.
    FullObject,
    /// Over the checksums of the parts, followed by `-` and the number of parts.
    Composite,
}

/// The checksum of a finished object, as storage keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectChecksum {
    /// Its kind.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    #[serde(rename = "type")]
    pub checksum_type: ChecksumType,
    /// Base64; a composite one ends in `-` and the number of parts.
    pub value: String,
}
