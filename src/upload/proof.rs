//! Whether the object in storage is the one that was declared.

use super::{Checksum, ObjectChecksum, Upload};

/// What storage says of the object at the upload's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectProof {
    /// The upload id in the object's metadata.
    pub upload_id: Option<String>,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its ETag, quotes included.
    pub etag: String,
    /// Its version.
    pub version_id: Option<String>,
    /// Its checksum, where storage keeps one.
    pub checksum: Option<ObjectChecksum>,
}

/// Why an object is not the declared one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is somebody else's.
    #[error("the object at the key is not of this upload")]
    Foreign,
    /// It has another size.
    #[error("the object has {actual} bytes, {declared} were declared")]
    Size {
        /// What was declared, bytes.
        declared: u64,
        /// What storage has, bytes.
        actual: u64,
    },
    /// It has another checksum.
    #[error("the object's checksum is {actual}, that of the declared bytes is {declared}")]
    Checksum {
        /// What was declared, base64.
        declared: String,
        /// What storage has, base64.
        actual: String,
    },
}

impl Upload {
    /// Whether an object is the one that was declared: ours, of its size, with its checksum.
    ///
    /// `expected` is what the parts' checksums combine to, where all are known.
    ///
    /// # Errors
    /// [`ProofError`] with the first difference.
    pub fn prove(&self, object: &ObjectProof, expected: Option<&ObjectChecksum>) -> Result<(), ProofError> {
        if object.upload_id.as_deref() != Some(self.id.to_string().as_str()) {
            return Err(ProofError::Foreign);
        }
        if let Some(declared) = self.plan.size_bytes()
            && declared != object.size_bytes
        {
            return Err(ProofError::Size { declared, actual: object.size_bytes });
        }
        let Some(stored) = &object.checksum else { return Ok(()) };
        let declared = self.checksum.map(Checksum::to_base64);
        let comparable = expected
            .filter(|expected| {
                (expected.algorithm, expected.checksum_type) == (stored.algorithm, stored.checksum_type)
            })
            .map(|expected| expected.value.clone());
        let own_kind = stored.algorithm == self.spec.checksum_algorithm;
        for declared in [comparable, declared.filter(|_| own_kind)].into_iter().flatten() {
            if declared != stored.value {
                return Err(ProofError::Checksum { declared, actual: stored.value.clone() });
            }
        }
        Ok(())
    }
}
