//! partgate.
