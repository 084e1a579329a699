//! What was reported, held against what storage lists.

use std::collections::BTreeMap;

use super::{ListedPart, PartEvidence, PartRecord, Plan};

/// A part that storage holds differently from what was declared or reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The part's number.
    pub number: u32,
    /// What differs.
    pub detail: String,
}

/// Our records after storage was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// What is now known of each part that storage holds, by number.
    pub records: Vec<PartRecord>,
    /// Parts that are in storage but not as declared or reported, by number.
    pub mismatches: Vec<Mismatch>,
}

/// Holds our records against storage's list, which is the truth: of two listings of a part the later one counts.
///
/// A part whose size is not the plan's, or that is not the one a client reported, stays remembered as reported and
/// is marked [`PartEvidence::Mismatched`]: asking twice must not turn a wrong part into a right one.
#[must_use]
pub fn reconcile(plan: &Plan, known: &[PartRecord], listed: &[ListedPart]) -> Reconciled {
    let known: BTreeMap<_, _> = known.iter().map(|record| (record.number, record)).collect();
    let listed: BTreeMap<_, _> = listed.iter().map(|part| (part.number, part)).collect();
    let mut reconciled = Reconciled { records: Vec::with_capacity(listed.len()), mismatches: Vec::new() };
    for part in listed.into_values() {
        let claim = known.get(&part.number).copied();
        match difference(plan, claim, part) {
            None => reconciled.records.push(accepted(claim, part)),
            Some(detail) => {
                reconciled.records.push(rejected(claim, part));
                reconciled.mismatches.push(Mismatch { number: part.number.value(), detail });
            }
        }
    }
    reconciled
}

fn difference(plan: &Plan, claim: Option<&PartRecord>, part: &ListedPart) -> Option<String> {
    let actual = part.size_bytes;
    match plan.span(part.number) {
        None => return Some("it lies beyond the end of the file".to_owned()),
        Some(span) if plan.size_bytes().is_some() && span.size_bytes != actual => {
            return Some(format!("storage holds {actual} bytes of it, the file has {}", span.size_bytes));
        }
        Some(span) if actual > span.size_bytes => {
            return Some(format!("storage holds {actual} bytes of it, a part has {}", span.size_bytes));
        }
        Some(_) => {}
    }
    let claim = claim?;
    if claim.etag.as_ref().is_some_and(|etag| *etag != part.etag) {
        return Some(format!("storage lists another ETag ({}) than was reported", part.etag));
    }
    match (claim.checksum, part.checksum) {
        (Some(claimed), Some(stored)) if claimed != stored => {
            Some("storage lists another checksum than was reported".to_owned())
        }
        _ => None,
    }
}

fn accepted(claim: Option<&PartRecord>, part: &ListedPart) -> PartRecord {
    PartRecord {
        number: part.number,
        size_bytes: part.size_bytes,
        etag: Some(part.etag.clone()),
        // SeaweedFS lists no checksums; the reported one was enforced by storage when the part was accepted.
        checksum: part.checksum.or(claim.and_then(|claim| claim.checksum)),
        evidence: PartEvidence::Listed,
    }
}

fn rejected(claim: Option<&PartRecord>, part: &ListedPart) -> PartRecord {
    PartRecord {
        number: part.number,
        size_bytes: part.size_bytes,
        etag: claim.and_then(|claim| claim.etag.clone()),
        checksum: claim.and_then(|claim| claim.checksum),
        evidence: PartEvidence::Mismatched,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, PartClaim, PartNumber};
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn plan() -> Plan {
        Plan::new(Some(25 * MIB), 10 * MIB, &Limits::AWS).unwrap()
    }

    fn number(number: u32) -> PartNumber {
        PartNumber::new(number).unwrap()
    }

    fn listed(n: u32, size_bytes: u64, etag: &str) -> ListedPart {
        ListedPart { number: number(n), size_bytes, etag: etag.to_owned(), checksum: None }
    }

    fn reported(n: u32, etag: Option<&str>) -> PartRecord {
        PartRecord::reported(PartClaim {
            number: number(n),
            size_bytes: 10 * MIB,
            etag: etag.map(str::to_owned),
            checksum: None,
        })
    }

    fn mismatched(reconciled: &Reconciled) -> Vec<u32> {
        reconciled.mismatches.iter().map(|mismatch| mismatch.number).collect()
    }

    #[test]
    fn storage_wins_over_reports() {
        let known = [reported(1, None), reported(2, Some("\"b\""))];
        let reconciled = reconcile(&plan(), &known, &[listed(1, 10 * MIB, "\"a\"")]);
        assert_eq!(reconciled.records.len(), 1, "part 2 was reported but is not in storage");
        assert_eq!(reconciled.records[0].etag.as_deref(), Some("\"a\""));
        assert_eq!(mismatched(&reconciled), Vec::<u32>::new());
    }

    #[test]
    fn wrong_sizes_and_parts_beyond_the_end_are_mismatches() {
        let parts = [listed(1, 9 * MIB, "\"a\""), listed(3, 5 * MIB, "\"c\""), listed(4, 10 * MIB, "\"d\"")];
        assert_eq!(mismatched(&reconcile(&plan(), &[], &parts)), [1, 4]);
    }

    #[test]
    fn wrong_part_stays_wrong_when_asked_twice() {
        let first = reconcile(&plan(), &[reported(1, Some("\"mine\""))], &[listed(1, 10 * MIB, "\"other\"")]);
        assert_eq!(mismatched(&first), [1]);
        let second = reconcile(&plan(), &first.records, &[listed(1, 10 * MIB, "\"other\"")]);
        assert_eq!(mismatched(&second), [1]);
        let sent_again = reconcile(&plan(), &first.records, &[listed(1, 10 * MIB, "\"mine\"")]);
        assert_eq!(mismatched(&sent_again), Vec::<u32>::new());
    }

    #[test]
    fn later_of_two_listings_counts() {
        let parts = [listed(1, 10 * MIB, "\"old\""), listed(1, 10 * MIB, "\"new\"")];
        let reconciled = reconcile(&plan(), &[], &parts);
        assert_eq!(reconciled.records[0].etag.as_deref(), Some("\"new\""));
    }

    #[test]
    fn stream_parts_may_be_shorter_but_not_longer() {
        let stream = Plan::new(None, 10 * MIB, &Limits::AWS).unwrap();
        let parts = [listed(1, 3, "\"a\""), listed(2, 11 * MIB, "\"b\"")];
        assert_eq!(mismatched(&reconcile(&stream, &[], &parts)), [2]);
    }
}
