//! The bytes that the doctor stores, and their checksums.

use bytes::Bytes;

use crate::upload::{Checksum, ChecksumAlgorithm};

/// What nearly every object and part of the doctor consists of.
pub(super) const BYTES: Bytes = Bytes::from_static(b"partgate doctor");
/// As long, so that only the content tells them apart.
pub(super) const OTHER_BYTES: Bytes = Bytes::from_static(b"somebody else's");

/// The checksum of [`BYTES`]; none for kinds that are none.
pub(super) fn checksum(kind: ChecksumAlgorithm) -> Option<Checksum> {
    Checksum::from_base64(kind, base64(kind)?).ok()
}

/// A checksum of other bytes.
pub(super) fn wrong_checksum(kind: ChecksumAlgorithm) -> Option<Checksum> {
    let right = base64(kind)?;
    let first = if right.starts_with('A') { 'B' } else { 'A' };
    Checksum::from_base64(kind, &format!("{first}{}", &right[1..])).ok()
}

const fn base64(kind: ChecksumAlgorithm) -> Option<&'static str> {
    match kind {
        ChecksumAlgorithm::None => None,
        ChecksumAlgorithm::Crc64nvme => Some("dDcxZNldMc4="),
        ChecksumAlgorithm::Crc32c => Some("d7y5Cg=="),
        ChecksumAlgorithm::Crc32 => Some("Loh/9g=="),
        ChecksumAlgorithm::Sha1 => Some("/Bk46YJYXtLCe0919XaoT4A40lA="),
        ChecksumAlgorithm::Sha256 => Some("uMJDSqasIJlPx5iaTF/qXqc2eNBfX/xZAa6Rn6PW9vQ="),
        ChecksumAlgorithm::Md5 => Some("YtmBkETnFd0rXeq3v6Xs/A=="),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use md5::Digest as _;

    use super::*;

    #[test]
    fn checksums_are_those_of_the_bytes() {
        let crc = |kind: ChecksumAlgorithm| {
            let mut hasher = checksum(kind).unwrap().hasher().unwrap();
            hasher.update(&BYTES);
            hasher.finish().to_base64()
        };
        for (kind, expected) in [
            (ChecksumAlgorithm::Crc64nvme, crc(ChecksumAlgorithm::Crc64nvme)),
            (ChecksumAlgorithm::Crc32c, crc(ChecksumAlgorithm::Crc32c)),
            (ChecksumAlgorithm::Crc32, crc(ChecksumAlgorithm::Crc32)),
            (ChecksumAlgorithm::Sha1, STANDARD.encode(sha1::Sha1::digest(&BYTES))),
            (ChecksumAlgorithm::Sha256, STANDARD.encode(sha2::Sha256::digest(&BYTES))),
            (ChecksumAlgorithm::Md5, STANDARD.encode(md5::Md5::digest(&BYTES))),
        ] {
            assert_eq!(checksum(kind).unwrap().to_base64(), expected);
            assert_ne!(wrong_checksum(kind), checksum(kind));
        }
    }
}
