//! The shape of the cargo workspace, as data: packages, their folders and targets. Knows not how it was found out.

use serde::{Deserialize, Serialize};

use crate::path::RelPath;

/// What the engine needs to know of the workspace that the tables stand in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Cargo's target directory; it may lie outside the workspace (`../target`).
    pub target_dir: RelPath,
    /// The zen folder (`target/zen`).
    pub zen_dir: RelPath,
    /// The members, sorted by name.
    pub packages: Vec<Package>,
}

impl Layout {
    /// The member called `name`.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.binary_search_by(|p| p.name.as_str().cmp(name)).ok().map(|at| &self.packages[at])
    }
}

/// A workspace member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The folder of its manifest.
    pub dir: RelPath,
    /// Its `Cargo.toml`.
    pub manifest: RelPath,
    /// What cargo can build of it.
    pub targets: Vec<Target>,
    /// Other members that it depends on by path, to build or to run; sorted.
    pub path_dependencies: Vec<String>,
    /// Other members that it depends on by path as dev-dependencies; sorted.
    pub dev_path_dependencies: Vec<String>,
}

/// One thing that cargo can build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TargetKind,
    /// Its root file.
    pub src: RelPath,
}

/// Kinds of targets; every kind of library is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TargetKind {
    /// `lib`, `proc-macro`, `cdylib` …
    Lib,
    /// `bin`
    Bin,
    /// `example`
    Example,
    /// `test`
    Test,
    /// `bench`
    Bench,
    /// `build.rs`
    BuildScript,
}
