//! What a call that signs parts answers.

use crate::storage::{SignedParts, SignedRequest};
use crate::upload::{PartNumber, PartSpan};

use super::requested::PartToSend;

/// Parts that were signed in one call, in the order asked. Their texts lie in few buffers, to be written from there.
#[derive(Default)]
pub struct SignedWindow {
    parts: Vec<PartToSend>,
    requests: Requests,
}

/// How they were signed.
#[derive(Default)]
pub(super) enum Requests {
    /// There are none.
    #[default]
    Empty,
    /// The PUT of a small file.
    Put(SignedRequest),
    /// Parts of a multipart upload.
    Parts(SignedParts),
}

/// One part that may be sent as it is.
#[derive(Clone, Copy)]
pub struct SignedUploadPart<'a> {
    /// Which part.
    pub number: PartNumber,
    /// Where it lies in the file.
    pub span: PartSpan,
    /// The URL of the PUT: whoever has it may send this part.
    pub url: &'a str,
    /// Name and value of the header that protects it, where there is one.
    pub checksum: Option<(&'static str, &'a str)>,
    /// Other headers.
    pub others: &'a [(String, String)],
}

impl<'a> SignedUploadPart<'a> {
    /// The headers that must be sent beside Content-Length, names in lower case.
    pub fn headers(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let others = self.others.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.checksum.into_iter().chain(others)
    }
}

impl SignedWindow {
    /// Each request is that of the part at its place.
    pub(super) fn new(parts: Vec<PartToSend>, requests: Requests) -> Self {
        Self { parts, requests }
    }

    /// How many parts were signed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts.
    pub fn iter(&self) -> impl Iterator<Item = SignedUploadPart<'_>> + Clone {
        let (put, parts) = match &self.requests {
            Requests::Empty => (None, None),
            Requests::Put(request) => (Some(request), None),
            Requests::Parts(signed) => (None, Some(signed)),
        };
        let put = put.map(|request| (request.url.as_str(), None, request.headers.as_slice()));
        let parts = parts.into_iter().flat_map(SignedParts::iter);
        let requests = put.into_iter().chain(parts.map(|part| (part.url, part.checksum, &[][..])));
        self.parts.iter().zip(requests).map(|(part, (url, checksum, others))| SignedUploadPart {
            number: part.number,
            span: part.span,
            url,
            checksum,
            others,
        })
    }
}

impl Requests {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Put(_) => 1,
            Self::Parts(signed) => signed.len(),
        }
    }
}
