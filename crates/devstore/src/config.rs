//! Settings of the store.

use std::fmt;
use std::path::PathBuf;

/// Amazon S3's smallest part but the last, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const S3_MIN_PART_SIZE_BYTES: u64 = 5 * 1024 * 1024;

/// How a [`DevStore`](crate::DevStore) is opened.
#[derive(Clone)]
pub struct DevStoreConfig {
    /// The one directory that holds everything; made if absent. Delete it to start anew.
    pub data_dir: PathBuf,
    /// The region that signatures must name.
    pub region: String,
    /// The one access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Smallest part but the last, in bytes: [`S3_MIN_PART_SIZE_BYTES`], or 1 for tests with tiny parts.
    pub min_part_size_bytes: u64,
    /// What has reached the disk before an answer.
    pub durability: Durability,
}

/// What has reached the disk before the store answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Bytes and rows survive a power cut: fsync of each part, its directory and the database's log.
    #[default]
    Full,
    /// Bytes and rows survive a killed process, not a power cut. For tests that make thousands of parts.
    Process,
}

impl fmt::Debug for DevStoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevStoreConfig")
            .field("data_dir", &self.data_dir)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"<hidden>")
            .field("min_part_size_bytes", &self.min_part_size_bytes)
            .field("durability", &self.durability)
            .finish()
    }
}
