//! Servers for tests: in process (`Gateway`), and as the real command (`Dev`).
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod auth;
mod dev;
mod dice;
mod digest;
mod fault;
mod fleet;
mod gateway;
mod identities;
mod requests;
mod storage;
mod stores;

pub(crate) use auth::{Http, TestAuth};
pub(crate) use dev::{Dev, PARTGATE};
pub(crate) use dice::Dice;
pub(crate) use digest::{checksum, digest, sha256_hex};
pub(crate) use fault::{EVERY_TIME, Fault, FaultCounts, FaultProxy, Weather};
pub(crate) use fleet::Fleet;
pub(crate) use gateway::{
    ACCESS_KEY_ID, EMBEDDED_BUCKET, Gateway, Options, SECRET_ACCESS_KEY, behind_faults, behind_faults_with,
};
pub(crate) use identities::{limited_to, minio_identity, reader_and_writer, temporary, writer};
pub(crate) use requests::{Answer, bytes, init, put_part};
pub(crate) use storage::{multiparts, objects, reap, s3};
pub(crate) use stores::{TestStore, embedded_only, find as find_program, part_size, parts};

/// Past the capture of a test's output: what a run has done, or has skipped, shows also when all is well.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    // Nobody reads it where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}
