//! Uploads through a partgate gateway: parallel, resumable, proven.
mod backoff;
mod body;
mod checksum;
mod concurrency;
mod decide;
mod download;
mod error;
mod fingerprint;
mod gateway;
mod grid;
mod progress;
mod record;
mod source;
mod upload;
mod window;

pub use download::{Download, Downloaded};
pub use error::Error;
pub use gateway::{CompleteAnswer, FileLink, Gateway, GatewayBuilder, Initialised, ListQuery, TokenFuture};
pub use partgate_api as api;
pub use progress::{Event, Phase, Progress};
pub use record::default_state_dir;
pub use tokio_util::sync::CancellationToken;
pub use upload::{ChecksumProof, Unfinished, Upload, UploadOptions, Uploaded, WholeFileSha256};
