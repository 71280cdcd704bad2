//! Removing cached results: which records, which outputs. Knows not how the store removes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::history::History;
use super::job::chain;
use super::ledger::Ledger;
use super::{Definitions, EngineError, Project, git, select};
use crate::artifact::{Key, Node, Record, Timestamp};
use crate::decide::age_text;
use crate::graph::Request;
use crate::model::{Step, split_id};
use crate::path::RelPath;
use crate::place::{Own, PlaceError, Places, Replaced};
use crate::scan::Scanner;
use crate::scan::cache::StatCache;
use crate::store::Objects;
use crate::store::gc::Removed;
use crate::store::local::{Access, LocalStore};
use crate::store::records::Stored;

/// What to remove.
#[derive(Debug, Clone, Default)]
pub struct CleanRequest {
    /// What no policy of now would accept.
    pub expired: bool,
    /// What was not used for this long.
    pub older_than: Option<Duration>,
    /// The least recently used, until the store is no larger.
    pub max_size: Option<u64>,
    /// Results of this pipeline alone.
    pub pipeline: Option<String>,
    /// Results of this step alone.
    pub step: Option<String>,
    /// Everything in the store.
    pub all: bool,
    /// The outputs in the workspace as well.
    pub outputs: bool,
    /// What was set aside in `replaced/`.
    pub replaced: bool,
    /// Say what would be removed, remove nothing.
    pub dry_run: bool,
}

impl CleanRequest {
    /// Is something other than records all that is asked for?
    fn wants_no_records(&self) -> bool {
        let wanted = self.expired || self.older_than.is_some() || self.max_size.is_some() || self.all;
        (self.outputs || self.replaced) && !wanted
    }
}

/// What was removed.
#[derive(Debug, Clone, Default)]
pub struct Cleaned {
    /// Records and objects; `None` if something else is all that was asked for.
    pub store: Option<Removed>,
    /// A line for each record that expired: step, age, limit.
    pub expired: Vec<String>,
    /// Outputs that were removed.
    pub outputs: Vec<RelPath>,
    /// What no output that is defined now can have left: moved to `replaced/`, and where it is there.
    pub moved: Vec<(RelPath, PathBuf)>,
    /// Bytes of `replaced/`.
    pub replaced: u64,
}

/// Removes what `request` says.
///
/// # Errors
/// The store cannot be used, or is in use; a name that does not exist.
pub fn clean(
    project: &Project,
    definitions: &Definitions,
    store_dir: Option<&Path>,
    request: &CleanRequest,
    now: Timestamp,
) -> Result<Cleaned, EngineError> {
    let mut cleaned = Cleaned::default();
    let zen_dir = project.create_zen_dir()?;
    let ledger = Ledger::open(&zen_dir.join("places.log"));
    // Asked first: if git cannot say, nothing is removed at all.
    let tracked = if request.outputs { git::tracked(&project.workspace.root)? } else { BTreeSet::new() };
    let folder = project.store_folder(&definitions.model, store_dir);
    let store = match folder.exists() {
        true => Some(LocalStore::open(&folder, if request.dry_run { Access::Read } else { Access::Write })?),
        false => None,
    };
    let records = store.iter().flat_map(|store| store.records.all()).map(|stored| stored.record.step);
    check_names(definitions, request, &records.chain(ledger.steps().into_keys()).collect())?;
    if !request.wants_no_records() {
        cleaned.store = Some(match &store {
            None => Removed::default(),
            Some(store) if request.all => store.clear_all(request.dry_run)?,
            Some(store) => {
                // In a store that others use as well, only what this workspace's runs used.
                let used = if folder == zen_dir { None } else { Some(used_keys(&zen_dir)?) };
                let is_ours = |record: &Record| used.as_ref().is_none_or(|used| used.contains(&record.key));
                remove_records(definitions, store, request, now, &is_ours, &mut cleaned.expired)?
            }
        });
    }
    if request.outputs {
        let defined = |path: &RelPath| {
            let outputs = definitions.model.steps.iter().flat_map(|step| &step.outputs);
            outputs.into_iter().any(|output| output.place.owns(path))
        };
        let had = |path: &RelPath, node: &Node| {
            defined(path)
                || matches!(node, Node::File { digest, .. } if store.as_ref().is_some_and(|store| store.read(*digest).is_ok()))
        };
        let mut replaced = Replaced::new(format!("cleaned-{}", now.0));
        let removed = remove_outputs(project, &zen_dir, &ledger, &tracked, request, &had, &mut replaced)?;
        let is_moved = |path: &RelPath| replaced.moved.iter().any(|(moved, _)| moved == path);
        cleaned.outputs = removed.into_iter().filter(|path| !is_moved(path)).collect();
        cleaned.moved = replaced.moved;
    }
    if request.replaced {
        let folder = zen_dir.join("replaced");
        let failed = |source| EngineError::ZenFolder { folder: folder.clone(), source };
        cleaned.replaced = size_of(&folder).map_err(failed)?;
        if !request.dry_run && folder.is_dir() {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
    }
    Ok(cleaned)
}

/// The keys that this workspace's runs used, as far as its history goes back.
fn used_keys(zen_dir: &Path) -> Result<BTreeSet<Key>, EngineError> {
    let history = History::new(&zen_dir.join("runs"));
    let runs = history.newest_first();
    let runs = runs.map_err(|source| EngineError::ZenFolder { folder: zen_dir.to_owned(), source })?;
    Ok(runs.flat_map(|run| run.steps).filter_map(|step| step.key).collect())
}

/// Names must be defined here, or stand in the store or in the ledger: `left` has the ids of those.
fn check_names(definitions: &Definitions, request: &CleanRequest, left: &BTreeSet<String>) -> Result<(), EngineError> {
    let model = &definitions.model;
    let is_left = |request: CleanRequest| left.iter().any(|step| is_meant(&request, step));
    if let Some(name) = &request.pipeline
        && !model.pipelines.iter().any(|pipeline| is_pipeline(name, &pipeline.name, &pipeline.display_id()))
        && !is_left(CleanRequest { pipeline: Some(name.clone()), ..CleanRequest::default() })
    {
        select(definitions, &Request { names: vec![name.clone()], ..Request::default() })?;
        return Err(EngineError::Usage(format!("`{name}` is not the name of a pipeline")));
    }
    if let Some(name) = &request.step
        && !model.steps.iter().any(|step| is_step(name, &step.display_id))
        && !is_left(CleanRequest { step: Some(name.clone()), ..CleanRequest::default() })
    {
        select(definitions, &Request { steps: vec![name.clone()], ..Request::default() })?;
        return Err(EngineError::Usage(format!("`{name}` is not the name of a step")));
    }
    Ok(())
}

fn is_pipeline(name: &str, pipeline: &str, display_id: &str) -> bool {
    name == pipeline || name == display_id
}

fn is_step(name: &str, display_id: &str) -> bool {
    // A step's name means all of its cells.
    let base = display_id.split('[').next().unwrap_or(display_id);
    [display_id, base].into_iter().any(|id| name == id || split_id(id).is_some_and(|(_, step)| step == name))
}

/// Does a record's step, by its display id, belong to what is named?
fn is_meant(request: &CleanRequest, display_id: &str) -> bool {
    let (pipeline_id, _) = split_id(display_id).unwrap_or((display_id, ""));
    let pipeline = pipeline_id.rsplit_once(':').map_or(pipeline_id, |(_, pipeline)| pipeline);
    request.pipeline.as_ref().is_none_or(|name| is_pipeline(name, pipeline, pipeline_id))
        && request.step.as_ref().is_none_or(|name| is_step(name, display_id))
}

fn remove_records(
    definitions: &Definitions,
    store: &LocalStore,
    request: &CleanRequest,
    now: Timestamp,
    is_ours: &dyn Fn(&Record) -> bool,
    expired: &mut Vec<String>,
) -> Result<Removed, EngineError> {
    let is_meant = |record: &Record| is_ours(record) && is_meant(request, &record.step);
    if let Some(max) = request.max_size {
        let outside = |record: &Record| !is_meant(record);
        return Ok(store.shrink(max, &outside, now, request.dry_run)?);
    }
    let mut keys: BTreeSet<Key> = BTreeSet::new();
    let limits = limits(definitions);
    for stored in store.records.all().iter().filter(|stored| is_meant(&stored.record)) {
        let record = &stored.record;
        let is_old = request.older_than.is_some_and(|limit| {
            u128::from(now.0.saturating_sub(stored.last_used.0).max(0).unsigned_abs()) >= limit.as_millis()
        });
        let over = limits.get(record.step.as_str()).and_then(|limit| over_limit(stored, *limit, now));
        let goes = match (request.expired, request.older_than) {
            (true, None) => over.is_some(),
            (true, Some(_)) => over.is_some() || is_old,
            (false, Some(_)) => is_old,
            (false, None) => true,
        };
        if goes {
            keys.insert(record.key);
            if let (true, Some((age, limit))) = (request.expired, over) {
                let (age, limit) = (age_text(age), age_text(limit));
                expired.push(format!("{} (run {}, {age} old, limit {limit})", record.step, record.run));
            }
        }
    }
    Ok(store.remove_records(&|stored| keys.contains(&stored.record.key), request.dry_run)?)
}

/// The limit of each step, if every step that may use its records has one: steps of the same definition share them, so
/// the longest counts.
fn limits(definitions: &Definitions) -> BTreeMap<&str, Option<Duration>> {
    let model = &definitions.model;
    let with_limit = model.steps.iter().filter(|step| step.policy.expires_after.is_some());
    with_limit
        .map(|step| {
            let same = model.steps.iter().filter(|other| may_share(step, other));
            let limits: Option<Vec<Duration>> = same.map(|other| other.policy.expires_after).collect();
            (step.display_id.as_str(), limits.and_then(|limits| limits.into_iter().max()))
        })
        .collect()
}

/// Could both have equal keys? In doubt, yes: then nothing is removed that one of them may still use.
fn may_share(a: &Step, b: &Step) -> bool {
    let outputs = |step: &Step| step.outputs.iter().map(|output| output.name.clone()).collect::<Vec<_>>();
    a.display_id == b.display_id || outputs(a) == outputs(b) && a.params.keys().eq(b.params.keys())
}

fn over_limit(stored: &Stored, limit: Option<Duration>, now: Timestamp) -> Option<(Duration, Duration)> {
    let limit = limit?;
    let age = now.0 - stored.record.ended.0;
    let over = age < 0 || limit.is_zero() || u128::from(age.unsigned_abs()) >= limit.as_millis();
    over.then(|| (Duration::from_millis(age.max(0).unsigned_abs()), limit))
}

/// Removes outputs that still are what zen left, and that git does not track.
fn remove_outputs(
    project: &Project,
    zen_dir: &Path,
    ledger: &Ledger,
    tracked: &BTreeSet<RelPath>,
    request: &CleanRequest,
    had: Own<'_>,
    replaced: &mut Replaced,
) -> Result<Vec<RelPath>, EngineError> {
    let failed = |source| EngineError::ZenFolder { folder: zen_dir.to_owned(), source };
    let unplaced = |error: PlaceError| failed(std::io::Error::other(chain(&error)));
    let workspace = &project.workspace;
    let scanner = Scanner::new(&workspace.root, StatCache::open(&zen_dir.join("stat-cache")));
    let places = Places {
        root: &workspace.root,
        zen: &workspace.layout.zen_dir,
        target: &workspace.layout.target_dir,
        digests: &scanner,
    };
    let mut removed = Vec::new();
    for (step, entries) in ledger.steps().into_iter().filter(|(step, _)| is_meant(request, step)) {
        let is_tracked =
            |path: &RelPath| tracked.range(path.clone()..).next().is_some_and(|tracked| tracked.starts_with(path));
        let (kept, gone): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(path, _)| is_tracked(path));
        // Folders go along when they are empty; nobody asks for them.
        for (path, node) in gone.iter().filter(|(_, node)| *node != Node::Folder) {
            if places.is_own(path, node).map_err(unplaced)? {
                removed.push(path.clone());
            }
        }
        if !request.dry_run {
            places.remove_own(&gone, had, replaced).map_err(unplaced)?;
            ledger.set(&step, &kept.into_iter().collect()).map_err(failed)?;
        }
    }
    removed.sort_unstable();
    Ok(removed)
}

fn size_of(folder: &PathBuf) -> std::io::Result<u64> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut size = 0;
    for entry in listing {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}
