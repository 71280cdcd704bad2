//! Making the store smaller: garbage collection, and what `clean` asks for. Knows not why a record is to go.
//!
//! Records go before their objects, so that no record ever points to what was removed on purpose. Only names that zen
//! makes are removed, below a folder that bears its marker.
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use super::files;
use super::local::{Alone, LocalStore};
use super::place::StoreError;
use super::records::Stored;
use crate::artifact::{Key, Node, Record, Timestamp};
use crate::digest::Digest;
use crate::scan::own;

/// How long an object that no record points to stays: its record may be about to be written.
const GRACE_MS: u64 = 60 * 60 * 1000;
/// How long the last count of the store's bytes is believed.
const COUNTED_MS: i64 = 24 * 60 * 60 * 1000;

/// What lies in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// How many records.
    pub records: u64,
    /// Bytes of the file that they stand in.
    pub log_bytes: u64,
    /// Bytes of damaged objects that were moved aside.
    pub quarantine_bytes: u64,
}

impl Usage {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.object_bytes + self.log_bytes + self.quarantine_bytes
    }
}

/// What was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many records.
    pub records: u64,
    /// How many objects.
    pub objects: u64,
    /// Bytes of these objects.
    pub bytes: u64,
    /// How long the steps of these records had taken, in milliseconds.
    pub step_ms: u64,
}

/// The objects that a record points to; one may come several times.
pub fn objects_of(record: &Record) -> impl Iterator<Item = Digest> {
    let files = record.artifacts.iter().flat_map(|artifact| &artifact.entries).filter_map(|entry| match entry.node {
        Node::File { digest, .. } => Some(digest),
        _ => None,
    });
    files.chain([record.explanation.object]).chain(record.log)
}

impl LocalStore {
    /// Counts everything: a walk over all objects.
    ///
    /// # Errors
    /// What reading met.
    pub fn usage(&self) -> io::Result<Usage> {
        let objects = self.walk()?;
        Ok(Usage {
            objects: objects.len() as u64,
            object_bytes: objects.values().map(|object| object.size).sum(),
            records: self.records.count() as u64,
            log_bytes: self.records.log_size(),
            quarantine_bytes: self.quarantined()?.iter().map(|(_, size)| size).sum(),
        })
    }

    /// For the end of a run, after its [`InUse`](super::local::InUse) is dropped: brings the store under `max_size` bytes
    /// (a tenth below it, so that the next run need not do it again), records that were not used for longest first,
    /// none that `keep` names; and removes what crashed runs left. Costs next to nothing if the store has not grown.
    /// `None`: there was nothing to do, or others use the store.
    ///
    /// # Errors
    /// What reading or writing met; that is a warning.
    pub fn collect_garbage(
        &self,
        max_size: u64,
        keep: &dyn Fn(&Record) -> bool,
        now: Timestamp,
    ) -> Result<Option<Removed>, StoreError> {
        if !self.is_writable() {
            return Ok(None);
        }
        let io = |e| self.place.io(e);
        let added = self.added.swap(0, Ordering::Relaxed);
        if let Some((counted, at)) = self.counted()
            && counted.saturating_add(added) <= max_size
            && (0..COUNTED_MS).contains(&now.0.saturating_sub(at))
        {
            if added > 0 {
                self.count(counted.saturating_add(added), at);
            }
            return Ok(None);
        }
        let Some(alone) = self.alone().map_err(io)? else {
            self.added.fetch_add(added, Ordering::Relaxed);
            return Ok(None);
        };
        self.require_marker()?;
        let grace = if alone.known { 0 } else { GRACE_MS };
        for (path, _) in self.temporaries(now, grace).map_err(io)? {
            let _ = std::fs::remove_file(path);
        }
        let plan = self.plan_size(max_size, max_size - max_size / 10, keep, now).map_err(io)?;
        let removed = self.carry_out(&plan, &alone).map_err(io)?;
        self.count(plan.left, now.0);
        Ok(Some(removed))
    }

    /// What `clean --max-size` does: as [`LocalStore::collect_garbage`], but at once, and no further than `max_size`.
    /// With `dry_run` it only says what it would remove.
    ///
    /// # Errors
    /// [`StoreError::InUse`]; what reading or writing met.
    pub fn shrink(
        &self,
        max_size: u64,
        keep: &dyn Fn(&Record) -> bool,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Removed, StoreError> {
        let alone = self.alone_unless(dry_run)?;
        let plan = self.plan_size(max_size, max_size, keep, now).map_err(|e| self.place.io(e))?;
        self.finish(&plan, alone.as_ref())
    }

    /// Removes the records that `which` names, and the objects that no other record points to. With `dry_run` it only
    /// says what it would remove.
    ///
    /// # Errors
    /// [`StoreError::InUse`]; what reading or writing met.
    pub fn remove_records(&self, which: &dyn Fn(&Stored) -> bool, dry_run: bool) -> Result<Removed, StoreError> {
        let alone = self.alone_unless(dry_run)?;
        self.records.refresh().map_err(|e| self.place.io(e))?;
        let stored = self.records.all();
        let mut plan = Plan::default();
        let (victims, others): (Vec<_>, Vec<_>) = stored.iter().partition(|stored| which(stored));
        let mut uses = uses_of(others.iter().map(|stored| &stored.record));
        for stored in victims {
            plan.add_record(&stored.record);
            for digest in objects_of(&stored.record) {
                if uses.insert(digest, 1).is_none()
                    && let Ok(metadata) = std::fs::symlink_metadata(self.object_path(digest))
                {
                    plan.add_object(digest, metadata.len());
                }
            }
        }
        self.finish(&plan, alone.as_ref())
    }

    /// Removes all that the store holds, and nothing that it did not make. With `dry_run` it only says what.
    ///
    /// # Errors
    /// [`StoreError::InUse`]; what reading or writing met.
    pub fn clear_all(&self, dry_run: bool) -> Result<Removed, StoreError> {
        let io = |e| self.place.io(e);
        let alone = self.alone_unless(dry_run)?;
        self.records.refresh().map_err(io)?;
        let mut plan = Plan::default();
        self.records.all().iter().for_each(|stored| plan.add_record(&stored.record));
        self.walk().map_err(io)?.iter().for_each(|(digest, object)| plan.add_object(*digest, object.size));
        plan.quarantine = true;
        let removed = self.finish(&plan, alone.as_ref())?;
        if alone.is_some() {
            let v1 = self.place.v1();
            let left = self.temporaries(Timestamp(0), 0).map_err(io)?.into_iter().map(|(path, _)| path);
            let files = ["records.log", "records.new", "counted"].map(|name| v1.join(name));
            for path in left.chain(files) {
                remove_file(&path).map_err(io)?;
            }
            let folders = files::list(&v1.join("objects")).map_err(io)?.into_iter().filter(|e| is_fan_out(&e.path()));
            for folder in folders {
                // What zen did not make stays, and its folder.
                let _ = std::fs::remove_dir(folder.path());
            }
            self.records.refresh().map_err(io)?;
        }
        Ok(removed)
    }

    fn alone_unless(&self, dry_run: bool) -> Result<Option<Alone>, StoreError> {
        if dry_run {
            return Ok(None);
        }
        self.require_writable().map_err(|e| self.place.io(e))?;
        self.require_marker()?;
        let alone = self.alone().map_err(|e| self.place.io(e))?;
        alone.map(Some).ok_or_else(|| StoreError::InUse(self.place.dir.clone()))
    }

    fn require_marker(&self) -> Result<(), StoreError> {
        if self.place.check()? { Ok(()) } else { Err(StoreError::Foreign(self.place.dir.clone())) }
    }

    fn finish(&self, plan: &Plan, alone: Option<&Alone>) -> Result<Removed, StoreError> {
        match alone {
            Some(alone) => self.carry_out(plan, alone).map_err(|e| self.place.io(e)),
            None => Ok(plan.removed),
        }
    }

    /// What must go to come to `target` bytes, if it is more than `max` now; and what nobody points to in any case.
    fn plan_size(&self, max: u64, target: u64, keep: &dyn Fn(&Record) -> bool, now: Timestamp) -> io::Result<Plan> {
        // Without the records all objects would be garbage: if they cannot be read, nothing is removed.
        self.records.refresh()?;
        let mut stored = self.records.all();
        let objects = self.walk()?;
        let mut plan = Plan::default();
        let mut uses = uses_of(stored.iter().map(|stored| &stored.record));
        for (digest, object) in &objects {
            // One from the future is old: else it would stay for ever.
            if !uses.contains_key(digest) && now.0.abs_diff(object.modified) >= GRACE_MS {
                plan.add_object(*digest, object.size);
            }
        }
        let quarantine: u64 = self.quarantined()?.iter().map(|(_, size)| size).sum();
        let objects_size: u64 = objects.values().map(|object| object.size).sum();
        plan.left = objects_size + quarantine + self.records.log_size() - plan.removed.bytes;
        if plan.left > max {
            plan.quarantine = true;
            plan.left -= quarantine;
            stored.sort_by_key(|stored| stored.last_used.0.min(now.0));
            for Stored { record, .. } in &stored {
                if plan.left <= target {
                    break;
                }
                if keep(record) {
                    continue;
                }
                plan.add_record(record);
                for digest in objects_of(record) {
                    let Some(count) = uses.get_mut(&digest) else { continue };
                    *count -= 1;
                    if *count == 0
                        && let Some(object) = objects.get(&digest)
                    {
                        plan.add_object(digest, object.size);
                        plan.left -= object.size;
                    }
                }
            }
        }
        Ok(plan)
    }

    fn carry_out(&self, plan: &Plan, _alone: &Alone) -> io::Result<Removed> {
        self.records.remove(&plan.keys)?;
        for digest in plan.objects.keys() {
            remove_file(&self.object_path(*digest))?;
        }
        if plan.quarantine {
            for (path, _) in self.quarantined()? {
                remove_file(&path)?;
            }
        }
        self.records.compact()?;
        Ok(plan.removed)
    }

    fn walk(&self) -> io::Result<BTreeMap<Digest, Object>> {
        let folders = files::list(&self.place.v1().join("objects"))?;
        let folders: Vec<_> = folders.into_iter().map(|e| e.path()).filter(|path| is_fan_out(path)).collect();
        let found: Vec<Vec<_>> = folders.par_iter().map(|folder| objects_in(folder)).collect::<io::Result<_>>()?;
        let named = found.into_iter().flatten().filter(|(path, digest, _)| *path == self.object_path(*digest));
        Ok(named.map(|(_, digest, object)| (digest, object)).collect())
    }

    fn quarantined(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let found = objects_in(&self.place.v1().join("quarantine"))?;
        Ok(found.into_iter().map(|(path, _, object)| (path, object.size)).collect())
    }

    /// Temporary files at least as old as `grace` milliseconds.
    fn temporaries(&self, now: Timestamp, grace: u64) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut found = Vec::new();
        for entry in files::list(&self.place.v1().join("tmp"))? {
            let name = entry.file_name();
            let ours = name.to_str().and_then(|name| name.split_once('-')).is_some_and(|(session, n)| {
                session.len() == 16 && session.bytes().all(|b| b.is_ascii_hexdigit()) && n.parse::<u64>().is_ok()
            });
            if ours
                && let Some(object) = object_at(&entry.path())?
                && now.0.abs_diff(object.modified) >= grace
            {
                found.push((entry.path(), object.size));
            }
        }
        Ok(found)
    }

    /// The last count of the store's bytes, and when it was made.
    fn counted(&self) -> Option<(u64, i64)> {
        let text = String::from_utf8(own::read(&self.place.v1().join("counted")).ok()?).ok()?;
        let (bytes, at) = text.trim_end().split_once(' ')?;
        Some((bytes.parse().ok()?, at.parse().ok()?))
    }

    /// Several processes may write it at once, and one's part is lost: the next count finds it. So does it if this cannot
    /// be written (an empty file, on a full disk, is no count).
    fn count(&self, bytes: u64, at: i64) {
        let _ = own::write(&self.place.v1().join("counted"), format!("{bytes} {at}\n").as_bytes());
    }
}

/// What is to go.
#[derive(Debug, Default)]
struct Plan {
    keys: Vec<Key>,
    objects: BTreeMap<Digest, u64>,
    quarantine: bool,
    removed: Removed,
    /// Bytes of the store afterwards.
    left: u64,
}

impl Plan {
    fn add_record(&mut self, record: &Record) {
        self.keys.push(record.key);
        self.removed.records += 1;
        self.removed.step_ms = self.removed.step_ms.saturating_add(record.duration_ms);
    }

    fn add_object(&mut self, digest: Digest, size: u64) {
        if self.objects.insert(digest, size).is_none() {
            self.removed.objects += 1;
            self.removed.bytes += size;
        }
    }
}

struct Object {
    size: u64,
    /// Milliseconds since the epoch.
    modified: i64,
}

/// How often each object is pointed to.
fn uses_of<'a>(records: impl Iterator<Item = &'a Record>) -> HashMap<Digest, u64> {
    let mut uses = HashMap::new();
    records.flat_map(objects_of).for_each(|digest| *uses.entry(digest).or_insert(0) += 1);
    uses
}

/// The files in `folder` that are called as objects are.
fn objects_in(folder: &Path) -> io::Result<Vec<(PathBuf, Digest, Object)>> {
    let mut found = Vec::new();
    for entry in files::list(folder)? {
        let name = entry.file_name();
        if let Some(digest) = name.to_str().and_then(|name| name.parse::<Digest>().ok())
            && name.to_str() == Some(&digest.to_string())
            && let Some(object) = object_at(&entry.path())?
        {
            found.push((entry.path(), digest, object));
        }
    }
    Ok(found)
}

/// The regular file at `path`; `None` for others, and if it is gone.
fn object_at(path: &Path) -> io::Result<Option<Object>> {
    let metadata = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let object = Object { size: metadata.len(), modified: i64::try_from(since).unwrap_or(i64::MAX) };
    Ok(metadata.is_file().then_some(object))
}

pub(super) fn is_fan_out(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 2 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
