//! After a step succeeded: its objects, its explanation, and the record that comes last of all. What forbids that makes the step
//! run again next time, and nothing else.

use std::sync::Arc;

use super::attempt::Attempt;
use super::job::{End, Ended};
use super::recording::Unrecorded;
use super::run::millis;
use super::session::Settled;
use super::settle::explain;
use crate::artifact::{Artifact, Key, Node, Piece, Production, Record, RunId};
use crate::diag::Diagnostic;
use crate::digest::Digest;
use crate::event::Event;
use crate::model::Step;
use crate::store::Objects;

impl Attempt<'_, '_> {
    /// How a step ended that succeeded.
    pub(super) fn ended(&self, artifacts: Arc<[Artifact]>, end: End) -> Ended {
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
                self.event(not_recorded(self.step, &why));
                (settled, None)
            }
        }
    }

    fn unrecorded(&self, key: Key, settled: &Settled, end: &End) -> Result<Unrecorded, String> {
        let store = &self.work.world.store;
        let explanation = self.job.observed.as_ref().and_then(|observed| explain(self.step, observed));
        let explanation = explanation.ok_or("its key cannot be explained")?;
        let explanation = postcard::to_stdvec(&explanation).map_err(|error| error.to_string())?;
        let entries = settled.artifacts.iter().flat_map(|artifact| &artifact.entries);
        let files = entries.filter_map(|entry| match entry.node {
            Node::File { digest, size, .. } => Some((digest, size)),
            Node::Link { .. } | Node::Folder => None,
        });
        let objects: Vec<(Digest, u64)> = files.collect();
        if store.contains(&objects).contains(&false) {
            return Err("its outputs could not be stored".to_owned());
        }
        let record = Record {
            key,
            production: settled.production,
            step: self.step.display_id.clone(),
            run: self.work.run.unwrap_or(RunId(0)),
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

/// What is said of a step that succeeded and could not be recorded.
pub(super) fn not_recorded(step: &Step, why: &str) -> Event {
    Event::Warning(
        Diagnostic::warning(format!("step `{}` is not recorded: {why}", step.display_id))
            .note("its outputs are in place; it runs again next time"),
    )
}

fn fresh_identity() -> [u8; 16] {
    // `RandomState` is seeded by the system's random numbers.
    use std::hash::{BuildHasher, RandomState};
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_le_bytes());
    identity[8..].copy_from_slice(&RandomState::new().hash_one(super::now().0).to_le_bytes());
    identity
}
