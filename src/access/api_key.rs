//! API keys: `pgk_<id>_<secret><checksum>`.
//!
//! - `id`: 10 characters of `a-z0-9`. Public: it names the key in the database, in lists and in logs.
//! - `secret`: 32 random bytes as 64 hex digits.
//! - `checksum`: the CRC-32 (that of zip and PNG) of all before it, as 8 hex digits. A typo, or a string that only looks
//!   like a key, is told apart without asking the database; secret scanners can do the same, as they do with GitHub's
//!   tokens (<https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>).

use std::fmt;

use crc_fast::CrcAlgorithm;
use hmac::digest::CtOutput;
use rand::rand_core::OsError;
use rand::rngs::OsRng;
use rand::{Rng, TryRngCore};
use sha2::{Digest, Sha256};

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "pgk_";

const ID_LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH: usize = 10;
const SECRET_BYTES: usize = 32;
const SECRET_DIGITS: usize = 2 * SECRET_BYTES;
const CHECKSUM_DIGITS: usize = 8;

/// A key that was made just now. Its text is shown once and kept nowhere.
pub struct MintedKey {
    /// Its public name.
    pub id: String,
    /// The whole key, as callers send it.
    pub secret_text: String,
    /// What the database keeps: see [`ApiKey::hash`].
    pub hash: String,
}

impl fmt::Debug for MintedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Makes a new key.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn mint() -> Result<MintedKey, OsError> {
    let mut random = [0; SECRET_BYTES];
    OsRng.try_fill_bytes(&mut random)?;
    let mut rng = rand::rng();
    let id = (0..ID_LENGTH).map(|_| char::from(ID_LETTERS[rng.random_range(0..ID_LETTERS.len())])).collect();
    let key = ApiKey { id, secret: hex::encode(random) };
    Ok(MintedKey { secret_text: key.text(), hash: key.hash(), id: key.id })
}

/// A key that has the form of one. Whether it is one, [`ApiKey::matches`] says.
#[derive(Clone)]
pub struct ApiKey {
    id: String,
    secret: String,
}

impl ApiKey {
    /// Reads a key; none for anything that no [`mint`] can have made.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.strip_prefix(API_KEY_PREFIX)?.split_once('_')?;
        let (secret, _) = rest.split_at_checked(SECRET_DIGITS)?;
        let is_id = id.len() == ID_LENGTH && id.bytes().all(|b| ID_LETTERS.contains(&b));
        let is_secret = secret.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let key = Self { id: id.to_owned(), secret: secret.to_owned() };
        // A checksum is no secret, so this comparison may take whatever time it takes.
        (is_id && is_secret && key.text() == text).then_some(key)
    }

    /// The key's public name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the database keeps in the secret's place: its SHA-256, as 64 hex digits. Slow hashes protect what people
    /// choose; nobody guesses 256 random bits, and a slow hash would only slow every request.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.secret))
    }

    /// Whether this is the key whose [`hash`](Self::hash) was kept. Takes the same time wherever they differ.
    #[must_use]
    pub fn matches(&self, stored_hash: &str) -> bool {
        let mut stored = [0; 32];
        hex::decode_to_slice(stored_hash, &mut stored).is_ok()
            && CtOutput::<Sha256>::new(Sha256::digest(&self.secret)) == CtOutput::new(stored.into())
    }

    fn text(&self) -> String {
        let body = format!("{API_KEY_PREFIX}{}_{}", self.id, self.secret);
        let checksum = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, body.as_bytes());
        format!("{body}{checksum:0CHECKSUM_DIGITS$x}")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key that was made once and is known by heart, so that the form cannot change unnoticed.
    const KNOWN: &str =
        "pgk_abcdefgh01_000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f474e3418";

    #[test]
    fn a_minted_key_is_read_back_and_matches_its_hash_alone() {
        let (minted, other) = (mint().unwrap(), mint().unwrap());
        let key = ApiKey::parse(&minted.secret_text).unwrap();
        assert_eq!(key.id(), minted.id);
        assert!(key.matches(&minted.hash));
        assert!(!key.matches(&other.hash));
        assert_ne!(minted.id, other.id);
        for broken in ["", "00", &minted.hash[1..], &format!("{}0", minted.hash)] {
            assert!(!key.matches(broken), "{broken:?}");
        }
    }

    #[test]
    fn the_form_and_the_hash_stay_what_they_were() {
        let key = ApiKey::parse(KNOWN).unwrap();
        assert_eq!(key.id(), "abcdefgh01");
        assert_eq!(key.hash(), "6c86c6aac5fb24bcf5d9939cb7d7d5645ce39418f449e03b262dd4fa14b4b92b");
    }

    #[test]
    fn what_only_looks_like_a_key_is_none() {
        let truncated = &KNOWN[..KNOWN.len() - 1];
        let padded = format!("{KNOWN} ");
        let shouted = KNOWN.to_uppercase();
        let without_checksum = &KNOWN[..KNOWN.len() - CHECKSUM_DIGITS];
        let wide = KNOWN.replace("0001", "é01");
        for text in
            ["", "pgk_", "pgk__", "pgk_abcdefgh01_", truncated, &padded, &shouted, without_checksum, &wide]
        {
            assert!(ApiKey::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let minted = mint().unwrap();
        let key = ApiKey::parse(&minted.secret_text).unwrap();
        let shown = format!("{minted:?} {key:?}");
        assert!(shown.contains(&minted.id));
        assert!(!shown.contains(&key.secret[..8]), "{shown}");
    }

    proptest! {
        #[test]
        fn any_changed_character_is_refused(place in 0..KNOWN.len(), letter in any::<char>()) {
            let mut letters: Vec<_> = KNOWN.chars().collect();
            prop_assume!(letters[place] != letter);
            letters[place] = letter;
            prop_assert!(ApiKey::parse(&letters.iter().collect::<String>()).is_none());
        }
    }
}
