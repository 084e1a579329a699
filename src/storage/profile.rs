//! What the configured store can do. AWS's abilities are the default; settings name what differs.

use crate::upload::{ChecksumAlgorithm, ChecksumType, Limits, PutSupport};

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
    /// Whether ListParts tells the checksums of parts. AWS, MinIO and Garage do; SeaweedFS 4.48 does not.
    pub lists_checksums: bool,
}

impl StoreProfile {
    /// Whether a small file may be one PUT: only where that PUT cannot replace anything.
    #[must_use]
    pub fn put_support(&self, overwrite: bool) -> PutSupport {
        if self.conditional_writes && !overwrite { PutSupport::Conditional } else { PutSupport::Unsafe }
    }

    /// The checksum that a multipart upload is opened with: the whole object's kind and type.
    ///
    /// A store that was told of a composite one wants every part's checksum again at completion. Where ListParts does
    /// not tell them nobody has them, so it is not told: it enforces the signed checksum of each part all the same,
    /// and keeps none of the object.
    #[must_use]
    pub fn declared_checksum(&self, kind: ChecksumAlgorithm) -> Option<(ChecksumAlgorithm, ChecksumType)> {
        let checksum_type = kind.object_type()?;
        let is_told = self.lists_checksums || checksum_type == ChecksumType::FullObject;
        is_told.then_some((kind, checksum_type))
    }
}

impl Default for StoreProfile {
    fn default() -> Self {
        Self {
            limits: Limits::AWS,
            checksum_algorithms: ChecksumAlgorithm::ALL.to_vec(),
            conditional_writes: true,
            lists_checksums: true,
        }
    }
}
