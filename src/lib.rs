//! partgate: an object-storage gateway for resumable, proven uploads that never carries a file's bytes.

pub mod clock;
pub mod service;
pub mod sigv4;
pub mod storage;
pub mod store;
pub mod upload;
