//! The identity that URLs are signed with.

use std::fmt;

/// An AWS-style key pair, with the session token of temporary credentials.
///
/// `Debug` shows the access key id only: the secret and the token never reach a log.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Credentials {
    /// Takes a key pair as storage issued it. An empty session token means none, since settings
    /// and environments often spell "absent" that way.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: session_token.filter(|token| !token.is_empty()),
        }
    }

    /// The public half of the key pair: it appears in every URL.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"[redacted]")
            .field("session_token", &self.session_token.as_ref().map(|_| "[redacted]"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_secret_nor_token() {
        let credentials = Credentials::new("AKID", "hunter2", Some("session-t0ken".into()));
        let shown = format!("{credentials:?} {credentials:#?}");
        assert!(shown.contains("AKID"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("session-t0ken"), "{shown}");
    }

    #[test]
    fn empty_session_token_is_none() {
        assert_eq!(Credentials::new("a", "b", Some(String::new())).session_token(), None);
    }
}
