//! What a store allows. AWS's numbers are the defaults; a store that differs has its own.

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// The size limits of a store, for multipart uploads and single PUTs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest object, bytes. AWS: 10,000 parts of 5 GiB, 48.8 TiB
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>). MinIO, GCS and R2 stop near 5 TiB.
    pub max_object_bytes: u64,
    /// The most parts of one multipart upload. AWS and every store that we know: 10,000 (same page).
    pub max_parts: u32,
    /// The smallest part but the last, bytes. AWS: 5 MiB (same page). B2: 5,000,000 bytes; Garage: none.
    pub min_part_bytes: u64,
    /// The largest part, bytes. AWS: 5 GiB (same page); R2: 4.995 GiB.
    pub max_part_bytes: u64,
}

impl Limits {
    /// The limits of AWS S3.
    pub const AWS: Self = Self {
        max_object_bytes: 10_000 * 5 * GIB,
        max_parts: 10_000,
        min_part_bytes: 5 * MIB,
        max_part_bytes: 5 * GIB,
    };

    /// The largest object that can be made of parts, bytes. A store may name a largest object that its parts cannot
    /// reach (AWS at its limit: exactly reachable).
    #[must_use]
    pub fn largest_object_bytes(&self) -> u64 {
        let reachable_bytes = self.max_part_bytes.saturating_mul(self.max_parts.into());
        self.max_object_bytes.min(reachable_bytes)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::AWS
    }
}
