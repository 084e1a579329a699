//! The answer of `sign`, written once into one buffer.
//!
//! A call may ask for a thousand parts. The wire type would hold three texts and a map for each, only to be written and
//! dropped; it stays the contract, and a test holds what is written here to it.

use std::io;

use partgate_api::SignResponse;

use super::wire::{METHOD, signed_without_parts};
use crate::service::{SignedBatch, SignedUploadPart};

/// More than a part has beside its URL and its headers, bytes.
const PART_BYTES: usize = 160;
/// Where the parts go in an answer that has none.
const NO_PARTS: &[u8] = b"[]";

/// The JSON of a batch.
///
/// # Errors
/// When a time or number is none that JSON can have.
pub(super) fn json(batch: &SignedBatch) -> io::Result<Vec<u8>> {
    write(&signed_without_parts(batch), batch.parts.iter())
}

/// An answer without parts, with these put in.
fn write<'a>(
    answer: &SignResponse,
    parts: impl Iterator<Item = SignedUploadPart<'a>> + Clone,
) -> io::Result<Vec<u8>> {
    let frame = serde_json::to_vec(answer)?;
    // Before the parts there is only a time.
    let place = frame.windows(NO_PARTS.len()).position(|bytes| bytes == NO_PARTS).unwrap_or(frame.len());
    let (before, after) = frame.split_at(place);
    let parts_bytes: usize = parts.clone().map(|part| part.url.len() + PART_BYTES).sum();
    let mut json = Vec::with_capacity(frame.len() + parts_bytes);
    json.extend_from_slice(before);
    json.push(b'[');
    for (index, part) in parts.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_part(&mut json, part)?;
    }
    json.push(b']');
    json.extend_from_slice(after.strip_prefix(NO_PARTS).unwrap_or(after));
    Ok(json)
}

/// The JSON of [`partgate_api::SignedPart`].
fn write_part(json: &mut Vec<u8>, part: SignedUploadPart<'_>) -> io::Result<()> {
    json.extend_from_slice(b"{\"number\":");
    write_number(json, part.number.value().into())?;
    json.extend_from_slice(b",\"method\":");
    write_text(json, METHOD)?;
    json.extend_from_slice(b",\"url\":");
    write_text(json, part.url)?;
    json.extend_from_slice(b",\"headers\":{");
    for (index, (name, value)) in part.headers().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_text(json, name)?;
        json.push(b':');
        write_text(json, value)?;
    }
    json.extend_from_slice(b"},\"offset\":");
    write_number(json, part.span.offset_bytes)?;
    json.extend_from_slice(b",\"size\":");
    write_number(json, part.span.size_bytes)?;
    json.push(b'}');
    Ok(())
}

fn write_number(json: &mut Vec<u8>, number: u64) -> io::Result<()> {
    Ok(serde_json::to_writer(json, &number)?)
}

/// Nearly every text here is as it is in JSON; that is quicker to see than to escape it byte by byte.
fn write_text(json: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let has_to_be_escaped = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    if text.as_bytes().iter().filter(|byte| has_to_be_escaped(byte)).count() > 0 {
        return Ok(serde_json::to_writer(json, text)?);
    }
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use partgate_api::Progress;
    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::super::wire::signed_part;
    use super::*;
    use crate::upload::{PartNumber, PartSpan};

    type Owned = (u32, (u64, u64), String, Option<String>, Vec<(String, String)>);

    fn part(owned: &Owned) -> SignedUploadPart<'_> {
        let (number, (offset_bytes, size_bytes), url, checksum, others) = owned;
        SignedUploadPart {
            number: PartNumber::new(*number).unwrap(),
            span: PartSpan { offset_bytes: *offset_bytes, size_bytes: *size_bytes },
            url,
            checksum: checksum.as_deref().map(|value| ("x-amz-checksum-crc64nvme", value)),
            others,
        }
    }

    fn any_part() -> impl Strategy<Value = Owned> {
        let others = prop::collection::vec(("x-[a-z]{3}", any::<String>()), 0..3);
        (1..=10_000u32, any::<(u64, u64)>(), any::<String>(), any::<Option<String>>(), others)
    }

    fn any_answer() -> impl Strategy<Value = SignResponse> {
        (0..253_402_300_799i64, any::<Option<u32>>(), any::<(u32, u64)>(), 0..=10_000u32).prop_map(
            |(expires_at, total_parts, (received_parts, bytes_received), percent)| SignResponse {
                expires_at: OffsetDateTime::from_unix_timestamp(expires_at).unwrap(),
                parts: Vec::new(),
                progress: Progress {
                    total_parts,
                    received_parts,
                    bytes_received,
                    percent: total_parts.map(|_| f64::from(percent) / 100.0),
                },
            },
        )
    }

    proptest! {
        #[test]
        fn it_is_the_wire_types_json(
            answer in any_answer(),
            parts in prop::collection::vec(any_part(), 0..5),
        ) {
            let written = write(&answer, parts.iter().map(part)).unwrap();
            let contract = SignResponse { parts: parts.iter().map(part).map(signed_part).collect(), ..answer };
            let plain = parts.iter().all(|(.., others)| others.is_empty());
            if plain {
                prop_assert_eq!(&written, &serde_json::to_vec(&contract).unwrap());
            }
            prop_assert_eq!(serde_json::from_slice::<SignResponse>(&written).unwrap(), contract);
        }
    }
}
