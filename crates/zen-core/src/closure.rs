//! The closure of a package, as data: which folders it reads and which facts beside files enter a key. Knows not how
//! it was found out; the files themselves are the scan's.

use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;

/// All that a [request](crate::model::ClosureRequest) reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// The package asked for and every path package that it reaches, sorted by folder.
    pub trees: Vec<PackageTree>,
    /// What else counts, sorted by item.
    pub facts: Vec<Fact>,
}

/// The folder of a path package, as far as its files count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PackageTree {
    /// The package's name.
    pub package: String,
    /// Its folder; it may lie beside the workspace (`../lib`).
    pub root: RelPath,
    /// What below `root` does not count, each path with all below it, sorted: folders of other members, targets that
    /// were not asked for, and the manifest, lock file and cargo configuration, which are [facts](Fact).
    pub exclude: Vec<RelPath>,
    /// Folders and files that its targets' sources lie in, sorted: a declared output belongs to the closure exactly
    /// when it lies below one of them.
    pub source_roots: Vec<RelPath>,
}

impl PackageTree {
    /// Does `path` lie in the part of the folder that counts? Ignore files are not looked at.
    pub fn contains(&self, path: &RelPath) -> bool {
        path.starts_with(&self.root) && !self.exclude.iter().any(|excluded| path.starts_with(excluded))
    }

    /// Would a declared output at `path` belong to it?
    pub fn takes_output(&self, path: &RelPath) -> bool {
        self.contains(path) && self.source_roots.iter().any(|root| path.starts_with(root))
    }
}

/// Something that counts and is no file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// What it is: `manifest of api`, `lock serde`, `rustc`, `cargo config`, `features of api` …
    pub item: String,
    /// What a key holds.
    pub digest: Digest,
    /// How people see it, so that a change reads `serde 1.0.1 → 1.0.2`; `None` if it has no short form.
    pub shown: Option<String>,
}

impl Fact {
    /// A fact that is its text.
    pub fn shown(item: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let digest = FieldHasher::new("zen fact 1").field(text.as_bytes()).finish();
        Self { item: item.into(), digest, shown: Some(text) }
    }
}
