//! A presigned download of a finished object.

use super::{Principal, Service, ServiceError, require};
use crate::access::Role;
use crate::upload::{State, Upload, UploadId};

impl Service {
    /// A URL from which the finished object can be had under its file name.
    ///
    /// # Errors
    /// [`ServiceError::Closed`] until the upload is completed, [`ServiceError::Gone`] when it was taken back.
    #[tracing::instrument(level = "debug", name = "download", skip_all)]
    pub async fn download_url(&self, principal: &Principal, id: UploadId) -> Result<String, ServiceError> {
        require(principal, &[Role::Read])?;
        let upload = self.load(principal, id).await?;
        match upload.state {
            State::Completed => {}
            State::Creating | State::Open | State::Completing | State::Failed => {
                return Err(ServiceError::Closed(upload.state));
            }
            State::Aborting | State::Aborted | State::Expired => {
                return Err(ServiceError::Gone(upload.state));
            }
        }
        let disposition = content_disposition(&upload);
        Ok(self.storage_of(&upload)?.sign_get(&upload, &disposition, self.url_window(principal)).await?)
    }
}

/// `attachment` with the name twice: plain for old clients, RFC 8187 for all others.
fn content_disposition(upload: &Upload) -> String {
    let plain: String = upload
        .spec
        .filename
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' })
        .collect();
    let mut encoded = String::new();
    for byte in upload.spec.filename.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}
