//! The engine of `cargo zen`: load → observe → decide → run → commit, events out of the side.
//!
//! A module uses only what stands above it in this list. Down to `render` all is pure: no clock, no environment, no
//! disk, no processes (clippy's `disallowed-methods` sees to it). `ARCHITECTURE.md` has the map.

pub mod path;

pub mod digest;

mod suggest;

pub mod value;

pub mod diag;

pub mod glob;

pub mod layout;

pub mod artifact;

pub mod captured;

pub mod model;

pub mod closure;

pub mod rust_source;

pub mod manifest;

pub mod graph;

pub mod key;

pub mod decide;

pub mod event;

pub mod schedule;

pub mod environment;

pub mod render;

pub mod redact;

// The edges: from here on the world is touched.

pub mod scan;

pub mod workspace;

pub mod process;

pub mod store;

pub mod place;

pub mod engine;
