//! URLs for many parts of one multipart upload.

use std::fmt;

use super::canonical::{self, PAYLOAD};
use super::encode::{self, HEX_BYTES};
use super::midstate::{DIGEST_BYTES, Midstate, Prefix, Tail};
use super::scope::Scope;
use super::{SignError, SigningContext};

/// The highest part number of a multipart upload.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MAX_PART_NUMBER: u32 = 10_000;

/// The header by which a part carries its checksum for storage to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumHeader {
    /// `x-amz-checksum-crc64nvme`
    Crc64Nvme,
    /// `x-amz-checksum-crc32c`
    Crc32c,
    /// `x-amz-checksum-crc32`
    Crc32,
    /// `x-amz-checksum-sha1`
    Sha1,
    /// `x-amz-checksum-sha256`
    Sha256,
    /// `content-md5`
    ContentMd5,
}

impl ChecksumHeader {
    /// The header's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::ContentMd5 => "content-md5",
        }
    }
}

/// What the parts of one batch share.
#[derive(Debug, Clone, Copy)]
pub struct PartBatch<'a> {
    /// As whom, where and when.
    pub context: SigningContext<'a>,
    /// The object key as storage knows it, not encoded and not empty.
    pub key: &'a str,
    /// Storage's id of the multipart upload, not empty.
    pub s3_upload_id: &'a str,
    /// The checksum header that every part of the batch signs, or none.
    pub checksum_header: Option<ChecksumHeader>,
}

/// Signs parts of one batch. Each URL allows one `PUT`: of this part number, of exactly this length
/// and, where the batch has a checksum header, of exactly these bytes.
///
/// The signed headers are `content-length`, `host` and the checksum header: nothing else.
#[derive(Clone)]
pub struct PartSigner {
    pieces: Pieces,
    canonical: Prefix,
    /// The end of the canonical request of the part before: of the next one mostly a few digits
    /// differ.
    canonical_tail: Option<CanonicalTail>,
    /// The end of the string to sign, with the hash of any canonical request.
    string_to_sign: Tail,
    hash_at: usize,
    /// The outer message of the HMAC, with the inner digest of any string to sign.
    outer: Tail,
    checksum_header: Option<ChecksumHeader>,
}

/// The texts between the values that differ from part to part.
#[derive(Clone)]
struct Pieces {
    url_to_part_number: String,
    url_to_signature: String,
    canonical_to_length: String,
    canonical_to_checksum: String,
    canonical_end: String,
}

impl PartSigner {
    /// Hashes what the parts share. Costs a few URLs' worth, so make one per batch.
    ///
    /// # Errors
    /// [`SignError`] about expiry, the signing key's day, object key or S3 upload id.
    pub fn new(batch: &PartBatch<'_>) -> Result<Self, SignError> {
        let PartBatch { context, key, s3_upload_id, checksum_header } = batch;
        if key.is_empty() {
            return Err(SignError::EmptyKey);
        }
        if s3_upload_id.is_empty() {
            return Err(SignError::EmptyUploadId);
        }
        let scope = Scope::new(context)?;
        let HeaderTexts { names, to_checksum, end } =
            HeaderTexts::new(context.address.host(), *checksum_header);
        // All of the signature's own parameters sort before `partNumber`, as capitals do.
        let query = canonical::join(&canonical::signature_parameters(&scope, &names));
        let upload_id = encode::query(s3_upload_id);
        let path = context.address.object_path(key);
        let hmac = context.key.hmac;
        let string_to_sign = Prefix::new(hmac.inner, &scope.string_to_sign_prefix());
        Ok(Self {
            pieces: Pieces {
                url_to_part_number: [&context.address.origin(), &path, "?", &query, "&partNumber="].concat(),
                url_to_signature: ["&uploadId=", &upload_id, "&X-Amz-Signature="].concat(),
                canonical_to_length: ["&uploadId=", &upload_id, "\ncontent-length:"].concat(),
                canonical_to_checksum: to_checksum,
                canonical_end: end,
            },
            canonical: Prefix::new(Midstate::START, &["PUT\n", &path, "\n", &query, "&partNumber="].concat()),
            canonical_tail: None,
            hash_at: string_to_sign.rest.len(),
            string_to_sign: Tail::new(string_to_sign.midstate, &[&string_to_sign.rest, &[0; HEX_BYTES]]),
            outer: Tail::new(hmac.outer, &[&[0; DIGEST_BYTES]]),
            checksum_header: *checksum_header,
        })
    }

    /// Appends the presigned URL of one part to `out`: the only thing that may allocate, where there
    /// is no room. The URL is ASCII, without quotes, backslashes and control characters.
    ///
    /// `checksum` is the base64 value of the batch's checksum header, and given exactly when the
    /// batch has one. A length of 0 is legal.
    ///
    /// # Errors
    /// [`SignError::PartNumberOutOfRange`] outside 1..=[`MAX_PART_NUMBER`], and the three
    /// `SignError::Checksum…` where the value does not fit the batch's header. `out` is as it was.
    pub fn append_url(
        &mut self,
        out: &mut String,
        part_number: u32,
        content_length_bytes: u64,
        checksum: Option<&str>,
    ) -> Result<(), SignError> {
        if !(1..=MAX_PART_NUMBER).contains(&part_number) {
            return Err(SignError::PartNumberOutOfRange(part_number));
        }
        let checksum = self.checked_checksum(part_number, checksum)?;
        let mut digits = [0; 10];
        let part_number = encode::decimal(part_number, &mut digits);

        let canonical_hash = encode::hex(&self.canonical_digest(part_number, content_length_bytes, checksum));
        self.string_to_sign.overwrite(self.hash_at, &canonical_hash);
        self.outer.overwrite(0, &self.string_to_sign.digest());
        let signature = encode::hex(&self.outer.digest());

        let (start, middle) = (&self.pieces.url_to_part_number, &self.pieces.url_to_signature);
        for piece in [start, part_number, middle, encode::as_str(&signature)] {
            out.push_str(piece);
        }
        Ok(())
    }

    /// The presigned URL of one part: [`Self::append_url`] to a text of its own.
    ///
    /// # Errors
    /// As [`Self::append_url`].
    pub fn sign_part(
        &mut self,
        part_number: u32,
        content_length_bytes: u64,
        checksum: Option<&str>,
    ) -> Result<String, SignError> {
        let mut url = String::with_capacity(self.longest_url_bytes());
        self.append_url(&mut url, part_number, content_length_bytes, checksum)?;
        Ok(url)
    }

    /// No URL of the batch is longer: what to reserve for each.
    #[must_use]
    pub fn longest_url_bytes(&self) -> usize {
        let Pieces { url_to_part_number, url_to_signature, .. } = &self.pieces;
        url_to_part_number.len() + "10000".len() + url_to_signature.len() + HEX_BYTES
    }

    /// The hash of the canonical request.
    fn canonical_digest(
        &mut self,
        part_number: &str,
        content_length_bytes: u64,
        checksum: &str,
    ) -> [u8; DIGEST_BYTES] {
        let shape =
            Shape { number_digits: part_number.len(), content_length_bytes, checksum_bytes: checksum.len() };
        if self.canonical_tail.as_ref().is_some_and(|kept| kept.shape != shape) {
            self.canonical_tail = None;
        }
        let new = || CanonicalTail::new(&self.canonical, &self.pieces, shape);
        let tail = self.canonical_tail.get_or_insert_with(new);
        tail.text.overwrite(tail.number_at, part_number.as_bytes());
        tail.text.overwrite(tail.checksum_at, checksum.as_bytes());
        tail.text.digest()
    }

    /// The text that takes the checksum's place in the canonical request: empty without a header.
    fn checked_checksum<'a>(
        &self,
        part_number: u32,
        checksum: Option<&'a str>,
    ) -> Result<&'a str, SignError> {
        match (self.checksum_header, checksum) {
            (None, None) => Ok(""),
            (None, Some(_)) => Err(SignError::ChecksumUnexpected(part_number)),
            (Some(header), None) => Err(SignError::ChecksumMissing { part_number, header: header.name() }),
            (Some(_), Some(value)) if is_base64(value) => Ok(value),
            (Some(_), Some(_)) => Err(SignError::ChecksumInvalid(part_number)),
        }
    }
}

impl fmt::Debug for PartSigner {
    /// Shows no more than the header shape: the rest is key material and the session token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PartSigner")
            .field("checksum_header", &self.checksum_header)
            .finish_non_exhaustive()
    }
}

/// What parts must have in common to share the end of the canonical request but for digits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    number_digits: usize,
    /// Not its digits: all parts but the last have the same length.
    content_length_bytes: u64,
    checksum_bytes: usize,
}

/// The end of a canonical request, with places for a part number and a checksum.
#[derive(Clone)]
struct CanonicalTail {
    shape: Shape,
    text: Tail,
    number_at: usize,
    checksum_at: usize,
}

impl CanonicalTail {
    fn new(canonical: &Prefix, pieces: &Pieces, shape: Shape) -> Self {
        let length = shape.content_length_bytes.to_string();
        let number_at = canonical.rest.len();
        let before_checksum =
            [pieces.canonical_to_length.as_str(), &length, &pieces.canonical_to_checksum].concat();
        let checksum_at = number_at + shape.number_digits + before_checksum.len();
        let (number, checksum) = (vec![0; shape.number_digits], vec![0; shape.checksum_bytes]);
        let end = pieces.canonical_end.as_bytes();
        let text = [&canonical.rest, &number, before_checksum.as_bytes(), &checksum, end];
        Self { shape, text: Tail::new(canonical.midstate, &text), number_at, checksum_at }
    }
}

/// The end of the canonical request, around the values of `content-length` and the checksum.
struct HeaderTexts {
    names: String,
    to_checksum: String,
    end: String,
}

impl HeaderTexts {
    /// `content-length` sorts first in every shape, so its value comes before the checksum's.
    fn new(host: &str, checksum_header: Option<ChecksumHeader>) -> Self {
        let (names, to_checksum, after_checksum) = match checksum_header {
            None => ("content-length;host".to_owned(), format!("\nhost:{host}\n"), String::new()),
            Some(ChecksumHeader::ContentMd5) => (
                "content-length;content-md5;host".to_owned(),
                "\ncontent-md5:".to_owned(),
                format!("\nhost:{host}\n"),
            ),
            Some(header) => (
                format!("content-length;host;{}", header.name()),
                format!("\nhost:{host}\n{}:", header.name()),
                "\n".to_owned(),
            ),
        };
        Self { end: format!("{after_checksum}\n{names}\n{PAYLOAD}"), names, to_checksum }
    }
}

/// Whether a header with this value would reach storage as it was signed. The exact length is the
/// business of whoever knows the algorithm.
fn is_base64(value: &str) -> bool {
    let is_base64_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    !value.is_empty() && value.bytes().all(is_base64_byte)
}
