//! A plan for people.

use super::plan::{Action, Change, Plan};

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.wanted.endpoint.as_deref().unwrap_or("Amazon S3");
        writeln!(f, "Bucket {} at {at}, region {}", self.wanted.bucket, self.wanted.region)?;
        for change in &self.changes {
            write!(f, "\n{change}")?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "Note: {note}")?;
        }
        writeln!(f, "\n{}", self.summary())
    }
}

impl Plan {
    /// One line that counts.
    fn summary(&self) -> String {
        let count = |name: &str| self.changes.iter().filter(|change| change.action.name() == name).count();
        if self.changes.iter().all(|change| change.action == Action::None) {
            return "The bucket is as wanted.".to_owned();
        }
        format!(
            "Plan: {} to create, {} to update, {} unchanged, {} by hand.",
            count("create"),
            count("update"),
            count("none"),
            count("by_hand")
        )
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, words) = match self.action {
            Action::Create => ('+', "create"),
            Action::Update => ('~', "update"),
            Action::None => (' ', "unchanged"),
            Action::ByHand(_) => ('!', "by hand"),
        };
        writeln!(f, "  {sign} {words} {}", self.what.name())?;
        for line in &self.detail {
            writeln!(f, "      {line}")?;
        }
        Ok(())
    }
}
