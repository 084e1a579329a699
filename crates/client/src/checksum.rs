//! Checksums of parts, and what they say together about the whole object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use partgate_api::ChecksumAlgorithm;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Computes one part's checksum piece by piece.
pub(crate) enum Hasher {
    None,
    Crc(crc_fast::Digest, CrcAlgorithm),
    Sha1(Sha1),
    Sha256(Sha256),
    Md5(Md5),
}

impl Hasher {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        match (algorithm, crc_kind(algorithm)) {
            (_, Some(kind)) => Self::Crc(crc_fast::Digest::new(kind), kind),
            (ChecksumAlgorithm::Sha1, None) => Self::Sha1(Sha1::new()),
            (ChecksumAlgorithm::Sha256, None) => Self::Sha256(Sha256::new()),
            (ChecksumAlgorithm::Md5, None) => Self::Md5(Md5::new()),
            (_, None) => Self::None,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Crc(digest, _) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
        }
    }

    /// The checksum as S3 writes it (base64); `None` for the algorithm `none`.
    pub(crate) fn finish(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Crc(digest, kind) => Some(crc_text(kind, digest.finalize())),
            Self::Sha1(digest) => Some(STANDARD.encode(digest.finalize())),
            Self::Sha256(digest) => Some(STANDARD.encode(digest.finalize())),
            Self::Md5(digest) => Some(STANDARD.encode(digest.finalize())),
        }
    }
}

/// The checksum of the whole object from those of its parts, in order, each with its length in bytes.
///
/// `None` when the kind is not a CRC (no combination exists) or a part's checksum is malformed.
pub(crate) fn full_object<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = (&'a str, u64)>,
) -> Option<String> {
    let kind = crc_kind(algorithm)?;
    let mut whole = crc_fast::Digest::new(kind).finalize();
    for (checksum, len_bytes) in parts {
        whole = crc_fast::checksum_combine(kind, whole, crc_value(algorithm, checksum)?, len_bytes);
    }
    Some(crc_text(kind, whole))
}

/// The checksum over the checksums, `-` and the number of parts, as stores keep it for SHA kinds.
pub(crate) fn composite<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let mut hasher = Hasher::new(algorithm);
    let mut count = 0;
    for checksum in parts {
        hasher.update(&STANDARD.decode(checksum).ok()?);
        count += 1;
    }
    Some(format!("{}-{count}", hasher.finish()?))
}

const fn crc_kind(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc64nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::None
        | ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha256
        | ChecksumAlgorithm::Md5 => None,
    }
}

fn crc_text(kind: CrcAlgorithm, value: u64) -> String {
    let bytes = value.to_be_bytes();
    match kind {
        CrcAlgorithm::Crc64Nvme => STANDARD.encode(bytes),
        // The 32-bit kinds come widened to 64 bits.
        _ => STANDARD.encode(&bytes[4..]),
    }
}

fn crc_value(algorithm: ChecksumAlgorithm, text: &str) -> Option<u64> {
    let bytes = STANDARD.decode(text).ok()?;
    (bytes.len() == algorithm.digest_len())
        .then(|| bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_piece(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Option<String> {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn check_values_of_123456789_are_the_published_ones() {
        let expect = |algorithm, hex_value: &str| {
            let expected = STANDARD.encode(hex::decode(hex_value).unwrap());
            assert_eq!(one_piece(algorithm, b"123456789"), Some(expected), "{algorithm}");
        };
        expect(ChecksumAlgorithm::Crc64nvme, "ae8b14860a799888");
        expect(ChecksumAlgorithm::Crc32c, "e3069283");
        expect(ChecksumAlgorithm::Crc32, "cbf43926");
        expect(ChecksumAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b");
        expect(ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
    }

    #[test]
    fn none_has_no_checksum() {
        assert_eq!(one_piece(ChecksumAlgorithm::None, b"x"), None);
        assert_eq!(full_object(ChecksumAlgorithm::Sha256, [("x", 1)]), None);
    }

    #[test]
    fn the_checksum_of_nothing_is_that_of_an_empty_object() {
        let empty = full_object(ChecksumAlgorithm::Crc64nvme, []);
        assert_eq!(empty, one_piece(ChecksumAlgorithm::Crc64nvme, b""));
    }

    #[test]
    fn a_malformed_part_checksum_combines_to_nothing() {
        assert_eq!(full_object(ChecksumAlgorithm::Crc64nvme, [("AAAA", 3)]), None);
        assert_eq!(full_object(ChecksumAlgorithm::Crc32, [("%", 3)]), None);
    }

    proptest::proptest! {
        #[test]
        fn parts_combine_to_the_checksum_of_the_whole(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..4096),
            part_size in 1usize..1500,
        ) {
            for algorithm in [ChecksumAlgorithm::Crc64nvme, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc32] {
                let parts: Vec<_> = bytes
                    .chunks(part_size)
                    .map(|part| (one_piece(algorithm, part).unwrap(), part.len() as u64))
                    .collect();
                let combined = full_object(algorithm, parts.iter().map(|(text, len)| (text.as_str(), *len)));
                proptest::prop_assert_eq!(combined, one_piece(algorithm, &bytes));
            }
        }
    }
}
