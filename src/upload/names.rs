//! Identifiers and names, each checked once where it enters.

use std::fmt;

use uuid::Uuid;

/// The metadata key under which an object carries our upload id: the proof that it is ours.
pub const METADATA_UPLOAD_ID: &str = "partgate-upload-id";

/// The longest key of an object, bytes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
const MAX_KEY_BYTES: usize = 1024;
/// The most bytes of user metadata, names and values together
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>).
const MAX_METADATA_BYTES: usize = 2048;
/// Our own bound: what file systems allow in one name is 255 bytes, some in characters of up to 4 bytes.
const MAX_FILENAME_BYTES: usize = 1024;
/// The longest segment of a key, bytes: stores that keep objects as files refuse longer ones, MinIO with the first
/// part and SeaweedFS 4.48 only at completion. A file's name inside a key is cut to it.
const MAX_KEY_SEGMENT_BYTES: usize = 255;
/// SeaweedFS 4.48 keeps its multipart uploads at this place of each bucket, among the objects.
const SEAWEEDFS_UPLOADS: &str = ".uploads";
const MAX_FINGERPRINT_BYTES: usize = 256;

/// Our name of an upload: a UUID of version 7, so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub Uuid);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Storage's name of a multipart upload. One of our uploads may have several over its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3UploadId(pub String);

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing in it.
    #[error("must not be empty")]
    Empty,
    /// Too long.
    #[error("{actual} bytes long; at most {max} are allowed")]
    TooLong {
        /// The longest allowed, bytes.
        max: usize,
        /// Its length, bytes.
        actual: usize,
    },
    /// A character that has no place there.
    #[error("contains {found:?}; {rule}")]
    BadCharacter {
        /// The character.
        found: char,
        /// What is allowed.
        rule: &'static str,
    },
    /// A part of a path that some stores resolve or refuse.
    #[error("contains the segment {0:?}, which stores treat differently; leave it out")]
    BadSegment(String),
    /// A part of a path that is too long for a file's name, with its length in bytes.
    #[error("contains a segment of {0} bytes; between slashes at most {MAX_KEY_SEGMENT_BYTES} are allowed")]
    LongSegment(usize),
    /// A metadata name that is ours.
    #[error("{0:?} is kept for partgate's own use")]
    Reserved(String),
}

/// Checks the name of a file: 1 to 1,024 bytes, a name and not a path, no control characters.
///
/// # Errors
/// [`NameError`] with the rule that was broken.
pub fn validate_filename(name: &str) -> Result<(), NameError> {
    check_length(name, MAX_FILENAME_BYTES)?;
    if let Some(found) = name.chars().find(|c| c.is_control() || *c == '/') {
        return Err(NameError::BadCharacter { found, rule: "send the file's name alone, without a path" });
    }
    if name == "." || name == ".." {
        return Err(NameError::BadSegment(name.to_owned()));
    }
    Ok(())
}

fn check_length(text: &str, max: usize) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        actual if actual > max => Err(NameError::TooLong { max, actual }),
        _ => Ok(()),
    }
}

/// Stores list keys in XML, which has no such characters (<https://www.w3.org/TR/xml/#charsets>): one key with them
/// would make the whole bucket's listing unreadable.
const NOT_IN_XML: [char; 2] = ['\u{fffe}', '\u{ffff}'];

/// The key of an object. Invariant: 1 to 1,024 bytes, only what XML can carry, no backslash, segments of 1 to
/// 255 bytes of which none is `.` or `..`, and the first is not `.uploads`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks a key. All this is legal in S3, but MinIO refuses `//` and long segments, and SeaweedFS refuses dots and
    /// makes `a\b` and `a/b` one object; so a key that is not the same on every store is refused on all.
    ///
    /// # Errors
    /// [`NameError`] with the rule that was broken.
    pub fn new(key: String) -> Result<Self, NameError> {
        check_length(&key, MAX_KEY_BYTES)?;
        if let Some(found) = key.chars().find(|c| c.is_control() || NOT_IN_XML.contains(c)) {
            let rule = "control characters, and what XML cannot carry, are not allowed";
            return Err(NameError::BadCharacter { found, rule });
        }
        if key.contains('\\') {
            let rule = "some stores take it for a slash";
            return Err(NameError::BadCharacter { found: '\\', rule });
        }
        for (index, segment) in key.split('/').enumerate() {
            if matches!(segment, "" | "." | "..") || (index == 0 && segment == SEAWEEDFS_UPLOADS) {
                return Err(NameError::BadSegment(segment.to_owned()));
            }
            if segment.len() > MAX_KEY_SEGMENT_BYTES {
                return Err(NameError::LongSegment(segment.len()));
            }
        }
        Ok(Self(key))
    }

    /// The key as storage knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of an upload that names none: `{prefix}{upload id}/{safe name}`.
///
/// Letters and digits of any script stay, other characters become `_`; the end of the name, with its extension,
/// survives shortening.
#[must_use]
pub fn default_object_key(prefix: &str, id: UploadId, filename: &str) -> String {
    let safe: String = filename.chars().map(safe_character).collect();
    let mut start = safe.len().saturating_sub(MAX_KEY_SEGMENT_BYTES);
    while !safe.is_char_boundary(start) {
        start += 1;
    }
    format!("{prefix}{id}/{}", &safe[start..])
}

fn safe_character(c: char) -> char {
    if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')') { c } else { '_' }
}

/// The caller's own name for some content. Invariant: 1 to 256 bytes of printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Checks a fingerprint (or an Idempotency-Key, which obeys the same rule).
    ///
    /// # Errors
    /// [`NameError`] with the rule that was broken.
    pub fn new(text: String) -> Result<Self, NameError> {
        check_length(&text, MAX_FINGERPRINT_BYTES)?;
        if let Some(found) = text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
            return Err(NameError::BadCharacter { found, rule: "use printable ASCII" });
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// User metadata of an object. Invariant: names are lower-case header tokens, values printable ASCII without
/// blanks at the ends, at most 2,048 bytes with our own entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(Vec<(String, String)>);

impl Metadata {
    /// Checks user metadata; sorts it by name.
    ///
    /// # Errors
    /// The name of the bad entry (empty when the whole is too large) and the rule that it broke.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, (String, NameError)> {
        let mut metadata: Vec<_> = entries.into_iter().collect();
        metadata.sort();
        for (name, value) in &metadata {
            check_metadata_entry(name, value).map_err(|error| (name.clone(), error))?;
        }
        let own = METADATA_UPLOAD_ID.len() + uuid::fmt::Hyphenated::LENGTH;
        let actual = metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() + own;
        if actual > MAX_METADATA_BYTES {
            return Err((
                String::new(),
                NameError::TooLong { max: MAX_METADATA_BYTES - own, actual: actual - own },
            ));
        }
        Ok(Self(metadata))
    }

    /// The entries, by name.
    #[must_use]
    pub fn entries(&self) -> &[(String, String)] {
        &self.0
    }
}

fn check_metadata_entry(name: &str, value: &str) -> Result<(), NameError> {
    check_length(name, 128)?;
    let is_token = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if let Some(found) = name.chars().find(|c| !is_token(*c)) {
        return Err(NameError::BadCharacter { found, rule: "names use a-z, 0-9, `-` and `_`" });
    }
    if name.starts_with("partgate-") {
        return Err(NameError::Reserved(name.to_owned()));
    }
    // HTTP trims values and signatures fold runs of blanks, so what would not survive is refused.
    if let Some(found) = value.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        return Err(NameError::BadCharacter { found, rule: "values are printable ASCII; encode others" });
    }
    if value.is_empty() || value.trim() != value || value.contains("  ") {
        return Err(NameError::BadCharacter {
            found: ' ',
            rule: "values are not empty and have single blanks, none at the ends",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: UploadId = UploadId(Uuid::from_u128(7));

    #[test]
    fn filenames_that_are_paths_or_carry_controls_are_refused() {
        for name in ["", ".", "..", "../x", "a/b", "a\0b", "a\nb", &"x".repeat(1025)] {
            assert!(validate_filename(name).is_err(), "{name:?}");
        }
        for name in ["a", ".env", "Zürich — plan (2).pdf", "日本語.txt", "a\\b", &"x".repeat(1024)] {
            assert_eq!(validate_filename(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn keys_that_some_store_refuses_are_refused() {
        for key in
            ["", "/a", "a/", "a//b", "a/../b", "./a", "a/.", "a\u{7}b", "a\u{ffff}b", "a\\b", ".uploads/a"]
        {
            assert!(ObjectKey::new(key.to_owned()).is_err(), "{key:?}");
        }
        for key in ["a", "a/b/c.txt", "ü/+ %41&=", "...", "a/.uploads"] {
            assert!(ObjectKey::new(key.to_owned()).is_ok(), "{key:?}");
        }
    }

    #[test]
    fn keys_have_segments_of_at_most_255_bytes_and_1024_in_all() {
        let segments = [&*"k".repeat(255); 4].join("/");
        for (key, expected) in [
            (segments.clone(), Ok(())),
            (format!("{segments}k"), Err(NameError::LongSegment(256))),
            (format!("{segments}/k"), Err(NameError::TooLong { max: 1024, actual: 1025 })),
        ] {
            assert_eq!(ObjectKey::new(key).map(|_| ()), expected);
        }
    }

    #[test]
    fn default_key_keeps_letters_of_every_script() {
        assert_eq!(
            default_object_key("in/", ID, "Zürich <plan>?.pdf"),
            "in/00000000-0000-0000-0000-000000000007/Zürich__plan__.pdf"
        );
    }

    #[test]
    fn metadata_that_http_would_change_is_refused() {
        let check = |name: &str, value: &str| Metadata::new([(name.to_owned(), value.to_owned())]);
        assert!(check("colour", "dark blue").is_ok());
        for (name, value) in [
            ("", "x"),
            ("Colour", "x"),
            ("a b", "x"),
            ("a", ""),
            ("a", " x"),
            ("a", "x  y"),
            ("a", "ü"),
            ("partgate-upload-id", "x"),
        ] {
            assert!(check(name, value).is_err(), "{name:?} {value:?}");
        }
        assert!(check("a", &"x".repeat(2048)).is_err());
    }

    proptest! {
        #[test]
        fn every_valid_filename_gives_a_valid_key(text in "\\PC{1,256}") {
            let name = text.replace('/', "\\");
            prop_assume!(validate_filename(&name).is_ok());
            let key = default_object_key("prefix/", ID, &name);
            prop_assert!(ObjectKey::new(key.clone()).is_ok(), "{:?}", key);
        }
    }
}
