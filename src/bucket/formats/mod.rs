//! A plan in the words of other tools: what the bucket will be set to, those rules of others included that it has.
//!
//! Each of these tools replaces all rules of a kind, so a plan that was made offline is for buckets without others.

mod aws_cli;
mod cloudformation;
mod json;
mod mc;
mod terraform;

use super::Plan;
use super::plan::{Action, Change, Reason};

/// Whom a plan is printed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// People.
    Text,
    /// Programs: one object on a line.
    Json,
    /// Terraform or OpenTofu, with the AWS provider.
    Terraform,
    /// AWS CloudFormation.
    CloudFormation,
    /// A shell with the AWS command line.
    AwsCli,
    /// A shell with MinIO's client.
    Mc,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Json, Self::Terraform, Self::CloudFormation, Self::AwsCli, Self::Mc];

    /// Its name in arguments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Terraform => "terraform",
            Self::CloudFormation => "cloudformation",
            Self::AwsCli => "aws-cli",
            Self::Mc => "mc",
        }
    }

    /// The plan in it, with a line end at its end.
    #[must_use]
    pub fn print(self, plan: &Plan) -> String {
        match self {
            Self::Text => plan.to_string(),
            Self::Json => format!("{}\n", json::of(plan)),
            Self::Terraform => terraform::of(plan),
            Self::CloudFormation => cloudformation::of(plan),
            Self::AwsCli => aws_cli::of(plan),
            Self::Mc => mc::of(plan),
        }
    }
}

/// What whoever runs the outcome has to know first.
fn warnings(plan: &Plan) -> Vec<String> {
    let unread = |change: &&Change| change.action == Action::ByHand(Reason::Denied);
    let denied = plan.changes.iter().filter(unread).map(|change| {
        format!("the bucket's own {} could not be read: this would replace them.", change.what.name())
    });
    let conflicts = plan
        .changes
        .iter()
        .filter(|change| matches!(change.action, Action::ByHand(Reason::Conflict | Reason::Unknown)));
    denied
        .chain(conflicts.flat_map(|change| change.detail.clone()))
        .chain(plan.notes.iter().cloned())
        .collect()
}

/// A comment for tools that take `#`.
fn comment(plan: &Plan, format: Format) -> String {
    let first = format!(
        "What partgate needs of the bucket {}: partgate bucket plan --format {}",
        plan.wanted.bucket,
        format.name()
    );
    let lines = std::iter::once(first).chain(warnings(plan).into_iter().map(|line| format!("Note: {line}")));
    lines.map(|line| format!("# {line}\n")).collect()
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
