//! What anybody may know of this gateway before they upload.

use std::time::Duration;

use super::Service;
use crate::upload::ChecksumAlgorithm;

/// The terms of uploads to this gateway: nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// `scheme://host[:port]` that every signed URL begins with.
    pub storage_origin: String,
    /// The bucket.
    pub bucket: String,
    /// Before every key that the caller does not name fully.
    pub key_prefix: String,
    /// The largest file that is taken, bytes.
    pub max_size_bytes: u64,
    /// The usual part size, bytes.
    pub part_size_bytes: u64,
    /// How long an upload may take.
    pub lifetime: Duration,
    /// How long a signed URL works.
    pub url_ttl: Duration,
    /// The checksum kinds that storage enforces on parts; empty where it enforces none.
    pub checksum_algorithms: Vec<ChecksumAlgorithm>,
}

impl Service {
    /// The terms of uploads.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let (rules, profile) = (self.rules(), self.storage.profile());
        let limits = &profile.limits;
        let kinds = profile.checksum_algorithms.iter().copied();
        Terms {
            storage_origin: self.storage.public_origin(),
            bucket: self.storage.bucket().to_owned(),
            key_prefix: rules.key_prefix.clone(),
            max_size_bytes: rules.max_size_bytes.unwrap_or(u64::MAX).min(limits.largest_object_bytes()),
            part_size_bytes: rules.part_size_bytes.clamp(limits.min_part_bytes, limits.max_part_bytes),
            // The settings allow a minute to a year, so it is not negative.
            lifetime: rules.lifetime.unsigned_abs(),
            url_ttl: rules.url_ttl,
            checksum_algorithms: kinds.filter(|kind| *kind != ChecksumAlgorithm::None).collect(),
        }
    }
}
