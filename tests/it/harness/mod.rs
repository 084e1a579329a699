//! Servers for tests: in process (`Gateway`), and as the real command (`Dev`).
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod dev;
mod dice;
mod digest;
mod fault;
mod fleet;
mod gateway;
mod requests;

pub(crate) use dev::{Dev, PARTGATE};
pub(crate) use dice::Dice;
pub(crate) use digest::{checksum, digest, sha256_hex};
pub(crate) use fault::{EVERY_TIME, Fault, FaultCounts, FaultProxy, Weather};
pub(crate) use fleet::Fleet;
pub(crate) use gateway::{ACCESS_KEY_ID, BUCKET, Gateway, Options, SECRET_ACCESS_KEY};
pub(crate) use requests::{Answer, bytes, init, put_part};
