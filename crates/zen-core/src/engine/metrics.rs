//! Metrics: the numbers in the outputs that the tables call so. Knows where they are read from, not who asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attempt::Attempt;
use super::settle::explain;
use crate::artifact::{Artifact, Node, Record};
use crate::digest::Digest;
use crate::event::Metric;
use crate::model::Step;
use crate::path::RelPath;
use crate::store::Objects;
use crate::store::local::LocalStore;

/// A file of metrics is no larger, in bytes.
const LARGEST: u64 = 1 << 20;
/// Numbers of one step that are kept.
const MOST: usize = 1000;

impl Attempt<'_, '_> {
    /// What a step that succeeded measured, and what its record had that the reason to run compares with: that of the same
    /// key, or the nearest earlier one.
    pub(super) fn metrics(&self, artifacts: &[Artifact]) -> Vec<Metric> {
        if !has_any(self.step) {
            return Vec::new();
        }
        let world = self.work.world;
        let now = read(self.step, artifacts, |digest, path| {
            let stored = world.store.read_at_most(digest, LARGEST);
            // What is not kept is where the step left it.
            stored.ok().or_else(|| {
                let path = path.to_path(&world.project.workspace.root);
                let is_small = path.symlink_metadata().is_ok_and(|it| it.is_file() && it.len() <= LARGEST);
                let bytes = is_small.then(|| std::fs::read(path).ok()).flatten()?;
                (Digest::of(&bytes) == digest).then_some(bytes)
            })
        });
        let mut before = self.before().map(|record| stored(self.step, &record, &world.store)).unwrap_or_default();
        now.into_iter().map(|(name, value)| Metric { before: before.remove(&name), name, value }).collect()
    }

    fn before(&self) -> Option<Arc<Record>> {
        let world = self.work.world;
        let same = self.key.as_ref().ok().and_then(|key| world.store.records.get(&[*key]).pop().flatten());
        let nearest = || Some(world.nearest(self.step, &explain(self.step, self.job.observed.as_ref()?)?)?.0);
        same.or_else(nearest).map(Arc::new)
    }
}

/// Does it measure anything?
pub(super) fn has_any(step: &Step) -> bool {
    step.outputs.iter().any(|output| output.metric)
}

/// Those of a record, by output and path in it (`test_acc.accuracy`).
pub(super) fn stored(step: &Step, record: &Record, store: &LocalStore) -> BTreeMap<String, f64> {
    read(step, &record.artifacts, |digest, _| store.read_at_most(digest, LARGEST).ok())
}

/// Those in a step's artifacts. `bytes` gives the content of a file.
fn read(
    step: &Step,
    artifacts: &[Artifact],
    bytes: impl Fn(Digest, &RelPath) -> Option<Vec<u8>>,
) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for output in step.outputs.iter().filter(|output| output.metric) {
        let artifact = artifacts.iter().find(|artifact| artifact.name == output.name);
        for entry in artifact.into_iter().flat_map(|artifact| &artifact.entries) {
            let Node::File { digest, .. } = entry.node else { continue };
            let Some(bytes) = bytes(digest, &output.place.root().under(&entry.path)) else { continue };
            let name = match entry.path.is_root() {
                true => output.name.clone(),
                false => format!("{}.{}", output.name, entry.path),
            };
            numbers(&name, &bytes, &mut all);
        }
    }
    all
}

/// The numbers of a JSON or TOML file, each under its path.
fn numbers(name: &str, bytes: &[u8], into: &mut BTreeMap<String, f64>) {
    if let Ok(value) = serde_json::from_slice(bytes) {
        collect(name, &value, into);
    } else if let Some(table) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<toml::Table>().ok())
        && let Ok(value) = serde_json::to_value(table)
    {
        collect(name, &value, into);
    }
}

fn collect(name: &str, value: &serde_json::Value, into: &mut BTreeMap<String, f64>) {
    match value {
        serde_json::Value::Number(number) if into.len() < MOST => {
            into.extend(number.as_f64().map(|number| (name.to_owned(), number)));
        }
        serde_json::Value::Array(values) => {
            values.iter().enumerate().for_each(|(at, value)| collect(&format!("{name}.{at}"), value, into));
        }
        serde_json::Value::Object(values) => {
            values.iter().for_each(|(key, value)| collect(&format!("{name}.{key}"), value, into));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_wherever_they_stand() {
        for text in [
            r#"{"a": 1, "b": {"c": [0.5, "x", 2e3]}, "d": null, "e": true}"#,
            "a = 1\ne = true\n[b]\nc = [0.5, \"x\", 2e3]\n",
        ] {
            let mut found = BTreeMap::new();
            numbers("m", text.as_bytes(), &mut found);
            let expected = [("m.a", 1.0), ("m.b.c.0", 0.5), ("m.b.c.2", 2000.0)];
            assert_eq!(found.into_iter().collect::<Vec<_>>(), expected.map(|(name, value)| (name.to_owned(), value)));
        }
        let mut found = BTreeMap::new();
        numbers("m", b"0.25\n", &mut found);
        assert_eq!(found, BTreeMap::from([("m".to_owned(), 0.25)]));
        for text in [&b"not = a = table"[..], b"\xff", b""] {
            numbers("m", text, &mut found);
        }
        assert_eq!(found.len(), 1);
    }
}
