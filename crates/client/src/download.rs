//! Download of a finished object, straight from storage, with proof that it is the one that was uploaded.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use partgate_api::{ChecksumAlgorithm, ChecksumType, CompleteRequest, Completion};
use reqwest::StatusCode;
use reqwest::header::{IF_MATCH, RANGE};
use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backoff::backoff;
use crate::checksum::Hasher;
use crate::error::{Error, chain};
use crate::gateway::Gateway;
use crate::progress::{Phase, Progress, Rate};

/// No byte for so long: the connection is given up and made anew.
const STALL_AFTER: Duration = Duration::from_secs(30);
/// Progress is published this often.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// One download, to be [`run`](Self::run).
#[derive(Debug)]
pub struct Download {
    gateway: Gateway,
    upload_id: Uuid,
    path: Option<PathBuf>,
    progress: watch::Sender<Progress>,
    cancellation: CancellationToken,
}

/// What a download came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The file.
    pub path: PathBuf,
    /// Its size, which is the object's.
    pub size_bytes: u64,
    /// Bytes that were there from an earlier run.
    pub resumed_bytes: u64,
    /// The checksum that was equal to the one proven at completion, such as `crc64nvme`; `None` when there was
    /// nothing to compare.
    pub proven_by: Option<String>,
}

impl Download {
    /// A download of the object of a completed upload, into a file of its own name in the current folder.
    #[must_use]
    pub fn new(gateway: Gateway, upload_id: Uuid) -> Self {
        let (progress, cancellation) = (watch::Sender::default(), CancellationToken::new());
        Self { gateway, upload_id, path: None, progress, cancellation }
    }

    /// Writes to this file instead. While it is incomplete its name has `.{upload id}.part` at the end.
    #[must_use]
    pub fn to_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Stops promptly when `token` is cancelled; the same download goes on from there.
    #[must_use]
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }

    /// The download's progress, at most ten updates a second.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Downloads, goes on where an earlier run stopped, and compares size and checksum.
    ///
    /// # Errors
    /// [`Error::Rejected`] (not completed), [`Error::Gone`], [`Error::FileUnwritable`], [`Error::WrongObject`],
    /// [`Error::Stalled`], [`Error::StorageRefused`], [`Error::Cancelled`] and what calls to the gateway say.
    pub async fn run(self) -> Result<Downloaded, Error> {
        let cancellation = self.cancellation.clone();
        tokio::select! {
            biased;
            () = cancellation.cancelled() => Err(Error::Cancelled),
            result = Box::pin(self.download()) => result,
        }
    }

    async fn download(self) -> Result<Downloaded, Error> {
        // The link first: the gateway gives none to what is not completed, and completing here would be wrong.
        self.gateway.file_link(self.upload_id).await?;
        let completion = self.gateway.complete(self.upload_id, &CompleteRequest::default()).await?;
        let path = match &self.path {
            Some(path) => path.clone(),
            None => own_name(&self.gateway.status(self.upload_id).await?.filename)?,
        };
        let mut target = Target::open(&path, &completion).await?;
        let resumed_bytes = target.len_bytes;
        self.progress.send_modify(|progress| {
            progress.phase = Phase::Sending;
            progress.total_bytes = Some(completion.size);
        });
        self.fetch_all(&mut target, &completion).await?;
        let proven_by = target.finish(&path, &completion).await?;
        self.progress.send_modify(|progress| progress.phase = Phase::Completed);
        Ok(Downloaded { path, size_bytes: completion.size, resumed_bytes, proven_by })
    }

    async fn fetch_all(&self, target: &mut Target, completion: &Completion) -> Result<(), Error> {
        let mut failures = 0;
        let mut last_progress = Instant::now();
        let mut rate = Rate::new(target.len_bytes, Instant::now());
        while target.len_bytes < completion.size {
            let before = target.len_bytes;
            let trouble = match self.fetch(target, completion, &mut rate).await {
                Ok(()) => continue,
                Err(Fetch::Failed(error)) => return Err(error),
                Err(Fetch::Broken(detail)) => detail,
            };
            if target.len_bytes > before {
                failures = 0;
                last_progress = Instant::now();
            }
            let after = last_progress.elapsed();
            if after > self.gateway.give_up_after() {
                return Err(Error::Stalled { after, detail: trouble });
            }
            failures += 1;
            tokio::time::sleep(backoff(failures, rand::random())).await;
        }
        Ok(())
    }

    /// One GET of all that is missing.
    async fn fetch(
        &self,
        target: &mut Target,
        completion: &Completion,
        rate: &mut Rate,
    ) -> Result<(), Fetch> {
        let link = self.gateway.file_link(self.upload_id).await.map_err(Fetch::Failed)?;
        let mut request = self.gateway.storage_client().get(link.reveal()).header(IF_MATCH, &completion.etag);
        if target.len_bytes > 0 {
            request = request.header(RANGE, format!("bytes={}-", target.len_bytes));
        }
        let broken = |error: reqwest::Error| Fetch::Broken(chain(&error.without_url()));
        let mut response = request.send().await.map_err(broken)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => target.begin_again().await?,
            StatusCode::PRECONDITION_FAILED => {
                let detail = "another object is at its key now".into();
                return Err(Fetch::Failed(Error::WrongObject(detail)));
            }
            status if status.is_server_error() || matches!(status.as_u16(), 400 | 403 | 429) => {
                return Err(Fetch::Broken(format!("storage answered {status}")));
            }
            status => {
                let (status, code) = (status.as_u16(), String::new());
                let message = "the object cannot be read".into();
                return Err(Fetch::Failed(Error::StorageRefused { number: 1, status, code, message }));
            }
        }
        let mut last_report = Instant::now();
        loop {
            let chunk = tokio::time::timeout(STALL_AFTER, response.chunk())
                .await
                .map_err(|_| Fetch::Broken("the connection stalled".into()))?
                .map_err(broken)?;
            let Some(chunk) = chunk else { break };
            target.write(&chunk).await?;
            if last_report.elapsed() >= REPORT_INTERVAL {
                last_report = Instant::now();
                self.report(target, completion, rate);
            }
        }
        target.file.flush().await.map_err(|source| target.unwritable(source))?;
        Ok(())
    }

    fn report(&self, target: &Target, completion: &Completion, rate: &mut Rate) {
        let now = Instant::now();
        let bytes_per_second = rate.observe(target.len_bytes, now);
        let time_left = rate.time_left(completion.size.saturating_sub(target.len_bytes), now);
        self.progress.send_modify(|progress| {
            progress.stored_bytes = target.len_bytes;
            progress.bytes_per_second = bytes_per_second;
            progress.time_left = time_left;
        });
    }
}

/// Why one GET came to an end too early.
enum Fetch {
    /// For good.
    Failed(Error),
    /// Try again from where it stopped.
    Broken(String),
}

impl From<Error> for Fetch {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The unfinished file, hashed as it grows.
struct Target {
    path: PathBuf,
    file: File,
    len_bytes: u64,
    algorithm: ChecksumAlgorithm,
    hasher: Hasher,
    sha256: Option<Sha256>,
}

impl Target {
    /// Opens the unfinished file and hashes what is there.
    async fn open(path: &Path, completion: &Completion) -> Result<Self, Error> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", completion.upload_id));
        let path = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let file = match options.open(&path).await {
            Ok(file) => file,
            Err(source) => return Err(Error::FileUnwritable { path, source }),
        };
        let kept = completion.checksum.as_ref().filter(|kept| kept.checksum_type == ChecksumType::FullObject);
        let algorithm = kept.map_or(ChecksumAlgorithm::None, |kept| kept.algorithm);
        let sha256 = completion.sha256.is_some().then(Sha256::new);
        let mut target = Self { path, file, len_bytes: 0, algorithm, hasher: Hasher::new(algorithm), sha256 };
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = target.file.read(&mut buffer).await;
            match read.map_err(|source| target.unwritable(source))? {
                0 => break,
                len => target.count(&buffer[..len]),
            }
        }
        if target.len_bytes > completion.size {
            target.begin_again().await?;
        }
        Ok(target)
    }

    async fn begin_again(&mut self) -> Result<(), Error> {
        let truncated = match self.file.set_len(0).await {
            Ok(()) => self.file.rewind().await,
            Err(error) => Err(error),
        };
        truncated.map_err(|source| self.unwritable(source))?;
        self.len_bytes = 0;
        self.hasher = Hasher::new(self.algorithm);
        self.sha256 = self.sha256.is_some().then(Sha256::new);
        Ok(())
    }

    async fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.file.write_all(chunk).await.map_err(|source| self.unwritable(source))?;
        self.count(chunk);
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) {
        self.len_bytes += bytes.len() as u64;
        self.hasher.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Compares, and gives the file its name.
    async fn finish(mut self, path: &Path, completion: &Completion) -> Result<Option<String>, Error> {
        let synced = match self.file.flush().await {
            Ok(()) => self.file.sync_all().await,
            Err(error) => Err(error),
        };
        synced.map_err(|source| self.unwritable(source))?;
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new(ChecksumAlgorithm::None));
        let kept = completion.checksum.as_ref().map(|kept| kept.value.clone());
        let checksum = hasher.finish().map(|ours| (self.algorithm.name(), Some(ours) == kept));
        let sha256 =
            self.sha256.take().map(|hasher| Some(hex::encode(hasher.finalize())) == completion.sha256);
        let compared: Vec<(&str, bool)> =
            checksum.into_iter().chain(sha256.map(|same| ("sha256", same))).collect();
        let wrong = compared.iter().find(|(_, same)| !same);
        if let Some((kind, _)) = wrong.or((self.len_bytes != completion.size).then_some(&("size", false))) {
            // Going on from a wrong beginning would never end well.
            let _ = fs::remove_file(&self.path).await;
            return Err(Error::WrongObject(format!("the downloaded bytes have another {kind}")));
        }
        fs::rename(&self.path, path).await.map_err(|source| self.unwritable(source))?;
        let kinds: Vec<&str> = compared.iter().map(|(kind, _)| *kind).collect();
        Ok((!kinds.is_empty()).then(|| kinds.join(", ")))
    }

    fn unwritable(&self, source: io::Error) -> Error {
        Error::FileUnwritable { path: self.path.clone(), source }
    }
}

/// The last piece of a name that somebody else chose: it must not lead out of this folder.
fn own_name(filename: &str) -> Result<PathBuf, Error> {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = name.chars().filter(|character| !character.is_control()).collect();
    if safe.is_empty() || safe == "." || safe == ".." {
        let source = io::Error::new(io::ErrorKind::InvalidFilename, "the upload's name is no file name");
        return Err(Error::FileUnwritable { path: filename.into(), source });
    }
    Ok(safe.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_the_folder() {
        assert_eq!(own_name("a/../../etc/passwd").unwrap(), Path::new("passwd"));
        assert_eq!(own_name("..\\x.txt").unwrap(), Path::new("x.txt"));
        assert!(own_name("..").is_err());
        assert!(own_name("").is_err());
    }
}
