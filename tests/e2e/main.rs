//! The real executable in small workspaces: what ran, and why. One binary, a module for each behaviour.
#![expect(unreachable_pub, reason = "nobody is outside of a test binary")]

mod clean;
mod definitions;
mod edges;
mod environment;
mod files;
mod harness;
mod help;
mod human;
mod logs;
mod messages;
mod outputs;
mod packages;
mod params;
mod policy;
mod reuse;
mod selection;
mod status;
