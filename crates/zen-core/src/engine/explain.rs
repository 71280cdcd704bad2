//! What a step's key is made of, and how it differs from an earlier one. Runs nothing, and decides nothing anew: it
//! shows what the plan was decided on.

use super::history::RunEntry;
use super::session::Session;
use super::settle::explain;
use super::{EngineError, history::StepEntry};
use crate::artifact::{Key, Record};
use crate::event::Planned;
use crate::key::{Change, Explanation, diff};
use crate::model::StepId;

/// A step's key, taken apart.
#[derive(Debug)]
pub struct Explained {
    /// What is to happen with the step, and why.
    pub planned: Planned,
    /// Is it cached, and which place says so?
    pub caching: (bool, &'static str),
    /// The key, or why it is not known.
    pub key: Result<Key, String>,
    /// All that the key is made of; nothing where it is not known.
    pub explanation: Explanation,
    /// What it is compared with: the nearest earlier record of the step that has another key, or that of the run that
    /// was named.
    pub compared: Option<Record>,
    /// What is different from that.
    pub changes: Vec<Change>,
}

impl Session<'_> {
    /// Explains one step of the selection, against the run that is named or the nearest earlier record.
    ///
    /// # Errors
    /// The named run had no such step, or what the step was made from then is no longer in the store.
    pub fn explain(&mut self, step: StepId, against: Option<&RunEntry>) -> Result<Explained, EngineError> {
        let plan = self.plan();
        let planned = plan.into_iter().find(|planned| planned.step == step);
        let planned = planned.ok_or_else(|| EngineError::Usage("the step is not part of the selection".to_owned()))?;
        let Self { world, progress, .. } = self;
        let definition = world.definitions.model.step(step);
        let caching = world.caching(step, definition);
        let key = match progress.decided.get(&step) {
            Some(decided) => decided.key.clone(),
            None => {
                let why: Vec<String> = planned.why.iter().map(ToString::to_string).collect();
                Err(format!("it is known when what it depends on has run: {}", why.join(", ")))
            }
        };
        if !progress.views.contains_key(&step) {
            progress.look_again(world, step);
        }
        let observed = key.is_ok().then(|| progress.observed(world, step).ok()).flatten();
        let explanation = observed.and_then(|observed| explain(definition, &observed)).unwrap_or_default();
        let (compared, changes) = match against {
            _ if key.is_err() => (None, Vec::new()),
            None => world.nearest(definition, &explanation).map_or((None, Vec::new()), |(r, c)| (Some(r), c)),
            Some(run) => {
                let (record, old) = self.of_run(&definition.display_id, run)?;
                (Some(record), diff(&old, &explanation))
            }
        };
        Ok(Explained { planned, caching, key, explanation, compared, changes })
    }

    /// What the step was made from in a run.
    fn of_run(&self, id: &str, run: &RunEntry) -> Result<(Record, Explanation), EngineError> {
        let lost = |why: &str| EngineError::Usage(format!("`{id}` cannot be compared with run {}: {why}", run.id));
        let is_it = |step: &&StepEntry| step.step == id;
        let entry = run.steps.iter().find(is_it).ok_or_else(|| lost("that run had no such step"))?;
        let key = entry.key.ok_or_else(|| lost("it had no key then"))?;
        let record = self.world.store.records.get(&[key]).pop().flatten();
        let record = record.ok_or_else(|| lost("what it made then was not recorded, or is no longer in the store"))?;
        let old = self.world.explanation(&record).ok_or_else(|| lost("its explanation is no longer in the store"))?;
        Ok((record, old))
    }
}
