//! The routes.

use std::fmt;
use std::time::Duration;

use partgate_api::{
    CompleteRequest, Completion, InitRequest, ReportRequest, SignRequest, SignResponse, UploadCreated,
    UploadList, UploadState, UploadStatus,
};
use reqwest::{Method, StatusCode};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Gateway;
use super::call::{Answer, Call};
use crate::error::Error;

/// How often a running completion is asked for when the gateway does not say.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Answer of [`Gateway::init`].
#[derive(Debug, Clone)]
pub struct Initialised {
    /// The upload.
    pub created: UploadCreated,
    /// Whether it was there before: found by fingerprint (200), not opened now (201).
    pub found: bool,
    pub(crate) date: Option<OffsetDateTime>,
}

/// Answer of one complete call.
#[derive(Debug, Clone)]
pub enum CompleteAnswer {
    /// The object is in storage, proven.
    Done(Box<Completion>),
    /// It goes on: ask again after this long.
    GoesOn(Box<UploadStatus>, Duration),
}

/// Which uploads to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only those in this state.
    pub state: Option<UploadState>,
    /// From the last page's `next_cursor`.
    pub cursor: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// A presigned URL of a finished object: a secret, so `Debug` does not show it.
#[derive(Clone)]
pub struct FileLink(String);

impl FileLink {
    /// The URL. Whoever has it can read the object until it expires: do not log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FileLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileLink(…)")
    }
}

impl Gateway {
    /// Opens an upload. An Idempotency-Key of its own keeps a retried call from opening two.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::Unauthorized`], [`Error::Stalled`], [`Error::InvalidAnswer`].
    pub async fn init(&self, request: &InitRequest) -> Result<Initialised, Error> {
        let mut call = Call::new("init", Method::POST).json(request)?;
        call.path.push("init".into());
        call.idempotency_key = Some(Uuid::new_v4());
        let answer = self.call(&call).await?;
        Ok(Initialised { created: answer.json()?, found: answer.status == StatusCode::OK, date: answer.date })
    }

    /// Signs parts and reports stored ones.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Rejected`], [`Error::Unauthorized`], [`Error::Stalled`], [`Error::InvalidAnswer`].
    pub async fn sign(&self, upload_id: Uuid, request: &SignRequest) -> Result<SignResponse, Error> {
        self.sign_dated(upload_id, request).await.map(|(response, _)| response)
    }

    /// As [`Self::sign`], with the gateway's own time, so that another clock here does not matter.
    pub(crate) async fn sign_dated(
        &self,
        upload_id: Uuid,
        request: &SignRequest,
    ) -> Result<(SignResponse, Option<OffsetDateTime>), Error> {
        let call = Call::new("sign", Method::POST).about(upload_id, "sign").json(request)?;
        let answer = self.call(&call).await?;
        Ok((answer.json()?, answer.date))
    }

    /// Reports stored parts.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Rejected`], [`Error::Unauthorized`], [`Error::Stalled`], [`Error::InvalidAnswer`].
    pub async fn report(&self, upload_id: Uuid, request: &ReportRequest) -> Result<UploadStatus, Error> {
        let call = Call::new("report", Method::POST).about(upload_id, "parts").json(request)?;
        self.call(&call).await?.json()
    }

    /// How far an upload is, by what the gateway knows.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Rejected`], [`Error::Unauthorized`], [`Error::Stalled`], [`Error::InvalidAnswer`].
    pub async fn status(&self, upload_id: Uuid) -> Result<UploadStatus, Error> {
        let call = Call::new("status", Method::GET).about(upload_id, "status");
        self.call(&call).await?.json()
    }

    /// How far an upload is, after the gateway has asked storage; with every received part.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Rejected`], [`Error::Unauthorized`], [`Error::Stalled`], [`Error::InvalidAnswer`].
    pub async fn refreshed_status(&self, upload_id: Uuid) -> Result<UploadStatus, Error> {
        let mut call = Call::new("status", Method::GET).about(upload_id, "status");
        call.query = vec![("refresh", "true".into()), ("parts", "true".into())];
        self.call(&call).await?.json()
    }

    /// Finishes an upload; waits for as long as the gateway says that it goes on. Idempotent: on a completed
    /// upload it fetches the answer again.
    ///
    /// # Errors
    /// [`Error::Rejected`] (`parts_missing`, `part_mismatch`, `object_exists`, `checksum_mismatch`, …),
    /// [`Error::Gone`], [`Error::Unauthorized`], [`Error::Stalled`], [`Error::InvalidAnswer`].
    pub async fn complete(&self, upload_id: Uuid, request: &CompleteRequest) -> Result<Completion, Error> {
        loop {
            match self.complete_once(upload_id, request).await? {
                CompleteAnswer::Done(completion) => return Ok(*completion),
                CompleteAnswer::GoesOn(_, wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// One complete call, answered within about 20 s even if the work is not done by then.
    ///
    /// # Errors
    /// As [`Self::complete`].
    pub async fn complete_once(
        &self,
        upload_id: Uuid,
        request: &CompleteRequest,
    ) -> Result<CompleteAnswer, Error> {
        let call = Call::new("complete", Method::POST).about(upload_id, "complete").json(request)?;
        let answer = self.call(&call).await?;
        if answer.status == StatusCode::ACCEPTED {
            let wait = answer.retry_after.unwrap_or(POLL_INTERVAL);
            return Ok(CompleteAnswer::GoesOn(answer.json()?, wait));
        }
        Ok(CompleteAnswer::Done(answer.json()?))
    }

    /// Takes an upload back from storage. Idempotent.
    ///
    /// # Errors
    /// [`Error::Gone`] (not found), [`Error::Rejected`] (`upload_closed`: completed), [`Error::Unauthorized`],
    /// [`Error::Stalled`].
    pub async fn abort(&self, upload_id: Uuid) -> Result<(), Error> {
        self.call(&Call::new("abort", Method::DELETE).about(upload_id, "")).await.map(drop)
    }

    /// A page of uploads, newest first.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::Unauthorized`], [`Error::Stalled`], [`Error::InvalidAnswer`].
    pub async fn list(&self, query: &ListQuery) -> Result<UploadList, Error> {
        let mut call = Call::new("list", Method::GET);
        if let Some(state) = query.state {
            let name = serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned));
            call.query.extend(name.map(|name| ("state", name)));
        }
        call.query.extend(query.cursor.clone().map(|cursor| ("cursor", cursor)));
        call.query.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        self.call(&call).await?.json()
    }

    /// A presigned URL of the finished object.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Rejected`] (not completed), [`Error::Unauthorized`], [`Error::Stalled`],
    /// [`Error::InvalidAnswer`].
    pub async fn file_link(&self, upload_id: Uuid) -> Result<FileLink, Error> {
        let answer = self.call(&Call::new("file", Method::GET).about(upload_id, "file")).await?;
        let Answer { location, .. } = answer;
        location
            .map(FileLink)
            .ok_or(Error::InvalidAnswer { call: "file", detail: "no Location header".into() })
    }
}
