//! Our clock against storage's.

use time::Duration;

use super::Check::Clock;
use super::report::Findings;

pub(super) const MEND: &str =
    "set the clock of this machine (and of the store) by NTP: timedatectl set-ntp true, or chrony";

/// S3 refuses what is signed further off
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, RequestTimeTooSkewed).
const LIMIT: Duration = Duration::minutes(15);
/// A URL of a minute would be dead on arrival.
const WORTH_A_WARNING: Duration = Duration::seconds(60);

/// Judges how far the clocks of the endpoints are from ours: name, and theirs minus ours.
pub(super) fn check(skews: &[(&str, Option<Duration>)], findings: &Findings) {
    let known = skews.iter().filter_map(|(name, skew)| Some((*name, (*skew)?)));
    let Some((name, skew)) = known.max_by_key(|(_, skew)| skew.abs()) else {
        findings.note(Clock, "storage does not tell its time", "");
        return;
    };
    let found = format!("{name} is {} our clock", words(skew));
    match skew.abs() {
        off if off > LIMIT => findings.bad(Clock, found, MEND),
        off if off > WORTH_A_WARNING => findings.warning(Clock, found, MEND),
        _ => findings.good(Clock, found),
    }
}

fn words(skew: Duration) -> String {
    let seconds = skew.whole_seconds().unsigned_abs();
    let amount = match seconds {
        0..=1 => return "within a second of".to_owned(),
        2..120 => format!("{seconds} s"),
        _ => format!("{} min", (seconds + 30) / 60),
    };
    format!("{amount} {}", if skew.is_negative() { "behind" } else { "ahead of" })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn the_worst_clock_counts() {
        let verdict = |seconds: &[i64]| {
            let skews: Vec<_> =
                seconds.iter().map(|seconds| ("storage", Some(Duration::seconds(*seconds)))).collect();
            let findings = Findings::default();
            check(&skews, &findings);
            findings.verdict(Clock)
        };
        assert_eq!(verdict(&[0, -60]), Some(Verdict::Good));
        assert_eq!(verdict(&[0, -61]), Some(Verdict::Warning));
        assert_eq!(verdict(&[901, 2]), Some(Verdict::Bad));
        assert_eq!(verdict(&[]), Some(Verdict::Note));
    }

    #[test]
    fn words_say_who_is_ahead() {
        assert_eq!(words(Duration::seconds(-90)), "90 s behind");
        assert_eq!(words(Duration::seconds(3_599)), "60 min ahead of");
        assert_eq!(words(Duration::milliseconds(-900)), "within a second of");
    }
}
