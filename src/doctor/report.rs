//! What the doctor found, and how that is told to people and to scripts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::ser::Serializer;

use super::{Check, FoundProfile};

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing; nothing has to be done.
    Note,
    /// Works, and yet somebody should act.
    Warning,
    /// Does not work.
    Bad,
    /// Not looked at; `found` says why.
    Skipped,
}

impl Verdict {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Skipped => "skipped",
        }
    }
}

/// What was found of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    #[serde(serialize_with = "name_of")]
    pub check: Check,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found. Never has a secret or a signed URL in it.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// How to mend it; empty where nothing has to be done.
    pub mend: String,
}

fn name_of<S: Serializer>(check: &Check, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(check.name())
}

/// How a gateway's set-up is, all in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing has to be done.
    Healthy,
    /// It works, and somebody should act.
    Warnings,
    /// Something does not work.
    Sick,
}

/// All that the doctor found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// All in all.
    pub verdict: Health,
    /// One finding a check, in the order of [`Check::ALL`].
    pub findings: Vec<Finding>,
    /// What the store can do, as far as it was seen.
    pub profile: FoundProfile,
}

/// How an examination ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All was looked at that could be.
    Whole,
    /// Time was up.
    TookTooLong,
    /// Somebody stopped it.
    Stopped,
}

/// Collects findings while checks run side by side. Cheap to clone; clones share one list.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings(Arc<Mutex<Vec<Finding>>>);

impl Findings {
    pub(super) fn good(&self, check: Check, found: impl Into<String>) {
        self.add(check, Verdict::Good, found, "");
    }

    pub(super) fn note(&self, check: Check, found: impl Into<String>, mend: impl Into<String>) {
        self.add(check, Verdict::Note, found, mend);
    }

    pub(super) fn warning(&self, check: Check, found: impl Into<String>, mend: impl Into<String>) {
        self.add(check, Verdict::Warning, found, mend);
    }

    pub(super) fn bad(&self, check: Check, found: impl Into<String>, mend: impl Into<String>) {
        self.add(check, Verdict::Bad, found, mend);
    }

    /// Storage gave no answer, which says nothing of what was asked.
    pub(super) fn unanswered(&self, check: Check, words: &str) {
        self.warning(check, format!("storage could not be asked: {words}"), "ask again: partgate doctor");
    }

    /// These cannot be looked at because of that.
    pub(super) fn skip(&self, checks: &[Check], because: &str) {
        for check in checks {
            self.add(*check, Verdict::Skipped, format!("not looked at: {because}"), "");
        }
    }

    /// The first word on a check stands: what comes later is a consequence.
    pub(super) fn add(
        &self,
        check: Check,
        verdict: Verdict,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let mut findings = self.lock();
        if findings.iter().all(|finding| finding.check != check) {
            let (found, mend) = (found.into(), mend.into());
            findings.push(Finding { check, verdict, found, why: check.why(), mend });
        }
    }

    /// What was said of a check turns out to be wrong: this is broken.
    pub(super) fn correct(&self, check: Check, found: impl Into<String>, mend: impl Into<String>) {
        self.lock().retain(|finding| finding.check != check || finding.verdict == Verdict::Bad);
        self.bad(check, found, mend);
    }

    /// What a check came to, if it was looked at.
    pub(super) fn verdict(&self, check: Check) -> Option<Verdict> {
        self.lock().iter().find(|finding| finding.check == check).map(|finding| finding.verdict)
    }

    /// Whether a check was looked at and nothing is broken.
    pub(super) fn works(&self, check: Check) -> bool {
        matches!(self.verdict(check), Some(Verdict::Good | Verdict::Note | Verdict::Warning))
    }

    /// What keeps the doctor from looking further at storage, in words.
    pub(super) fn cause(&self) -> String {
        let is_cause = |finding: &&Finding| {
            finding.verdict == Verdict::Bad
                && finding.check != Check::Database
                && finding.check != Check::Cors
        };
        let findings = self.so_far();
        let cause = findings.iter().find(is_cause).map(|finding| finding.check.name());
        cause.map_or_else(|| "something before it did not work".to_owned(), |name| format!("see {name}"))
    }

    /// All findings so far, in the order of reports.
    pub(super) fn so_far(&self) -> Vec<Finding> {
        let mut findings = self.lock().clone();
        findings.sort_by_key(|finding| finding.check);
        findings
    }

    /// The report; checks that were not reached are told as such.
    pub(super) fn report(&self, profile: FoundProfile, end: End) -> Report {
        self.skip(
            Check::ALL,
            &match end {
                End::Whole => self.cause(),
                End::TookTooLong => "it took too long".to_owned(),
                End::Stopped => "the doctor was stopped".to_owned(),
            },
        );
        let findings = self.so_far();
        let has = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
        let verdict = match (has(Verdict::Bad), has(Verdict::Warning)) {
            (true, _) => Health::Sick,
            (false, false) if end == End::Whole => Health::Healthy,
            // Who has not looked at everything cannot say that it is healthy.
            (false, _) => Health::Warnings,
        };
        Report { verdict, findings, profile }
    }

    /// A check that panicked has written whole findings all the same.
    fn lock(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_word_stands_and_consequences_are_skipped() {
        let findings = Findings::default();
        findings.good(Check::Endpoint, "answers");
        findings.bad(Check::Credentials, "403", "set them");
        findings.skip(Check::ALL, "x");
        findings.bad(Check::Bucket, "late", "never told");
        let report = findings.report(FoundProfile::default(), End::Whole);
        assert_eq!(report.verdict, Health::Sick);
        assert_eq!(report.findings.len(), Check::ALL.len());
        let verdicts: Vec<_> =
            report.findings.iter().filter(|finding| finding.verdict != Verdict::Skipped).collect();
        assert_eq!(
            verdicts.iter().map(|finding| finding.check).collect::<Vec<_>>(),
            [Check::Endpoint, Check::Credentials]
        );
    }

    #[test]
    fn what_was_not_reached_names_its_cause_and_is_not_healthy() {
        let findings = Findings::default();
        findings.bad(Check::Database, "gone", "");
        findings.bad(Check::Region, "wrong", "");
        assert_eq!(findings.cause(), "see region");
        let stopped = Findings::default().report(FoundProfile::default(), End::Stopped);
        assert_eq!(stopped.verdict, Health::Warnings);
        let found = &stopped.findings[0].found;
        assert_eq!(found, "not looked at: the doctor was stopped");
    }

    #[test]
    fn json_has_the_names_of_checks_and_verdicts() {
        let findings = Findings::default();
        findings.warning(Check::PermissionListUploads, "403", "allow it");
        let json = serde_json::to_value(findings.report(FoundProfile::default(), End::Whole)).unwrap();
        assert_eq!(json["verdict"], "warnings");
        let told =
            json["findings"].as_array().unwrap().iter().find(|told| told["verdict"] == "warning").unwrap();
        assert_eq!(told["check"], "permission.list_uploads");
        assert_eq!(json["profile"], serde_json::json!({}));
    }
}
