//! What is known of a run of the past besides its entry in history: parameters and metrics, from the store as far as it
//! still has them. Runs nothing, and decides nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::history::{History, RunEntry, StepEntry, StepOutcome};
use super::settle::explanation_of;
use super::{Definitions, EngineError, Project, git};
use crate::artifact::{Artifact, Node, Record, RunId, Timestamp};
use crate::captured::Captured;
use crate::key::{Change, Component, Explanation, diff};
use crate::model::Step;
use crate::store::Objects;
use crate::store::local::{Access, LocalStore};

/// A file of metrics is no larger.
const LARGEST: u64 = 1 << 20;

/// A smaller number is not taken for the beginning of a commit.
const LEAST_COMMIT: u64 = 1_000_000;

/// History, and what the store has to say of it.
#[derive(Debug)]
pub struct Past<'p> {
    definitions: &'p Definitions,
    history: History,
    /// `None`: nothing was stored yet.
    store: Option<LocalStore>,
}

/// What a step was made from, and what it made, in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// All that its key was made of. `None` where that is lost.
    pub explanation: Option<Explanation>,
    /// What it left. `None` where the store has another production of the key by now: what that holds may be different.
    pub made: Option<Made>,
}

/// What a step left.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The run that made it.
    pub run: RunId,
    /// When that was.
    pub ended: Timestamp,
    /// What it took then, in milliseconds.
    pub took_ms: u64,
    /// Its outputs.
    pub artifacts: Arc<[Artifact]>,
    /// The numbers in those that the tables call metrics, by output and path in it (`test_acc.accuracy`).
    pub metrics: BTreeMap<String, f64>,
}

impl Facts {
    /// The step's parameters, as they are written.
    pub fn params(&self) -> BTreeMap<&str, &str> {
        let items = self.explanation.iter().flat_map(|explanation| &explanation.items);
        let params = items.filter(|item| item.component == Component::Params);
        params.map(|item| (&*item.name, item.shown.as_deref().unwrap_or_default())).collect()
    }
}

impl Project {
    /// The run that `12`, `last`, `last~2` or a git revision (its latest run) names; `None` if there is none, or no such name.
    /// Runs that ran nothing did not ask which commit was checked out.
    ///
    /// # Errors
    /// What listing met.
    pub fn find_run(&self, name: &str) -> io::Result<Option<RunEntry>> {
        let history = History::new(&self.workspace.zen_dir().join("runs"));
        if let Some(run) = history.find(name)? {
            return Ok(Some(run));
        }
        // What is no name of a run is not asked of git where no run could answer: `7` is a run, or nothing.
        if name.parse::<u64>().is_ok_and(|number| number < LEAST_COMMIT) {
            return Ok(None);
        }
        let Some(commit) = git::resolve(&self.workspace.root, name) else { return Ok(None) };
        let is_it = |run: &RunEntry| run.checkout.as_ref().is_some_and(|checkout| checkout.commit == commit);
        Ok(history.newest_first()?.find(is_it))
    }
}

impl<'p> Past<'p> {
    /// Opens history and store, to read.
    ///
    /// # Errors
    /// A store or a zen folder that cannot be used.
    pub fn open(
        project: &Project,
        definitions: &'p Definitions,
        store_dir: Option<&Path>,
    ) -> Result<Self, EngineError> {
        // Memos of the workspace may be all that lies in it yet.
        project.create_zen_dir()?;
        let folder = project.store_folder(&definitions.model, store_dir);
        let store = if folder.exists() { Some(LocalStore::open(&folder, Access::Read)?) } else { None };
        Ok(Self { definitions, history: History::new(&project.workspace.zen_dir().join("runs")), store })
    }

    /// All runs that ended, newest first.
    ///
    /// # Errors
    /// What listing met.
    pub fn newest_first(&self) -> io::Result<impl Iterator<Item = RunEntry> + use<'_, 'p>> {
        self.history.newest_first()
    }

    /// What the store still knows of a step of a run. `None` where it knows nothing of its key any more, or never did.
    pub fn facts(&self, entry: &StepEntry) -> Option<Facts> {
        let (record, store) = (self.record(entry)?, self.store.as_ref()?);
        Some(Facts { explanation: explanation_of(store, &record), made: self.made_by(entry, &record) })
    }

    /// What a step left, alone.
    pub fn made(&self, entry: &StepEntry) -> Option<Made> {
        self.made_by(entry, &self.record(entry)?)
    }

    /// Do the tables call an output of this step a metric?
    pub fn has_metrics(&self, step: &str) -> bool {
        self.step(step).is_some_and(|step| step.outputs.iter().any(|output| output.metric))
    }

    /// What a step was made from in one run and not in the other. `None` where the store no longer knows.
    pub fn changes(&self, old: &StepEntry, new: &StepEntry) -> Option<Vec<Change>> {
        let store = self.store.as_ref()?;
        let [old, new] = [old, new].map(|entry| explanation_of(store, &self.record(entry)?));
        Some(diff(&old?, &new?))
    }

    /// What a step of a run printed. `None` where it printed nothing, or where that is lost.
    pub fn log(&self, entry: &StepEntry) -> Option<Captured> {
        Some(Captured::decode(self.store.as_ref()?.read(entry.log?).ok()?))
    }

    fn step(&self, id: &str) -> Option<&Step> {
        self.definitions.model.steps.iter().find(|step| step.display_id == id)
    }

    /// The record of a step's key; by now it may be that of another production.
    fn record(&self, entry: &StepEntry) -> Option<Record> {
        // Of a step that failed the key has a record of another run, if any.
        let is_made = !matches!(entry.outcome, StepOutcome::Failed | StepOutcome::Skipped);
        let key = entry.key.filter(|_| is_made)?;
        self.store.as_ref()?.records.get(&[key]).pop().flatten()
    }

    fn made_by(&self, entry: &StepEntry, record: &Record) -> Option<Made> {
        if Some(record.production) != entry.production {
            return None;
        }
        let store = self.store.as_ref()?;
        Some(Made {
            run: record.run,
            ended: record.ended,
            took_ms: record.duration_ms,
            artifacts: record.artifacts.clone(),
            metrics: self.step(&entry.step).map(|step| metrics(step, record, store)).unwrap_or_default(),
        })
    }
}

/// The numbers in the outputs that the tables now call metrics.
fn metrics(step: &Step, record: &Record, store: &LocalStore) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for output in step.outputs.iter().filter(|output| output.metric) {
        let artifact = record.artifacts.iter().find(|artifact| artifact.name == output.name);
        for entry in artifact.into_iter().flat_map(|artifact| &artifact.entries) {
            let Node::File { digest, .. } = entry.node else { continue };
            let Ok(bytes) = store.read_at_most(digest, LARGEST) else { continue };
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
        serde_json::Value::Number(number) => {
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
