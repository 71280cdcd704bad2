//! The sink that keeps every item of a key for people, and the difference of two such lists.

use serde::{Deserialize, Serialize};

use super::{Change, Component, KeySink, Part, Sink};
use crate::artifact::Key;

use crate::digest::Digest;
use crate::path::RelPath;

/// One item of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The part of the key that it belongs to.
    pub component: Component,
    /// The parameter, input, variable, crate or lock entry; empty for unnamed files.
    pub name: String,
    /// The file, if it is one.
    pub path: Option<RelPath>,
    /// Of its value or content.
    pub digest: Digest,
    /// The value for people; `None`: it is only said that it changed.
    pub shown: Option<String>,
}

impl Item {
    fn identity(&self) -> (Component, &str, Option<&RelPath>) {
        (self.component, &self.name, self.path.as_ref())
    }

    fn value(&self) -> String {
        self.shown.clone().unwrap_or_else(|| self.digest.short())
    }
}

/// All items of a key, in the order of the traversal. Two explanations are equal exactly when their keys are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// By component, then in the order of the traversal.
    pub items: Vec<Item>,
}

impl Explanation {
    /// The key that these items make.
    pub fn key(&self) -> Key {
        self.sink().finish()
    }

    /// The items of each component of the key, with its digest.
    pub fn components(&self) -> Vec<(Component, Digest, &[Item])> {
        let mut rest = &self.items[..];
        let of = |(component, digest)| {
            let (items, more) = rest.split_at(rest.partition_point(|item| item.component == component));
            rest = more;
            (component, digest, items)
        };
        self.sink().components().map(of).collect()
    }

    fn sink(&self) -> KeySink {
        let mut sink = KeySink::default();
        for item in &self.items {
            let Item { component, digest, .. } = *item;
            sink.take(Part { component, name: &item.name, path: item.path.as_ref(), digest, shown: &|| None });
        }
        sink
    }
}

impl Sink for Explanation {
    fn take(&mut self, part: Part<'_>) {
        let Part { component, name, path, digest, shown } = part;
        self.items.push(Item { component, name: name.to_owned(), path: path.cloned(), digest, shown: shown() });
    }
}

/// What is different in `new`, by component; within one, what changed before what came and went.
pub fn diff(old: &Explanation, new: &Explanation) -> Vec<Change> {
    let index = |explanation: &Explanation| {
        let mut at: Vec<usize> = (0..explanation.items.len()).collect();
        at.sort_by(|a, b| explanation.items[*a].identity().cmp(&explanation.items[*b].identity()));
        at
    };
    let (left, right) = (index(old), index(new));
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let pair = match (left.peek().map(|at| &old.items[**at]), right.peek().map(|at| &new.items[**at])) {
            (None, None) => break,
            (Some(a), Some(b)) if a.identity() == b.identity() => (Some(a), Some(b)),
            (Some(a), Some(b)) if a.identity() > b.identity() => (None, Some(b)),
            (Some(a), _) => (Some(a), None),
            (None, b) => (None, b),
        };
        if pair.0.is_some() {
            left.next();
        }
        if pair.1.is_some() {
            right.next();
        }
        match pair {
            (Some(a), Some(b)) if a.digest == b.digest => {}
            (Some(item), _) | (None, Some(item)) => changes.push(Change {
                component: item.component,
                item: item.name.clone(),
                path: item.path.as_ref().map(ToString::to_string),
                old: pair.0.map(Item::value),
                new: pair.1.map(Item::value),
            }),
            (None, None) => {}
        }
    }
    changes.sort_by_key(|change| (change.component, change.old.is_none() || change.new.is_none()));
    changes
}
