//! Checksums of parts and of whole objects, and how the first give the second.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use sha2::{Digest as _, Sha256};

/// How the bytes of each part are protected on their way to storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// No checksum.
    None,
    /// CRC-64/NVME.
    Crc64nvme,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// MD5, as Content-MD5: the one kind that every store enforces.
    Md5,
}

/// What an object's checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumType {
    /// The whole object, as if it had been sent in one piece.
    FullObject,
    /// The checksums of the parts.
    Composite,
}

impl ChecksumAlgorithm {
    /// Every kind, in the order in which people should prefer them.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Crc64nvme, Self::Crc32c, Self::Crc32, Self::Sha1, Self::Sha256, Self::Md5];

    /// The name in database, settings and API.
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

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The length of a checksum in bytes; 0 for [`ChecksumAlgorithm::None`].
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

    /// The HTTP header that carries the checksum of a part, lower case.
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

    /// What the object's checksum covers when parts carry this kind; none where storage keeps none.
    ///
    /// CRCs can be combined, so the object's covers its bytes; S3 allows SHA-1 and SHA-256 as composite only
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>).
    #[must_use]
    pub const fn object_type(self) -> Option<ChecksumType> {
        match self {
            Self::None | Self::Md5 => None,
            Self::Crc64nvme | Self::Crc32c | Self::Crc32 => Some(ChecksumType::FullObject),
            Self::Sha1 | Self::Sha256 => Some(ChecksumType::Composite),
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc64nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::None | Self::Sha1 | Self::Sha256 | Self::Md5 => None,
        }
    }
}

/// The checksum of some bytes. Invariant: as long as its algorithm's digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    bytes: [u8; 32],
}

/// Why text is not a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Not base64 with the standard alphabet and padding.
    #[error("not base64 (standard alphabet, with padding)")]
    NotBase64,
    /// Not as long as the algorithm's digest.
    #[error("{actual} bytes long, where this kind has {expected}")]
    WrongLength {
        /// The digest's length in bytes.
        expected: usize,
        /// The decoded text's length in bytes.
        actual: usize,
    },
    /// Not hexadecimal digits.
    #[error("not 64 hexadecimal digits")]
    NotHex,
}

impl Checksum {
    /// Reads base64, as S3 writes checksums.
    ///
    /// # Errors
    /// [`ChecksumError::NotBase64`] and [`ChecksumError::WrongLength`].
    pub fn from_base64(algorithm: ChecksumAlgorithm, text: &str) -> Result<Self, ChecksumError> {
        let decoded = BASE64.decode(text).map_err(|_| ChecksumError::NotBase64)?;
        Self::from_slice(algorithm, &decoded)
    }

    fn from_slice(algorithm: ChecksumAlgorithm, digest: &[u8]) -> Result<Self, ChecksumError> {
        let expected = algorithm.digest_len();
        if digest.len() != expected {
            return Err(ChecksumError::WrongLength { expected, actual: digest.len() });
        }
        let mut bytes = [0; 32];
        bytes[..expected].copy_from_slice(digest);
        Ok(Self { algorithm, bytes })
    }

    fn from_crc(algorithm: ChecksumAlgorithm, value: u64) -> Self {
        let mut bytes = [0; 32];
        let len = algorithm.digest_len();
        bytes[..len].copy_from_slice(&value.to_be_bytes()[8 - len..]);
        Self { algorithm, bytes }
    }

    fn to_crc(self) -> u64 {
        self.as_bytes().iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// Its kind.
    #[must_use]
    pub fn algorithm(self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Computes checksums of the same kind from bytes; none for kinds that are not CRCs.
    #[must_use]
    pub fn hasher(self) -> Option<CrcHasher> {
        let crc = self.algorithm.crc()?;
        Some(CrcHasher { algorithm: self.algorithm, digest: crc_fast::Digest::new(crc) })
    }

    /// The raw digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.digest_len()]
    }

    /// The digest as S3 writes it.
    #[must_use]
    pub fn to_base64(self) -> String {
        BASE64.encode(self.as_bytes())
    }

    /// Appends [`Self::to_base64`].
    pub fn append_base64(self, text: &mut String) {
        BASE64.encode_string(self.as_bytes(), text);
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.algorithm, self.to_base64())
    }
}

/// Computes a CRC from bytes.
#[derive(Debug, Clone)]
pub struct CrcHasher {
    algorithm: ChecksumAlgorithm,
    digest: crc_fast::Digest,
}

impl CrcHasher {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    /// The checksum of all bytes so far.
    #[must_use]
    pub fn finish(&self) -> Checksum {
        Checksum::from_crc(self.algorithm, self.digest.finalize())
    }
}

/// The checksum of a whole object, as storage keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// Its kind.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    pub checksum_type: ChecksumType,
    /// Base64; a composite one ends in `-` and the number of parts.
    pub value: String,
}

/// The checksum of the object that these parts make, each with its size in bytes, in order.
///
/// None where the kind has no object checksum, where there are no parts, or where the parts' kinds differ.
#[must_use]
pub fn combine(algorithm: ChecksumAlgorithm, parts: &[(Checksum, u64)]) -> Option<ObjectChecksum> {
    let checksum_type = algorithm.object_type()?;
    if parts.is_empty() || parts.iter().any(|(part, _)| part.algorithm != algorithm) {
        return None;
    }
    let value = match algorithm.crc() {
        Some(crc) => full_object(algorithm, crc, parts).to_base64(),
        None => composite(algorithm, parts)?,
    };
    Some(ObjectChecksum { algorithm, checksum_type, value })
}

fn full_object(algorithm: ChecksumAlgorithm, crc: CrcAlgorithm, parts: &[(Checksum, u64)]) -> Checksum {
    let parts = parts.iter().map(|(part, size_bytes)| (part.to_crc(), *size_bytes));
    Checksum::from_crc(algorithm, partgate_crc::concatenate(crc, parts))
}

/// The digest over the parts' digests. SHA-1 composites need a SHA-1 that nothing else here needs: left to storage.
fn composite(algorithm: ChecksumAlgorithm, parts: &[(Checksum, u64)]) -> Option<String> {
    if algorithm != ChecksumAlgorithm::Sha256 {
        return None;
    }
    let mut hasher = Sha256::new();
    for (part, _) in parts {
        hasher.update(part.as_bytes());
    }
    Some(format!("{}-{}", BASE64.encode(hasher.finalize()), parts.len()))
}

/// The SHA-256 of a whole file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// A digest that was computed.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`ChecksumError::NotHex`].
    pub fn from_hex(text: &str) -> Result<Self, ChecksumError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ChecksumError::NotHex)?;
        Ok(Self(bytes))
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crc_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let crc = algorithm.crc().unwrap();
        Checksum::from_crc(algorithm, crc_fast::checksum(crc, bytes))
    }

    #[test]
    fn check_values_of_the_catalogue() {
        // https://reveng.sourceforge.io/crc-catalogue/all.htm, "check" of "123456789".
        for (algorithm, hex_value) in [
            (ChecksumAlgorithm::Crc64nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc32, "cbf43926"),
        ] {
            assert_eq!(hex::encode(crc_of(algorithm, b"123456789").as_bytes()), hex_value);
        }
    }

    #[test]
    fn wrong_alphabet_and_length_are_told_apart() {
        let parse = |text| Checksum::from_base64(ChecksumAlgorithm::Crc64nvme, text);
        assert_eq!(parse("not base64!"), Err(ChecksumError::NotBase64));
        assert_eq!(parse("AAAAAA=="), Err(ChecksumError::WrongLength { expected: 8, actual: 4 }));
        assert_eq!(parse("AAAAAAAAAAA=").unwrap().to_base64(), "AAAAAAAAAAA=");
    }

    #[test]
    fn composite_is_the_digest_of_digests() {
        let part = Checksum::from_slice(ChecksumAlgorithm::Sha256, &Sha256::digest(b"part")).unwrap();
        let object = combine(ChecksumAlgorithm::Sha256, &[(part, 4), (part, 4)]).unwrap();
        let expected = Sha256::digest([part.as_bytes(), part.as_bytes()].concat());
        assert_eq!(object.value, format!("{}-2", BASE64.encode(expected)));
        assert_eq!(object.checksum_type, ChecksumType::Composite);
    }

    #[test]
    fn parts_of_another_kind_combine_to_nothing() {
        let part = crc_of(ChecksumAlgorithm::Crc32, b"x");
        assert_eq!(combine(ChecksumAlgorithm::Crc64nvme, &[(part, 1)]), None);
        assert_eq!(combine(ChecksumAlgorithm::Crc64nvme, &[]), None);
    }

    proptest! {
        #[test]
        fn combined_parts_equal_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12),
        ) {
            for algorithm in [ChecksumAlgorithm::Crc64nvme, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc32] {
                let pieces: Vec<_> =
                    parts.iter().map(|part| (crc_of(algorithm, part), part.len() as u64)).collect();
                let whole = crc_of(algorithm, &parts.concat());
                prop_assert_eq!(combine(algorithm, &pieces).unwrap().value, whole.to_base64());
            }
        }
    }
}
