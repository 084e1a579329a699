//! Checksum algorithms, AWS's table of what combines with what, and the hashing of a body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use s3s::{S3Result, s3_error};
use sha2::Digest as _;

/// The algorithms that S3 accepts for multipart uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What an object's checksum covers: S3's `ChecksumType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// The checksum of all the bytes.
    FullObject,
    /// The checksum of the parts' checksums.
    Composite,
}

/// One digest with its algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) digest: Vec<u8>,
}

/// What a multipart upload declared at its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) algorithm: Algorithm,
    pub(crate) coverage: Coverage,
}

/// A finished object's checksum as S3 shows it: composite values end in `-<parts>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectChecksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) coverage: Coverage,
    pub(crate) value: String,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name in headers, XML and the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries a value of this algorithm.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Finds an algorithm by its name, in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn digest_len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn default_coverage(self) -> Coverage {
        match self {
            Self::Crc64Nvme => Coverage::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => Coverage::Composite,
        }
    }
}

impl Coverage {
    /// The name in headers, XML and the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// Finds a coverage by its name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite].into_iter().find(|coverage| coverage.name() == name)
    }
}

impl Checksum {
    /// Reads a base64 value.
    ///
    /// # Errors
    /// `InvalidRequest`, as AWS, if it is not base64 of the algorithm's digest length.
    pub(crate) fn parse(algorithm: Algorithm, value: &str) -> S3Result<Self> {
        match BASE64.decode(value) {
            Ok(digest) if digest.len() == algorithm.digest_len() => Ok(Self { algorithm, digest }),
            _ => Err(s3_error!(InvalidRequest, "Value for {} header is invalid.", algorithm.header())),
        }
    }

    /// The base64 form.
    pub(crate) fn to_base64(&self) -> String {
        BASE64.encode(&self.digest)
    }
}

impl Declared {
    /// Applies AWS's table of type × algorithm to what a CreateMultipartUpload asked for.
    ///
    /// # Errors
    /// `InvalidRequest` for an unknown algorithm or a pair that AWS refuses.
    pub(crate) fn parse(algorithm: Option<&str>, coverage: Option<&str>) -> S3Result<Option<Self>> {
        let Some(name) = algorithm else {
            if coverage.is_some() {
                return Err(s3_error!(
                    InvalidRequest,
                    "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                ));
            }
            return Ok(None);
        };
        let algorithm = Algorithm::parse(name).ok_or_else(|| {
            s3_error!(
                InvalidRequest,
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                 [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
            )
        })?;
        let coverage = match coverage {
            None => algorithm.default_coverage(),
            Some(name) => Coverage::parse(name).ok_or_else(|| {
                s3_error!(InvalidRequest, "Value for x-amz-checksum-type header is invalid.")
            })?,
        };
        let refused = match (algorithm, coverage) {
            (Algorithm::Crc64Nvme, Coverage::Composite)
            | (Algorithm::Sha1 | Algorithm::Sha256, Coverage::FullObject) => true,
            (Algorithm::Crc64Nvme, Coverage::FullObject)
            | (Algorithm::Sha1 | Algorithm::Sha256, Coverage::Composite)
            | (Algorithm::Crc32 | Algorithm::Crc32c, _) => false,
        };
        if refused {
            return Err(s3_error!(
                InvalidRequest,
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                coverage.name(),
                algorithm.name().to_ascii_lowercase()
            ));
        }
        Ok(Some(Self { algorithm, coverage }))
    }
}

/// Combines the parts' checksums into the object's.
///
/// `parts` yields each part's digest and size in order; every digest must be of `declared.algorithm`.
pub(crate) fn combine<'a>(
    declared: Declared,
    parts: impl Iterator<Item = (&'a [u8], u64)>,
) -> ObjectChecksum {
    let value = match (declared.coverage, declared.algorithm.crc()) {
        (Coverage::FullObject, Some(crc)) => BASE64.encode(combine_crc(declared.algorithm, crc, parts)),
        (Coverage::Composite, _) | (Coverage::FullObject, None) => {
            let mut hasher = Hasher::new(declared.algorithm);
            let mut count = 0_usize;
            for (digest, _) in parts {
                hasher.update(digest);
                count += 1;
            }
            format!("{}-{count}", BASE64.encode(hasher.finish()))
        }
    };
    ObjectChecksum { algorithm: declared.algorithm, coverage: declared.coverage, value }
}

fn combine_crc<'a>(
    algorithm: Algorithm,
    crc: CrcAlgorithm,
    parts: impl Iterator<Item = (&'a [u8], u64)>,
) -> Vec<u8> {
    let parts = parts.map(|(digest, size_bytes)| (crc_value(digest), size_bytes));
    crc_bytes(algorithm, partgate_crc::concatenate(crc, parts))
}

fn crc_value(digest: &[u8]) -> u64 {
    digest.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn crc_bytes(algorithm: Algorithm, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    bytes[bytes.len() - algorithm.digest_len().min(bytes.len())..].to_vec()
}

enum Hasher {
    Crc(Algorithm, Box<crc_fast::Digest>),
    Sha1(Box<sha1::Sha1>),
    Sha256(Box<sha2::Sha256>),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm.crc() {
            Some(crc) => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            None if algorithm == Algorithm::Sha1 => Self::Sha1(Box::default()),
            None => Self::Sha256(Box::default()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(algorithm, digest) => crc_bytes(algorithm, digest.finalize()),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
        }
    }
}

/// Hashes a body once for all that S3 needs of it beside its MD5: CRC-64/NVME for the object that it may
/// become part of, and at most one more algorithm that the caller asked for.
pub(crate) struct BodyHasher {
    crc64nvme: Hasher,
    extra: Option<(Algorithm, Hasher)>,
}

/// All that is known of a body's bytes.
#[derive(Clone, Debug)]
pub(crate) struct BodyDigests {
    pub(crate) md5: [u8; 16],
    pub(crate) crc64nvme: Vec<u8>,
    pub(crate) checksum: Option<Checksum>,
}

impl BodyHasher {
    pub(crate) fn new(wanted: Option<Algorithm>) -> Self {
        let extra = wanted
            .filter(|algorithm| *algorithm != Algorithm::Crc64Nvme)
            .map(|algorithm| (algorithm, Hasher::new(algorithm)));
        Self { crc64nvme: Hasher::new(Algorithm::Crc64Nvme), extra }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.crc64nvme.update(bytes);
        if let Some((_, hasher)) = &mut self.extra {
            hasher.update(bytes);
        }
    }

    /// `wanted` must be what [`BodyHasher::new`] was given; `md5` is the body's.
    pub(crate) fn finish(self, wanted: Option<Algorithm>, md5: [u8; 16]) -> BodyDigests {
        let crc64nvme = self.crc64nvme.finish();
        let checksum = match self.extra {
            Some((algorithm, hasher)) => Some(Checksum { algorithm, digest: hasher.finish() }),
            None => wanted.map(|algorithm| Checksum { algorithm, digest: crc64nvme.clone() }),
        };
        BodyDigests { md5, crc64nvme, checksum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: &[u8] = b"123456789";

    #[test]
    fn digests_equal_the_published_check_values() {
        for (algorithm, expected) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let mut hasher = BodyHasher::new(Some(algorithm));
            hasher.update(CHECK);
            let digests = hasher.finish(Some(algorithm), [0; 16]);
            assert_eq!(hex::encode(digests.checksum.unwrap().digest), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn full_object_crcs_combine_to_the_crc_of_the_whole() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: Vec<(Vec<u8>, u64)> = [&CHECK[..4], &CHECK[4..4], &CHECK[4..]]
                .iter()
                .map(|part| {
                    let mut hasher = Hasher::new(algorithm);
                    hasher.update(part);
                    (hasher.finish(), part.len() as u64)
                })
                .collect();
            let declared = Declared { algorithm, coverage: Coverage::FullObject };
            let combined = combine(declared, parts.iter().map(|(digest, size)| (digest.as_slice(), *size)));
            let mut whole = Hasher::new(algorithm);
            whole.update(CHECK);
            assert_eq!(combined.value, BASE64.encode(whole.finish()), "{algorithm:?}");
        }
    }

    #[test]
    fn declared_follows_the_compatibility_table_of_aws() {
        let accepted = |algorithm, coverage| Declared::parse(Some(algorithm), coverage).is_ok();
        for (algorithm, full, composite) in [
            ("CRC32", true, true),
            ("CRC32C", true, true),
            ("CRC64NVME", true, false),
            ("SHA1", false, true),
            ("SHA256", false, true),
        ] {
            assert_eq!(accepted(algorithm, Some("FULL_OBJECT")), full, "{algorithm}");
            assert_eq!(accepted(algorithm, Some("COMPOSITE")), composite, "{algorithm}");
            assert!(accepted(algorithm, None), "{algorithm}");
        }
        assert!(Declared::parse(None, Some("COMPOSITE")).is_err());
        assert!(Declared::parse(Some("MD5"), None).is_err());
    }
}
