//! Servers for tests: in process (`Gateway`), and as the real command (`Dev`).
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod dev;
mod fault;
mod gateway;
mod requests;
mod storage;
mod stores;

pub(crate) use dev::{Dev, PARTGATE};
pub(crate) use fault::{EVERY_TIME, Fault, FaultProxy};
pub(crate) use gateway::{
    ACCESS_KEY_ID, Gateway, Options, SECRET_ACCESS_KEY, behind_faults, behind_faults_with,
};
pub(crate) use requests::{Answer, bytes, init, put_part};
pub(crate) use storage::{multiparts, objects, reap, s3};
pub(crate) use stores::{TestStore, embedded_only, part_size, parts};
