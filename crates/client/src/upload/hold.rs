//! What this process holds while it uploads a file: the lock, and the note for the next run.

use partgate_api::UploadState;
use uuid::Uuid;

use super::content::Content;
use super::session::{self, Session};
use super::{Job, Unfinished};
use crate::error::Error;
use crate::record::{Lock, Record, Records, Stamp};

/// Lock and record of one file.
pub(super) struct Hold {
    records: Records,
    record: Option<Record>,
    _lock: Lock,
}

impl Hold {
    /// Takes the lock and reads the record; `None` for content that is not noted.
    pub(super) fn take(job: &Job, content: &Content) -> Result<Option<Self>, Error> {
        let (Some(folder), Some(fingerprint)) = (&job.options.state_dir, content.fingerprint()) else {
            return Ok(None);
        };
        let records = Records::open(folder.clone())?;
        let gateway = job.gateway.address();
        let lock = records
            .lock(gateway, fingerprint)?
            .ok_or_else(|| Error::Locked { path: content.path.clone() })?;
        let record = records.find(gateway, fingerprint);
        Ok(Some(Self { records, record, _lock: lock }))
    }

    /// The file's stamp when its unfinished upload began.
    pub(super) fn recorded_stamp(&self) -> Option<Stamp> {
        self.record.as_ref().map(|record| record.stamp)
    }

    /// Unfinished uploads of the same path with other content: the file has changed since. They are aborted on
    /// `Restart`; otherwise the caller has to say so first.
    pub(super) async fn settle_other_content(&self, job: &Job, content: &Content) -> Result<(), Error> {
        let Some(like) = record(job, content, Uuid::nil(), None) else { return Ok(()) };
        for other in self.records.find_other_content(&like) {
            let gateway = job.gateway.adopt_token(other.token.as_deref());
            if job.options.unfinished == Unfinished::Restart {
                session::abort(&gateway, other.upload_id).await?;
            } else {
                let unfinished = match gateway.status(other.upload_id).await {
                    Ok(status) => matches!(status.state, UploadState::Creating | UploadState::Open),
                    Err(Error::Gone { .. }) => false,
                    Err(error) => return Err(error),
                };
                if unfinished {
                    return Err(content.changed("its size or content is another now"));
                }
            }
            self.records.remove(&other);
        }
        Ok(())
    }

    /// The recorded upload, if it can be gone on with.
    pub(super) async fn resume(&mut self, job: &Job, content: &Content) -> Result<Option<Session>, Error> {
        let Some(record) = self.record.take() else { return Ok(None) };
        if job.options.unfinished == Unfinished::Restart {
            session::abort(&job.gateway.adopt_token(record.token.as_deref()), record.upload_id).await?;
            self.records.remove(&record);
            return Ok(None);
        }
        let session = Session::resume(job, &record).await?;
        // A finished upload of a file that was touched since is not this file's.
        let usable = session.filter(|session| !session.closed || Some(record.stamp) == content.stamp());
        match &usable {
            Some(_) => self.record = Some(record),
            None => self.records.remove(&record),
        }
        Ok(usable)
    }

    /// Writes the note for the next run, unless it is there.
    pub(super) fn note(&mut self, job: &Job, content: &Content, session: &Session) -> Result<(), Error> {
        if self.record.is_none()
            && let Some(record) = record(job, content, session.upload_id, session.token.clone())
        {
            self.records.save(&record)?;
            self.record = Some(record);
        }
        Ok(())
    }

    /// The upload is complete: nothing is left to remember.
    pub(super) fn forget(self) {
        if let Some(record) = &self.record {
            self.records.remove(record);
        }
    }
}

fn record(job: &Job, content: &Content, upload_id: Uuid, token: Option<String>) -> Option<Record> {
    Some(Record {
        gateway: job.gateway.address().to_owned(),
        upload_id,
        token,
        path: content.absolute_path()?.to_owned(),
        stamp: content.stamp()?,
        fingerprint: content.fingerprint()?.to_owned(),
        content: content.content_fingerprint()?.to_owned(),
        key: job.options.key.clone(),
    })
}
