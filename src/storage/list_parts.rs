//! What storage holds of a multipart upload: many pages, fetched side by side.

use std::collections::BTreeMap;
use std::ops::Range;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Part;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::call::call;
use super::{Storage, StorageError};
use crate::upload::{Checksum, ChecksumAlgorithm, ListedPart, PartNumber, PartSet, S3UploadId};

/// ListParts answers at most so many
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>).
const PAGE: usize = 1_000;
/// Pages that are asked for at once.
const PARALLEL_PAGES: usize = 8;
/// No multipart upload has more pages; a store that keeps saying "more" is not followed for ever.
const MAX_PAGES: usize = 2 * PartNumber::MAX as usize / PAGE;

/// The parts of a listing by number, each with the time that storage gives it.
type Merged = BTreeMap<PartNumber, (Option<DateTime>, ListedPart)>;

impl Storage {
    /// Every part that storage holds of a multipart upload, by number.
    ///
    /// `known` are parts that we believe to be there: they say where pages start, so that ten pages cost the time
    /// of one. MinIO answers an empty page when a marker is not an existing part; so, when a known part is not in
    /// the answer, the list is read again from the front before anyone calls it missing.
    ///
    /// # Errors
    /// [`StorageError`]; `NoSuchUpload` when storage does not know the multipart upload.
    pub async fn list_parts(
        &self,
        key: &str,
        s3_upload_id: &S3UploadId,
        kind: ChecksumAlgorithm,
        known: &PartSet,
    ) -> Result<Vec<ListedPart>, StorageError> {
        ask_model_if_any!(self => model.list_parts(key, s3_upload_id, kind, known));
        let listing = Listing { storage: self, key, s3_upload_id, kind };
        let ranges = page_ranges(known);
        let guessed = ranges.len() > 1;
        let mut merged = listing.read(ranges).await?;
        if guessed && known_numbers(known).any(|number| !merged.contains_key(&number)) {
            merged = listing.read(page_ranges(&PartSet::new())).await?;
        }
        Ok(merged.into_values().map(|(_, part)| part).collect())
    }
}

fn known_numbers(known: &PartSet) -> impl Iterator<Item = PartNumber> {
    let highest = known.highest().map_or(0, PartNumber::value);
    (1..=highest).filter_map(PartNumber::new).filter(|number| known.contains(*number))
}

/// Ranges of part numbers `(after, up to and with]` that hold a page of known parts each; the last is open-ended.
fn page_ranges(known: &PartSet) -> Vec<Range<u32>> {
    let mut starts = vec![0];
    starts.extend(known_numbers(known).skip(PAGE - 1).step_by(PAGE).map(PartNumber::value));
    // Nothing can come after the last part that there may be.
    starts.retain(|start| *start < PartNumber::MAX);
    let ends = starts[1..].iter().copied().chain([PartNumber::MAX]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

struct Listing<'a> {
    storage: &'a Storage,
    key: &'a str,
    s3_upload_id: &'a S3UploadId,
    kind: ChecksumAlgorithm,
}

impl Listing<'_> {
    async fn read(&self, ranges: Vec<Range<u32>>) -> Result<Merged, StorageError> {
        let pages: Vec<Vec<Part>> = stream::iter(ranges)
            .map(|range| self.read_range(range))
            .buffered(PARALLEL_PAGES)
            .try_collect()
            .await?;
        let mut merged = Merged::new();
        for part in pages.into_iter().flatten() {
            self.merge(&mut merged, part);
        }
        Ok(merged)
    }

    /// Follows pages from `range.start` until one reaches `range.end`, where the next range begins.
    async fn read_range(&self, range: Range<u32>) -> Result<Vec<Part>, StorageError> {
        let mut parts = Vec::new();
        let mut marker = range.start;
        for _ in 0..MAX_PAGES {
            let mut request = self
                .storage
                .client
                .list_parts()
                .bucket(self.storage.bucket())
                .key(self.key)
                .upload_id(&self.s3_upload_id.0)
                .max_parts(PAGE as i32);
            if marker > 0 {
                request = request.part_number_marker(marker.to_string());
            }
            let page = call("ListParts", request.send()).await?;
            let next = page.next_part_number_marker().and_then(|marker| marker.parse::<u32>().ok());
            let truncated = page.is_truncated() == Some(true);
            let last = page.parts().iter().filter_map(part_number).map(PartNumber::value).max();
            parts.extend(page.parts.unwrap_or_default());
            // Some stores leave the next marker out: the highest part of the page is as good.
            match next.max(last).filter(|next| truncated && *next > marker && *next < range.end) {
                Some(next) => marker = next,
                None => return Ok(parts),
            }
        }
        Ok(parts)
    }

    fn merge(&self, merged: &mut Merged, part: Part) {
        let Some(number) = part_number(&part) else { return };
        let listed = ListedPart {
            number,
            size_bytes: part.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            etag: part.e_tag().unwrap_or_default().to_owned(),
            checksum: part_checksum(&part, self.kind),
        };
        let newer = (part.last_modified, listed);
        match merged.get(&number) {
            Some((time, _)) if *time > newer.0 => {}
            _ => {
                merged.insert(number, newer);
            }
        }
    }
}

fn part_number(part: &Part) -> Option<PartNumber> {
    part.part_number().and_then(|number| u32::try_from(number).ok()).and_then(PartNumber::new)
}

fn part_checksum(part: &Part, kind: ChecksumAlgorithm) -> Option<Checksum> {
    let text = match kind {
        ChecksumAlgorithm::None | ChecksumAlgorithm::Md5 => None,
        ChecksumAlgorithm::Crc64nvme => part.checksum_crc64_nvme(),
        ChecksumAlgorithm::Crc32c => part.checksum_crc32_c(),
        ChecksumAlgorithm::Crc32 => part.checksum_crc32(),
        ChecksumAlgorithm::Sha1 => part.checksum_sha1(),
        ChecksumAlgorithm::Sha256 => part.checksum_sha256(),
    };
    text.and_then(|text| Checksum::from_base64(kind, text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(numbers: impl IntoIterator<Item = u32>) -> PartSet {
        numbers.into_iter().map(|number| PartNumber::new(number).unwrap()).collect()
    }

    #[test]
    fn pages_start_at_parts_that_exist() {
        assert_eq!(page_ranges(&known([])), vec![0..10_000]);
        assert_eq!(page_ranges(&known(1..=999)), vec![0..10_000]);
        assert_eq!(page_ranges(&known(1..=2_500)), vec![0..1_000, 1_000..2_000, 2_000..10_000]);
        assert_eq!(page_ranges(&known(1..=10_000)).len(), 10);
        let odd = (1..=10_000).filter(|number| number % 2 == 1);
        assert_eq!(page_ranges(&known(odd))[..3], [0..1_999, 1_999..3_999, 3_999..5_999]);
    }
}
