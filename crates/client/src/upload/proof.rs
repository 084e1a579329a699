//! Proof, before going on with an unfinished upload, that what storage has is this file.

use std::collections::HashMap;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use partgate_api::{ChecksumAlgorithm, ReceivedPart};

use crate::grid::Grid;
use crate::source::{Slice, Source};

/// Parts read at the same time.
const READERS: usize = 2;
/// At least so many parts are compared…
const SAMPLE_MIN: usize = 3;
/// …and one in so many.
const SAMPLE_ONE_IN: usize = 100;

/// How much is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The first, the last and some between: the file looks untouched. The rest is compared while others are sent.
    Sample,
    /// All: the file was touched, or nothing is known of when its upload began.
    All,
}

/// What the comparison says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What was compared is equal; the checksums computed here, by part.
    Same(HashMap<u32, String>),
    /// Storage keeps nothing to compare with; the checksums computed here, by part.
    Incomparable(HashMap<u32, String>),
    /// This part reads differently now.
    Changed(u32),
}

/// What to compare.
pub(super) struct Claim<'a> {
    pub(super) source: &'a Source,
    pub(super) grid: Grid,
    pub(super) algorithm: ChecksumAlgorithm,
    pub(super) received: &'a [ReceivedPart],
    pub(super) extent: Extent,
}

/// One part, compared.
struct Compared {
    number: u32,
    checksum: String,
    /// By checksum: certain. `None` when storage keeps none.
    by_checksum: Option<bool>,
    /// By ETag: a hint, because an encrypting store's is not the MD5 of the bytes.
    by_etag: Option<bool>,
}

/// Compares parts that storage has with the file.
pub(super) async fn prove(claim: Claim<'_>) -> io::Result<Verdict> {
    let Claim { source, grid, algorithm, received, extent } = claim;
    let fitting: Vec<&ReceivedPart> =
        received.iter().filter(|part| part.size > 0 && part.size == grid.part_len(part.number)).collect();
    let chosen = match extent {
        Extent::All => (0..fitting.len()).collect(),
        Extent::Sample => sample(fitting.len()),
    };
    let comparisons = chosen.into_iter().map(|index| {
        let part = fitting[index].clone();
        let offset = grid.offset(part.number);
        let slice = Slice { source: source.clone(), offset, len_bytes: part.size };
        async move {
            tokio::task::spawn_blocking(move || compare(&part, &slice, algorithm))
                .await
                .map_err(io::Error::other)
                .flatten()
        }
    });
    let compared: Vec<Compared> = stream::iter(comparisons).buffer_unordered(READERS).try_collect().await?;
    Ok(judge(&compared, extent))
}

fn compare(part: &ReceivedPart, slice: &Slice, algorithm: ChecksumAlgorithm) -> io::Result<Compared> {
    let never = || false;
    let checksum = slice.hash(algorithm, &never)?;
    let by_checksum = part.checksum.as_ref().map(|kept| *kept == checksum);
    let by_etag = match (by_checksum, part.etag.as_deref().and_then(md5_etag)) {
        (None, Some(kept)) => Some(slice.hash(ChecksumAlgorithm::Md5, &never)? == kept),
        _ => None,
    };
    Ok(Compared { number: part.number, checksum, by_checksum, by_etag })
}

/// The MD5 (base64) that an ETag is, if it is one.
fn md5_etag(etag: &str) -> Option<String> {
    let digest = hex::decode(etag.trim_matches('"')).ok()?;
    (digest.len() == ChecksumAlgorithm::Md5.digest_len()).then(|| STANDARD.encode(digest))
}

fn judge(compared: &[Compared], extent: Extent) -> Verdict {
    let differs = |part: &&Compared| part.by_checksum == Some(false);
    if let Some(part) = compared.iter().find(differs) {
        return Verdict::Changed(part.number);
    }
    let matches = compared.iter().any(|part| part.by_checksum == Some(true) || part.by_etag == Some(true));
    // An untouched file of which not one part fits its ETag: these ETags are no MD5s.
    let etags_tell = matches || extent == Extent::All;
    if let Some(part) = compared.iter().find(|part| etags_tell && part.by_etag == Some(false)) {
        return Verdict::Changed(part.number);
    }
    let checksums = compared.iter().filter(|part| !part.checksum.is_empty());
    let checksums = checksums.map(|part| (part.number, part.checksum.clone())).collect();
    let silent = compared.iter().any(|part| part.by_checksum.is_none() && part.by_etag != Some(true));
    if silent && !(matches && extent == Extent::Sample) {
        return Verdict::Incomparable(checksums);
    }
    Verdict::Same(checksums)
}

/// Indexes of the first, the last and evenly spread others: at least 3, and 1 %.
fn sample(count: usize) -> Vec<usize> {
    let wanted = count.div_ceil(SAMPLE_ONE_IN).max(SAMPLE_MIN);
    if count <= wanted {
        return (0..count).collect();
    }
    (0..wanted).map(|index| index * (count - 1) / (wanted - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Hasher;

    fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish().unwrap()
    }

    /// Ten parts of ten bytes, as a store lists them.
    fn listed(bytes: &[u8], list: impl Fn(&[u8]) -> (Option<String>, Option<String>)) -> Vec<ReceivedPart> {
        let parts = bytes.chunks(10).enumerate();
        parts
            .map(|(index, part)| {
                let (etag, checksum) = list(part);
                ReceivedPart { number: index as u32 + 1, size: part.len() as u64, etag, checksum }
            })
            .collect()
    }

    async fn verdict(bytes: &[u8], received: &[ReceivedPart], extent: Extent) -> Verdict {
        let source = Source::Memory(bytes.to_vec().into());
        let grid = Grid::new(bytes.len() as u64, 10).unwrap();
        let algorithm = ChecksumAlgorithm::Crc64nvme;
        prove(Claim { source: &source, grid, algorithm, received, extent }).await.unwrap()
    }

    fn file() -> Vec<u8> {
        (0..100).collect()
    }

    fn crc(part: &[u8]) -> (Option<String>, Option<String>) {
        (None, Some(checksum(ChecksumAlgorithm::Crc64nvme, part)))
    }

    fn md5(part: &[u8]) -> (Option<String>, Option<String>) {
        let digest = STANDARD.decode(checksum(ChecksumAlgorithm::Md5, part)).unwrap();
        (Some(format!("\"{}\"", hex::encode(digest))), None)
    }

    #[tokio::test]
    async fn an_unchanged_file_is_the_same_by_checksum_and_by_etag() {
        for list in [crc, md5] {
            let received = listed(&file(), list);
            assert!(matches!(verdict(&file(), &received, Extent::Sample).await, Verdict::Same(_)));
            assert!(matches!(verdict(&file(), &received, Extent::All).await, Verdict::Same(_)));
        }
    }

    #[tokio::test]
    async fn a_change_anywhere_is_found_when_all_is_compared() {
        for list in [crc, md5] {
            let received = listed(&file(), list);
            let mut changed = file();
            changed[33] ^= 1;
            assert_eq!(verdict(&changed, &received, Extent::All).await, Verdict::Changed(4));
        }
    }

    #[tokio::test]
    async fn the_first_and_the_last_part_are_always_compared() {
        let received = listed(&file(), crc);
        for (position, number) in [(0, 1), (99, 10)] {
            let mut changed = file();
            changed[position] ^= 1;
            assert_eq!(verdict(&changed, &received, Extent::Sample).await, Verdict::Changed(number));
        }
    }

    #[tokio::test]
    async fn etags_of_an_encrypting_store_accuse_nobody() {
        let received = listed(&file(), |_| (Some(format!("\"{}\"", "0".repeat(32))), None));
        let found = verdict(&file(), &received, Extent::Sample).await;
        assert!(matches!(found, Verdict::Incomparable(_)), "{found:?}");
    }

    #[tokio::test]
    async fn a_store_that_keeps_nothing_leaves_nothing_to_compare() {
        let received = listed(&file(), |_| (None, None));
        let found = verdict(&file(), &received, Extent::Sample).await;
        assert!(matches!(found, Verdict::Incomparable(_)), "{found:?}");
    }

    #[test]
    fn the_sample_has_both_ends_and_one_percent() {
        assert_eq!(sample(2), [0, 1]);
        assert_eq!(sample(10), [0, 4, 9]);
        let large = sample(10_000);
        assert_eq!((large.len(), large[0], large[99]), (100, 0, 9_999));
    }
}
