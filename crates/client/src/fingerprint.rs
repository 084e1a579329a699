//! What names a file by its content, so that a renamed file or another device finds the same upload.

use std::io;

use partgate_api::ChecksumAlgorithm;
use sha2::{Digest as _, Sha256};

use crate::source::{Slice, Source};

/// How much of the beginning, the middle and the end is read.
const SAMPLE_BYTES: u64 = 64 << 10;

/// SHA-256 (hex) of the size in decimal, a line feed, and the first, middle and last 64 KiB. Blocks.
///
/// The middle starts at half of what is before the last 64 KiB, rounded down; a shorter file is taken whole three
/// times. The TypeScript client computes the same.
///
/// # Errors
/// What reading says.
pub(crate) fn fingerprint(source: &Source, size_bytes: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(format!("{size_bytes}\n"));
    let last = size_bytes.saturating_sub(SAMPLE_BYTES);
    for offset in [0, last / 2, last] {
        let slice = Slice { source: source.clone(), offset, len_bytes: size_bytes.min(SAMPLE_BYTES) };
        slice.for_each_chunk(&|| false, |chunk| hasher.update(chunk))?;
    }
    Ok(hex::encode(hasher.finalize()))
}

/// What the caller asks of the upload, besides the content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) overwrite: bool,
    pub(crate) checksum: ChecksumAlgorithm,
}

/// The fingerprint of a file for this purpose: the same content under another key, with another kind of checksum, or
/// one that may replace an object, is another upload. That of the usual purpose is the content's own.
pub(crate) fn for_purpose(fingerprint: &str, purpose: Purpose<'_>) -> String {
    match purpose {
        Purpose { key: None, overwrite: false, checksum: ChecksumAlgorithm::Crc64nvme } => {
            fingerprint.to_owned()
        }
        Purpose { key, overwrite, checksum } => {
            let key = key.unwrap_or_default();
            hex::encode(Sha256::digest(format!("{fingerprint}\n{key}\n{overwrite}\n{checksum}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> String {
        fingerprint(&Source::Memory(bytes.to_vec().into()), bytes.len() as u64).unwrap()
    }

    #[test]
    fn the_formula_is_fixed() {
        let expected = hex::encode(Sha256::digest(b"3\nabcabcabc"));
        assert_eq!(of(b"abc"), expected);
        assert_eq!(of(b""), hex::encode(Sha256::digest(b"0\n")));
    }

    #[test]
    fn beginning_middle_end_and_size_count() {
        let bytes = vec![7u8; 1 << 20];
        let base = of(&bytes);
        for position in [0, (1 << 19) - 100, (1 << 20) - 1] {
            let mut changed = bytes.clone();
            changed[position] = 8;
            assert_ne!(of(&changed), base, "{position}");
        }
        assert_ne!(of(&bytes[1..]), base);
    }

    #[test]
    fn another_purpose_is_another_upload() {
        let of = |key, overwrite| {
            for_purpose("f", Purpose { key, overwrite, checksum: ChecksumAlgorithm::Crc64nvme })
        };
        let md5 = Purpose { key: None, overwrite: false, checksum: ChecksumAlgorithm::Md5 };
        assert_ne!(for_purpose("f", md5), "f");
        assert_eq!(of(None, false), "f");
        assert_ne!(of(Some("a"), false), of(Some("b"), false));
        assert_ne!(of(Some("a"), false), of(Some("a"), true));
    }
}
