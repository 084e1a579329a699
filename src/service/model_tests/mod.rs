//! The model.

mod aftermath;
mod calls;
mod client;
mod explorer;
mod gateway;
mod properties;
mod scenario;
mod scenarios;
mod world;

pub(in crate::service) use gateway::next_id;
