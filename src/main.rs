//! partgate.
fn main() {}
