//! Rust items by their path (`api::model::Params`): found through the crate's module tree, their tokens digested, so that
//! comments and formatting do not count. Reads no file itself, expands no macro, resolves no types.

mod outline;
mod search;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::digest::Digest;
use crate::path::RelPath;
use outline::{Outline, SyntaxError, outline};

/// What lies at a path of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A file with this text.
    Text(Arc<str>),
    /// Nothing.
    Absent,
    /// Something that is not looked at: the step makes it itself.
    Own,
    /// What another step made there, if it made anything; whoever reads it watches it himself.
    Made(Option<Arc<str>>),
    /// What another step has yet to make.
    NotYet,
}

/// How files are read.
pub type Read<'r> = &'r mut dyn FnMut(&RelPath) -> Result<Reading, Unreadable>;

/// A file that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Why.
    pub reason: String,
    /// What to do.
    pub help: String,
}

/// What was found, and what was looked at on the way.
#[derive(Debug, Clone)]
pub struct Found {
    /// The digest of the item.
    pub digest: Result<Digest, Problem>,
    /// The files that were read, each with the digest of its bytes, and those that were looked for and are not there.
    pub files: BTreeMap<RelPath, Option<Digest>>,
}

/// Why an item has no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is none of that name.
    #[error("`{within}` has no item `{name}`")]
    NotFound {
        /// The module, or type, that was found.
        within: String,
        /// What is not there.
        name: String,
        /// What else is there, sorted.
        known: Vec<String>,
        /// What may be meant, as whole paths.
        near: Vec<String>,
    },
    /// It may be there, but its tokens cannot all be known.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
        /// What to do.
        help: String,
    },
    /// It rests on a file that another step has yet to make.
    #[error("`{0}` is not made yet")]
    NotYet(RelPath),
    /// A file of the crate is no Rust.
    #[error("`{file}` cannot be read as Rust: line {line}: {message}")]
    Syntax {
        /// The file.
        file: RelPath,
        /// 1-based.
        line: usize,
        /// What the parser says.
        message: String,
    },
}

/// Files that were taken apart, so that each is once however many items lie in it.
#[derive(Debug, Default)]
pub struct Library(HashMap<Digest, Result<Arc<Outline>, SyntaxError>>);

impl Library {
    fn outline(&mut self, text: &str) -> (Digest, Result<Arc<Outline>, SyntaxError>) {
        let digest = Digest::of(text.as_bytes());
        (digest, self.0.entry(digest).or_insert_with(|| outline(text).map(Arc::new)).clone())
    }
}

/// Finds the item at `path` (the names after the package's) below the crate roots of a package called `package`.
///
/// What counts: a module with all below it; of a `struct`, `enum` or `union` its definition and every `impl` block for it
/// in the same crate (one that cannot be told from another type's counts too), and the macro calls there that name it;
/// of `Type::method` the `impl`'s head and the method; all items that share the name, and all alternatives of a `cfg`.
pub fn find(library: &mut Library, package: &str, roots: &[RelPath], path: &[String], read: Read<'_>) -> Found {
    let mut search = search::Search::new(tree::Tree::new(library, read), package);
    let digest = search.find(roots, path);
    Found { digest, files: search.into_files() }
}
