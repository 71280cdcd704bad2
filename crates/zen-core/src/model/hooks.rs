//! Commands that are run when a step or a pipeline has ended. Knows not what they are told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Command;
use super::template::Template;
use crate::diag::Span;
use crate::path::RelPath;
use crate::value::Value;

/// The hooks of a step or a pipeline.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Hooks {
    /// In the order in which they are run.
    pub hooks: Vec<Hook>,
    /// What all of them see.
    pub scope: HookScope,
}

/// What hooks of one table see of the world.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HookScope {
    /// Where they run.
    pub cwd: RelPath,
    /// Are cargo's variables handed on to all of them?
    pub uses_cargo: bool,
    /// `env`, as far as its values need no more than parameters.
    pub env: BTreeMap<String, Template>,
    /// `track-env`: handed on, as `pass-env` is; a hook has no key. Sorted.
    pub track_env: Vec<String>,
    /// `pass-env`. Sorted.
    pub pass_env: Vec<String>,
    /// `secret-env`. Sorted.
    pub secret_env: Vec<String>,
    /// `{{ params.x }}`
    pub params: BTreeMap<String, Value>,
    /// `{{ pipeline.x }}`
    pub pipeline: BTreeMap<String, Value>,
    /// `{{ matrix.x }}`
    pub matrix: BTreeMap<String, Value>,
}

impl Default for HookScope {
    fn default() -> Self {
        Self {
            cwd: RelPath::root(),
            uses_cargo: false,
            env: BTreeMap::new(),
            track_env: Vec::new(),
            pass_env: Vec::new(),
            secret_env: Vec::new(),
            params: BTreeMap::new(),
            pipeline: BTreeMap::new(),
            matrix: BTreeMap::new(),
        }
    }
}

/// One hook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hook {
    /// When it is run.
    pub time: HookTime,
    /// Whose it is, for messages: ``step `p/s` ``.
    pub of: String,
    /// A shell string or an argument list.
    pub command: Command,
    /// Does it run cargo?
    pub calls_cargo: bool,
    /// Is it run for what was cached, too?
    pub on_cached: bool,
    /// Where it is written.
    pub span: Span,
}

/// When a hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HookTime {
    /// `on-success`
    Success,
    /// `on-failure`
    Failure,
    /// `on-end`: after either.
    End,
}

impl HookTime {
    /// The key in the tables.
    pub fn key(self) -> &'static str {
        match self {
            Self::Success => "on-success",
            Self::Failure => "on-failure",
            Self::End => "on-end",
        }
    }

    /// The second half of the event's name: `success` of `step-success`.
    pub fn event(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::End => "end",
        }
    }
}
