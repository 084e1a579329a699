//! A shared secret that must not show.

use std::fmt;

/// The shortest secret that signs with HS256, bytes: as long as the hash
/// (<https://www.rfc-editor.org/rfc/rfc7518#section-3.2>).
pub const MIN_SECRET_BYTES: usize = 32;

/// A secret that two sides sign and verify with. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl SigningSecret {
    /// Takes a secret in. Its length is checked where it is used, so that all bad settings are told at once.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// What is wrong with the secret, without showing it.
    pub(super) fn problem(&self) -> Option<String> {
        let is_short = self.0.len() < MIN_SECRET_BYTES;
        is_short.then(|| format!("the secret is shorter than {MIN_SECRET_BYTES} bytes"))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}
