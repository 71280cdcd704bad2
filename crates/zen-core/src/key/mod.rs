//! Keys: one traversal of everything that a step depends on, two sinks: the hash, and the explanation. Pure.

mod change;
mod explain;
mod visit;

pub use change::{Change, Component};
pub use explain::{Explanation, Item, diff};
pub use visit::{ArtifactInput, Files, Observed, SourceFile, visit};

use crate::artifact::Key;

use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;

/// Takes what [`visit`] finds, sorted by component, and within a component in a fixed order.
pub trait Sink {
    /// One item of one component. `name` and `path` tell items of a component apart; `shown` is what people see.
    fn item(
        &mut self,
        component: Component,
        name: &str,
        path: Option<&RelPath>,
        digest: Digest,
        shown: &dyn Fn() -> Option<String>,
    );
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
        for (component, hasher) in &self.components {
            key.field(component.name().as_bytes()).field(&hasher.finish().0);
        }
        Key(key.finish())
    }

    /// The digest of each component that has items.
    pub fn components(&self) -> Vec<(Component, Digest)> {
        self.components.iter().map(|(component, hasher)| (*component, hasher.finish())).collect()
    }
}

impl Sink for KeySink {
    fn item(
        &mut self,
        component: Component,
        name: &str,
        path: Option<&RelPath>,
        digest: Digest,
        _: &dyn Fn() -> Option<String>,
    ) {
        if self.components.last().is_none_or(|(last, _)| *last != component) {
            self.components.push((component, FieldHasher::new("zen component 1")));
        }
        let (_, hasher) = self.components.last_mut().expect("one was pushed if there was none");
        hasher.field(name.as_bytes());
        match path {
            Some(path) => hasher.number(1).field(path.as_bytes()),
            None => hasher.number(0),
        };
        hasher.field(&digest.0);
    }
}

#[cfg(test)]
mod tests;
