//! Before and after the steps of a run: what an interrupted run left, what the tables no longer define, whether the
//! outputs still stand, the caches, garbage. Knows no schedule.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::history::{StepEntry, StepOutcome};
use super::job::chain;
use super::locks;
use super::session::{Progress, Session, World};
use crate::artifact::{Key, Node};
use crate::diag::Diagnostic;
use crate::event::{Event, Listener};
use crate::model::{StepId, StepMap, split_id};
use crate::path::RelPath;
use crate::place::Replaced;

/// Puts back what a run that was killed had set aside, and removes what zen left for steps that the tables no longer
/// define. The places are locked, and nothing was decided yet.
pub(super) fn recover(world: &World<'_>, progress: &Progress, warn: &mut dyn FnMut(Diagnostic)) {
    let model = &world.definitions.model;
    let places = world.places();
    let own = |path: &RelPath, node: &Node| world.is_own(None, path, node);
    if places.is_interrupted().unwrap_or(true) {
        let mut recover = |step: &str| {
            let mut replaced = Replaced::new(format!("recovered-{}", world.now.0));
            match places.recover(step, &own, &mut replaced) {
                Ok(back) if back.is_empty() && replaced.moved.is_empty() => {}
                Ok(back) => warn(recovered(world, step, &back, &replaced)),
                Err(error) => warn(Diagnostic::warning(format!(
                    "what an interrupted run of step `{step}` set aside could not be put back: {}",
                    chain(&error)
                ))),
            }
        };
        world.selection.order.iter().for_each(|id| recover(&model.step(*id).display_id));
        // Nobody else would ever do it for a step that the tables no longer have.
        let defined: BTreeSet<&str> = model.step_ids().map(|id| &*model.step(id).display_id).collect();
        let left = places.interrupted().unwrap_or_default();
        for (step, paths) in left.iter().filter(|(step, _)| !defined.contains(step.as_str())) {
            if let Some(_guard) = locks::former_places(world, paths) {
                recover(step);
            }
        }
    }
    // Nothing was defined otherwise when what stands was noted, and nobody left anything since.
    if !progress.standing.as_ref().is_some_and(|standing| standing.is_ledger_same(world)) {
        forget_undefined(world, warn);
    }
}

/// What was done about a run of `step` that was killed.
fn recovered(world: &World<'_>, step: &str, back: &[RelPath], replaced: &Replaced) -> Diagnostic {
    let mut told = Diagnostic::warning(format!("an earlier run of step `{step}` was killed"));
    if !back.is_empty() {
        let paths: Vec<String> = back.iter().map(ToString::to_string).collect();
        told = told.note(format!("put back as it was before: {}", paths.join(", ")));
    }
    for (path, to) in &replaced.moved {
        told = told.note(format!("what lay at `{path}` since is moved to {}", world.shown(to)));
    }
    told
}

/// A step or output that is gone from a pipeline of this run: what zen left for it is removed, if it still is that.
fn forget_undefined(world: &World<'_>, warn: &mut dyn FnMut(Diagnostic)) {
    let model = &world.definitions.model;
    let pipelines: BTreeSet<String> =
        world.selection.order.iter().map(|step| model.pipeline(model.step(*step).pipeline).display_id()).collect();
    let defined: HashMap<&str, StepId> =
        model.step_ids().map(|step| (model.step(step).display_id.as_str(), step)).collect();
    for (step, entries) in world.ledger.steps() {
        let in_pipeline = split_id(&step).is_some_and(|(pipeline, _)| pipelines.contains(pipeline));
        if !in_pipeline {
            continue;
        }
        let current = defined.get(step.as_str()).map(|id| model.step(*id));
        let is_current =
            |path: &RelPath| current.is_some_and(|step| step.outputs.iter().any(|output| output.place.owns(path)));
        // Another step may have taken the place over; its bytes are not looked at.
        let is_other = |path: &RelPath| world.outputs.iter().any(|place| place.owns(path));
        let (kept, gone): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(path, node)| is_current(path) || *node == Node::Folder && is_other(path));
        let gone: Vec<(RelPath, Node)> = gone.into_iter().filter(|(path, _)| !is_other(path)).collect();
        if gone.is_empty() {
            continue;
        }
        let mut replaced = Replaced::new(format!("former-{}", world.now.0));
        let had = |_: &RelPath, node: &Node| world.is_stored(node);
        let done = world.places().remove_own(&gone, &had, &mut replaced).map_err(|error| chain(&error));
        // Whoever says what zen left may be wrong: nothing of the user's goes without a word.
        for path in done.iter().flatten().filter(|path| !path.starts_with(&world.project.workspace.layout.zen_dir)) {
            if !replaced.moved.iter().any(|(moved, _)| moved == path) {
                warn(Diagnostic::warning(format!("`{path}` was left by the former step `{step}`: removed")));
            }
        }
        for (path, to) in &replaced.moved {
            warn(
                Diagnostic::warning(format!("`{path}` was left by the former step `{step}`, and the store lacks it"))
                    .note(format!("moved to {}", world.shown(to))),
            );
        }
        let noted = world.ledger.set(&step, &kept.into_iter().collect()).map_err(|error| error.to_string());
        if let Err(error) = done.map(drop).and(noted) {
            warn(Diagnostic::warning(format!("what the former step `{step}` left could not be removed: {error}")));
        }
    }
}

/// The outputs of the selected steps, once more at the end: says which no longer match, and who ran meanwhile. Gives
/// whether any does not.
pub(super) fn check_outputs(
    world: &World<'_>,
    progress: &Progress,
    steps: &StepMap<StepEntry>,
    listener: &mut dyn Listener,
) -> bool {
    let model = &world.definitions.model;
    let mut ran: Vec<&str> = steps
        .values()
        .filter(|step| matches!(step.outcome, StepOutcome::Ran | StepOutcome::Failed))
        .map(|step| step.step.as_str())
        .collect();
    ran.sort_unstable();
    let places = world.places();
    let mut failed = false;
    let ended_well = |id: &StepId| {
        steps.get(id).is_some_and(|step| !matches!(step.outcome, StepOutcome::Failed | StepOutcome::Skipped))
    };
    let ended: Vec<StepId> = world.selection.selected.iter().copied().filter(ended_well).collect();
    let (stood, mut open): (Vec<StepId>, Vec<StepId>) = ended.into_iter().partition(|id| progress.stood.contains(id));
    open.extend(progress.standing.iter().flat_map(|standing| standing.moved(world, &stood)));
    open.sort_unstable();
    for id in &open {
        let (step, Some(settled)) = (model.step(*id), progress.settled.get(id)) else { continue };
        for (output, artifact) in step.outputs.iter().zip(&settled.artifacts[..]) {
            if places.matches(&output.place, artifact).unwrap_or(false) {
                continue;
            }
            failed = true;
            let others: Vec<&str> = ran.iter().copied().filter(|name| *name != step.display_id).collect();
            listener.event(&Event::Warning(
                Diagnostic::error(format!(
                    "output `{}` of step `{}` was changed while the run went on",
                    output.name, step.display_id
                ))
                .at(output.span, format!("at `{}`", output.place.root()))
                .note(if others.is_empty() {
                    "no other step ran meanwhile".to_owned()
                } else {
                    format!("meanwhile ran: {}", others.join(", "))
                })
                .help("no two steps may write to one place: declare it as the output of the one that does"),
            ));
        }
    }
    failed
}

/// What can wait until the steps are done: the stat cache, uses of records, garbage.
pub(super) fn tidy_up(session: &mut Session<'_>, contexts: &Path, listener: &mut dyn Listener) {
    let mut problems: Vec<String> = Vec::new();
    if let Err(error) = session.save() {
        problems.push(format!("the stat cache cannot be written ({error}): files are read again next time"));
    }
    let world = &session.world;
    let keys = || session.progress.settled.values().filter_map(|settled| settled.key);
    if world.store.is_writable() {
        let is_noted = session.progress.standing.as_ref().is_some_and(|standing| standing.was_used(world.now));
        let used =
            session.progress.settled.iter().filter(|(step, _)| !is_noted || !session.progress.stood.contains(step));
        let used: Vec<Key> = used.filter_map(|(_, settled)| settled.key).collect();
        if let Err(error) = world.store.records.touch(&used, world.now) {
            problems.push(format!("the uses of records cannot be written ({error})"));
        }
        if let Some(error) = world.store.records.trouble() {
            let folder = world.store.folder();
            problems.push(format!(
                "the records in `{}` cannot be read ({error}): what they hold runs again",
                folder.display()
            ));
        }
        let max = world.definitions.model.settings.store_max_size;
        let of_this_run: LazyCell<BTreeSet<Key>, _> = LazyCell::new(|| keys().collect());
        let latest = |record: &crate::artifact::Record| {
            of_this_run.contains(&record.key)
                || world.store.records.latest_of_step(&record.step, 1).iter().any(|last| last.key == record.key)
        };
        match world.store.collect_garbage(max, &latest, world.now) {
            Ok(Some(removed)) if removed.records > 0 => listener.event(&Event::Note(format!(
                "{} old records were removed, so that the store is no larger than `store.max-size`",
                removed.records
            ))),
            Ok(_) => {}
            Err(error) => problems.push(format!("garbage cannot be collected: {}", chain(&error))),
        }
    }
    if let Some(standing) = &session.progress.standing
        && world.store.is_writable()
        && let Err(error) = standing.save(world, &session.progress)
    {
        problems.push(format!("what stands now cannot be noted ({error}): it is looked at again next time"));
    }
    if let Err(error) = std::fs::remove_dir_all(contexts)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        problems.push(format!("`{}` cannot be removed: {error}", contexts.display()));
    }
    for problem in problems {
        listener.event(&Event::Warning(Diagnostic::warning(problem)));
    }
}
