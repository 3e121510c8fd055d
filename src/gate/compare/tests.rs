//! The rules of a comparison, in bulk.
