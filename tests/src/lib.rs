//! See `e2e.rs`.
