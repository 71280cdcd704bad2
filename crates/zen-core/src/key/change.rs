//! The parts of a key, and what it says to people when an item of one is different.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl Component {
    /// Its name in messages and in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Params => "params",
            Self::Inputs => "inputs",
            Self::Files => "files",
            Self::Sources => "sources",
            Self::Env => "env",
            Self::CacheFunc => "cache-func",
            Self::Outputs => "outputs",
            Self::Platform => "platform",
        }
    }
}

/// One difference between two keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub component: Component,
    /// The parameter, input, variable, crate or lock entry; empty for an unnamed file.
    pub item: String,
    /// The file, if it is one.
    pub path: Option<String>,
    /// What it was, for people; `None`: it was not there.
    pub old: Option<String>,
    /// What it is, for people; `None`: it is gone.
    pub new: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, item, path, old, new } = self;
        let what = match (component, path) {
            (Component::Params, _) if item == "-- args" => "arguments".to_owned(),
            (Component::Params, _) => format!("param `{item}`"),
            (Component::Inputs, None) if item.starts_with("depends ") => item.clone(),
            (Component::Inputs, None) => format!("input `{item}`"),
            (Component::Inputs, Some(path)) => format!("input `{item}`: file {path}"),
            (Component::Files | Component::Code, Some(path)) => format!("file {path}"),
            (Component::Sources, Some(path)) => format!("source {path} of {item}"),
            (Component::Env, _) => format!("env `{item}`"),
            (Component::Outputs, _) => format!("output `{item}`"),
            (Component::Platform, _) => "platform".to_owned(),
            (Component::CacheFunc, _) if item.is_empty() => "cache-func".to_owned(),
            (Component::CacheFunc, _) => format!("cache-func `{item}`"),
            (Component::Code | Component::Sources | Component::Files, None) => item.clone(),
        };
        let values_are_shown = match component {
            Component::Params | Component::Platform | Component::CacheFunc => true,
            Component::Sources => {
                path.is_none() && [old, new].iter().all(|v| v.as_ref().is_some_and(|v| !is_digest(v)))
            }
            Component::Code => path.is_none() && item == "cwd",
            _ => false,
        };
        match (old, new) {
            (Some(old), Some(new)) if values_are_shown => write!(f, "{what}: {old} → {new}"),
            (None, Some(new)) if values_are_shown => write!(f, "{what}: added, {new}"),
            (Some(_), Some(_)) | (None, None) => write!(f, "{what} changed"),
            (None, Some(_)) => write!(f, "{what} added"),
            (Some(_), None) => write!(f, "{what} removed"),
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
