//! Deciding the steps of a run, one after the other as what they depend on is settled. Runs nothing.

use std::sync::Arc;
use std::time::Duration;

use super::items;
use super::observe;
use super::session::{Decided, Progress, Session, Settled, World, linked, reused, with_linked};
use super::standing::is_of;
use crate::artifact::{Artifact, Key, Node, Record};
use crate::decide::{Decision, Known, Why, decide};
use crate::event::Planned;
use crate::graph::{Edge, EdgeKind};
use crate::key::{self, ArtifactInput, Change, Explanation, KeySink, diff, visit};
use crate::model::{InputSource, Output, Rank, Step, StepId};
use crate::store::Objects;

/// How many earlier records of a step are compared with, to find the nearest.
const EARLIER: usize = 8;

impl Session<'_> {
    /// The plan: everything is decided that can be without running anything. In topological order.
    pub fn plan(&mut self) -> Vec<Planned> {
        let Self { world, progress, .. } = self;
        if let Some(standing) = &mut progress.standing {
            standing.confirm(world);
            // What stood as far as its inputs go and turns out not to stand: looked at together, as at the start.
            let is_open = |step: &StepId| !standing.has(*step) && !progress.views.contains_key(step);
            let open: Vec<StepId> = world.selection.order.iter().copied().filter(is_open).collect();
            let views = items::look(world, &progress.settled, &open);
            progress.views.extend(views);
        }
        for step in &world.selection.order {
            if world.upstream(*step).iter().all(|up| progress.settled.contains_key(up)) {
                progress.decide_step(world, *step);
            }
        }
        world.selection.order.iter().map(|step| progress.planned(world, *step)).collect()
    }
}

impl Session<'_> {
    /// The record that a step of the plan is cached by.
    pub fn record_of(&self, step: StepId) -> Option<Arc<Record>> {
        let decided = self.progress.decided.get(&step)?;
        decided.record.clone().filter(|_| matches!(decided.decision, Decision::Fresh | Decision::Restore))
    }
}

impl Progress {
    fn planned(&self, world: &World<'_>, step: StepId) -> Planned {
        let expected = || world.recorded_duration(step).map(Duration::from_millis);
        match self.decided.get(&step) {
            Some(decided) => Planned {
                step,
                decision: decided.decision,
                why: decided.why.clone(),
                reused: decided.reused(),
                expected: (decided.decision == Decision::Run).then(expected).flatten(),
            },
            None => {
                let model = &world.definitions.model;
                let open = world.upstream(step).into_iter().filter(|up| !self.settled.contains_key(up));
                let why = open.map(|up| Why::Upstream(model.step(up).display_id.clone())).collect();
                Planned { step, decision: Decision::Maybe, why, reused: None, expected: expected() }
            }
        }
    }

    /// Decides a step whose upstream is settled; a cached one is settled by that.
    pub(super) fn decide_step(&mut self, world: &World<'_>, step: StepId) {
        self.stood.remove(&step);
        if let Some(record) = self.record_by_standing(world, step) {
            self.stood.insert(step);
            return self.decide_fresh(step, record);
        }
        if self.views.get(&step).is_none_or(|view| view.items.awaits) {
            self.look_again(world, step);
        }
        let decided = self.decision(world, step);
        if let (Decision::Fresh | Decision::Restore, Some(record)) = (decided.decision, &decided.record) {
            let settled = Settled {
                artifacts: Arc::clone(&record.artifacts),
                production: record.production,
                key: Some(record.key),
                record: Some(record.clone()),
                in_place: decided.on_disk,
            };
            self.settled.insert(step, Arc::new(settled));
        }
        self.decided.insert(step, decided);
    }

    /// The record that the step is fresh by because all stands as it stood: what it reads, what it made, and what is
    /// upstream.
    fn record_by_standing(&self, world: &World<'_>, id: StepId) -> Option<Arc<Record>> {
        let standing = self.standing.as_ref()?;
        let record = standing.record(id)?;
        let stands = |edge: &Edge| {
            let settled = || self.settled.get(&edge.from).zip(standing.record(edge.from));
            // `after` is no part of the key.
            edge.kind == EdgeKind::After
                || !world.is_in_run(edge.from)
                || settled().is_some_and(|(settled, record)| is_of(settled, record))
        };
        let is_cached = world.disabled(id, world.definitions.model.step(id)).is_none();
        let may = is_cached && !world.options.caching.is_forced(id);
        (may && world.definitions.graph.upstream(id).iter().all(stands)).then(|| Arc::clone(record))
    }

    fn decide_fresh(&mut self, step: StepId, record: Arc<Record>) {
        let settled = Settled {
            artifacts: Arc::clone(&record.artifacts),
            production: record.production,
            key: Some(record.key),
            record: Some(Arc::clone(&record)),
            in_place: true,
        };
        self.settled.insert(step, Arc::new(settled));
        let (key, record) = (Ok(record.key), Some(record));
        self.decided.insert(step, Decided { decision: Decision::Fresh, why: Vec::new(), key, record, on_disk: true });
    }

    fn decision(&self, world: &World<'_>, id: StepId) -> Decided {
        let step = world.definitions.model.step(id);
        let disabled = world.disabled(id, step);
        let observed = self.observed(world, id);
        let key = observed.as_ref().map_err(Clone::clone).and_then(|observed| {
            let mut sink = KeySink::default();
            visit(step, observed, &mut sink)?;
            Ok(sink.finish())
        });
        let forced = world.options.caching.is_forced(id);
        let may_look_up = disabled.is_none() && !forced;
        let record = match &key {
            Ok(key) if may_look_up => world.record(step, *key),
            _ => None,
        };
        let on_disk = record.as_ref().is_some_and(|record| world.is_on_disk(step, record));
        let missing = record.as_ref().filter(|_| !on_disk).and_then(|record| world.missing(record));
        let known = Known {
            key: key.clone(),
            disabled,
            forced,
            record: record.as_deref(),
            limit: step.policy.expires_after,
            now: super::now(),
            on_disk,
            missing,
        };
        let (mut decision, why) = decide(&known, || world.changes(step, observed.as_ref().ok()));
        // What is merely needed is put back when a step that runs reads it; until then it counts as fresh.
        if decision == Decision::Restore && !world.is_selected(id) {
            decision = Decision::Fresh;
        }
        Decided { decision, why, key, record, on_disk }
    }

    /// Everything that the step's key is made of, or why that is not known.
    pub(super) fn observed(&self, world: &World<'_>, id: StepId) -> Result<key::Observed, String> {
        let step = world.definitions.model.step(id);
        let owned = self.owned(world, id, true);
        let mut observed = observe::files_of(world.sets(id), &self.views[&id], &owned)?;
        for (at, input) in step.inputs.iter().enumerate() {
            if let InputSource::Artifact(artifacts) = &input.source {
                let artifacts = artifacts.iter().map(|it| self.artifact_input(world, it.step, it.output));
                observed.artifacts.insert(at, artifacts.collect::<Result<_, _>>()?);
            }
        }
        for edge in world.definitions.graph.upstream(id).iter().filter(|edge| edge.kind == EdgeKind::Depends) {
            let from = &world.definitions.model.step(edge.from).display_id;
            let key = self.settled.get(&edge.from).and_then(|settled| settled.key);
            let key = key.ok_or_else(|| format!("`{from}`, which it depends on, has no key"))?;
            observed.depends.push((from.clone(), key));
        }
        observed.env.clone_from(&world.environment(id).keyed);
        observed.platform.clone_from(&world.platform);
        Ok(observed)
    }

    fn artifact_input(&self, world: &World<'_>, from: StepId, output: usize) -> Result<ArtifactInput, String> {
        let upstream = world.definitions.model.step(from);
        let settled = self.settled.get(&from).ok_or_else(|| format!("`{}` is not settled", upstream.display_id))?;
        let declared = &upstream.outputs[output];
        Ok(ArtifactInput {
            cell: upstream.cell_label().to_owned(),
            digest: match &*linked(world, &declared.place, &settled.artifacts[output]) {
                [] => settled.artifacts[output].digest(),
                links => with_linked(settled.artifacts[output].digest(), links.iter().map(|(_, content)| content)),
            },
            production: settled.production,
            by_identity: !declared.content_hash,
            place: declared.place_in_keys().to_vec(),
        })
    }

    /// Looks at one step's files anew.
    pub(super) fn look_again(&mut self, world: &World<'_>, step: StepId) {
        let views = items::look(world, &self.settled, &[step]);
        self.views.extend(views);
    }

    /// What the cached steps of this run had taken when they were made.
    pub(super) fn saved(&self, step: StepId) -> Duration {
        let record = self.settled.get(&step).and_then(|settled| settled.record.as_ref());
        record.map_or(Duration::ZERO, |record| reused(record).saved)
    }
}

impl World<'_> {
    /// The record of a key, if it fits the step's outputs.
    fn record(&self, step: &Step, key: Key) -> Option<Arc<Record>> {
        let record = self.store.records.get(&[key]).pop().flatten()?;
        let names = record.artifacts.iter().map(|artifact| &artifact.name);
        if !names.eq(step.outputs.iter().map(|output| &output.name)) {
            return None;
        }
        // No run of the step ends well without them.
        let is_whole = |(output, artifact): (&Output, &Artifact)| output.optional || !artifact.entries.is_empty();
        step.outputs.iter().zip(&record.artifacts[..]).all(is_whole).then(|| Arc::new(record))
    }

    /// Which place disabled the step's caching?
    pub(super) fn disabled(&self, id: StepId, step: &Step) -> Option<String> {
        let (is_cached, by) = self.caching(id, step);
        (!is_cached).then(|| by.to_owned())
    }

    /// Is the step cached, and which place says so?
    pub(super) fn caching(&self, id: StepId, step: &Step) -> (bool, &'static str) {
        if step.interactive {
            return (false, "`interactive`");
        }
        let (is_cached, rank) =
            if self.options.caching.is_enabled(id) { (true, Rank::CommandLine) } else { step.enable_cache };
        let by = match rank {
            Rank::Default => "default",
            Rank::Workspace => "the workspace",
            Rank::Pipeline => "the pipeline",
            Rank::Step => "the step",
            Rank::Config => "the config file",
            Rank::CommandLine => "the command line",
        };
        (is_cached, by)
    }

    /// Do the outputs on disk match the record? What cannot be looked at does not.
    pub(super) fn is_on_disk(&self, step: &Step, record: &Record) -> bool {
        let places = self.places();
        step.outputs
            .iter()
            .zip(&record.artifacts[..])
            .all(|(output, artifact)| places.matches(&output.place, artifact).unwrap_or(false))
    }

    /// The first artifact of a record that the store does not have whole.
    fn missing(&self, record: &Record) -> Option<String> {
        record.artifacts.iter().find_map(|artifact| {
            let objects: Vec<_> = artifact
                .entries
                .iter()
                .filter_map(|entry| match entry.node {
                    Node::File { digest, size, .. } => Some((digest, size)),
                    Node::Link { .. } | Node::Folder => None,
                })
                .collect();
            self.store.contains(&objects).contains(&false).then(|| artifact.name.clone())
        })
    }

    /// The differences to the nearest earlier record of the step.
    fn changes(&self, step: &Step, observed: Option<&key::Observed>) -> Option<Vec<Change>> {
        self.nearest(step, &explain(step, observed?)?).map(|(_, changes)| changes)
    }

    /// The nearest earlier record of the step that has another key, and what is different now.
    pub(super) fn nearest(&self, step: &Step, now: &Explanation) -> Option<(Record, Vec<Change>)> {
        let earlier = self.store.records.latest_of_step(&step.display_id, EARLIER).into_iter();
        let compared = earlier.filter_map(|record| {
            let changes = diff(&self.explanation(&record)?, now);
            (!changes.is_empty()).then_some((record, changes))
        });
        compared.min_by_key(|(_, changes)| changes.len())
    }

    pub(super) fn explanation(&self, record: &Record) -> Option<Explanation> {
        explanation_of(&self.store, record)
    }

    /// How long the step took when it last ran, in milliseconds; `None` if it never did.
    pub(super) fn recorded_duration(&self, step: StepId) -> Option<u64> {
        let step = self.definitions.model.step(step);
        self.store.records.latest_of_step(&step.display_id, 1).first().map(|record| record.duration_ms)
    }
}

/// An object of explanations is no larger than this, whatever a record says: a million files are less.
const EXPLANATIONS: u64 = 256 << 20;

/// What a record was made from, if the store still has it.
pub(super) fn explanation_of(store: &dyn Objects, record: &Record) -> Option<Explanation> {
    let bytes = store.read_at_most(record.explanation.object, EXPLANATIONS).ok()?;
    postcard::from_bytes(record.explanation.of(&bytes)?).ok()
}

/// The explanation of a key; `None` where there is no key.
pub(super) fn explain(step: &Step, observed: &key::Observed) -> Option<Explanation> {
    let mut explanation = Explanation::default();
    visit(step, observed, &mut explanation).ok()?;
    Some(explanation)
}
