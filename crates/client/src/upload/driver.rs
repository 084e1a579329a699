//! Carries out the transfer's commands and tells it what came of them.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use partgate_api::{
    ChecksumAlgorithm, ReportRequest, SignRequest, SignResponse, StoredPart, UploadState, UploadStatus,
};
use time::OffsetDateTime;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::reporter::Reporter;
use super::send::{Shipment, send};
use super::supply::{Supply, Tap};
use super::transfer::{Command, Failure, Outcome, Ticket, Transfer, describe};
use crate::body::Sent;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::progress::Event;
use crate::source::Slice;

/// How often progress is published and waits are looked at.
const TICK: Duration = Duration::from_millis(100);

/// URLs are tried for so long at least.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(5);

/// Answer of a call to the gateway.
enum Called {
    Signed(SignResponse, Option<OffsetDateTime>),
    Reported,
    Status(Box<UploadStatus>),
}

/// What came of reading.
enum Work {
    Hashed(u32, io::Result<String>),
    Read(u32, Tap, io::Result<(Bytes, Option<String>)>),
}

type CallFuture = Pin<Box<dyn Future<Output = Result<Called, Error>> + Send>>;

/// Stops hashing threads when the driver goes away: they cannot be aborted.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a driver is made of.
pub(super) struct Parts {
    pub(super) gateway: Gateway,
    pub(super) upload_id: Uuid,
    pub(super) path: PathBuf,
    pub(super) algorithm: ChecksumAlgorithm,
    pub(super) part_size_bytes: u64,
    pub(super) transfer: Transfer,
    pub(super) supply: Supply,
    pub(super) reporter: Reporter,
}

/// The shell around a [`Transfer`].
pub(super) struct Driver {
    pub(super) parts: Parts,
    sends: JoinSet<(u32, Outcome)>,
    work: JoinSet<Work>,
    call: Option<CallFuture>,
    in_flight: HashMap<u32, Sent>,
    wire_bytes: Arc<AtomicU64>,
    read_error: Option<io::Error>,
    stop: StopOnDrop,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            sends: JoinSet::new(),
            work: JoinSet::new(),
            call: None,
            in_flight: HashMap::new(),
            wire_bytes: Arc::default(),
            read_error: None,
            stop: StopOnDrop(Arc::default()),
        }
    }

    /// Works until every part is stored; returns what is stored and not yet reported.
    pub(super) async fn run(&mut self) -> Result<Vec<StoredPart>, Error> {
        let mut tick = tokio::time::interval(TICK);
        loop {
            match self.parts.transfer.poll(Instant::now()) {
                Command::Finished(stored) => return Ok(stored),
                Command::Stop(failure) => return Err(self.error(failure)),
                Command::Hash(number) => self.hash(number),
                Command::Send(ticket) => self.send(ticket)?,
                Command::Sign { parts, stored } => self.sign(SignRequest { parts, stored }),
                Command::Report(stored) => self.report(ReportRequest { stored }),
                Command::Refresh => self.refresh(),
                Command::Wait => {
                    let closed = tokio::select! {
                        Some(sent) = self.sends.join_next() => { self.on_sent(join(sent)); false }
                        Some(work) = self.work.join_next() => { self.on_work(join(work))?; false }
                        called = pending_call(&mut self.call) => self.on_called(called)?,
                        _ = tick.tick() => { self.on_tick(); false }
                    };
                    if closed {
                        return Ok(Vec::new());
                    }
                }
            }
        }
    }

    fn hash(&mut self, number: u32) {
        let (algorithm, part_size_bytes) = (self.parts.algorithm, self.parts.part_size_bytes);
        if let Supply::Stream(stream) = &mut self.parts.supply {
            if let Some(mut tap) = stream.tap.take() {
                self.work.spawn(async move {
                    let read = tap.read(part_size_bytes, algorithm).await;
                    Work::Read(number, tap, read)
                });
            }
            return;
        }
        let Some(slice) = self.parts.supply.slice(number) else { return };
        let stop = Arc::clone(&self.stop.0);
        self.work.spawn_blocking(move || {
            Work::Hashed(number, slice.hash(algorithm, &|| stop.load(Ordering::Relaxed)))
        });
    }

    fn send(&mut self, ticket: Ticket) -> Result<(), Error> {
        let number = ticket.number;
        let slice: Slice = self.parts.supply.slice(number).ok_or(Error::NotRepeatable { number })?;
        let sent = Sent::new(Arc::clone(&self.wire_bytes));
        self.in_flight.insert(number, sent.clone());
        let shipment = Shipment {
            client: self.parts.gateway.storage_client().clone(),
            ticket,
            slice,
            sent,
            stall_after: self.parts.transfer.stall_after(),
        };
        self.sends.spawn(async move { (number, send(shipment).await) });
        Ok(())
    }

    fn sign(&mut self, request: SignRequest) {
        let (gateway, upload_id) = (self.parts.gateway.clone(), self.parts.upload_id);
        self.call = Some(Box::pin(async move {
            let (response, date) = gateway.sign_dated(upload_id, &request).await?;
            Ok(Called::Signed(response, date))
        }));
    }

    fn report(&mut self, request: ReportRequest) {
        let (gateway, upload_id) = (self.parts.gateway.clone(), self.parts.upload_id);
        self.call =
            Some(Box::pin(
                async move { gateway.report(upload_id, &request).await.map(|_| Called::Reported) },
            ));
    }

    fn refresh(&mut self) {
        let (gateway, upload_id) = (self.parts.gateway.clone(), self.parts.upload_id);
        self.call = Some(Box::pin(async move {
            gateway.refreshed_status(upload_id).await.map(|status| Called::Status(Box::new(status)))
        }));
    }

    fn on_sent(&mut self, (number, outcome): (u32, Outcome)) {
        let now = Instant::now();
        if let Some(sent) = self.in_flight.remove(&number) {
            self.parts.transfer.moved(number, sent.part_bytes(), now);
            self.read_error = self.read_error.take().or(sent.read_error().map(io::Error::from));
        }
        let event = match &outcome {
            Outcome::Stored { .. } => {
                self.parts.supply.release(number);
                Event::PartStored { number, size_bytes: self.parts.transfer.size_bytes(number) }
            }
            Outcome::Failed(seen) => Event::PartRetried { number, reason: describe(seen) },
        };
        self.parts.transfer.sent(number, outcome, now, rand::random());
        self.parts.reporter.event(&event);
    }

    fn on_work(&mut self, work: Work) -> Result<(), Error> {
        let now = Instant::now();
        match work {
            Work::Hashed(number, Ok(checksum)) => self.parts.transfer.hashed(number, checksum, now),
            Work::Hashed(_, Err(error)) => return Err(self.unreadable(error)),
            Work::Read(_, _, Err(error)) => return Err(self.unreadable(error)),
            Work::Read(number, tap, Ok((bytes, checksum))) => self.on_read(number, tap, bytes, checksum)?,
        }
        Ok(())
    }

    fn on_read(
        &mut self,
        number: u32,
        tap: Tap,
        bytes: Bytes,
        checksum: Option<String>,
    ) -> Result<(), Error> {
        let read_bytes = tap.read_bytes;
        let len_bytes = bytes.len() as u64;
        let Supply::Stream(stream) = &mut self.parts.supply else { return Ok(()) };
        stream.tap = Some(tap);
        let transfer = &mut self.parts.transfer;
        if len_bytes > 0 {
            stream.parts.insert(number, bytes);
            transfer.read(number, len_bytes, checksum, Instant::now());
            return Ok(());
        }
        let invalid = || Error::InvalidAnswer { call: "init", detail: "the part size is too small".into() };
        transfer.stream_ended(number, read_bytes).ok_or_else(invalid)?;
        self.parts.reporter.update(|progress| {
            progress.total_bytes = Some(read_bytes);
            progress.total_parts = Some(number - 1);
        });
        Ok(())
    }

    /// True when the upload is completed already, or about to be.
    fn on_called(&mut self, called: Result<Called, Error>) -> Result<bool, Error> {
        self.call = None;
        let now = Instant::now();
        let transfer = &mut self.parts.transfer;
        match called {
            Ok(Called::Signed(response, date)) => {
                let lifetime = lifetime(response.expires_at, date);
                transfer.signed(response.parts, lifetime, now);
            }
            Ok(Called::Reported) => transfer.reported(),
            Ok(Called::Status(status)) => {
                if super::session::is_closed(&status)? {
                    return Ok(true);
                }
                transfer.refreshed(&status, now, rand::random());
                for number in status.parts.iter().flatten().map(|part| part.number) {
                    if transfer.is_kept(number) {
                        self.parts.supply.release(number);
                    }
                }
            }
            Err(error) => return is_completed(&error).then_some(true).ok_or(error),
        }
        Ok(false)
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        let mut in_flight_bytes = 0;
        for (&number, sent) in &self.in_flight {
            let part_bytes = sent.part_bytes();
            in_flight_bytes += part_bytes;
            self.parts.transfer.moved(number, part_bytes, now);
        }
        self.parts.transfer.observe(self.wire_bytes.load(Ordering::Relaxed), now);
        self.parts.reporter.transfer(&self.parts.transfer, in_flight_bytes, self.in_flight.len(), now);
    }

    fn unreadable(&self, source: io::Error) -> Error {
        let path = self.parts.path.clone();
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::FileChanged { path, detail: "it is shorter now".into() },
            _ => Error::FileUnreadable { path, source },
        }
    }

    fn error(&mut self, failure: Failure) -> Error {
        match failure {
            Failure::StorageRefused(number, answer) => Error::StorageRefused {
                number,
                status: answer.status,
                code: answer.code,
                message: answer.message,
            },
            Failure::SignatureRefused(answer) => {
                Error::SignatureRefused { status: answer.status, code: answer.code }
            }
            Failure::Unreadable => {
                let source = self.read_error.take().unwrap_or_else(|| io::Error::other("reading failed"));
                self.unreadable(source)
            }
            Failure::Changed(number) => Error::FileChanged {
                path: self.parts.path.clone(),
                detail: format!("part {number} reads differently now"),
            },
            Failure::Stalled(after, detail) => Error::Stalled { after, detail },
            Failure::NotRepeatable(number) => Error::NotRepeatable { number },
        }
    }
}

async fn pending_call(call: &mut Option<CallFuture>) -> Result<Called, Error> {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

/// How long URLs are good for, by the gateway's own clock where it told it.
pub(super) fn lifetime(expires_at: OffsetDateTime, date: Option<OffsetDateTime>) -> Duration {
    let now = date.unwrap_or_else(OffsetDateTime::now_utc);
    // With no date and clocks that disagree it may seem over already: storage is asked rather than believed.
    Duration::try_from(expires_at - now).unwrap_or_default().max(SHORTEST_LIFETIME)
}

/// Somebody else completes it, or has: the answer can be fetched.
fn is_completed(error: &Error) -> bool {
    error.problem().is_some_and(|problem| {
        problem.code == "upload_closed"
            && matches!(problem.state, Some(UploadState::Completing | UploadState::Completed))
    })
}

/// The outcome of a task. None is ever aborted while the driver lives, so a failed one has panicked.
fn join<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
