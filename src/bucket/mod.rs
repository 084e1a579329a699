//! What a bucket should be set to, what has to change for it, and the same in the words of other tools.
//!
//! Three things make uploads fail outside the code: pages that the bucket's CORS does not let in, a lifecycle rule
//! that ends uploads before partgate does, and strangers that the bucket lets in. [`Wanted`] says what the settings
//! ask for, [`plan`](plan()) merges it with what the bucket has, and [`apply`](apply()) writes the outcome.
//!
//! Invariant: rules of others survive, each as it was read. Where that cannot be promised nothing is written.

mod apply;
mod by_hand;
mod cors;
mod formats;
mod lifecycle;
mod plan;
#[cfg(test)]
mod tests;
mod text;
mod wanted;

pub use apply::{Applied, ApplyError, Outcome, apply};
pub use formats::Format;
pub use plan::{Action, Change, Plan, Reason, What, Write, plan};
pub use wanted::{AbortRule, CORS_RULE_ID, LIFECYCLE_RULE_ID, Wanted};
