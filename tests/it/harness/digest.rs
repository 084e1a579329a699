//! Checksums of bytes, as the API and S3 write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use sha2::Digest as _;

/// The digest of bytes by a `checksum_algorithm`.
pub(crate) fn digest(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let crc32 = |algorithm| (crc_fast::checksum(algorithm, bytes) as u32).to_be_bytes().to_vec();
    match kind {
        "crc64nvme" => crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes().to_vec(),
        "crc32c" => crc32(CrcAlgorithm::Crc32Iscsi),
        "crc32" => crc32(CrcAlgorithm::Crc32IsoHdlc),
        "sha1" => sha1::Sha1::digest(bytes).to_vec(),
        "sha256" => sha2::Sha256::digest(bytes).to_vec(),
        "md5" => md5::Md5::digest(bytes).to_vec(),
        other => panic!("{other} is not a kind"),
    }
}

/// The digest as S3 writes it.
pub(crate) fn checksum(kind: &str, bytes: &[u8]) -> String {
    BASE64.encode(digest(kind, bytes))
}

/// SHA-256 as the API writes it.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest("sha256", bytes))
}
