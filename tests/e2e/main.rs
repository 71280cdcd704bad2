//! The real executable in small workspaces: what ran, and why. One binary, a module for each behaviour.

mod harness;
mod reuse;
