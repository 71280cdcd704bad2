//! What is known of a run of the past besides its entry in history: parameters and metrics, from the store as far as it
//! still has them. Runs nothing, and decides nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::history::{History, RunEntry, StepEntry, StepOutcome};
use super::settle::explanation_of;
use super::{Definitions, EngineError, Project, git, metrics};
use crate::artifact::{Artifact, Production, Record, RunId, Timestamp};
use crate::captured::Captured;
use crate::key::{Change, Component, Explanation, diff};
use crate::model::Step;
use crate::store::Objects;
use crate::store::local::{Access, LocalStore};

/// A smaller number is not taken for the beginning of a commit.
const LEAST_COMMIT: u64 = 1_000_000;

/// History, and what the store has to say of it.
#[derive(Debug)]
pub struct Past<'p> {
    definitions: &'p Definitions,
    history: History,
    /// `None`: nothing was stored yet.
    store: Option<LocalStore>,
    /// What earlier runs made, by run, as far as somebody asked.
    makers: RefCell<HashMap<RunId, HashMap<Production, Maker>>>,
}

/// What a step was made from, and what it made, in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// All that its key was made of. `None` where that is lost.
    pub explanation: Option<Explanation>,
    /// What it left. `None` where nobody knows any more: neither the store, which may have another production of the key by
    /// now, nor the history of the run that made it.
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
    /// Its outputs, if the store still has its record.
    pub artifacts: Option<Arc<[Artifact]>>,
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
        Ok(Self {
            definitions,
            history: History::new(&project.workspace.zen_dir().join("runs")),
            store,
            makers: RefCell::default(),
        })
    }

    /// All runs that ended, newest first.
    ///
    /// # Errors
    /// What listing met.
    pub fn newest_first(&self) -> io::Result<impl Iterator<Item = RunEntry> + use<'_, 'p>> {
        self.history.newest_first()
    }

    /// What is still known of a step of a run.
    pub fn facts(&self, run: &RunEntry, entry: &StepEntry) -> Facts {
        let record = self.record(entry);
        let explanation = record.as_ref().zip(self.store.as_ref());
        Facts {
            explanation: explanation.and_then(|(record, store)| explanation_of(store, record)),
            made: self.made(run, entry, record),
        }
    }

    /// Do the tables call an output of this step a metric?
    pub fn has_metrics(&self, step: &str) -> bool {
        self.step(step).is_some_and(metrics::has_any)
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

    fn made(&self, run: &RunEntry, entry: &StepEntry, record: Option<Record>) -> Option<Made> {
        let maker = self.maker(run, entry);
        let record = record.filter(|record| Some(record.production) == entry.production);
        let stored = || {
            let (step, record, store) = (self.step(&entry.step)?, record.as_ref()?, self.store.as_ref()?);
            Some(metrics::stored(step, record, store))
        };
        // What was measured is in the history of the run that did. Another workspace may have made it.
        let metrics = maker.as_ref().map(|maker| maker.metrics.clone()).or_else(stored).unwrap_or_default();
        match (record, maker) {
            (Some(record), _) => Some(Made {
                run: record.run,
                ended: record.ended,
                took_ms: record.duration_ms,
                artifacts: Some(record.artifacts),
                metrics,
            }),
            (None, Some(Maker { run, ended, took_ms, .. })) => {
                Some(Made { run, ended, took_ms, artifacts: None, metrics })
            }
            (None, None) => None,
        }
    }

    /// The run that made what a step left, and the step in it, if it was one of this workspace.
    fn maker(&self, run: &RunEntry, entry: &StepEntry) -> Option<Maker> {
        if entry.outcome == StepOutcome::Ran {
            return Some(Maker::new(run, entry));
        }
        let (reused, production) = (entry.reused?, entry.production?);
        let mut makers = self.makers.borrow_mut();
        // Most steps of a run were made by few others, and a run may have thousands of steps.
        let made = makers.entry(reused).or_insert_with(|| {
            let run = self.history.read(reused);
            let ran = run.iter().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
            let ran = ran.filter(|(_, step)| step.outcome == StepOutcome::Ran);
            ran.filter_map(|(run, step)| Some((step.production?, Maker::new(run, step)))).collect()
        });
        made.get(&production).cloned()
    }
}

/// A step that ran, in history.
#[derive(Debug, Clone)]
struct Maker {
    run: RunId,
    ended: Timestamp,
    took_ms: u64,
    metrics: BTreeMap<String, f64>,
}

impl Maker {
    fn new(run: &RunEntry, step: &StepEntry) -> Self {
        let after = step.began_ms.unwrap_or_default().saturating_add(step.duration_ms);
        let ended = Timestamp(run.started.0.saturating_add(i64::try_from(after).unwrap_or(i64::MAX)));
        Self { run: run.id, ended, took_ms: step.duration_ms, metrics: step.metrics.clone() }
    }
}
