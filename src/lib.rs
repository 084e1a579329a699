//! partgate: an object-storage gateway for resumable, proven uploads that never carries a file's bytes.

pub mod access;
pub mod app;
pub mod bucket;
mod causes;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod http;
pub mod janitor;
#[cfg(test)]
mod model;
pub mod server;
pub mod service;
pub mod sigv4;
pub mod storage;
pub mod store;
pub mod telemetry;
pub mod units;
pub mod upload;
