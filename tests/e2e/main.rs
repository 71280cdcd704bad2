//! The real executable in small workspaces: what ran, and why. One binary, a module for each behaviour.
#![expect(unreachable_pub, reason = "nobody is outside of a test binary")]

mod clean;
mod definitions;
mod harness;
mod help;
mod human;
mod logs;
mod messages;
mod reuse;
mod selection;
mod status;
