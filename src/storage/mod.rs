//! Storage: an S3 bucket, reached by the AWS SDK for control calls and by signed URLs for bytes.
//!
//! Everything that a store does differently is levelled here, so that `service` sees one storage. Control calls go
//! to `storage.endpoint`; URLs are signed for `storage.public_endpoint`, which is how clients reach the same bucket.

/// The model's answer to a call, where a test has put a model in the place of the store.
macro_rules! ask_model_if_any {
    ($storage:ident => $model:ident . $($call:tt)*) => {
        #[cfg(test)]
        if let Some($model) = &$storage.model {
            return $model.$($call)*.await;
        }
    };
}

mod bucket_config;
mod call;
mod client;
mod error;
mod identity;
mod inventory;
mod list_parts;
#[cfg(test)]
pub(crate) mod model;
mod multipart;
mod objects;
mod profile;
mod sign;

pub use bucket_config::{
    BucketConfiguration, Cors, CorsRule, Lifecycle, LifecycleRule, Product, PublicAccessBlock, Reading,
    Versioning, Written,
};
pub use client::{Connection, ServerSide, Storage, StorageSettings, StorageSetupError, TimeLimits};
pub use error::{StorageError, StorageErrorKind};
pub use identity::{Identity, StaticKeys};
pub use inventory::{FoundObject, ObjectMarker};
pub use multipart::{CompletedPart, CreatedMultipart, FoundMultipart, MultipartMarker};
pub use objects::{PartBody, ProxiedTarget, StoredBody};
pub use profile::StoreProfile;
pub use sign::{SignedPart, SignedParts, SignedRequest, UrlWindow};
