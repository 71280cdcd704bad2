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
mod human;
mod iris;
mod logs;
mod meanwhile;
mod messages;
mod outputs;
mod packages;
mod params;
mod policy;
mod random_dag;
mod readme;
mod reuse;
mod running;
mod selection;
mod signals;
mod source_dependencies;
mod status;
mod store_loss;
mod user_bytes;
