//! partgate devstore.
