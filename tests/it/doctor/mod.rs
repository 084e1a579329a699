//! `partgate doctor`, as a process: on stores as they should be, and on set-ups that are broken on purpose.
//!
//! Each broken set-up is healthy but for one thing, and the report must name that thing and nothing else. What every
//! report has to be, whatever it says, is checked where it is read (`report.rs`).
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod beside;
mod bucket;
mod clock;
mod habits;
mod healthy;
mod identities;
mod interrupted;
mod liar;
mod permissions;
mod reach;
mod report;
mod setup;
mod start;
mod state;
mod tls;

use report::{Blame, Report};
use setup::Setup;
