//! Locks of a run: places for all of it, keys for what it produces. Knows not how a lock is made.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::EngineError;
use super::session::World;
use crate::artifact::Key;
use crate::event::{Event, Listener};
use crate::path::RelPath;
use crate::place::remove_leftovers;
use crate::process::{ANCESTORS, Control, Signal};
use crate::store::ground::Ground;
use crate::store::lock::{Guard, Holder, LockError, Locks, place_locks};
use crate::store::series::Held;

/// An attempt at a key.
pub(super) enum Tried {
    /// Nobody else produces it.
    Locked(Held),
    /// Somebody does; the text says who.
    Held(String),
    /// There are no locks here: equal work may be done twice.
    Unavailable,
}

/// Locks the places of all steps of the run, to its end.
///
/// # Errors
/// Somebody else has one of them, and it is not to be waited for: with `--no-wait`, or because it is a run that this
/// one runs in.
pub(super) fn places(
    world: &World<'_>,
    listener: &mut dyn Listener,
    signals: Option<&Receiver<Signal>>,
) -> Result<Guard, EngineError> {
    let model = &world.definitions.model;
    let places: Vec<RelPath> = world
        .selection
        .order
        .iter()
        .flat_map(|step| model.step(*step).outputs.iter().map(|output| output.place.root().clone()))
        .collect();
    let names = place_locks(&places);
    let ground = Ground::new(&world.project.workspace.root, remove_leftovers);
    let locks = Locks::open(world.zen_dir.join("locks")).over(ground);
    let holder = holder(world);
    let (mut is_said, mut unknown) = (false, 0);
    let guard = loop {
        let blocked_by = match locks.try_lock(&names, &holder) {
            Ok(guard) => break guard,
            Err(LockError::Contended { name, holder: other }) => {
                refuse(world, &holder, &name, &other)?;
                Some((format!("`{name}`"), other.what))
            }
            Err(LockError::Unknown) => {
                unknown += 1;
                // At first somebody may only just be making the registry.
                (unknown > BEGINNING)
                    .then(|| (format!("`{}`", world.project.workspace.root.display()), REMOVED.to_owned()))
            }
            Err(LockError::Io(source)) => return Err(zen_folder(world, source)),
        };
        if let Some((on, holder)) = blocked_by.filter(|_| !is_said) {
            if world.options.no_wait {
                return Err(EngineError::Locked(format!("{on} is in use by {holder}")));
            }
            listener.event(&Event::Blocking { on, holder });
            is_said = true;
        }
        if let Some(signal) = pause(signals) {
            return Err(EngineError::Stopped(signal));
        }
    };
    if let Some(warning) = locks.warning() {
        listener.event(&Event::Warning(crate::diag::Diagnostic::warning(warning)));
    }
    Ok(guard)
}

/// Locks places that no step of this run has any more. `None`: a run that knew such a step goes on.
pub(super) fn former_places(world: &World<'_>, paths: &[RelPath]) -> Option<Guard> {
    let selected = world.selection.order.iter().flat_map(|step| &world.definitions.model.step(*step).outputs);
    // What this run has already.
    let ours: Vec<&RelPath> = selected.map(|output| output.place.root()).collect();
    let others: Vec<RelPath> =
        paths.iter().filter(|path| !ours.iter().any(|ours| path.starts_with(ours))).cloned().collect();
    Locks::open(world.zen_dir.join("locks")).try_lock(&place_locks(&others), &holder(world)).ok()
}

fn refuse(world: &World<'_>, me: &Holder, name: &str, other: &Holder) -> Result<(), EngineError> {
    if me.ancestors.contains(&other.pid) {
        return Err(EngineError::Locked(format!(
            "`{name}` is locked by {}, which this cargo zen runs in: it would wait for itself; make the inner steps \
             part of the outer pipeline, or of another one with other outputs",
            other.what
        )));
    }
    if world.options.no_wait {
        return Err(EngineError::Locked(format!(
            "`{name}` is locked by {}; leave out --no-wait to wait for it",
            other.what
        )));
    }
    Ok(())
}

/// Tries to be the one who produces a key.
pub(super) fn try_key(world: &World<'_>, key: Key) -> Tried {
    if !world.store.is_writable() {
        return Tried::Unavailable;
    }
    match world.key_locks.try_lock(&key.to_string(), &holder(world)) {
        Ok(guard) => Tried::Locked(guard),
        // An ancestor waits for this process: it would be waited for in vain. So equal work is done twice, as it is
        // where nothing is to be waited for.
        Err(LockError::Contended { holder: other, .. })
            if !world.options.no_wait && !ancestors(world).contains(&other.pid) =>
        {
            Tried::Held(other.what)
        }
        Err(_) => Tried::Unavailable,
    }
}

/// Waits until nobody else produces the key; `None` if the run is stopped meanwhile, or there are no locks.
pub(super) fn wait_key(world: &World<'_>, control: &Control, key: Key) -> Option<Held> {
    while control.stopped().is_none() {
        match try_key(world, key) {
            Tried::Locked(guard) => return Some(guard),
            Tried::Unavailable => return None,
            Tried::Held(_) => control.pause(GLANCE),
        }
    }
    None
}

/// Glances after which somebody without claims is not merely beginning.
const BEGINNING: u32 = 8;

/// Who has no claims any more.
const REMOVED: &str = "a run that began before the zen folder was removed";

/// A lock cannot be waited for and a signal as well, so it is glanced at.
const GLANCE: Duration = Duration::from_millis(25);

/// A short while, or less if a signal comes.
fn pause(signals: Option<&Receiver<Signal>>) -> Option<Signal> {
    match signals {
        Some(signals) => signals.recv_timeout(GLANCE).ok(),
        None => {
            Control::default().pause(GLANCE);
            None
        }
    }
}

fn holder(world: &World<'_>) -> Holder {
    Holder { pid: std::process::id(), what: world.options.request.clone(), ancestors: ancestors(world) }
}

/// The processes of the runs that this one runs in, outermost first.
fn ancestors(world: &World<'_>) -> Vec<u32> {
    let text = world.project.workspace.env.get(std::ffi::OsStr::new(ANCESTORS)).and_then(|text| text.to_str());
    text.unwrap_or_default().split(',').filter_map(|pid| pid.parse().ok()).collect()
}

/// The value of [`ANCESTORS`] for what this process starts.
pub(super) fn with_ours(world: &World<'_>) -> String {
    let ancestors = ancestors(world).into_iter().chain([std::process::id()]);
    ancestors.map(|pid| pid.to_string()).collect::<Vec<_>>().join(",")
}

fn zen_folder(world: &World<'_>, source: std::io::Error) -> EngineError {
    EngineError::ZenFolder { folder: world.zen_dir.clone(), source }
}
