//! The real executable in small workspaces: what ran, and why. One binary, a module for each behaviour.
#![expect(unreachable_pub, reason = "nobody is outside of a test binary")]

mod borrowed;
mod clean;
mod codegen;
mod concurrency;
mod definitions;
mod edges;
mod environment;
mod failure;
mod files;
mod harness;
mod help;
mod hooks;
mod human;
mod interactive;
mod iris;
mod logs;
mod meanwhile;
mod messages;
mod outputs;
mod packages;
mod params;
mod platform;
mod policy;
mod random_dag;
mod readme;
mod reuse;
mod running;
mod selection;
mod signals;
mod status;
mod store_loss;
mod user_bytes;
