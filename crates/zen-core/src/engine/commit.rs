//! After a step succeeded: its objects, its explanation, and the record that comes last of all. What forbids that makes the step
//! run again next time, and nothing else.

use std::io;
use std::sync::Arc;

use super::attempt::Attempt;
use super::job::{End, Ended, Message};
use super::recording::Unrecorded;
use super::run::millis;
use super::session::Settled;
use super::settle::explain;
use crate::artifact::{Artifact, Key, Node, Piece, Production, Record, RunId};
use crate::diag::Diagnostic;
use crate::digest::Digest;
use crate::event::Event;
use crate::model::{Model, Step, StepId};
use crate::store::Objects;
use crate::store::local::LocalStore;

impl Attempt<'_, '_> {
    /// How a step ended that succeeded.
    pub(super) fn ended(&self, artifacts: Arc<[Artifact]>, end: End) -> Ended {
        let end = End { metrics: self.metrics(&artifacts), ..end };
        let (settled, unrecorded) = self.commit(artifacts, &end);
        Ended::Ran { settled: Box::new(settled), unrecorded: unrecorded.map(Box::new), end: Box::new(end) }
    }

    /// What the step leaves, and the record that it is to have, if it may have one.
    fn commit(&self, artifacts: Arc<[Artifact]>, end: &End) -> (Settled, Option<Unrecorded>) {
        let production = Production(fresh_identity());
        let settled = Settled { artifacts, production, key: self.key.clone().ok(), record: None, in_place: true };
        let (Some(key), true) = (settled.key, self.may_record()) else { return (settled, None) };
        if !self.work.are_places_ours(self.say) {
            return (settled, None);
        }
        match self.unrecorded(key, &settled, end) {
            Ok(unrecorded) => {
                self.compare(&unrecorded.record);
                (settled, Some(unrecorded))
            }
            Err(why) => {
                (self.say)(Message::Unkept { step: self.job.step, why });
                (settled, None)
            }
        }
    }

    fn unrecorded(&self, key: Key, settled: &Settled, end: &End) -> Result<Unrecorded, Unkept> {
        let store = &self.work.world.store;
        let explanation = self.job.observed.as_ref().and_then(|observed| explain(self.step, observed));
        let explanation = explanation.ok_or_else(|| Unkept::because("its key cannot be explained"))?;
        let explanation = postcard::to_stdvec(&explanation).map_err(|error| Unkept::because(error.to_string()))?;
        let entries = settled.artifacts.iter().flat_map(|artifact| &artifact.entries);
        let files = entries.filter_map(|entry| match entry.node {
            Node::File { digest, size, .. } => Some((digest, size)),
            Node::Link { .. } | Node::Folder => None,
        });
        let objects: Vec<(Digest, u64)> = files.collect();
        if store.contains(&objects).contains(&false) {
            let lost = || Unkept::because("its outputs are no longer in the store: somebody removes things there");
            return Err(self.not_stored.clone().unwrap_or_else(lost));
        }
        let record = Record {
            key,
            production: settled.production,
            step: self.step.display_id.clone(),
            run: self.work.run.unwrap_or(RunId::NONE),
            ended: super::now(),
            duration_ms: millis(end.duration),
            artifacts: settled.artifacts.clone(),
            // Known when it is written.
            explanation: Piece { object: Digest([0; 32]), at: 0, len: 0 },
            log: end.log,
        };
        Ok(Unrecorded { record, explanation })
    }

    /// The same key with other bytes: the newest production replaces the record, and that is said.
    fn compare(&self, record: &Record) {
        let Some(old) = self.work.world.store.records.get(&[record.key]).pop().flatten() else { return };
        let mut pairs = old.artifacts.iter().zip(&record.artifacts[..]);
        let Some((_, new)) = pairs.find(|(old, new)| old.digest() != new.digest()) else { return };
        let name = &self.step.display_id;
        self.event(Event::Warning(
            Diagnostic::warning(format!(
                "step `{name}` wrote other bytes than before from the same inputs: output `{}` differs",
                new.name
            ))
            .at(self.step.span, "this step is not deterministic, or reads what it does not declare")
            .help("declare what it reads, or fix what varies (time, randomness, order)"),
        ));
    }
}

/// Why a step that succeeded is not recorded.
#[derive(Debug, Clone)]
pub(super) struct Unkept {
    why: String,
    /// What to do about it.
    help: Option<String>,
    /// It may well be so with every other step.
    is_of_store: bool,
}

/// The steps of a run that are not recorded. What is wrong with the store is told once.
#[derive(Debug, Default)]
pub(super) struct AllUnkept {
    is_store_told: bool,
    untold: Vec<StepId>,
}

impl AllUnkept {
    /// What is to be told of this one at once.
    pub(super) fn add(&mut self, model: &Model, step: StepId, why: Unkept) -> Option<Event> {
        if why.is_of_store && std::mem::replace(&mut self.is_store_told, true) {
            self.untold.push(step);
            return None;
        }
        Some(why.event(model.step(step)))
    }

    /// What is to be told of all the others at the end.
    pub(super) fn rest(self, model: &Model) -> Option<Event> {
        const NAMED: usize = 5;
        let named = |step: &StepId| format!("`{}`", model.step(*step).display_id);
        let mut names: Vec<String> = self.untold.iter().take(NAMED).map(named).collect();
        match self.untold.len() {
            0 => return None,
            count if count > NAMED => names.push(format!("{} more", count - NAMED)),
            _ => {}
        }
        let text = format!("not recorded either, because of the store: {}", names.join(", "));
        Some(Event::Warning(Diagnostic::warning(text).note("their outputs are in place; they run again next time")))
    }
}

impl Unkept {
    /// Something about the step itself.
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: None, is_of_store: false }
    }

    /// The store did not take `what`.
    pub(super) fn by_store(store: &LocalStore, what: &str, error: &io::Error) -> Self {
        let dir = store.dir().display();
        let (help, is_of_store) = match error.kind() {
            // It says itself what is wrong with what was to be stored.
            io::ErrorKind::InvalidData => return Self::because(error.to_string()),
            // Not the store's doing.
            io::ErrorKind::ResourceBusy => ("does a process of the step still run?".to_owned(), false),
            _ => (format!("see that the store in `{dir}` can be written, and that its disk has space"), true),
        };
        Self { why: format!("{what} could not be stored: {error}"), help: Some(help), is_of_store }
    }

    fn event(self, step: &Step) -> Event {
        let warning = Diagnostic::warning(format!("step `{}` is not recorded: {}", step.display_id, self.why))
            .note("its outputs are in place; it runs again next time");
        Event::Warning(self.help.into_iter().fold(warning, Diagnostic::help))
    }
}

fn fresh_identity() -> [u8; 16] {
    // `RandomState` is seeded by the system's random numbers.
    use std::hash::{BuildHasher, RandomState};
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_le_bytes());
    identity[8..].copy_from_slice(&RandomState::new().hash_one(super::now().0).to_le_bytes());
    identity
}
