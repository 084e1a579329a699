//! Parts as a caller names them, made into parts of this upload.

use super::{FieldProblem, ServiceError};
use crate::upload::{Checksum, ChecksumAlgorithm, PartClaim, PartNumber, PartSet, PartSpan, Plan, Upload};

/// A part that a caller wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedPart {
    /// Its number.
    pub number: u32,
    /// Its checksum, base64.
    pub checksum: Option<String>,
    /// Its size in bytes, for the short last part of a stream.
    pub size_bytes: Option<u64>,
}

/// A part that a caller says storage has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredClaim {
    /// Its number.
    pub number: u32,
    /// Its ETag.
    pub etag: Option<String>,
    /// Its checksum, base64.
    pub checksum: Option<String>,
    /// Its size in bytes, for the short last part of a stream.
    pub size_bytes: Option<u64>,
}

/// A part of an upload that can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartToSend {
    pub(super) number: PartNumber,
    pub(super) span: PartSpan,
    pub(super) checksum: Option<Checksum>,
}

/// What a call may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartLimits {
    /// Parts in one call.
    pub(super) parts_per_call: usize,
    /// Bytes of the whole file.
    pub(super) max_size_bytes: Option<u64>,
}

/// Holds every requested part against the upload; all that is wrong is answered at once.
pub(super) fn parts_to_send(
    upload: &Upload,
    parts: &[RequestedPart],
    limits: PartLimits,
) -> Result<Vec<PartToSend>, ServiceError> {
    let mut checker = Checker::new(upload, "parts", parts.len(), limits.parts_per_call)?;
    let resolved: Vec<_> = parts
        .iter()
        .enumerate()
        .filter_map(|(index, part)| {
            let (number, span) = checker.place(index, part.number, part.size_bytes)?;
            let checksum = checker.checksum(index, part.checksum.as_deref());
            if checksum.is_none() && upload.spec.checksum_algorithm != ChecksumAlgorithm::None {
                let missing = part.checksum.is_none();
                checker.problem_if(missing, index, "checksum", "needed: the upload has a checksum_algorithm");
            }
            Some(PartToSend { number, span, checksum })
        })
        .collect();
    // A stream says its size last, so what it sends is held against the limit as it goes.
    let end_bytes = resolved.iter().map(|part| part.span.offset_bytes + part.span.size_bytes).max();
    match (end_bytes, limits.max_size_bytes) {
        (Some(size_bytes), Some(limit_bytes)) if size_bytes > limit_bytes => {
            Err(ServiceError::TooLarge { size_bytes, limit_bytes })
        }
        _ => checker.finish(resolved),
    }
}

/// Holds every reported part against the upload; all that is wrong is answered at once.
pub(super) fn claims(
    upload: &Upload,
    stored: &[StoredClaim],
    limit: usize,
) -> Result<Vec<PartClaim>, ServiceError> {
    let mut checker = Checker::new(upload, "stored", stored.len(), limit)?;
    let resolved = stored
        .iter()
        .enumerate()
        .filter_map(|(index, claim)| {
            let (number, span) = checker.place(index, claim.number, claim.size_bytes)?;
            let checksum = checker.checksum(index, claim.checksum.as_deref());
            let etag = checker.etag(index, claim.etag.as_deref());
            Some(PartClaim { number, size_bytes: span.size_bytes, etag, checksum })
        })
        .collect();
    checker.finish(resolved)
}

struct Checker<'a> {
    plan: Plan,
    kind: ChecksumAlgorithm,
    list: &'a str,
    seen: PartSet,
    problems: Vec<FieldProblem>,
}

impl<'a> Checker<'a> {
    /// A list that is too long is not looked at: the answer would be longer still.
    fn new(upload: &Upload, list: &'a str, len: usize, limit: usize) -> Result<Self, ServiceError> {
        if len > limit {
            return Err(ServiceError::invalid(list, format!("{len} parts; at most {limit} in one call")));
        }
        let kind = upload.spec.checksum_algorithm;
        Ok(Self { plan: upload.plan, kind, list, seen: PartSet::new(), problems: Vec::new() })
    }

    fn problem(&mut self, index: usize, field: &str, detail: impl std::fmt::Display) {
        let field = format!("{}[{index}].{field}", self.list);
        self.problems.push(FieldProblem::new(field, detail));
    }

    fn problem_if(&mut self, wrong: bool, index: usize, field: &str, detail: &str) {
        if wrong {
            self.problem(index, field, detail);
        }
    }

    fn place(&mut self, index: usize, number: u32, size: Option<u64>) -> Option<(PartNumber, PartSpan)> {
        let total = self.plan.total_parts();
        let planned = PartNumber::new(number).and_then(|number| Some((number, self.plan.span(number)?)));
        let Some((number, span)) = planned else {
            match total {
                Some(0) => self.problem(index, "number", "an empty file has no parts: complete it"),
                _ => {
                    let last = total.unwrap_or(PartNumber::MAX);
                    self.problem(index, "number", format!("{number} is not between 1 and {last}"));
                }
            }
            return None;
        };
        if !self.seen.insert(number) {
            self.problem(index, "number", format!("part {number} is named twice"));
        }
        Some((number, self.sized(index, span, size)))
    }

    fn sized(&mut self, index: usize, span: PartSpan, size: Option<u64>) -> PartSpan {
        let planned = span.size_bytes;
        match size {
            None => span,
            Some(size_bytes) if size_bytes == planned => span,
            Some(size_bytes) if self.plan.size_bytes().is_none() && (1..planned).contains(&size_bytes) => {
                PartSpan { size_bytes, ..span }
            }
            Some(size_bytes) => {
                let rule = if self.plan.size_bytes().is_none() { "1 to" } else { "exactly" };
                self.problem(index, "size", format!("{size_bytes}; this part has {rule} {planned} bytes"));
                span
            }
        }
    }

    fn checksum(&mut self, index: usize, text: Option<&str>) -> Option<Checksum> {
        let text = text?;
        if self.kind == ChecksumAlgorithm::None {
            self.problem(index, "checksum", "the upload was opened with checksum_algorithm none");
            return None;
        }
        Checksum::from_base64(self.kind, text).map_err(|error| self.problem(index, "checksum", error)).ok()
    }

    /// ETags are kept as storage writes them; some clients strip the quotes, which is put right here.
    fn etag(&mut self, index: usize, text: Option<&str>) -> Option<String> {
        let bare = text?.trim_matches('"');
        if bare.is_empty() || bare.len() > 256 || !bare.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.problem(index, "etag", "not an ETag: leave it out if it is not known");
            return None;
        }
        Some(format!("\"{bare}\""))
    }

    fn finish<T>(self, resolved: Vec<T>) -> Result<Vec<T>, ServiceError> {
        if self.problems.is_empty() { Ok(resolved) } else { Err(ServiceError::Invalid(self.problems)) }
    }
}
