//! Stores that remove incomplete uploads by themselves.

use time::Duration;

use super::Check::StoreCleanup;
use super::report::Findings;
use super::wire::Answer;
use crate::service::Rules;

/// After so long MinIO and RustFS take an incomplete upload away, unless they are told otherwise
/// (<https://github.com/minio/minio/blob/master/docs/config/README.md>, `stale_uploads_expiry`).
const USUAL: Duration = Duration::DAY;

/// A store whose own clean-up cannot be read over S3: as its `Server` header names it, and its variable.
const STORES: [(&str, &str); 2] =
    [("minio", "MINIO_API_STALE_UPLOADS_EXPIRY"), ("rustfs", "RUSTFS_API_STALE_UPLOADS_EXPIRY")];

pub(super) fn check(answer: &Answer, rules: &Rules, findings: &Findings) {
    let server = answer.header("server").unwrap_or_default().to_ascii_lowercase();
    let Some((name, variable)) = STORES.iter().find(|(name, _)| server.contains(name)) else {
        findings.good(StoreCleanup, "the store is not known to remove uploads by itself");
        return;
    };
    if rules.lifetime <= USUAL {
        findings.good(StoreCleanup, format!("{name} removes incomplete uploads later than uploads.lifetime"));
        return;
    }
    let hours = rules.lifetime.whole_hours() + 24;
    findings.warning(
        StoreCleanup,
        format!(
            "{name} removes incomplete uploads after 24 h unless it is told otherwise, which S3 cannot show"
        ),
        format!("start the store with {variable}={hours}h or longer; if that is done, all is well"),
    );
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn only_uploads_that_live_longer_than_a_day_are_in_danger() {
        let verdict = |server: &str, lifetime| {
            let findings = Findings::default();
            let rules = Rules { lifetime, ..Rules::default() };
            check(&Answer::of(403, &[("server", server)], ""), &rules, &findings);
            findings.verdict(StoreCleanup)
        };
        assert_eq!(verdict("MinIO", Duration::days(7)), Some(Verdict::Warning));
        assert_eq!(verdict("MinIO", Duration::hours(24)), Some(Verdict::Good));
        assert_eq!(verdict("SeaweedFS 4.48", Duration::days(7)), Some(Verdict::Good));
    }
}
