//! partgate client.
