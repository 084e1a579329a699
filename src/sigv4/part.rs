//! URLs for many parts of one multipart upload.

use std::fmt;

use super::canonical::{self, PAYLOAD};
use super::encode;
use super::key::SigningKey;
use super::midstate::{HmacMidstate, Midstate, Prefix};
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
    key: HmacMidstate,
    canonical: Prefix,
    string_to_sign: Prefix,
    pieces: Pieces,
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
    /// [`SignError`] about expiry, time, region, key or S3 upload id.
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
        let own = canonical::signature_parameters(context, &scope, &names);
        let query = format!("{}&partNumber=", canonical::join(&own));
        let upload_id = format!("&uploadId={}", encode::query(s3_upload_id));
        let path = context.address.object_path(key);
        let signing_key = SigningKey::derive(context.credentials, scope.date, context.region).0;
        Ok(Self {
            key: signing_key,
            canonical: Prefix::new(Midstate::START, &format!("PUT\n{path}\n{query}")),
            string_to_sign: Prefix::new(signing_key.inner, &scope.string_to_sign_prefix()),
            pieces: Pieces {
                url_to_part_number: format!("{}{path}?{query}", context.address.origin()),
                url_to_signature: format!("{upload_id}&X-Amz-Signature="),
                canonical_to_length: format!("{upload_id}\ncontent-length:"),
                canonical_to_checksum: to_checksum,
                canonical_end: end,
            },
            checksum_header: *checksum_header,
        })
    }

    /// Appends the presigned URL of one part to `out`. `checksum` is the base64 value of the batch's checksum
    /// header, and given exactly when the batch has one. A length of 0 is legal.
    ///
    /// # Errors
    /// [`SignError::PartNumberOutOfRange`] outside 1..=[`MAX_PART_NUMBER`], and the three
    /// `SignError::Checksum…` where the value does not fit the batch's header.
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
        let part_number = part_number.to_string();
        let pieces = &self.pieces;

        let canonical_tail = [
            &self.canonical.rest,
            part_number.as_bytes(),
            pieces.canonical_to_length.as_bytes(),
            content_length_bytes.to_string().as_bytes(),
            pieces.canonical_to_checksum.as_bytes(),
            checksum.as_bytes(),
            pieces.canonical_end.as_bytes(),
        ]
        .concat();
        let canonical_hash = encode::hex(&self.canonical.midstate.digest(&canonical_tail));

        let string_to_sign_tail = [&self.string_to_sign.rest, canonical_hash.as_bytes()].concat();
        let inner_digest = self.string_to_sign.midstate.digest(&string_to_sign_tail);
        let signature = encode::hex(&self.key.finish(&inner_digest));

        let (start, middle) = (&pieces.url_to_part_number, &pieces.url_to_signature);
        for piece in [start.as_str(), &part_number, middle, &signature] {
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
        url_to_part_number.len() + "10000".len() + url_to_signature.len() + 64
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
