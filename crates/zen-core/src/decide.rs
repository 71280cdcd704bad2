//! The one question: is this step fresh, to be restored, or to be run, and why. Pure: takes what was observed.

use std::time::Duration;

/// What is to happen with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// A record exists and the outputs on disk match it.
    Fresh,
    /// A record exists; its outputs are to be put back.
    Restore,
    /// It must run.
    Run,
    /// It depends on a step that would run: only then is it known.
    Maybe,
}

/// A part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Component {
    /// Command, shell, files named in it.
    Code,
    /// Parameters.
    Params,
    /// Input artifacts and named file inputs.
    Inputs,
    /// `files` and `file-dependencies`.
    Files,
    /// Packages: sources, manifests, lock entries, toolchain, cargo's configuration.
    Sources,
    /// Environment variables.
    Env,
    /// Values of cache functions.
    CacheFunc,
    /// The declared outputs.
    Outputs,
    /// The host's target triple.
    Platform,
}

/// Why a step runs (or may run): one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No earlier record of this step.
    NeverRun,
    /// Caching is disabled; the text says by which place.
    CacheDisabled(String),
    /// `--no-cache`, `--force`
    Forced,
    /// The record is older than the limit; `age` is negative seconds for one from the future.
    Expired {
        /// In seconds.
        age: i64,
        /// The limit.
        limit: Duration,
    },
    /// One component's item differs from the nearest earlier record.
    Changed(Change),
    /// An object of the record is missing from the store, or damaged.
    ArtifactMissing(String),
    /// A part of the key cannot be computed; the text says which and why.
    Uncacheable(String),
    /// *maybe*: this upstream step would run (its display id).
    Upstream(String),
}

/// One difference between two keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub component: Component,
    /// The parameter, input, path, variable, crate or lock entry.
    pub item: String,
    /// What it was, for people; `None`: it was not there.
    pub old: Option<String>,
    /// What it is, for people; `None`: it is gone.
    pub new: Option<String>,
}
