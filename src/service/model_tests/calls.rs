//! What clients call, and what they hear.

use time::OffsetDateTime;

use super::super::{
    CompleteCall, Completing, NewUpload, RequestedPart, Service, ServiceError, SignAtInit, SignedWindow,
    StatusQuery, StatusView, StoredClaim, SweepMode,
};
use super::gateway::START;
use super::scenario::File;
use crate::storage::model::checksum_of;
use crate::upload::{Fingerprint, Metadata, PartNumber, State, UploadId};

/// An upload of a scenario: the client that opens it and its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name(pub(super) u8);

impl Name {
    pub(super) fn id(self) -> UploadId {
        UploadId(uuid::Uuid::from_u128(u128::from(self.0)))
    }

    pub(super) fn of(id: UploadId) -> Self {
        Self(u8::try_from(id.0.as_u128()).unwrap())
    }
}

/// A call of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Init(Name),
    Sign(Name, Vec<u32>),
    Report(Name, Vec<u32>),
    Refresh(Name),
    Complete(Name),
    Abort(Name),
    Sweep,
}

impl Call {
    /// The id of an upload that it would make.
    pub(super) fn new_id(&self) -> u128 {
        match self {
            Self::Init(name) => u128::from(name.0),
            _ => u128::from(u8::MAX),
        }
    }
}

/// Where a client may send a part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Into this multipart upload.
    Multipart(String),
    /// To the key, only where nothing is.
    Object,
}

/// What a client heard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// An upload is open, and where its parts may be sent, until that second.
    Open { name: Name, targets: Vec<(u32, Target)>, until: i64 },
    /// How far it is.
    Progress { state: &'static str, received: Vec<u32>, missing: Vec<u32> },
    /// The object is there.
    Completed { etag: String, size_bytes: u64 },
    /// Still at it.
    Pending,
    /// Parts are missing, or wrong: these.
    Missing(Vec<u32>),
    /// Parts are not as they were reported: these.
    Mismatch(Vec<u32>),
    /// The bytes are not the declared ones.
    WrongBytes,
    /// The key is taken.
    ObjectExists,
    /// It does not take this any more.
    Closed(&'static str),
    /// It was taken back.
    Gone(&'static str),
    /// The abort or the sweep is done.
    Done,
    /// Not now: try again.
    TryAgain(&'static str),
    /// Never.
    Refused(String),
    /// Nothing: the gateway died, or the client lost its patience.
    Nothing,
}

/// Makes the call and puts what comes of it into words.
pub(super) async fn carry_out(service: &Service, call: &Call, file: &File) -> Told {
    let principal = service.anybody();
    let query = StatusQuery { refresh: true, parts: false };
    let told = match call {
        Call::Init(_) => service.init(&principal, new_upload(file)).await.map(|initiated| Told::Open {
            name: Name::of(initiated.upload.id),
            targets: targets(&initiated.parts),
            until: initiated.parts_expire_at.map_or(0, seconds),
        }),
        Call::Sign(name, parts) => {
            let parts: Vec<_> = parts.iter().map(|number| requested(file, *number)).collect();
            let signed = service.sign(&principal, name.id(), &parts, &[]).await;
            signed.map(|batch| Told::Open {
                name: *name,
                targets: targets(&batch.parts),
                until: seconds(batch.expires_at),
            })
        }
        Call::Report(name, parts) => {
            let stored: Vec<_> = parts.iter().map(|number| claim(*number)).collect();
            service.report(&principal, name.id(), &stored).await.map(progress)
        }
        Call::Refresh(name) => service.status(&principal, name.id(), query).await.map(progress),
        Call::Complete(name) => {
            let size_bytes = file.stream.then_some(file.content.len() as u64);
            let declared = CompleteCall { size_bytes, ..CompleteCall::default() };
            let completed = service.complete(&principal, name.id(), &declared).await;
            completed.map(|completing| match completing {
                Completing::Done(upload) => {
                    let outcome = upload.outcome.unwrap();
                    Told::Completed { etag: outcome.etag, size_bytes: outcome.size_bytes }
                }
                Completing::Pending(_) => Told::Pending,
            })
        }
        Call::Abort(name) => service.abort(&principal, name.id()).await.map(|()| Told::Done),
        Call::Sweep => service.sweep(SweepMode::Act).await.map(|_| Told::Done),
    };
    told.unwrap_or_else(refusal)
}

fn new_upload(file: &File) -> NewUpload {
    let parts = u32::try_from(file.content.len()).unwrap();
    let sign = SignAtInit::Parts((1..=parts).map(|number| requested(file, number)).collect());
    let name = |text: &str| Fingerprint::new(text.to_owned()).unwrap();
    NewUpload {
        filename: "f".to_owned(),
        size_bytes: (!file.stream).then_some(file.content.len() as u64),
        part_size_bytes: None,
        content_type: "text/plain".to_owned(),
        checksum_algorithm: file.checksum,
        sha256: file.sha256(),
        metadata: Metadata::default(),
        key: file.key.map(str::to_owned),
        overwrite: false,
        fingerprint: file.fingerprint.map(name),
        idempotency_key: file.idempotency_key.map(name),
        sign,
    }
}

fn requested(file: &File, number: u32) -> RequestedPart {
    let checksum = checksum_of(file.checksum, file.part(number)).map(|checksum| checksum.to_base64());
    RequestedPart { number, checksum, size_bytes: None }
}

fn seconds(time: OffsetDateTime) -> i64 {
    (time - START).whole_seconds()
}

fn claim(number: u32) -> StoredClaim {
    StoredClaim { number, etag: None, checksum: None, size_bytes: None }
}

fn targets(parts: &SignedWindow) -> Vec<(u32, Target)> {
    let target = |url: &str| {
        let (_, rest) =
            url.split_once("uploadId=").map_or((url, None), |(before, rest)| (before, Some(rest)));
        let id = rest.map(|rest| rest.split('&').next().unwrap_or(rest).to_owned());
        id.map_or(Target::Object, Target::Multipart)
    };
    parts.iter().map(|part| (part.number.value(), target(part.url))).collect()
}

fn progress(view: StatusView) -> Told {
    let missing = numbers(&view.missing());
    let received =
        (1..=9).filter_map(PartNumber::new).filter(|number| view.received.numbers.contains(*number));
    Told::Progress { state: view.state.name(), received: received.map(PartNumber::value).collect(), missing }
}

fn numbers(ranges: &[[u32; 2]]) -> Vec<u32> {
    ranges.iter().flat_map(|[first, last]| *first..=*last).collect()
}

fn refusal(error: ServiceError) -> Told {
    match error {
        ServiceError::PartsMissing(ranges) => Told::Missing(numbers(&ranges)),
        ServiceError::PartMismatch(wrong) => Told::Mismatch(wrong.iter().map(|part| part.number).collect()),
        ServiceError::ObjectExists => Told::ObjectExists,
        ServiceError::ChecksumMismatch(_) => Told::WrongBytes,
        ServiceError::Closed(state) => Told::Closed(State::name(state)),
        ServiceError::Gone(state) => Told::Gone(State::name(state)),
        ServiceError::Busy => Told::TryAgain("busy"),
        ServiceError::StorageUnavailable(_) => Told::TryAgain("storage"),
        ServiceError::StorageRejected(_) => Told::TryAgain("storage refuses"),
        ServiceError::Database(_) => Told::TryAgain("database"),
        error @ (ServiceError::Invalid(_)
        | ServiceError::NotFound
        | ServiceError::TooLarge { .. }
        | ServiceError::Forbidden(_)
        | ServiceError::QuotaExceeded { .. }
        | ServiceError::BodyBroken
        | ServiceError::Internal(_)) => Told::Refused(error.to_string()),
    }
}
