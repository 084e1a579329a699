//! What a complete call adds to what init declared.

use super::{Checksum, Sha256Digest, Upload};

/// What a complete call adds to what init declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Declaration {
    /// The file's size, bytes.
    pub size_bytes: Option<u64>,
    /// The file's SHA-256.
    pub sha256: Option<Sha256Digest>,
    /// The file's checksum, of the upload's algorithm.
    pub checksum: Option<Checksum>,
}

/// Why a declaration cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// A stream's size is needed to finish.
    #[error("the upload was opened without a size: give it now")]
    SizeMissing,
    /// Another size than before.
    #[error("declared before as {declared} bytes; it cannot change")]
    SizeChanged {
        /// The size that was declared.
        declared: u64,
    },
    /// More parts than storage takes.
    #[error("{size_bytes} bytes do not fit into 10,000 parts of {part_size_bytes} bytes")]
    TooManyParts {
        /// The size now declared.
        size_bytes: u64,
        /// The upload's part size.
        part_size_bytes: u64,
    },
    /// Another SHA-256 than before.
    #[error("declared before as another value; it cannot change")]
    Sha256Changed,
}

impl Upload {
    /// Fills in what complete declares.
    ///
    /// # Errors
    /// [`DeclarationError`] when it contradicts what was declared before, or when a stream's size is missing.
    pub fn declared(&self, declaration: &Declaration) -> Result<Self, DeclarationError> {
        let mut next = self.clone();
        match (self.plan.size_bytes(), declaration.size_bytes) {
            (None, None) => return Err(DeclarationError::SizeMissing),
            (Some(declared), Some(size)) if declared != size => {
                return Err(DeclarationError::SizeChanged { declared });
            }
            (None, Some(size_bytes)) => next.plan = self.plan.with_size(size_bytes),
            (Some(_), _) => {}
        }
        if next.plan.total_parts().is_some_and(|total| total > super::PartNumber::MAX) {
            let part_size_bytes = self.plan.part_size_bytes();
            let size_bytes = declaration.size_bytes.unwrap_or(0);
            return Err(DeclarationError::TooManyParts { size_bytes, part_size_bytes });
        }
        match (self.sha256, declaration.sha256) {
            (Some(declared), Some(sha256)) if declared != sha256 => {
                return Err(DeclarationError::Sha256Changed);
            }
            (declared, sha256) => next.sha256 = sha256.or(declared),
        }
        next.checksum = declaration.checksum.or(self.checksum);
        Ok(next)
    }
}
