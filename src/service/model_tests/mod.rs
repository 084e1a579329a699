//! The model.

mod aftermath;
mod calls;
mod client;
mod conformance;
mod explorer;
mod gateway;
mod lies;
mod properties;
mod scenario;
mod scenarios;
mod steps;
mod world;

pub(in crate::service) use gateway::next_id;
