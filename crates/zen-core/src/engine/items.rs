//! The source items of steps: their files are read and watched, each is taken apart once in a session. Knows no keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;
use std::sync::{Arc, PoisonError};

use super::known_items::KnownItem;
use super::observe::View;
use super::session::{Settled, World};
use crate::artifact::{Artifact, Node};
use crate::closure::Fact;
use crate::diag::{Diagnostic, Span};
use crate::digest::Digest;
use crate::layout::TargetKind;
use crate::model::{Place, SourceItem, StepId, StepMap};
use crate::path::RelPath;
use crate::rust_source::{Found, Problem, Reading, Unreadable, find};
use crate::scan::walk::SetSpec;
use crate::scan::{Content, Digests, Observed};
use crate::store::Objects;
use crate::suggest;

/// How often files that change while they are read are read again.
const LOOKS: usize = 3;
/// No source file is larger than this.
const SOURCE: u64 = 64 << 20;

/// What the source items of one step hold.
#[derive(Debug, Clone)]
pub(super) struct Items {
    /// One for each; or why there is none.
    pub(super) facts: Result<Vec<Fact>, String>,
    /// The files that say so, each with the digest of the bytes that were read; `None`: it was looked for in vain.
    pub(super) files: BTreeMap<RelPath, Option<Digest>>,
    /// Does it rest on what other steps of this run make? Then it is looked at again when those are settled.
    pub(super) awaits: bool,
    /// What is wrong, and where the item is written.
    problems: Vec<(Span, Problem)>,
}

impl Items {
    /// What must hold still while the step runs.
    pub(super) fn watched(&self) -> Option<SetSpec> {
        (!self.files.is_empty()).then(|| SetSpec::Files(self.files.keys().cloned().collect()))
    }

    /// What is wrong with the definition.
    pub(super) fn diagnostics(&self) -> impl Iterator<Item = Diagnostic> {
        self.problems.iter().map(|(span, problem)| {
            let diagnostic = Diagnostic::error(problem.to_string()).at(*span, "");
            match problem {
                Problem::NotFound { near, .. } if !near.is_empty() => {
                    diagnostic.help(format!("did you mean {}?", suggest::quoted(near)))
                }
                Problem::NotFound { within, name, known, .. } => {
                    let known = known.iter().map(String::as_str);
                    diagnostic.help(suggest::help(name, known, &format!("items of `{within}`")))
                }
                Problem::Refused { help, .. } => diagnostic.help(help.clone()),
                // It waits, and is looked at again.
                Problem::NotYet(_) => diagnostic,
                Problem::Syntax { .. } => diagnostic.help("correct the file, or name the package as a whole"),
            }
        })
    }
}

/// Looks at the sets of some steps, all in one walk, and at their source items: what these hold, and what the files were
/// then. What steps of this run make is read as they left it: by what
/// is `settled`, never from disk.
pub(super) fn look(world: &World<'_>, settled: &StepMap<Arc<Settled>>, steps: &[StepId]) -> Vec<(StepId, View)> {
    if steps.is_empty() {
        return Vec::new();
    }
    let (shared, sets) = interned(world, steps);
    let mut looks = 1;
    loop {
        let mut reader = Reader {
            world,
            settled,
            is_first: looks == 1,
            texts: HashMap::new(),
            found: HashMap::new(),
            is_made: false,
            awaits: false,
        };
        let mut specs = shared.clone();
        let mut found = Vec::with_capacity(steps.len());
        for (step, sets) in steps.iter().zip(&sets) {
            let items = reader.items(*step);
            let watched = items.watched().map(|spec| {
                specs.push(Arc::new(spec));
                specs.len() - 1
            });
            found.push((*step, sets.clone(), items, watched));
        }
        let seen = Arc::new(world.scanner.observe(world.request(&specs)));
        let mut moved = false;
        let views = found.into_iter().map(|(step, sets, items, watched)| {
            let mut view = View { seen: Arc::clone(&seen), sets, items: Arc::new(items), watched };
            if let Some(path) = first_that_moved(world, &view) {
                moved = true;
                let facts = Err(format!("`{path}` changes while it is read"));
                view.items = Arc::new(Items { facts, ..(*view.items).clone() });
            }
            (step, view)
        });
        let views = views.collect();
        if !moved || looks == LOOKS {
            return views;
        }
        looks += 1;
    }
}

#[expect(clippy::mutable_key_type, reason = "what a pattern compiles to is no part of its hash")]
/// The sets of some steps, each once however many steps share it; and for each step the indices of its own.
fn interned(world: &World<'_>, steps: &[StepId]) -> (Vec<Arc<SetSpec>>, Vec<Vec<usize>>) {
    let mut specs: Vec<Arc<SetSpec>> = Vec::new();
    let mut known: HashMap<Arc<SetSpec>, usize> = HashMap::new();
    let mut index = |spec: &Arc<SetSpec>| {
        *known.entry(Arc::clone(spec)).or_insert_with(|| {
            specs.push(Arc::clone(spec));
            specs.len() - 1
        })
    };
    let sets = steps.iter().map(|step| world.sets(*step).sets.iter().map(|(_, spec)| index(spec)).collect()).collect();
    (specs, sets)
}

/// The first file that was not observed as it had been read.
fn first_that_moved(world: &World<'_>, view: &View) -> Option<RelPath> {
    let seen: HashMap<&RelPath, &Observed> =
        view.watched.iter().flat_map(|set| view.seen.members(*set)).map(|seen| (&seen.path, seen)).collect();
    let held_still = |path: &RelPath, read: Option<Digest>| match seen.get(path).map(|seen| &seen.content) {
        Some(Content::File { digest, .. }) => Some(*digest) == read,
        // A link enters with its target: what it leads to now is what was read.
        Some(Content::Link { .. }) => match text(world, path) {
            Ok(Reading::Text(text)) => Some(Digest::of(text.as_bytes())) == read,
            Ok(_) => read.is_none(),
            Err(_) => false,
        },
        Some(Content::Unusable(_)) => false,
        None => read.is_none(),
    };
    view.items.files.iter().find(|(path, read)| !held_still(path, **read)).map(|(path, _)| path.clone())
}

/// Reads each file once for all items.
struct Reader<'a, 'p> {
    world: &'a World<'p>,
    settled: &'a StepMap<Arc<Settled>>,
    /// Nothing of this look had to be repeated so far.
    is_first: bool,
    texts: HashMap<RelPath, Result<Reading, Unreadable>>,
    /// Items that are the same for all steps, by their names.
    found: HashMap<String, Found>,
    /// Did the item at hand meet what any step makes?
    is_made: bool,
    /// Did the step at hand meet what another step of this run makes?
    awaits: bool,
}

impl Reader<'_, '_> {
    fn items(&mut self, step: StepId) -> Items {
        let mut items = Items { facts: Ok(Vec::new()), files: BTreeMap::new(), awaits: false, problems: Vec::new() };
        let mut facts = Vec::new();
        let mut open = None;
        self.awaits = false;
        for item in &self.world.definitions.model.step(step).policy.source_items {
            let found = self.find(step, item);
            items.files.extend(found.files);
            match found.digest {
                Ok(digest) => facts.push(Fact { item: format!("source {item}"), digest, shown: None }),
                Err(problem @ Problem::NotYet(_)) => open = Some(problem),
                Err(problem) => items.problems.push((item.span, problem)),
            }
        }
        items.problems.sort_by_key(|(span, _)| *span);
        items.awaits = self.awaits;
        items.facts = match items.problems.first().map(|(_, problem)| problem).or(open.as_ref()) {
            Some(problem) => Err(problem.to_string()),
            None => Ok(facts),
        };
        items
    }

    fn find(&mut self, step: StepId, item: &SourceItem) -> Found {
        let world = self.world;
        let roots = roots(world, item);
        let name = name(item, &roots);
        if let Some(found) = self.found.get(&name) {
            return found.clone();
        }
        let known = world.known_items.get(&name).filter(|known| self.is_first && self.holds(known));
        if let Some(KnownItem { digest, files }) = known.cloned() {
            let found = Found { digest: Ok(digest), files };
            self.found.insert(name, found.clone());
            return found;
        }
        self.is_made = false;
        let mut library = world.library.lock().unwrap_or_else(PoisonError::into_inner);
        let found = find(&mut library, &item.package, &roots, &item.path, &mut |path| self.read(step, path));
        // Where steps make some of the files, it is not the same for all steps.
        if !self.is_made {
            if let Ok(digest) = &found.digest {
                world.known_items.put(name.clone(), KnownItem { digest: *digest, files: found.files.clone() });
            }
            self.found.insert(name, found.clone());
        }
        found
    }

    /// Are the files still those that it was found in, and nobody's output?
    fn holds(&self, known: &KnownItem) -> bool {
        let world = self.world;
        known.files.iter().all(|(path, digest)| {
            let is_plain = !path.is_outside()
                && !world.left_out.iter().any(|folder| path.starts_with(folder))
                && world.definitions.graph.owners(path).is_empty();
            let place = path.to_path(&world.project.workspace.root);
            is_plain
                && match place.symlink_metadata() {
                    Ok(metadata) if metadata.is_file() => world.scanner.digest(&place, &metadata).ok() == *digest,
                    Ok(_) => false,
                    Err(error) => digest.is_none() && is_absent(&error),
                }
        })
    }

    fn read(&mut self, step: StepId, path: &RelPath) -> Result<Reading, Unreadable> {
        let world = self.world;
        let model = &world.definitions.model;
        let owners = world.definitions.graph.owners(path);
        self.is_made |= !owners.is_empty();
        if model.step(step).outputs.iter().any(|output| output.place.owns(path)) {
            return Ok(Reading::Own);
        }
        let upstream = world.upstream(step);
        if let Some((maker, output)) = owners.iter().find(|(maker, _)| upstream.contains(maker)) {
            self.awaits = true;
            let Some(settled) = self.settled.get(maker) else { return Ok(Reading::NotYet) };
            let place = &model.step(*maker).outputs[*output].place;
            return made(world, path, place, &settled.artifacts[*output]);
        }
        // Without an edge, what is there now says nothing of what that step will make.
        let is_ordered = |maker| world.definitions.graph.upstream(step).iter().any(|edge| edge.from == maker);
        if let Some((maker, _)) = owners.iter().find(|(maker, _)| !is_ordered(*maker)) {
            return Err(Unreadable {
                reason: format!("the module file `{path}` is made by step `{}`", model.step(*maker).display_id),
                help: format!(
                    "name `{path}` in `files` as well: then this step waits for it; or name the package as a whole"
                ),
            });
        }
        self.texts.entry(path.clone()).or_insert_with(|| text(world, path)).clone()
    }
}

/// What an artifact holds at `path`.
fn made(world: &World<'_>, path: &RelPath, place: &Place, artifact: &Artifact) -> Result<Reading, Unreadable> {
    let entry = artifact.entries.iter().find(|entry| place.root().under(&entry.path) == *path);
    let digest = match entry.map(|entry| &entry.node) {
        None | Some(Node::Folder) => return Ok(Reading::Made(None)),
        Some(Node::Link { .. }) => {
            return Err(unreadable(format!("the module file `{path}` is a link that a step makes")));
        }
        Some(Node::File { digest, .. }) => *digest,
    };
    // What has no record may not be in the store; it lies where it was made.
    let bytes = world.store.read_at_most(digest, SOURCE).ok().or_else(|| {
        let bytes = std::fs::read(path.to_path(&world.project.workspace.root)).ok()?;
        (Digest::of(&bytes) == digest).then_some(bytes)
    });
    let bytes = bytes.ok_or_else(|| unreadable(format!("the module file `{path}` is no longer what its step made")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(format!("`{path}` is not UTF-8")))?;
    Ok(Reading::Made(Some(text.into())))
}

fn text(world: &World<'_>, path: &RelPath) -> Result<Reading, Unreadable> {
    let root = &world.project.workspace.root;
    if path.is_outside() {
        return Err(unreadable(format!("the module file `{path}` lies outside of the workspace")));
    }
    if let Some(folder) = world.left_out.iter().find(|folder| path.starts_with(folder)) {
        return Err(unreadable(format!("the module file `{path}` lies in `{folder}`, which no step reads from")));
    }
    let place = match path.to_path(root).canonicalize() {
        Ok(place) => place,
        Err(error) if is_absent(&error) => return Ok(Reading::Absent),
        Err(error) => return Err(unreadable(format!("`{path}` cannot be read: {}", error.kind()))),
    };
    if !place.starts_with(root) {
        return Err(unreadable(format!("the module file `{path}` is a link that leads out of the workspace")));
    }
    match place.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) if metadata.is_dir() => return Ok(Reading::Absent),
        Ok(_) => return Err(unreadable(format!("`{path}` is no plain file"))),
        Err(error) if is_absent(&error) => return Ok(Reading::Absent),
        Err(error) => return Err(unreadable(format!("`{path}` cannot be read: {}", error.kind()))),
    }
    let bytes =
        std::fs::read(&place).map_err(|error| unreadable(format!("`{path}` cannot be read: {}", error.kind())))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(format!("`{path}` is not UTF-8")))?;
    Ok(Reading::Text(text.into()))
}

fn unreadable(reason: String) -> Unreadable {
    Unreadable { reason, help: "name items that do not need that file, or the package as a whole".to_owned() }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The crate roots of an item's package: its library first.
fn roots(world: &World<'_>, item: &SourceItem) -> Vec<RelPath> {
    let package = world.project.workspace.layout.package(&item.package);
    let targets = package.map(|package| &*package.targets).unwrap_or_default();
    let of = |kind| targets.iter().filter(move |target| target.kind == kind).map(|target| target.src.clone());
    of(TargetKind::Lib).chain(of(TargetKind::Bin)).collect()
}

/// All that says which item is meant.
fn name(item: &SourceItem, roots: &[RelPath]) -> String {
    let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
    format!("{item} in {}", roots.join(" "))
}

/// The names of all items that the tables have.
pub(super) fn all_names(world: &World<'_>) -> BTreeSet<String> {
    let items = world.definitions.model.steps.iter().flat_map(|step| &step.policy.source_items);
    items.map(|item| name(item, &roots(world, item))).collect()
}
