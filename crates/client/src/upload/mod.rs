//! An upload, from a file, memory or a stream to a proven object.

mod content;
mod driver;
mod file;
mod finish;
mod hold;
mod proof;
mod reporter;
mod send;
mod session;
mod stream;
mod supply;
mod transfer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use partgate_api::{ChecksumAlgorithm, Completion};
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::concurrency;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::progress::{Event, Progress};
use crate::record::default_state_dir;
use reporter::Reporter;

/// What to upload and how. The defaults are good.
#[derive(Debug, Clone)]
pub struct UploadOptions {
    /// The object's key below the configured prefix, where the caller may name keys.
    pub key: Option<String>,
    /// The object's Content-Type.
    pub content_type: Option<String>,
    /// The wished size of a part in bytes; the gateway decides.
    pub part_size_bytes: Option<u64>,
    /// How parts are protected on their way; CRC-64/NVME unless set.
    pub checksum: ChecksumAlgorithm,
    /// The most parts in flight, 1 to 16; it starts at 4 and adapts.
    pub max_concurrency: usize,
    /// The object's user metadata.
    pub metadata: BTreeMap<String, String>,
    /// Whether completion may replace an object that is already at the key.
    pub overwrite: bool,
    /// Whether the whole file's SHA-256 is proven by reading the object back.
    pub sha256: WholeFileSha256,
    /// What to do when an unfinished upload of the same file is found.
    pub unfinished: Unfinished,
    /// Where unfinished uploads are noted; `None` for nowhere (then only the gateway finds them again).
    pub state_dir: Option<PathBuf>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            key: None,
            content_type: None,
            part_size_bytes: None,
            checksum: ChecksumAlgorithm::Crc64nvme,
            max_concurrency: concurrency::MAX,
            metadata: BTreeMap::new(),
            overwrite: false,
            sha256: WholeFileSha256::Skip,
            unfinished: Unfinished::Resume,
            state_dir: default_state_dir(),
        }
    }
}

/// Whether the whole file's SHA-256 is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WholeFileSha256 {
    /// No: the checksums of the parts are enough.
    #[default]
    Skip,
    /// Yes: it is computed here, and the gateway reads the object back.
    Prove,
}

/// What to do when an unfinished upload of the same file is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unfinished {
    /// Go on with it, after proof that the file is still the same.
    #[default]
    Resume,
    /// Abort it and start anew.
    Restart,
}

/// What an upload came to.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The gateway's answer.
    pub completion: Completion,
    /// Whether storage's checksum of the object was equal to the one computed here.
    pub checksum: ChecksumProof,
    /// The whole file's SHA-256 (hex), where it was proven.
    pub sha256: Option<String>,
    /// Parts that storage had before this run.
    pub resumed_parts: u32,
    /// Parts that were stored in this run.
    pub sent_parts: u32,
    /// Parts that were sent more than once.
    pub retries: u32,
    /// How long this run took.
    pub duration: Duration,
}

/// What the object's checksum says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumProof {
    /// Storage's checksum of the object is the one computed here from the file.
    Equal,
    /// There was nothing to compare: no checksum was asked for, or storage keeps none.
    NotCompared,
}

enum Input {
    Path(PathBuf),
    Bytes(String, Bytes),
    Reader(String, Box<dyn AsyncRead + Send + Unpin>),
}

/// One upload, to be [`run`](Self::run).
pub struct Upload {
    gateway: Gateway,
    input: Input,
    options: UploadOptions,
    reporter: Reporter,
    cancellation: CancellationToken,
}

impl Upload {
    /// An upload of a file. It is resumed if an unfinished one of the same content is found.
    #[must_use]
    pub fn from_path(gateway: Gateway, path: impl Into<PathBuf>) -> Self {
        Self::new(gateway, Input::Path(path.into()))
    }

    /// An upload of bytes in memory.
    #[must_use]
    pub fn from_bytes(gateway: Gateway, filename: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::new(gateway, Input::Bytes(filename.into(), bytes.into()))
    }

    /// An upload of a stream of unknown length, such as a pipe. It cannot be resumed: a stream cannot be read twice.
    #[must_use]
    pub fn from_reader(
        gateway: Gateway,
        filename: impl Into<String>,
        reader: impl AsyncRead + Send + Unpin + 'static,
    ) -> Self {
        Self::new(gateway, Input::Reader(filename.into(), Box::new(reader)))
    }

    fn new(gateway: Gateway, input: Input) -> Self {
        Self {
            gateway,
            input,
            options: UploadOptions::default(),
            reporter: Reporter::default(),
            cancellation: CancellationToken::new(),
        }
    }

    /// Sets all options.
    #[must_use]
    pub fn options(mut self, options: UploadOptions) -> Self {
        self.options = options;
        self
    }

    /// Stops the upload promptly when `token` is cancelled; it can be resumed.
    #[must_use]
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }

    /// Called with everything that happens. It must not block.
    #[must_use]
    pub fn on_event(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.reporter.observe(Arc::new(observer));
        self
    }

    /// The upload's progress, at most ten updates a second.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.reporter.subscribe()
    }

    /// Uploads, and comes back when the gateway has proven the object.
    ///
    /// Dropping the future stops promptly. Neither that nor any error aborts the upload: where
    /// [`Error::resumable`] says so, the same upload run again goes on where this one stopped.
    ///
    /// # Errors
    /// Every [`Error`].
    pub async fn run(self) -> Result<Uploaded, Error> {
        let Self { gateway, input, options, reporter, cancellation } = self;
        let job = Job { gateway, options, reporter };
        let work = async {
            match input {
                Input::Path(path) => file::run(job, path).await,
                Input::Bytes(filename, bytes) => stream::run_memory(job, filename, bytes).await,
                Input::Reader(filename, reader) => stream::run(job, filename, reader).await,
            }
        };
        tokio::select! {
            biased;
            () = cancellation.cancelled() => Err(Error::Cancelled),
            result = Box::pin(work) => result,
        }
    }
}

/// What every kind of upload needs.
struct Job {
    gateway: Gateway,
    options: UploadOptions,
    reporter: Reporter,
}
