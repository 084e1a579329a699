//! The signed URLs of one call, in one buffer.

use crate::sigv4::{PartBatch, PartSigner, SignError};
use crate::upload::{Checksum, PartNumber};

/// A SHA-256 in base64.
const LONGEST_CHECKSUM_BYTES: usize = 44;

/// Parts that were signed in one call. Their URLs lie one after the other in one buffer: a thousand of them are half a
/// megabyte, and as many allocations would cost more than the signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedParts {
    /// URL and checksum of each part in turn.
    text: String,
    ends: Vec<Ends>,
    checksum_header: Option<&'static str>,
}

/// Where the texts of one part end in the buffer; they begin where those of the part before end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    url: usize,
    checksum: usize,
}

/// One part that a client may send as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignedPart<'a> {
    /// The URL: whoever has it may send this part. ASCII without quotes, backslashes and control characters, so that it
    /// stands in JSON as it is.
    pub url: &'a str,
    /// The one header that must be sent beside Content-Length: its name in lower case, and a checksum in base64.
    pub checksum: Option<(&'static str, &'a str)>,
}

impl SignedParts {
    /// Signs parts of a batch: number, length in bytes and checksum each.
    pub(super) fn sign(
        batch: &PartBatch<'_>,
        parts: impl ExactSizeIterator<Item = (PartNumber, u64, Option<Checksum>)>,
    ) -> Result<Self, SignError> {
        let mut signer = PartSigner::new(batch)?;
        let mut checksum_text = String::new();
        let mut signed = Self {
            text: String::with_capacity(parts.len() * (signer.longest_url_bytes() + LONGEST_CHECKSUM_BYTES)),
            ends: Vec::with_capacity(parts.len()),
            checksum_header: batch.checksum_header.map(|header| header.name()),
        };
        for (number, size_bytes, checksum) in parts {
            checksum_text.clear();
            if let Some(checksum) = checksum {
                checksum.append_base64(&mut checksum_text);
            }
            let value = checksum.is_some().then_some(checksum_text.as_str());
            signer.append_url(&mut signed.text, number.value(), size_bytes, value)?;
            let url = signed.text.len();
            signed.text.push_str(&checksum_text);
            signed.ends.push(Ends { url, checksum: signed.text.len() });
        }
        Ok(signed)
    }

    /// How many parts were signed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no part was signed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The parts, in the order asked.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SignedPart<'_>> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |ends| {
            let checksum = self.checksum_header.map(|name| (name, &self.text[ends.url..ends.checksum]));
            let part = SignedPart { url: &self.text[start..ends.url], checksum };
            start = ends.checksum;
            part
        })
    }
}
