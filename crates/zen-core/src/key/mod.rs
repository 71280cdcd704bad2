//! Keys: one traversal of everything that a step depends on, two sinks: the hash, and the explanation. Pure.

mod change;
mod explain;
mod visit;

pub use change::{Change, Component};
pub use explain::{Explanation, Item, diff};
pub use visit::{ArtifactInput, Files, Observed, SourceFile, content_input, visit};

use crate::artifact::Key;

use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;

/// A part of a key, as the traversal comes to it.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Of which component.
    pub component: Component,
    /// The parameter, input, variable, crate or lock entry; empty for unnamed files.
    pub name: &'a str,
    /// The file, if it is one. Name and path tell the parts of a component apart.
    pub path: Option<&'a RelPath>,
    /// Of its value or content.
    pub digest: Digest,
    /// What people see; asked for only by who shows it.
    pub shown: &'a dyn Fn() -> Option<String>,
}

/// Takes what [`visit`] finds, sorted by component, and within a component in a fixed order.
pub trait Sink {
    /// One part.
    fn take(&mut self, part: Part<'_>);
}

/// The sink that makes the key: a digest for each component, and one over those.
#[derive(Default)]
pub struct KeySink {
    components: Vec<(Component, FieldHasher)>,
}

impl KeySink {
    /// The key of all items so far.
    pub fn finish(&self) -> Key {
        let mut key = FieldHasher::new("zen key 1");
        for (component, digest) in self.components() {
            key.field(component.name().as_bytes()).field(&digest.0);
        }
        Key(key.finish())
    }

    /// The components that it is made of, each with the digest of its items so far.
    pub fn components(&self) -> impl Iterator<Item = (Component, Digest)> {
        self.components.iter().map(|(component, hasher)| (*component, hasher.finish()))
    }
}

impl Sink for KeySink {
    fn take(&mut self, part: Part<'_>) {
        if self.components.last().is_none_or(|(last, _)| *last != part.component) {
            self.components.push((part.component, FieldHasher::new("zen component 1")));
        }
        let (_, hasher) = self.components.last_mut().expect("one was pushed if there was none");
        hasher.field(part.name.as_bytes());
        match part.path {
            Some(path) => hasher.number(1).field(path.as_bytes()),
            None => hasher.number(0),
        };
        hasher.field(&part.digest.0);
    }
}

#[cfg(test)]
mod tests;
