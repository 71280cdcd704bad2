//! What zen last put or collected where: those bytes are its own. Knows not how it is kept.

use std::collections::BTreeMap;

use crate::artifact::Node;
use crate::path::RelPath;

/// Path → what zen last put or collected there, for each step, kept over runs.
pub trait Ledger {
    /// What zen last left at `path`.
    fn owned(&self, path: &RelPath) -> Option<Node>;
    /// From now on these, and only these, are what zen left for `step` (its display id).
    ///
    /// # Errors
    /// What writing met.
    fn set(&mut self, step: &str, entries: Vec<(RelPath, Node)>) -> std::io::Result<()>;
    /// The steps that it knows, sorted, with what zen left for each, sorted by path.
    fn steps(&self) -> Vec<(String, Vec<(RelPath, Node)>)>;
    /// What zen left for `step` is gone.
    ///
    /// # Errors
    /// What writing met.
    fn forget(&mut self, step: &str) -> std::io::Result<()>;
}

/// A ledger that lasts as long as the process: where nothing can be written.
#[derive(Debug, Clone, Default)]
pub struct MemoryLedger {
    steps: BTreeMap<String, BTreeMap<RelPath, Node>>,
    paths: BTreeMap<RelPath, Node>,
}

impl Ledger for MemoryLedger {
    fn owned(&self, path: &RelPath) -> Option<Node> {
        self.paths.get(path).cloned()
    }

    fn set(&mut self, step: &str, entries: Vec<(RelPath, Node)>) -> std::io::Result<()> {
        self.forget(step)?;
        self.paths.extend(entries.iter().cloned());
        self.steps.insert(step.to_owned(), entries.into_iter().collect());
        Ok(())
    }

    fn steps(&self) -> Vec<(String, Vec<(RelPath, Node)>)> {
        self.steps.iter().map(|(step, entries)| (step.clone(), entries.clone().into_iter().collect())).collect()
    }

    fn forget(&mut self, step: &str) -> std::io::Result<()> {
        for path in self.steps.remove(step).unwrap_or_default().keys() {
            self.paths.remove(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let path = |text: &str| RelPath::new(text).unwrap();
        let mut ledger = MemoryLedger::default();
        ledger.set("p/s", vec![(path("a"), Node::Folder), (path("b"), Node::Folder)]).unwrap();
        ledger.set("p/s", vec![(path("b"), Node::Folder)]).unwrap();
        assert_eq!((ledger.owned(&path("a")), ledger.owned(&path("b"))), (None, Some(Node::Folder)));
        assert_eq!(ledger.steps(), [("p/s".to_owned(), vec![(path("b"), Node::Folder)])]);
        ledger.forget("p/s").unwrap();
        assert_eq!(ledger.owned(&path("b")), None);
    }
}
