//! Reads a finished object back, in constant memory, where a declared hash is not proven by what storage keeps.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::{Service, ServiceError};
use crate::upload::{ChecksumType, ObjectProof, Sha256Digest, Upload};

/// What reading back has shown.
pub(super) enum ReadBack {
    /// The object has what was declared; this SHA-256, if one was.
    Proven(Option<Sha256Digest>),
    /// It has not.
    Wrong(String),
}

impl Service {
    /// Reads that version of the object; `verified` counts the bytes on the way.
    pub(super) async fn read_back(
        &self,
        upload: &Upload,
        object: &ObjectProof,
        verified: &AtomicU64,
    ) -> Result<ReadBack, ServiceError> {
        let wants_crc = upload.checksum.filter(|_| {
            let stored = object.checksum.as_ref();
            stored.is_none_or(|stored| {
                stored.algorithm != upload.spec.checksum_algorithm
                    || stored.checksum_type != ChecksumType::FullObject
            })
        });
        if upload.sha256.is_none() && wants_crc.is_none() {
            return Ok(ReadBack::Proven(None));
        }
        let _turn = self.completions.turn_to_read().await;
        let mut body = self.storage_of(upload)?.read(upload, object.version_id.as_deref()).await?;
        let mut sha256 = upload.sha256.map(|_| Sha256::new());
        let mut crc = wants_crc.and_then(|checksum| checksum.hasher());
        while let Some(bytes) = body.next().await? {
            // A chunk is small, but a worker thread must not be kept from its other connections for long.
            if let Some(sha256) = &mut sha256 {
                sha256.update(&bytes);
            }
            if let Some(crc) = &mut crc {
                crc.update(&bytes);
            }
            verified.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            tokio::task::consume_budget().await;
        }
        let actual = sha256.map(|sha256| Sha256Digest::new(sha256.finalize().into()));
        if let (Some(declared), Some(actual)) = (upload.sha256, actual)
            && declared != actual
        {
            let (actual, declared) = (actual.to_hex(), declared.to_hex());
            return Ok(ReadBack::Wrong(format!("the object's SHA-256 is {actual}, declared was {declared}")));
        }
        if let (Some(declared), Some(crc)) = (wants_crc, crc)
            && crc.finish() != declared
        {
            return Ok(ReadBack::Wrong("the object does not have the declared checksum".to_owned()));
        }
        Ok(ReadBack::Proven(upload.sha256))
    }
}
