//! What storage holds of a multipart upload: many pages, fetched side by side.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Part;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::call::call;
use super::{Storage, StorageError};
use crate::upload::{Checksum, ChecksumAlgorithm, ListedPart, PartNumber, PartSet, S3UploadId};

/// ListParts answers so many unless it is asked for fewer
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>); MinIO answers them all.
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
    /// of one. That is done once the store has shown that its lists have pages: MinIO answers all parts at once if it is
    /// let, and reads every part after the marker for each page, so that ten pages would cost it five times the list.
    /// MinIO also answers an empty page when a marker is not an existing part; so, when a known part is not in the
    /// answer, the list is read again from the front before anyone calls it missing.
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
        if !self.lists_in_pages.load(Ordering::Relaxed) {
            let page = listing.page(0).await?;
            if page.next.is_none() {
                return Ok(listing.merged(page.parts));
            }
            self.lists_in_pages.store(true, Ordering::Relaxed);
        }
        let ranges = page_ranges(known);
        let guessed = ranges.len() > 1;
        let parts = listing.read(ranges).await?;
        let lacks = |number: PartNumber| parts.binary_search_by_key(&number, |part| part.number).is_err();
        if guessed && known_numbers(known).any(lacks) {
            return listing.read(page_ranges(&PartSet::new())).await;
        }
        Ok(parts)
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

/// A page of a listing, and after which part the next one begins.
struct Page {
    parts: Vec<Part>,
    next: Option<u32>,
}

impl Listing<'_> {
    async fn read(&self, ranges: Vec<Range<u32>>) -> Result<Vec<ListedPart>, StorageError> {
        let pages: Vec<Vec<Part>> = stream::iter(ranges)
            .map(|range| self.read_range(range))
            .buffered(PARALLEL_PAGES)
            .try_collect()
            .await?;
        Ok(self.merged(pages.into_iter().flatten()))
    }

    /// Follows pages from `range.start` until one reaches `range.end`, where the next range begins.
    async fn read_range(&self, range: Range<u32>) -> Result<Vec<Part>, StorageError> {
        let mut parts = Vec::new();
        let mut marker = range.start;
        for _ in 0..MAX_PAGES {
            let page = self.page(marker).await?;
            parts.extend(page.parts);
            match page.next.filter(|next| *next < range.end) {
                Some(next) => marker = next,
                None => return Ok(parts),
            }
        }
        Ok(parts)
    }

    /// As many parts after the one with this number as the store likes to answer.
    async fn page(&self, marker: u32) -> Result<Page, StorageError> {
        let request = self
            .storage
            .client
            .list_parts()
            .bucket(self.storage.bucket())
            .key(self.key)
            .upload_id(&self.s3_upload_id.0)
            .set_part_number_marker((marker > 0).then(|| marker.to_string()));
        let page = call("ListParts", request.send()).await?;
        let next = page.next_part_number_marker().and_then(|marker| marker.parse::<u32>().ok());
        let last = page.parts().iter().filter_map(part_number).map(PartNumber::value).max();
        // Some stores leave the next marker out: the highest part of the page is as good.
        let next = next.max(last).filter(|next| page.is_truncated() == Some(true) && *next > marker);
        Ok(Page { parts: page.parts.unwrap_or_default(), next })
    }

    /// The parts of pages by number, the newest of those that come twice.
    fn merged(&self, parts: impl IntoIterator<Item = Part>) -> Vec<ListedPart> {
        let mut merged = Merged::new();
        for part in parts {
            self.merge(&mut merged, part);
        }
        merged.into_values().map(|(_, part)| part).collect()
    }

    fn merge(&self, merged: &mut Merged, part: Part) {
        let Some(number) = part_number(&part) else { return };
        let listed = ListedPart {
            number,
            size_bytes: part.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            checksum: part_checksum(&part, self.kind),
            etag: part.e_tag.unwrap_or_default(),
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
