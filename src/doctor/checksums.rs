//! Which checksum kinds storage enforces on parts, and which it lists.

use futures_util::future::join_all;

use super::Check::{ListChecksums, UrlChecksum};
use super::bench::{Bench, Part};
use super::profile::{kinds_of, names};
use super::report::Findings;
use super::sample;
use super::wire::Silence;
use crate::storage::StorageErrorKind;
use crate::upload::{Checksum, ChecksumAlgorithm, PartSet};

/// What was seen of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    kind: ChecksumAlgorithm,
    /// Whether right bytes are taken and wrong ones refused.
    is_enforced: bool,
    /// Whether ListParts tells it; none where it could not be seen.
    is_listed: Option<bool>,
}

/// What was seen of all kinds.
#[derive(Debug, Default)]
pub(super) struct Checksums {
    pub(super) enforced: Option<Vec<ChecksumAlgorithm>>,
    pub(super) listed: Option<bool>,
}

pub(super) async fn check(bench: &Bench, findings: &Findings) -> Checksums {
    let kinds = ChecksumAlgorithm::ALL.into_iter().filter(|kind| *kind != ChecksumAlgorithm::None);
    let seen: Result<Vec<_>, _> = join_all(kinds.map(|kind| look(bench, kind))).await.into_iter().collect();
    let seen = match seen {
        Ok(seen) => seen,
        Err(silence) => {
            findings.unanswered(UrlChecksum, silence.words());
            findings.skip(&[ListChecksums], "see url.checksum");
            return Checksums::default();
        }
    };
    let enforced: Vec<_> = seen.iter().filter(|seen| seen.is_enforced).map(|seen| seen.kind).collect();
    tell_enforced(&enforced, &kinds_of(&bench.settings.profile), findings);
    let listed = seen.iter().filter(|seen| seen.is_enforced).filter_map(|seen| seen.is_listed);
    let listed = listed.reduce(|all, one| all && one);
    tell_listed(listed, bench.settings.profile.lists_checksums, findings);
    Checksums { enforced: Some(enforced), listed }
}

async fn look(bench: &Bench, kind: ChecksumAlgorithm) -> Result<Seen, Silence> {
    let nothing = Seen { kind, is_enforced: false, is_listed: None };
    let upload = bench.parts(kind.name(), kind, sample::BYTES.len() as u64);
    let id = match bench.create(&upload).await {
        Ok(id) => id,
        Err(error) if error.kind == StorageErrorKind::Unavailable => {
            return Err(Silence::Unreachable(error.detail));
        }
        Err(_) => return Ok(nothing),
    };
    let part = |checksum: Option<Checksum>| Part { checksum, ..Part::new(1, sample::BYTES) };
    let wrong = bench.put_part(&upload, &id, part(sample::wrong_checksum(kind))).await?;
    if wrong.is_success() {
        return Ok(nothing);
    }
    let right = bench.put_part(&upload, &id, part(sample::checksum(kind))).await?;
    if !right.is_success() {
        return Ok(nothing);
    }
    let listed = bench.storage.list_parts(upload.spec.key.as_str(), &id, kind, &PartSet::new()).await;
    // MD5 is not kept.
    let listed = listed.ok().filter(|_| kind.object_type().is_some());
    let is_listed = listed.map(|parts| parts.iter().any(|part| part.checksum == sample::checksum(kind)));
    Ok(Seen { kind, is_enforced: true, is_listed })
}

fn tell_enforced(enforced: &[ChecksumAlgorithm], claimed: &[ChecksumAlgorithm], findings: &Findings) {
    let without = |kinds: &[ChecksumAlgorithm], others: &[ChecksumAlgorithm]| {
        kinds.iter().copied().filter(|kind| !others.contains(kind)).collect::<Vec<_>>()
    };
    let line = format!("set storage.checksum_algorithms = {:?}", names(enforced));
    let (too_much, too_little) = (without(claimed, enforced), without(enforced, claimed));
    if !too_much.is_empty() {
        let found = format!("not enforced on parts, or refused: {}", names(&too_much).join(", "));
        findings.bad(UrlChecksum, found, line);
    } else if !too_little.is_empty() {
        let found = format!("enforced and not offered: {}", names(&too_little).join(", "));
        findings.note(UrlChecksum, found, line);
    } else {
        findings.good(UrlChecksum, format!("wrong bytes are refused: {}", names(enforced).join(", ")));
    }
}

fn tell_listed(listed: Option<bool>, claimed: bool, findings: &Findings) {
    match (listed, claimed) {
        (None, _) => findings.skip(&[ListChecksums], "no checksum was taken, or parts may not be listed"),
        (Some(true), true) => findings.good(ListChecksums, "storage lists the checksums of parts"),
        (Some(false), false) => {
            findings.good(ListChecksums, "storage lists no checksums, and the gateway knows");
        }
        (Some(false), true) => findings.bad(
            ListChecksums,
            "storage does not list the checksums of parts",
            "set storage.lists_checksums = false",
        ),
        (Some(true), false) => findings.note(
            ListChecksums,
            "storage lists the checksums of parts, and the gateway does not ask for them",
            "storage.lists_checksums = true makes use of it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn kinds_are_held_against_what_is_claimed() {
        use ChecksumAlgorithm::{Crc32, Md5};
        let verdict = |enforced: &[ChecksumAlgorithm], claimed: &[ChecksumAlgorithm]| {
            let findings = Findings::default();
            tell_enforced(enforced, claimed, &findings);
            findings.so_far().remove(0)
        };
        assert_eq!(verdict(&[Crc32, Md5], &[Crc32, Md5]).verdict, Verdict::Good);
        assert_eq!(verdict(&[Crc32, Md5], &[Md5]).verdict, Verdict::Note);
        let bad = verdict(&[Md5], &[Crc32, Md5]);
        assert_eq!(
            (bad.verdict, bad.mend.as_str()),
            (Verdict::Bad, "set storage.checksum_algorithms = [\"md5\"]")
        );
        assert_eq!(verdict(&[], &[Md5]).mend, "set storage.checksum_algorithms = [\"none\"]");
    }
}
