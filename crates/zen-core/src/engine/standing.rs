//! What stood at the end of an earlier run of the same selection: for each step the record that it was fresh by, and the
//! stamps of all that this rested on. A step whose stamps are all the same, whose record is still the newest of its key and
//! whose upstream stands is fresh again, without a key being computed. What is left out here costs time alone: such a
//! step is decided from its files.
//!
//! Only what stamps and definitions tell comes in: no step with an expiry, a cache function, a Rust item, a link, a
//! warning. A file holds one part, written whole, and smaller ones for what changed later; a newer part counts.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::observe::Use;
use super::session::{Progress, Settled, World};
use crate::artifact::{Record, Timestamp};
use crate::digest::{Digest, FieldHasher};
use crate::environment::outer_environment;
use crate::model::{StepId, StepMap};
use crate::path::RelPath;
use crate::place::Stated;
use crate::scan::Observation;
use crate::scan::cache::boot_id;
use crate::scan::clock;
use crate::scan::hash::open_regular;
use crate::scan::own;
use crate::scan::snapshot::{Builder, Dep, NotNoted, SetsOf, Snapshot, Stands};
use crate::scan::stamp::Stamp;
use crate::scan::walk::SetSpec;
use crate::store::log::Mark;

const MAGIC: &[u8; 8] = b"zenstan1";
/// Selections that are remembered.
const KEPT: usize = 16;
/// For so long a record that was noted as used is not noted again: half a day, in milliseconds.
const USES: i64 = 12 * 60 * 60 * 1000;

/// What stood, and what of it still does.
#[derive(Debug)]
pub(super) struct Standing {
    file: PathBuf,
    identity: Digest,
    parts: Vec<Part>,
    /// The part in which a step stands, and where; not of those that no longer do.
    noted: StepMap<(usize, usize)>,
    /// Were the outputs looked at as well, and the records?
    confirmed: bool,
    /// Bytes of the first part, and of all later ones.
    sizes: (u64, u64),
}

#[derive(Debug)]
struct Part {
    head: Head,
    inputs: Snapshot,
    outputs: Snapshot,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// Which records were known then.
    records: Mark,
    /// What zen had left where.
    ledger: Mark,
    /// When the records were known to be noted as used.
    used: Timestamp,
    steps: Vec<Noted>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noted {
    step: u32,
    /// Sets of the part's inputs, and of its outputs.
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    record: Arc<Record>,
}

impl Standing {
    /// What an earlier run of the same selection left, as far as the inputs stand.
    pub(super) fn open(world: &World<'_>) -> Self {
        let identity = identity(world);
        let file = world.zen_dir.join("standing").join(&selection_name(world)[..16]);
        let (parts, sizes) = read(&file, &identity).unwrap_or_default();
        let mut standing = Self { file, identity, parts, noted: StepMap::default(), confirmed: false, sizes };
        for (at, part) in standing.parts.iter().enumerate() {
            let stands = part.inputs.compare(&world.project.workspace.root);
            for (index, noted) in part.head.steps.iter().enumerate() {
                // A later part says it anew, whatever an earlier one said.
                standing.noted.remove(&StepId(noted.step));
                if all_stand(&part.inputs, &stands, &noted.inputs) {
                    standing.noted.insert(StepId(noted.step), (at, index));
                }
            }
        }
        standing
    }

    /// Do the inputs of the step stand as they stood?
    pub(super) fn has(&self, step: StepId) -> bool {
        self.noted.contains_key(&step)
    }

    /// Drops what no longer stands for other reasons than its inputs. The places are locked, if this is a run.
    pub(super) fn confirm(&mut self, world: &World<'_>) {
        if std::mem::replace(&mut self.confirmed, true) {
            return;
        }
        for at in 0..self.parts.len() {
            let part = &self.parts[at];
            let changed = world.store.records.changed_since(&part.head.records);
            let stands = part.outputs.compare(&world.project.workspace.root);
            let is_newest = |key| changed.as_ref().is_some_and(|changed| !changed.contains(key));
            self.noted.retain(|_, (of, index)| {
                if *of != at {
                    return true;
                }
                let noted = &part.head.steps[*index];
                is_newest(&noted.record.key) && all_stand(&part.outputs, &stands, &noted.outputs)
            });
        }
    }

    /// The record that a step is fresh by, if all that it rests on beside its upstream stands.
    pub(super) fn record(&self, step: StepId) -> Option<&Arc<Record>> {
        let (part, index) = self.noted.get(&step).filter(|_| self.confirmed)?;
        Some(&self.parts[*part].head.steps[*index].record)
    }

    /// The stamps of all that what is noted rests on.
    pub(super) fn stamps(&self, used: &mut dyn FnMut(&Stamp)) {
        let snapshots = self.parts.iter().flat_map(|part| [&part.inputs, &part.outputs]);
        snapshots.for_each(|snapshot| snapshot.stamps().for_each(|stamp| used(&stamp)));
    }

    /// Did nobody note in the ledger what zen left since?
    pub(super) fn is_ledger_same(&self, world: &World<'_>) -> bool {
        self.parts.last().is_some_and(|part| world.ledger.is_as_at(&part.head.ledger))
    }

    /// Were all records noted as used not long ago?
    pub(super) fn was_used(&self, now: Timestamp) -> bool {
        self.parts.iter().all(|part| (0..USES).contains(&(now.0 - part.head.used.0)))
    }

    /// Do the outputs of these steps stand once more? Gives those of which that cannot be said.
    pub(super) fn moved(&self, world: &World<'_>, steps: &[StepId]) -> Vec<StepId> {
        let root = &world.project.workspace.root;
        let stands: Vec<Stands> = self.parts.iter().map(|part| part.outputs.compare(root)).collect();
        let stand = |step: &StepId| {
            self.noted.get(step).is_some_and(|(part, index)| {
                let Part { head, outputs, .. } = &self.parts[*part];
                all_stand(outputs, &stands[*part], &head.steps[*index].outputs)
            })
        };
        steps.iter().copied().filter(|step| !stand(step)).collect()
    }

    /// Notes what stands now and is not noted yet, for the next run.
    ///
    /// # Errors
    /// What writing met; losing it costs time alone.
    pub(super) fn save(&self, world: &World<'_>, progress: &Progress) -> io::Result<()> {
        if cfg!(not(unix)) {
            return Ok(());
        }
        let is_open = |step: &&StepId| !progress.stood.contains(*step);
        let open: Vec<StepId> = world.selection.order.iter().filter(is_open).copied().collect();
        if open.is_empty() {
            return Ok(());
        }
        let carried = world.selection.order.len() - open.len();
        let mut making = Making::new(world, progress);
        for step in open {
            // What cannot be noted is decided from its files again.
            let _ = making.note(step);
        }
        if making.head.steps.is_empty() {
            return Ok(());
        }
        let bytes = encode(&self.identity, &making.finish())?;
        if carried == 0 {
            return self.replace(&bytes);
        }
        // What is little beside all that stands is put behind it, as long as that is not mostly void by then.
        if bytes.len() as u64 + self.sizes.1 < self.sizes.0 / 2 {
            return match own::append(&self.file) {
                Ok(mut file) => file.write_all(&bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
        }
        // The next run notes all anew.
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn replace(&self, part: &[u8]) -> io::Result<()> {
        let folder = self.file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        if self.file.symlink_metadata().is_err() {
            forget_oldest(folder)?;
        }
        let file = tempfile::Builder::new().prefix(".zen-tmp-").tempfile_in(folder)?;
        let mut writer = file.as_file();
        writer.write_all(MAGIC)?;
        writer.write_all(&self.identity.0)?;
        writer.write_all(part)?;
        file.persist(&self.file).map_err(|error| error.error)?;
        Ok(())
    }
}

fn all_stand(snapshot: &Snapshot, stands: &Stands, sets: &[u32]) -> bool {
    sets.iter().all(|set| snapshot.stands(stands, *set))
}

/// Is this what the record says?
pub(super) fn is_of(settled: &Settled, record: &Record) -> bool {
    settled.record.is_some() && settled.key == Some(record.key) && settled.production == record.production
}

/// A part that is being made.
struct Making<'a> {
    world: &'a World<'a>,
    progress: &'a Progress,
    head: Head,
    inputs: Builder,
    outputs: Builder,
    /// By the observation that they are of.
    sets: HashMap<*const Observation, SetsOf<'a>>,
    trusts: Box<dyn Fn(&Stamp) -> bool>,
}

impl<'a> Making<'a> {
    fn new(world: &'a World<'a>, progress: &'a Progress) -> Self {
        Self {
            world,
            progress,
            head: Head {
                records: world.store.records.mark(),
                ledger: world.ledger.mark(),
                used: world.now,
                steps: Vec::new(),
            },
            inputs: Builder::default(),
            outputs: Builder::default(),
            sets: HashMap::new(),
            trusts: Box::new(world.trusts(clock::now())),
        }
    }

    fn note(&mut self, id: StepId) -> Result<(), NotNoted> {
        let (world, progress) = (self.world, self.progress);
        let step = world.definitions.model.step(id);
        let settled = progress.settled.get(&id).ok_or(NotNoted)?;
        let view = progress.views.get(&id).ok_or(NotNoted)?;
        let record = settled.record.as_ref().filter(|record| is_of(settled, record)).ok_or(NotNoted)?;
        let is_told_by_stamps = step.cache_funcs.is_empty()
            && step.policy.source_items.is_empty()
            && step.policy.expires_after.is_none()
            && view.watched.is_none();
        let may = is_told_by_stamps
            && settled.in_place
            && !progress.with_problems.contains(&id)
            && world.disabled(id, step).is_none();
        // Another process may have put another record in its place, which is known by now.
        if !may || world.store.records.get(&[record.key]).pop().flatten().as_ref() != Some(record) {
            return Err(NotNoted);
        }
        let outputs = self.outputs_of(id, settled)?;
        let sets = self
            .sets
            .entry(Arc::as_ptr(&view.seen))
            .or_insert_with(|| SetsOf::new(&view.seen, world.trusts(view.seen.began)));
        let inputs = view.sets.iter().map(|set| sets.set(&mut self.inputs, *set)).collect::<Result<_, _>>()?;
        self.head.steps.push(Noted { step: id.0, inputs, outputs, record: record.clone() });
        Ok(())
    }

    fn outputs_of(&mut self, id: StepId, settled: &Settled) -> Result<Vec<u32>, NotNoted> {
        let places = self.world.places();
        let step = self.world.definitions.model.step(id);
        let mut sets = Vec::with_capacity(step.outputs.len());
        for (output, artifact) in step.outputs.iter().zip(&settled.artifacts[..]) {
            let stated = places.stated(&output.place, artifact).ok().flatten().ok_or(NotNoted)?;
            let deps = self.deps_of(&stated)?;
            sets.push(self.outputs.set(deps));
        }
        Ok(sets)
    }

    fn deps_of(&mut self, Stated { folders, files, above }: &Stated) -> Result<Vec<Dep>, NotNoted> {
        if folders.iter().chain(files).any(|(_, stamp)| !(self.trusts)(stamp)) {
            return Err(NotNoted);
        }
        let known: HashMap<&RelPath, Stamp> = folders.iter().chain(above).map(|(path, stamp)| (path, *stamp)).collect();
        let mut deps = Vec::new();
        for (path, stamp) in folders {
            deps.push(Dep::Names(self.outputs.folder(path, *stamp, true)));
        }
        for (path, stamp) in files {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(NotNoted) };
            let stood = known.get(&folder).copied().or_else(|| folder.is_root().then(Stamp::none)).ok_or(NotNoted)?;
            let folder = self.outputs.folder(&folder, stood, false);
            deps.push(Dep::Entry(self.outputs.entry(folder, name, Some(*stamp))));
        }
        for (path, stamp) in above {
            deps.push(Dep::Folder(self.outputs.folder(path, *stamp, false)));
        }
        Ok(deps)
    }

    fn finish(self) -> Part {
        Part { head: self.head, inputs: self.inputs.finish(), outputs: self.outputs.finish() }
    }
}

/// All that says what steps there are, which of them are meant and what they take from outside beside files: what stood
/// under another identity says nothing.
fn identity(world: &World<'_>) -> Digest {
    let (definitions, workspace) = (world.definitions, &world.project.workspace);
    let model = &definitions.model;
    let order = &world.selection.order;
    let mut hasher = FieldHasher::new("zen standing 1");
    hasher.field(env!("CARGO_PKG_VERSION").as_bytes()).field(&definitions.digest.0);
    hasher.field(&boot_id()).field(workspace.root.as_os_str().as_encoded_bytes());
    hasher.field(world.store.folder().as_os_str().as_encoded_bytes()).field(world.platform.as_bytes());
    hasher.number(order.len() as u64);
    order.iter().for_each(|step| {
        hasher.number(u64::from(step.0) << 1 | u64::from(world.is_selected(*step)));
    });
    hasher.number(world.left_out.len() as u64);
    world.left_out.iter().for_each(|path| {
        hasher.field(path.as_bytes());
    });
    // A step's closures and what it reads of packages are no part of the definitions.
    for step in order.iter().filter(|step| !model.step(**step).closures.is_empty()) {
        let sets = world.sets(*step);
        hasher.number(sets.facts.len() as u64).number(u64::from(sets.unknown.is_some()));
        for fact in &sets.facts {
            hasher.field(fact.item.as_bytes()).field(&fact.digest.0);
        }
        for (used, spec) in &sets.sets {
            if let (Use::Sources(_), SetSpec::Tree(tree)) = (used, &**spec) {
                hasher.field(tree.package.as_bytes()).field(tree.root.as_bytes());
                for paths in [&tree.exclude, &tree.source_roots] {
                    hasher.number(paths.len() as u64);
                    paths.iter().for_each(|path| {
                        hasher.field(path.as_bytes());
                    });
                }
            }
        }
    }
    let steps = order.iter().map(|step| model.step(*step));
    hasher.field(&outer_environment(&workspace.env, steps, world.options.conditions).0);
    hasher.finish()
}

/// One file for each selection, whatever its definitions say.
fn selection_name(world: &World<'_>) -> String {
    let model = &world.definitions.model;
    let mut hasher = FieldHasher::new("zen selection 1");
    for step in &world.selection.selected {
        hasher.field(model.step(*step).display_id.as_bytes());
    }
    hasher.finish().to_string()
}

/// A part: the sizes of its three pieces, the checksum of those, and they. The identity is in the checksum: a part that
/// came behind those of another, because its run began under other definitions, is not taken for one of them.
fn encode(identity: &Digest, part: &Part) -> io::Result<Vec<u8>> {
    let head = postcard::to_stdvec(&part.head).map_err(io::Error::other)?;
    let pieces = [&head[..], part.inputs.bytes(), part.outputs.bytes()];
    let mut bytes = Vec::with_capacity(56 + pieces.iter().map(|piece| piece.len()).sum::<usize>());
    for piece in pieces {
        bytes.extend_from_slice(&(piece.len() as u64).to_le_bytes());
    }
    bytes.extend_from_slice(&checksum(identity, pieces).0);
    pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
    Ok(bytes)
}

fn checksum(identity: &Digest, pieces: [&[u8]; 3]) -> Digest {
    let mut hasher = FieldHasher::new("zen standing part 1");
    hasher.field(&identity.0);
    for piece in pieces {
        hasher.field(piece);
    }
    hasher.finish()
}

/// The parts of a file, and the sizes of the first and of all others; `None` if it is of another identity. What is
/// damaged, and all behind it, is not there.
fn read(path: &Path, identity: &Digest) -> Option<(Vec<Part>, (u64, u64))> {
    let mut file = open_regular(path).ok()?;
    let left = file.metadata().ok()?.len();
    let mut start = [0; 40];
    file.read_exact(&mut start).ok()?;
    if start[..8] != *MAGIC || start[8..] != identity.0 {
        return None;
    }
    let mut left = left.checked_sub(40)?;
    let (mut parts, mut sizes) = (Vec::new(), (0, 0));
    while let Some((part, size)) = read_part(&mut file, identity, left) {
        left -= size;
        *(if parts.is_empty() { &mut sizes.0 } else { &mut sizes.1 }) += size;
        parts.push(part);
    }
    Some((parts, sizes))
}

fn read_part(file: &mut File, identity: &Digest, left: u64) -> Option<(Part, u64)> {
    let mut start = [0; 56];
    file.read_exact(&mut start).ok()?;
    let size = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&start[at * 8..at * 8 + 8]);
        u64::from_le_bytes(number)
    };
    let whole = (0..3).try_fold(56_u64, |whole, at| whole.checked_add(size(at)))?;
    if whole > left {
        return None;
    }
    let mut piece = |at: usize| {
        let mut bytes = vec![0; usize::try_from(size(at)).ok()?];
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let (head, inputs, outputs) = (piece(0)?, piece(1)?, piece(2)?);
    if checksum(identity, [&head, &inputs, &outputs]).0 != start[24..] {
        return None;
    }
    let head = postcard::from_bytes(&head).ok()?;
    Some((Part { head, inputs: Snapshot::read(inputs)?, outputs: Snapshot::read(outputs)? }, whole))
}

/// Makes room for one more.
fn forget_oldest(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort();
    for (_, path) in files.iter().take((files.len() + 1).saturating_sub(KEPT)) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::log::FrameLog;

    fn part() -> Part {
        let mark = FrameLog::open("none").mark();
        let head = Head { records: mark.clone(), ledger: mark, used: Timestamp(0), steps: Vec::new() };
        Part { head, inputs: Builder::default().finish(), outputs: Builder::default().finish() }
    }

    #[test]
    fn f_41_a_part_of_other_definitions_and_what_is_damaged_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (ours, others) = (Digest::of(b"ours"), Digest::of(b"others"));
        let [one, foreign] = [ours, others].map(|identity| encode(&identity, &part()).unwrap());
        let start = [&MAGIC[..], &ours.0].concat();
        let parts = |bytes: &[&[u8]]| {
            fs::write(&path, bytes.concat()).unwrap();
            read(&path, &ours).map(|(parts, sizes)| (parts.len(), sizes))
        };
        let size = one.len() as u64;
        assert_eq!(parts(&[&start, &one, &one]), Some((2, (size, size))));
        assert_eq!(parts(&[&start, &one, &foreign, &one]), Some((1, (size, 0))), "nor what stands behind it");
        assert_eq!(parts(&[&start, &one, &one[..one.len() - 1]]), Some((1, (size, 0))), "torn");
        assert_eq!(parts(&[&MAGIC[..], &others.0, &one]), None);
        for at in 0..one.len() {
            let mut bytes = one.clone();
            bytes[at] ^= 1;
            assert_eq!(parts(&[&start, &bytes]), Some((0, (0, 0))), "byte {at}");
        }
    }

    #[test]
    fn only_so_many_selections_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..3 * KEPT {
            forget_oldest(folder.path()).unwrap();
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT);
    }
}
