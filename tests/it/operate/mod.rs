//! What an operator does beside running a gateway.

mod bucket;
