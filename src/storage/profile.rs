//! What the configured store can do. AWS's abilities are the default; settings name what differs.

use crate::upload::{ChecksumAlgorithm, Limits, PutSupport};

/// The abilities of a store that our choices depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreProfile {
    /// Its sizes.
    pub limits: Limits,
    /// The checksum kinds that it enforces on parts.
    pub checksum_algorithms: Vec<ChecksumAlgorithm>,
    /// Whether it honours `If-None-Match: *` on PutObject and CompleteMultipartUpload. AWS, MinIO and SeaweedFS
    /// do; Garage 2.5.0 ignores it; GCS does not support it on multipart uploads.
    pub conditional_writes: bool,
}

impl StoreProfile {
    /// Whether a small file may be one PUT: only where that PUT cannot replace anything.
    #[must_use]
    pub fn put_support(&self, overwrite: bool) -> PutSupport {
        if self.conditional_writes && !overwrite { PutSupport::Conditional } else { PutSupport::Unsafe }
    }
}

impl Default for StoreProfile {
    fn default() -> Self {
        Self {
            limits: Limits::AWS,
            checksum_algorithms: ChecksumAlgorithm::ALL.to_vec(),
            conditional_writes: true,
        }
    }
}
