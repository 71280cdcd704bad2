//! After a step succeeded: its objects, its explanation, and last of all its record. What forbids that makes the step
//! run again next time, and nothing else.

use super::attempt::Attempt;
use super::job::End;
use super::run::millis;
use super::session::Settled;
use super::settle::explain;
use crate::artifact::{Artifact, Key, Node, Production, Record, RunId};
use crate::diag::Diagnostic;
use crate::digest::Digest;
use crate::event::Event;
use crate::store::Objects;

impl Attempt<'_, '_> {
    /// What the step leaves, with its record if it may have one.
    pub(super) fn commit(&self, artifacts: Vec<Artifact>, end: &End) -> Settled {
        let production = Production(fresh_identity());
        let mut settled = Settled { artifacts, production, key: self.key.clone().ok(), record: None, in_place: true };
        let (Some(key), true) = (settled.key, self.may_record()) else { return settled };
        let recorded = self.record(key, &settled, end).and_then(|record| {
            self.compare(&record);
            let appended = self.work.world.store.records.append(std::slice::from_ref(&record));
            appended.map(|()| record).map_err(|error| error.to_string())
        });
        match recorded {
            Ok(record) => settled.record = Some(record),
            Err(why) => self.event(Event::Warning(
                Diagnostic::warning(format!("step `{}` is not recorded: {why}", self.step.display_id))
                    .note("its outputs are in place; it runs again next time"),
            )),
        }
        settled
    }

    fn record(&self, key: Key, settled: &Settled, end: &End) -> Result<Record, String> {
        let store = &self.work.world.store;
        let explanation = self.job.observed.as_ref().and_then(|observed| explain(self.step, observed));
        let explanation = explanation.ok_or("its key cannot be explained")?;
        let bytes = postcard::to_stdvec(&explanation).map_err(|error| error.to_string())?;
        let explanation = store.put_bytes(&bytes).map_err(|error| error.to_string())?;
        let entries = settled.artifacts.iter().flat_map(|artifact| &artifact.entries);
        let files = entries.filter_map(|entry| match entry.node {
            Node::File { digest, size, .. } => Some((digest, size)),
            Node::Link { .. } | Node::Folder => None,
        });
        let objects: Vec<(Digest, u64)> = files.collect();
        if store.contains(&objects).contains(&false) {
            return Err("its outputs could not be stored".to_owned());
        }
        Ok(Record {
            key,
            production: settled.production,
            step: self.step.display_id.clone(),
            run: self.work.run.unwrap_or(RunId(0)),
            ended: super::now(),
            duration_ms: millis(end.duration),
            artifacts: settled.artifacts.clone(),
            explanation,
            log: end.log,
        })
    }

    /// The same key with other bytes: the newest production replaces the record, and that is said.
    fn compare(&self, record: &Record) {
        let Some(old) = self.work.world.store.records.get(&[record.key]).pop().flatten() else { return };
        let mut pairs = old.artifacts.iter().zip(&record.artifacts);
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

fn fresh_identity() -> [u8; 16] {
    // `RandomState` is seeded by the system's random numbers.
    use std::hash::{BuildHasher, RandomState};
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_le_bytes());
    identity[8..].copy_from_slice(&RandomState::new().hash_one(super::now().0).to_le_bytes());
    identity
}
