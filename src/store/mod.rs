//! Our own state: uploads and what is known of their parts.
//!
//! Every write of an upload is a compare-and-set on its version, so any number of gateways may act on one upload.
//! An intent is on disk before storage acts on it (SQLite: WAL with synchronous FULL).

mod rows;
mod sqlite;
mod types;

#[cfg(test)]
mod contract_tests;

pub use sqlite::SqliteStore as Store;
pub use types::{InsertOutcome, ListFilter, Migrations, ReceivedParts, StoreError, SweepLimits, Written};
