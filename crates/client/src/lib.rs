//! Uploads through a partgate gateway, straight to S3-compatible storage:
//! parallel, resumable, proven.
//!
//! ```no_run
//! use partgate_client::{Gateway, Upload};
//!
//! # async fn example() -> Result<(), partgate_client::Error> {
//! let gateway = Gateway::new("https://upload.example.com")?;
//! let uploaded = Upload::from_path(gateway, "film.mkv").run().await?;
//! println!("s3://{}/{}", uploaded.completion.bucket, uploaded.completion.key);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Upload`] sends a file, bytes or a stream; run again after an interruption it goes on where it stopped.
//! - [`Download`] fetches a finished object and proves it.
//! - [`Gateway`] is the HTTP API, one method a route.
//!
//! What may be relied on, each with the test that guards it:
//! - A URL of storage is in no error, log line or `Debug` output (`tickets_do_not_show_their_url`).
//! - A client never aborts an upload on its own; only [`Unfinished::Restart`] and [`Gateway::abort`] do.
//! - Parts of two files are never mixed (`a_change_anywhere_is_found_when_all_is_compared`).
//! - Memory does not grow with the file: a part is read again when it is sent, 256 KiB at a time.

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
