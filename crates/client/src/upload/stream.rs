//! An upload of a stream of unknown length.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use partgate_api::ChecksumAlgorithm;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::content::Content;
use super::driver::{Driver, Parts};
use super::file;
use super::finish::{Expected, finish};
use super::session::{Opening, Session};
use super::supply::{Reader, Stream, Supply, Tap};
use super::transfer::{Setup, Transfer};
use super::{Job, Uploaded, WholeFileSha256};
use crate::error::Error;
use crate::progress::{Event, Phase};

/// The wished part size of streams: 10,000 parts hold 625 GiB.
const PART_SIZE_BYTES: u64 = 64 << 20;
/// How many parts are in memory: one being read, two being sent.
const MAX_BUFFERED: usize = 3;

/// Uploads bytes in memory.
pub(super) async fn run_memory(job: Job, filename: String, bytes: Bytes) -> Result<Uploaded, Error> {
    file::upload(job, Content::from_memory(filename, bytes)).await
}

/// Uploads a stream. One that ends within its first part is uploaded as a file of known size.
pub(super) async fn run(job: Job, filename: String, mut reader: Reader) -> Result<Uploaded, Error> {
    let started = Instant::now();
    let path = PathBuf::from(&filename);
    let part_size_bytes = job.options.part_size_bytes.unwrap_or(PART_SIZE_BYTES);
    let mut first = Tap { reader, read_bytes: 0, sha256: None };
    let (head, _) = first
        .read(part_size_bytes, ChecksumAlgorithm::None)
        .await
        .map_err(|source| Error::FileUnreadable { path: path.clone(), source })?;
    reader = first.reader;
    if (head.len() as u64) < part_size_bytes {
        return run_memory(job, filename, head).await;
    }
    let opening = Opening { filename, size_bytes: None, fingerprint: None, only_checksum: None };
    let mut job = job;
    job.options.part_size_bytes = Some(part_size_bytes);
    let session = Session::open(&job, &opening).await?;
    let prove_sha256 = job.options.sha256 == WholeFileSha256::Prove;
    let tap = Tap {
        reader: Box::new(std::io::Cursor::new(head).chain(reader)),
        read_bytes: 0,
        sha256: prove_sha256.then(Sha256::new),
    };
    send(job, session, tap, path, started).await
}

async fn send(
    job: Job,
    session: Session,
    tap: Tap,
    path: PathBuf,
    started: Instant,
) -> Result<Uploaded, Error> {
    let setup = Setup {
        grid: None,
        part_size_bytes: session.part_size_bytes,
        algorithm: session.algorithm,
        max_concurrency: job.options.max_concurrency.min(MAX_BUFFERED),
        max_buffered: MAX_BUFFERED,
        give_up_after: session.gateway.give_up_after(),
    };
    job.reporter.update(|progress| progress.upload_id = Some(session.upload_id));
    job.reporter.phase(Phase::Sending);
    let mut driver = Driver::new(Parts {
        gateway: session.gateway,
        upload_id: session.upload_id,
        path,
        algorithm: session.algorithm,
        part_size_bytes: session.part_size_bytes,
        transfer: Transfer::new(setup, Instant::now()),
        supply: Supply::Stream(Stream { tap: Some(tap), parts: HashMap::new() }),
        reporter: job.reporter,
    });
    let expected = async |driver: &Driver| {
        let (size_bytes, sha256) = driver.parts.supply.stream_totals().unwrap_or_default();
        let parts = driver.parts.transfer.checksums().map(|parts| {
            parts.into_iter().map(|(checksum, len_bytes)| (checksum.to_owned(), len_bytes)).collect()
        });
        Ok(Expected { size_bytes, algorithm: driver.parts.algorithm, parts, sha256 })
    };
    let (completion, checksum) = finish(&mut driver, || Ok(()), expected).await?;
    let Parts { transfer, reporter, .. } = driver.parts;
    reporter.phase(Phase::Completed);
    reporter.event(&Event::Completed(Box::new(completion.clone())));
    Ok(file::uploaded(completion, checksum, [0, transfer.kept_parts(), transfer.retries()], started))
}
