//! The upload on the gateway: opened anew, found by the gateway, or known from a record.

use std::time::Duration;

use partgate_api::{
    ChecksumAlgorithm, InitRequest, PartToSign, ReceivedPart, SignFirst, SignedPart, UploadState,
    UploadStatus,
};
use uuid::Uuid;

use super::driver::lifetime;
use super::{Job, Unfinished};
use crate::error::Error;
use crate::gateway::{Gateway, Initialised};
use crate::progress::Event;
use crate::record::Record;

/// The gateway's default part size: a file up to this is sent in one PUT, signed by init itself.
pub(super) const DEFAULT_PART_SIZE_BYTES: u64 = 10 << 20;
/// How many parts init signs when no checksum has to be known before.
const SIGN_FIRST: u32 = 16;

/// An upload that the gateway has.
pub(super) struct Session {
    pub(super) gateway: Gateway,
    pub(super) token: Option<String>,
    pub(super) upload_id: Uuid,
    pub(super) part_size_bytes: u64,
    pub(super) algorithm: ChecksumAlgorithm,
    /// Parts signed by init, and how long their URLs are good for.
    pub(super) tickets: Vec<SignedPart>,
    pub(super) lifetime: Duration,
    /// Parts that storage had before this run.
    pub(super) received: Vec<ReceivedPart>,
    /// Completed or being completed: there is nothing to send.
    pub(super) closed: bool,
    /// It was there before this run.
    pub(super) found: bool,
}

/// What init is told about the content.
pub(super) struct Opening {
    pub(super) filename: String,
    /// `None` for a stream.
    pub(super) size_bytes: Option<u64>,
    pub(super) fingerprint: Option<String>,
    /// Of a file of one part.
    pub(super) only_checksum: Option<String>,
}

impl Session {
    /// Opens an upload, or finds an unfinished one by its fingerprint.
    pub(super) async fn open(job: &Job, opening: &Opening) -> Result<Self, Error> {
        let request = init_request(job, opening);
        let mut initialised = job.gateway.init(&request).await?;
        if initialised.found && job.options.unfinished == Unfinished::Restart {
            abort(&job.gateway, initialised.created.upload_id).await?;
            initialised = job.gateway.init(&request).await?;
        }
        let gateway = job.gateway.adopt_token(initialised.created.token.as_deref());
        let upload_id = initialised.created.upload_id;
        if !initialised.found {
            job.reporter.event(&Event::Opened { upload_id });
            return Ok(Self::new(gateway, initialised));
        }
        let status = gateway.refreshed_status(upload_id).await?;
        let tickets = Self::new(gateway.clone(), initialised);
        let session = Self::from_status(gateway, tickets.token.clone(), status)?;
        Ok(Self { tickets: tickets.tickets, lifetime: tickets.lifetime, ..session })
    }

    /// The upload that a record names, or `None` when the gateway has it no more.
    pub(super) async fn resume(job: &Job, record: &Record) -> Result<Option<Self>, Error> {
        let gateway = job.gateway.adopt_token(record.token.as_deref());
        let found = match gateway.refreshed_status(record.upload_id).await {
            Ok(status) => Self::from_status(gateway, record.token.clone(), status),
            Err(error) => Err(error),
        };
        match found {
            Ok(session) => Ok(Some(session)),
            Err(Error::Gone { upload_id, .. }) => {
                job.reporter.event(&Event::StartedAnew { upload_id });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn new(gateway: Gateway, initialised: Initialised) -> Self {
        let Initialised { created, found, date } = initialised;
        Self {
            gateway,
            token: created.token,
            upload_id: created.upload_id,
            part_size_bytes: created.part_size,
            algorithm: created.checksum_algorithm,
            lifetime: created.parts_expire_at.map_or(Duration::ZERO, |expires_at| lifetime(expires_at, date)),
            tickets: created.parts,
            received: Vec::new(),
            closed: false,
            found,
        }
    }

    fn from_status(gateway: Gateway, token: Option<String>, status: UploadStatus) -> Result<Self, Error> {
        let closed = is_closed(&status)?;
        Ok(Self {
            gateway,
            token,
            upload_id: status.upload_id,
            part_size_bytes: status.part_size,
            algorithm: status.checksum_algorithm,
            tickets: Vec::new(),
            lifetime: Duration::ZERO,
            received: status.parts.unwrap_or_default(),
            closed,
            found: true,
        })
    }
}

/// Whether there is nothing more to send; [`Error::Gone`] when there never will be.
pub(super) fn is_closed(status: &UploadStatus) -> Result<bool, Error> {
    match status.state {
        UploadState::Creating | UploadState::Open => Ok(false),
        UploadState::Completing | UploadState::Completed => Ok(true),
        UploadState::Failed | UploadState::Aborting | UploadState::Aborted | UploadState::Expired => {
            Err(Error::Gone { upload_id: status.upload_id, state: Some(status.state) })
        }
    }
}

/// Aborts an upload that may be gone or completed already: either way it is no longer in the way.
pub(super) async fn abort(gateway: &Gateway, upload_id: Uuid) -> Result<(), Error> {
    match gateway.abort(upload_id).await {
        Ok(()) | Err(Error::Gone { .. }) => Ok(()),
        Err(Error::Rejected(problem)) if problem.code == "upload_closed" => Ok(()),
        Err(error) => Err(error),
    }
}

fn init_request(job: &Job, opening: &Opening) -> InitRequest {
    let options = &job.options;
    let sign = match (&opening.only_checksum, opening.size_bytes) {
        (Some(checksum), _) => {
            let only = PartToSign { number: 1, checksum: Some(checksum.clone()), size: None };
            Some(SignFirst::Parts(vec![only]))
        }
        (None, Some(1..)) if options.checksum == ChecksumAlgorithm::None => {
            Some(SignFirst::Count(SIGN_FIRST))
        }
        (None, _) => None,
    };
    InitRequest {
        filename: opening.filename.clone(),
        size: opening.size_bytes,
        part_size: options.part_size_bytes,
        content_type: options.content_type.clone(),
        checksum_algorithm: Some(options.checksum),
        sha256: None,
        metadata: options.metadata.clone(),
        key: options.key.clone(),
        overwrite: options.overwrite,
        fingerprint: opening.fingerprint.clone(),
        sign,
    }
}
