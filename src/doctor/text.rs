//! A report for people: a line for each check, and what to do where something has to be done.

use std::fmt::Write as _;

use super::{Check, Finding, Health, Report, Verdict};
use crate::storage::StoreProfile;

/// Lines are broken before this column, where words allow it.
const COLUMNS: usize = 100;
/// From so many checks on that have one cause, one line tells of all.
const MANY: usize = 3;

/// Whether a terminal shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Plain text, for files and pipes.
    Plain,
    /// ANSI colours.
    Colours,
}

impl Report {
    /// The report as text, with the settings that differ from what was seen of the store.
    #[must_use]
    pub fn to_text(&self, used: &StoreProfile, paint: Paint) -> String {
        let mut text = String::new();
        let mut skipped: Vec<(&str, usize)> = Vec::new();
        for finding in &self.findings {
            match self.with_same_cause(finding) {
                MANY.. if skipped.iter().any(|(cause, _)| *cause == finding.found) => {}
                count @ MANY.. => skipped.push((&finding.found, count)),
                _ => text += &paragraph(finding, paint),
            }
        }
        for (cause, count) in skipped {
            text += &wrapped(&format!("-     {count} checks "), cause, 8);
        }
        let lines = self.profile.lines_against(used);
        if !lines.is_empty() {
            text += "\nThe store differs from what the settings say. In the section [storage]:\n";
            text.extend(lines.iter().map(|line| format!("  {line}\n")));
        }
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (bad, warnings) = (count(Verdict::Bad), count(Verdict::Warning));
        // Writing to a String does not fail.
        let _ = match self.verdict {
            Health::Healthy => writeln!(text, "\nhealthy"),
            Health::Warnings if warnings == 0 => writeln!(text, "\nnot all was looked at"),
            Health::Warnings => writeln!(text, "\nworks; warnings: {warnings}"),
            Health::Sick => writeln!(text, "\nsick; bad: {bad}, warnings: {warnings}"),
        };
        text
    }

    /// How many checks were not looked at for the reason of this one.
    fn with_same_cause(&self, finding: &Finding) -> usize {
        let is_same = |other: &&Finding| other.verdict == Verdict::Skipped && other.found == finding.found;
        self.findings.iter().filter(is_same).count()
    }
}

/// Words after a beginning, on as many lines as it takes, the later ones indented.
fn wrapped(beginning: &str, words: &str, indent: usize) -> String {
    let mut text = String::new();
    let mut line = beginning.to_owned();
    let mut is_new = true;
    // Colours take no room on the screen; a line with them is broken a few columns early.
    for word in words.split(' ') {
        if !is_new && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            text = text + &line + "\n";
            line = " ".repeat(indent);
            is_new = true;
        }
        if !is_new {
            line.push(' ');
        }
        line.push_str(word);
        is_new = false;
    }
    text + &line + "\n"
}

fn paragraph(finding: &Finding, paint: Paint) -> String {
    let (sign, colour) = match finding.verdict {
        Verdict::Good => ("ok", 32),
        Verdict::Note => ("note", 36),
        Verdict::Warning => ("warn", 33),
        Verdict::Bad => ("BAD", 31),
        Verdict::Skipped => ("-", 90),
    };
    let sign = match paint {
        Paint::Plain => format!("{sign:<4}"),
        Paint::Colours => format!("\u{1b}[{colour}m{sign:<4}\u{1b}[0m"),
    };
    let width = Check::ALL.iter().map(|check| check.name().len()).max().unwrap_or(0);
    let beginning = format!("{sign}  {:<width$}  ", finding.check.name());
    let mut text = wrapped(&beginning, &finding.found, width + 8);
    if matches!(finding.verdict, Verdict::Bad | Verdict::Warning) {
        text += &wrapped("        why:  ", finding.why, 14);
    }
    if !finding.mend.is_empty() {
        text += &wrapped("        mend: ", &finding.mend, 14);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::FoundProfile;
    use super::super::report::{End, Findings};
    use super::*;

    #[test]
    fn what_is_good_has_one_line_and_what_is_not_says_what_to_do() {
        let findings = Findings::default();
        findings.good(Check::Database, "answers");
        findings.bad(Check::Region, "refused", "set storage.region = \"b\"");
        let profile = FoundProfile { conditional_writes: Some(false), ..FoundProfile::default() };
        let report = findings.report(profile, End::Whole);
        let expected = "\
ok    database                 answers
BAD   region                   refused
        why:  The region is part of every signature.
        mend: set storage.region = \"b\"
-     38 checks not looked at: see region

The store differs from what the settings say. In the section [storage]:
  conditional_writes = false

sick; bad: 1, warnings: 0
";
        assert_eq!(report.to_text(&StoreProfile::default(), Paint::Plain), expected);
        let colours = report.to_text(&StoreProfile::default(), Paint::Colours);
        assert!(colours.starts_with("\u{1b}[32mok  \u{1b}[0m  database"));
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(wrapped("- ", "short words", 4), "- short words\n");
        let long = "word ".repeat(30);
        let text = wrapped("- ", long.trim_end(), 4);
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    word")), "{text}");
        assert_eq!(text.split_whitespace().count(), 31);
        let unbreakable = "x".repeat(200);
        assert_eq!(wrapped("- ", &unbreakable, 4), format!("- {unbreakable}\n"));
    }
}
