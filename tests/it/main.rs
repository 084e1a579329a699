//! Integration tests: the whole gateway over real HTTP on the embedded store or a real one, and the real command.
//!
//! One binary, so that everything is linked once. `harness` starts servers on free ports of 127.0.0.1 and stops them.

mod access;
mod api;
mod architecture;
mod chaos;
mod docs;
mod doctor;
mod harness;
mod operate;
mod put;
mod robust;
mod serving;
mod telemetry;
