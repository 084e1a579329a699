//! What the doctor said.

use std::collections::BTreeSet;
use std::process::Output;

use serde::Deserialize;
use serde_json::Value;

use crate::harness::TestStore;

/// Every check, by the name that scripts know it by.
pub(super) const CHECKS: [&str; 40] = [
    "database",
    "endpoint",
    "public_endpoint",
    "tls",
    "clock",
    "credentials",
    "signer",
    "region",
    "addressing",
    "bucket",
    "permission.create",
    "permission.upload_part",
    "permission.list_parts",
    "permission.complete",
    "permission.abort",
    "permission.head",
    "permission.get",
    "permission.put",
    "permission.delete",
    "permission.list_uploads",
    "permission.lifecycle",
    "cors",
    "cors.exposed",
    "url.length",
    "url.checksum",
    "url.headers",
    "url.expiry",
    "complete.conditional",
    "put.conditional",
    "complete.repeat",
    "list.prefix",
    "list.checksums",
    "parts.minimum",
    "parts.equal",
    "abort",
    "lifecycle",
    "store.cleanup",
    "orphans",
    "gateway.urls",
    "leftovers",
];

/// What a healthy set-up is warned of all the same, on the store of this run: docs/stores.md says why.
pub(super) fn justified() -> &'static [&'static str] {
    match TestStore::chosen() {
        TestStore::Embedded | TestStore::SeaweedFs => &[],
        // It takes incomplete uploads by itself after a day, and which time it was told nobody can ask. Without
        // `storage.signer` it lets uploaders copy what the gateway may read.
        TestStore::MinIo => &["url.headers", "store.cleanup"],
    }
}

/// A report, and how the command ended.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    verdict: String,
    findings: Vec<Finding>,
    /// What the doctor has found out about the store.
    pub(super) profile: Value,
}

/// What was found of one check.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finding {
    pub(super) check: String,
    pub(super) verdict: String,
    pub(super) found: String,
    why: String,
    pub(super) mend: String,
}

/// What has to be named: a check, its verdict, and words of what there is to do.
pub(super) struct Blame<'a> {
    pub(super) check: &'a str,
    pub(super) verdict: &'a str,
    pub(super) mend: &'a [&'a str],
}

impl<'a> Blame<'a> {
    pub(super) const fn bad(check: &'a str, mend: &'a [&'a str]) -> Self {
        Self { check, verdict: "bad", mend }
    }

    pub(super) const fn warning(check: &'a str, mend: &'a [&'a str]) -> Self {
        Self { check, verdict: "warning", mend }
    }
}

impl Report {
    /// Reads what the command printed, and holds it against what every report has to be.
    #[track_caller]
    pub(super) fn of(output: &Output) -> Self {
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        let report: Self = serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("{error} in {stdout:?}, beside {stderr:?}, {:?}", output.status));
        report.check(output.status.code());
        report
    }

    #[track_caller]
    fn check(&self, code: Option<i32>) {
        let names: Vec<_> = self.findings.iter().map(|finding| finding.check.as_str()).collect();
        let looked_at: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(looked_at, BTreeSet::from(CHECKS), "every check has a finding, whatever was found");
        assert_eq!(names.len(), looked_at.len(), "a check is told twice: {names:?}");
        for finding in &self.findings {
            assert!(!finding.found.is_empty() && !finding.why.is_empty(), "{finding:?}");
            let wants_action = matches!(finding.verdict.as_str(), "bad" | "warning");
            assert!(!wants_action || !finding.mend.is_empty(), "{} is for nobody to mend", finding.check);
        }
        let has = |verdict| self.findings.iter().any(|finding| finding.verdict == verdict);
        let (verdict, expected) = match (has("bad"), has("warning")) {
            (true, _) => ("sick", 1),
            (false, true) => ("warnings", 0),
            (false, false) => ("healthy", 0),
        };
        assert_eq!((self.verdict.as_str(), code), (verdict, Some(expected)));
    }

    pub(super) fn finding(&self, check: &str) -> &Finding {
        self.findings.iter().find(|finding| finding.check == check).unwrap()
    }

    pub(super) fn verdict_of(&self, check: &str) -> &str {
        &self.finding(check).verdict
    }

    /// The checks that ask somebody to act, beyond what this store cannot help.
    pub(super) fn blamed(&self) -> Vec<&Finding> {
        let is_blamed = |finding: &&Finding| {
            finding.verdict == "bad"
                || (finding.verdict == "warning" && !justified().contains(&finding.check.as_str()))
        };
        self.findings.iter().filter(is_blamed).collect()
    }

    /// These are named, each with what there is to do, and nothing else is.
    #[track_caller]
    pub(super) fn assert_blames(&self, set_up: &str, expected: &[Blame]) {
        let blamed: Vec<_> = self.blamed().iter().map(|found| (&*found.check, &*found.verdict)).collect();
        let wanted: Vec<_> = expected.iter().map(|blame| (blame.check, blame.verdict)).collect();
        assert_eq!(blamed, wanted, "{set_up}: {:#?}", self.blamed());
        for blame in expected {
            let mend = &self.finding(blame.check).mend;
            for word in blame.mend {
                assert!(mend.contains(word), "{set_up}: {word:?} is not in {mend:?}");
            }
        }
    }
}
