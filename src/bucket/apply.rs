//! Carries a plan out.

use std::time::Duration;

use super::by_hand;
use super::plan::{Plan, Reason, What, Write, plan};
use crate::storage::{
    BucketConfiguration, Cors, CorsRule, Lifecycle, LifecycleRule, Reading, Storage, StorageError, Written,
};

/// A store may show a change late: Amazon S3 promises it within minutes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-set-lifecycle-configuration-intro.html>), and takes
/// seconds.
const LOOKS: u32 = 6;
const PAUSE: Duration = Duration::from_secs(1);

/// Why a plan was not carried out. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody has changed the bucket since the plan was made.
    #[error("the bucket has changed since the plan was made; plan again")]
    Changed,
    /// Storage does not answer, or not us.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Storage shows it.
    Done,
    /// Storage has taken it, and shows something else: what, in words.
    Differs(Vec<String>),
    /// A person has to do it: what, in words.
    ByHand(Reason, Vec<String>),
    /// Storage refuses it: why, in its words.
    Refused(String),
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What became of each change that had something to send.
    pub outcomes: Vec<(What, Outcome)>,
    /// The plan that would be made now.
    pub after: Plan,
}

impl Applied {
    /// Whether the bucket is as wanted, as far as storage can be asked.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let outcome = |what: What| self.outcomes.iter().find(|(other, _)| *other == what);
        self.after.changes.iter().all(|change| match outcome(change.what) {
            Some((_, outcome)) => match outcome {
                Outcome::Done | Outcome::ByHand(Reason::NoSuchCall, _) => true,
                Outcome::Differs(_) | Outcome::ByHand(..) | Outcome::Refused(_) => false,
            },
            None => change.action.is_settled(),
        })
    }
}

/// Writes what the plan says, if the bucket is still as it was, and looks whether storage has it.
///
/// # Errors
/// [`ApplyError`]. What storage refuses of a single change is an [`Outcome`].
pub async fn apply(storage: &Storage, planned: &Plan) -> Result<Applied, ApplyError> {
    let except: Vec<_> = What::ALL.into_iter().filter(|what| !planned.is_about(*what)).collect();
    let again = |found: &BucketConfiguration| plan(planned.wanted.clone(), found).without(&except);
    let before = storage.bucket_configuration().await?;
    if again(&before).changes != planned.changes {
        return Err(ApplyError::Changed);
    }
    let mut outcomes = Vec::new();
    for change in &planned.changes {
        if let Some(write) = &change.write {
            outcomes.push((change.what, send(storage, planned, write, &before).await));
        }
    }
    let mut found = storage.bucket_configuration().await?;
    for _ in 1..LOOKS {
        if outcomes
            .iter()
            .all(|(what, outcome)| *outcome != Outcome::Done || misses(planned, *what, &found).is_empty())
        {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        found = storage.bucket_configuration().await?;
    }
    for (what, outcome) in &mut outcomes {
        let misses = misses(planned, *what, &found);
        if *outcome == Outcome::Done && !misses.is_empty() {
            *outcome = Outcome::Differs(misses);
        }
    }
    Ok(Applied { outcomes, after: again(&found) })
}

async fn send(storage: &Storage, plan: &Plan, write: &Write, found: &BucketConfiguration) -> Outcome {
    let wanted = &plan.wanted;
    let (what, answer) = match write {
        Write::Cors(rules) => (What::Cors, storage.put_cors(rules).await),
        Write::Lifecycle(lifecycle) => (What::Lifecycle, storage.put_lifecycle(lifecycle).await),
        Write::PublicAccessBlock(block) => {
            (What::PublicAccessBlock, storage.put_public_access_block(*block).await)
        }
    };
    match answer {
        Ok(Written::Done) => Outcome::Done,
        Ok(Written::Denied) => Outcome::ByHand(Reason::Denied, by_hand::denied(what)),
        Ok(Written::NoSuchCall) => {
            let words = match what {
                What::Cors => {
                    wanted.cors_rule.iter().flat_map(|rule| by_hand::cors(rule, found.product)).collect()
                }
                What::Lifecycle => by_hand::lifecycle(&wanted.abort_rules, found.product),
                What::PublicAccessBlock => by_hand::public_access_block(wanted, found.product),
            };
            Outcome::ByHand(Reason::NoSuchCall, words)
        }
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

/// What storage should have now and does not show, ours and those of others.
fn misses(planned: &Plan, what: What, found: &BucketConfiguration) -> Vec<String> {
    let fresh = plan(planned.wanted.clone(), found);
    let ours = fresh.changes.iter().filter(|change| change.what == what && change.write.is_some());
    let ours = ours.flat_map(|change| change.detail.clone());
    let sent =
        planned.changes.iter().filter(|change| change.what == what).find_map(|change| change.write.as_ref());
    ours.chain(sent.map(|write| lost(write, found)).unwrap_or_default()).collect()
}

/// Rules that were sent and did not come back as they were. Whole, because this may be the last that is left of them.
fn lost(write: &Write, found: &BucketConfiguration) -> Vec<String> {
    match write {
        Write::Cors(rules) => {
            let kept = match &found.cors {
                Reading::Is(Cors { rules, .. }) => rules.as_slice(),
                Reading::Absent | Reading::NoSuchCall | Reading::Denied => &[],
            };
            let lost = rules.iter().filter(|rule| !kept.iter().any(|other| is_same(rule, other)));
            lost.map(|rule| format!("storage did not keep this CORS rule: {}", rule.to_json())).collect()
        }
        Write::Lifecycle(Lifecycle { rules, .. }) => {
            let kept = match &found.lifecycle {
                Reading::Is(Lifecycle { rules, .. }) => rules.as_slice(),
                Reading::Absent | Reading::NoSuchCall | Reading::Denied => &[],
            };
            let lost = rules.iter().filter(|rule| !kept.iter().any(|other| is_same_lifecycle(rule, other)));
            lost.map(|rule| format!("storage did not keep this lifecycle rule: {}", rule.to_json())).collect()
        }
        Write::PublicAccessBlock(_) => Vec::new(),
    }
}

/// A store may forget names, and write those of headers as it likes.
fn is_same(sent: &CorsRule, kept: &CorsRule) -> bool {
    let same = |one: &[String], other: &[String]| {
        one.len() == other.len()
            && one.iter().all(|name| other.iter().any(|other| other.eq_ignore_ascii_case(name)))
    };
    same(&sent.allowed_origins, &kept.allowed_origins)
        && same(&sent.allowed_methods, &kept.allowed_methods)
        && same(&sent.allowed_headers, &kept.allowed_headers)
        && same(&sent.expose_headers, &kept.expose_headers)
        && sent.max_age_seconds == kept.max_age_seconds
}

/// Ours may come back with its prefix in another place; those of others come back as they came.
fn is_same_lifecycle(sent: &LifecycleRule, kept: &LifecycleRule) -> bool {
    let same_abort = sent.only_aborts()
        && kept.only_aborts()
        && sent.is_about_all()
        && kept.is_about_all()
        && sent.id() == kept.id()
        && sent.prefix() == kept.prefix()
        && sent.is_enabled() == kept.is_enabled()
        && sent.aborts_after_days() == kept.aborts_after_days();
    sent == kept || same_abort
}
