//! An upload of bytes that can be read again: a file, or memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use partgate_api::{CompleteRequest, Completion, ReceivedPart};

use super::content::{Content, WholeHash, blocking, hash_if_one_part, open};
use super::driver::{Driver, Parts};
use super::finish::{Expected, complete, finish, verify};
use super::hold::Hold;
use super::proof::{Claim, Extent, Verdict, prove};
use super::session::{Opening, Session};
use super::supply::Supply;
use super::transfer::{Setup, Transfer};
use super::{ChecksumProof, Job, UploadOptions, Uploaded, WholeFileSha256};
use crate::error::Error;
use crate::fingerprint::Purpose;
use crate::grid::Grid;
use crate::progress::{Event, Phase};

/// Uploads a file.
pub(super) async fn run(job: Job, path: PathBuf) -> Result<Uploaded, Error> {
    let (opened, options) = (path.clone(), job.options.clone());
    let open_file = move || {
        let UploadOptions { key, overwrite, checksum, .. } = &options;
        open(&opened, Purpose { key: key.as_deref(), overwrite: *overwrite, checksum: *checksum })
    };
    let content = blocking(open_file).await.map_err(|source| Error::FileUnreadable { path, source })?;
    upload(job, content).await
}

/// Uploads content: finds or opens its upload, sends what is missing, completes.
pub(super) async fn upload(job: Job, content: Content) -> Result<Uploaded, Error> {
    let started = Instant::now();
    job.reporter.update(|progress| progress.total_bytes = Some(content.size_bytes));
    let mut hold = Hold::take(&job, &content)?;
    let (known, untouched) = match &mut hold {
        Some(hold) => {
            hold.settle_other_content(&job, &content).await?;
            let untouched = hold.recorded_stamp() == content.stamp();
            (hold.resume(&job, &content).await?, untouched)
        }
        None => (None, false),
    };
    let (session, only_checksum) = match known {
        Some(session) => (session, None),
        None => {
            let only_checksum = hash_if_one_part(&job, &content).await?;
            let opening = Opening {
                filename: content.filename.clone(),
                size_bytes: Some(content.size_bytes),
                fingerprint: content.fingerprint().map(str::to_owned),
                only_checksum: only_checksum.clone(),
            };
            (Session::open(&job, &opening).await?, only_checksum)
        }
    };
    let grid =
        Grid::new(content.size_bytes, session.part_size_bytes).ok_or_else(|| Error::InvalidAnswer {
            call: "init",
            detail: format!("part_size {} does not fit the file", session.part_size_bytes),
        })?;
    job.reporter.update(|progress| {
        progress.upload_id = Some(session.upload_id);
        progress.total_parts = Some(grid.total_parts());
    });
    let extent = if untouched { Extent::Sample } else { Extent::All };
    let work = Work { content, session, grid, extent, only_checksum, started };
    let uploaded = transfer(job, work, hold.as_mut()).await?;
    if let Some(hold) = hold {
        hold.forget();
    }
    Ok(uploaded)
}

/// An upload that is known to the gateway, and the content for it.
struct Work {
    content: Content,
    session: Session,
    grid: Grid,
    extent: Extent,
    only_checksum: Option<String>,
    started: Instant,
}

async fn transfer(job: Job, work: Work, hold: Option<&mut Hold>) -> Result<Uploaded, Error> {
    let Work { content, session, grid, extent, only_checksum, started } = work;
    if session.closed {
        return collect(job, content, session, grid, started).await;
    }
    let (proven, comparable) = proven(&job, &content, &session, grid, extent).await?;
    // Not before the proof: a note says that the file, as it is now, is the upload's.
    if let Some(hold) = hold.filter(|_| grid.total_parts() > 1) {
        hold.note(&job, &content, &session)?;
    }
    let prove_whole = job.options.sha256 == WholeFileSha256::Prove || !comparable;
    let whole = prove_whole.then(|| WholeHash::start(&content));
    let now = Instant::now();
    let mut transfer = Transfer::new(setup(&job, &session, grid), now);
    transfer.adopt(&session.received, &proven);
    if let Some(checksum) = only_checksum.filter(|_| grid.total_parts() == 1) {
        transfer.know_checksum(1, checksum, now);
    }
    transfer.signed(session.tickets, session.lifetime, now);
    let resumed_parts = transfer.kept_parts();
    if session.found {
        let (upload_id, stored_bytes) = (session.upload_id, transfer.kept_bytes());
        job.reporter.event(&Event::Resumed { upload_id, stored_parts: resumed_parts, stored_bytes });
    }
    job.reporter.phase(Phase::Sending);
    let driver = Driver::new(Parts {
        gateway: session.gateway,
        upload_id: session.upload_id,
        path: content.path.clone(),
        algorithm: session.algorithm,
        part_size_bytes: session.part_size_bytes,
        transfer,
        supply: Supply::Repeatable(content.source.clone(), grid),
        reporter: job.reporter,
    });
    send(driver, &content, whole, resumed_parts, started).await
}

/// Sends what is missing and completes.
async fn send(
    mut driver: Driver,
    content: &Content,
    whole: Option<WholeHash>,
    resumed_parts: u32,
    started: Instant,
) -> Result<Uploaded, Error> {
    let (completion, checksum) = finish(
        &mut driver,
        || content.check_unchanged(),
        async |driver: &Driver| {
            let parts = driver.parts.transfer.checksums();
            let expected = Expected::parts(content.size_bytes, driver.parts.algorithm, parts);
            let sha256 = match &whole {
                Some(whole) => Some(whole.get(content).await?),
                None => None,
            };
            Ok(Expected { sha256, ..expected })
        },
    )
    .await?;
    let Parts { transfer, reporter, .. } = driver.parts;
    reporter.phase(Phase::Completed);
    reporter.event(&Event::Completed(Box::new(completion.clone())));
    let sent_parts = transfer.kept_parts().saturating_sub(resumed_parts);
    let retries = transfer.retries();
    Ok(uploaded(completion, checksum, [resumed_parts, sent_parts, retries], started))
}

/// The upload is completed already, or about to be: the answer is fetched and compared with the whole file.
async fn collect(
    job: Job,
    content: Content,
    session: Session,
    grid: Grid,
    started: Instant,
) -> Result<Uploaded, Error> {
    job.reporter.phase(Phase::Proving);
    let all: Vec<ReceivedPart> = (1..=grid.total_parts())
        .map(|number| ReceivedPart { number, size: grid.part_len(number), etag: None, checksum: None })
        .collect();
    let claim = Claim {
        source: &content.source,
        grid,
        algorithm: session.algorithm,
        received: &all,
        extent: Extent::All,
    };
    let verdict = prove(claim).await.map_err(|source| content.unreadable(source))?;
    let (Verdict::Incomparable(checksums) | Verdict::Same(checksums)) = verdict else {
        return Err(content.changed("a part reads differently now"));
    };
    let parts = all.iter().map(|part| Some((checksums.get(&part.number)?.as_str(), part.size))).collect();
    let expected = Expected::parts(content.size_bytes, session.algorithm, parts);
    job.reporter.phase(Phase::Completing);
    let completion = complete(&session.gateway, session.upload_id, CompleteRequest::default()).await?;
    let proof = verify(&completion, &expected)?;
    job.reporter.phase(Phase::Completed);
    job.reporter.event(&Event::Completed(Box::new(completion.clone())));
    Ok(uploaded(completion, proof, [grid.total_parts(), 0, 0], started))
}

/// Compares what storage has with the file. Also whether there was anything to compare.
async fn proven(
    job: &Job,
    content: &Content,
    session: &Session,
    grid: Grid,
    extent: Extent,
) -> Result<(HashMap<u32, String>, bool), Error> {
    if session.received.is_empty() {
        return Ok((HashMap::new(), true));
    }
    job.reporter.phase(Phase::Proving);
    let (algorithm, received) = (session.algorithm, session.received.as_slice());
    let claim = Claim { source: &content.source, grid, algorithm, received, extent };
    match prove(claim).await.map_err(|source| content.unreadable(source))? {
        Verdict::Same(checksums) => Ok((checksums, true)),
        Verdict::Incomparable(checksums) => {
            job.reporter.event(&Event::NothingToCompare);
            Ok((checksums, false))
        }
        Verdict::Changed(number) => {
            Err(content.changed(&format!("part {number} in storage is not what the file has there now")))
        }
    }
}

fn setup(job: &Job, session: &Session, grid: Grid) -> Setup {
    Setup {
        grid: Some(grid),
        part_size_bytes: session.part_size_bytes,
        algorithm: session.algorithm,
        max_concurrency: job.options.max_concurrency,
        max_buffered: 0,
        give_up_after: session.gateway.give_up_after(),
    }
}

pub(super) fn uploaded(
    completion: Completion,
    checksum: ChecksumProof,
    [resumed_parts, sent_parts, retries]: [u32; 3],
    started: Instant,
) -> Uploaded {
    let sha256 = completion.sha256.clone();
    let duration = started.elapsed();
    Uploaded { completion, checksum, sha256, resumed_parts, sent_parts, retries, duration }
}
