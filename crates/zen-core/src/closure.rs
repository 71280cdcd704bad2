//! The closure of a package, as data: which trees of files, and which facts beside files. Knows not how it was found.

use crate::digest::Digest;
use crate::path::RelPath;

/// What a step reads of a package and of all that it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closure {
    /// Source trees, sorted by root.
    pub trees: Vec<PackageTree>,
    /// Manifests as parsed, lock entries, toolchain, cargo's configuration, features, profile. Sorted by item.
    pub facts: Vec<Fact>,
}

/// The files of one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageTree {
    /// The package's name.
    pub package: String,
    /// Its folder.
    pub root: RelPath,
    /// Folders and files below it that do not count: other members, other binaries' roots, tests where none asks for
    /// them. Sorted.
    pub exclude: Vec<RelPath>,
    /// Folders and files of the package's targets (`src`, `build.rs`, …): a declared output of a step belongs to the
    /// closure exactly when it lies below one of them. Sorted.
    pub source_roots: Vec<RelPath>,
}

/// A part of a closure that is no file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// What it is, for people and as its name in the key: `manifest of api`, `lock serde`, `rustc`.
    pub item: String,
    /// Of its canonical form.
    pub digest: Digest,
    /// What to show in an explanation (`1.0.1`); `None`: only that it changed.
    pub shown: Option<String>,
}
