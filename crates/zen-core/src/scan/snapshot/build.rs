//! Putting a snapshot together: folders and names, each once, and which sets rest on which. Knows no disk.

use std::collections::HashMap;

use super::{NAMES, Snapshot, THERE, put_stamp};
use crate::path::RelPath;
use crate::scan::ground::{Ground, Stood};
use crate::scan::stamp::Stamp;
use crate::scan::{Content, Observation};

/// Something that a set rests on, by its number in the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dep {
    /// A file stands as it stood, or there is still nothing.
    Entry(u32),
    /// It is the same folder.
    Folder(u32),
    /// The folder holds the same names.
    Names(u32),
}

impl Dep {
    fn to_number(self) -> u32 {
        match self {
            Self::Entry(at) => at << 2,
            Self::Folder(at) => at << 2 | 1,
            Self::Names(at) => at << 2 | 2,
        }
    }

    pub(super) fn from_number(number: u32) -> Self {
        match number & 3 {
            0 => Self::Entry(number >> 2),
            1 => Self::Folder(number >> 2),
            _ => Self::Names(number >> 2),
        }
    }
}

/// It cannot be told from stamps alone whether this set stands: a link, something unreadable, something too young.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotNoted;

/// A snapshot that is being made.
#[derive(Debug, Default)]
pub struct Builder {
    folders: Vec<Draft>,
    known: HashMap<RelPath, u32>,
    entries: Vec<(u32, Box<[u8]>, Option<Stamp>)>,
    sets: Vec<Vec<Dep>>,
}

#[derive(Debug)]
struct Draft {
    path: RelPath,
    stamp: Stamp,
    names: bool,
}

impl Builder {
    /// The folder at `path` as it stood. With `names`, its stamp is good enough to tell that the names in it are the
    /// same.
    pub fn folder(&mut self, path: &RelPath, stamp: Stamp, names: bool) -> u32 {
        if let Some(at) = self.known.get(path) {
            let draft = &mut self.folders[*at as usize];
            if draft.stamp == stamp {
                draft.names |= names;
                return *at;
            }
            // Another state of it: both are kept, and one of them will not stand.
            if !names && (draft.stamp.dev, draft.stamp.ino) == (stamp.dev, stamp.ino) {
                return *at;
            }
        }
        let at = self.folders.len() as u32;
        self.folders.push(Draft { path: path.clone(), stamp, names });
        self.known.insert(path.clone(), at);
        at
    }

    /// A file in a folder as it stood; `None`: nothing was there.
    pub fn entry(&mut self, folder: u32, name: &[u8], stamp: Option<Stamp>) -> u32 {
        self.entries.push((folder, name.into(), stamp));
        self.entries.len() as u32 - 1
    }

    /// A set that rests on all of these.
    pub fn set(&mut self, mut deps: Vec<Dep>) -> u32 {
        deps.sort_unstable();
        deps.dedup();
        self.sets.push(deps);
        self.sets.len() as u32 - 1
    }

    /// The folders above `path`, which must stay what they are: by what `above` says of them.
    ///
    /// # Errors
    /// One of them is not known to have been a folder.
    pub fn above(
        &mut self,
        path: &RelPath,
        above: &dyn Fn(&RelPath) -> Option<Stamp>,
        deps: &mut Vec<Dep>,
    ) -> Result<(), NotNoted> {
        let mut next = path.parent();
        while let Some(folder) = next.filter(|folder| !folder.is_root()) {
            let stamp = above(&folder).ok_or(NotNoted)?;
            deps.push(Dep::Folder(self.folder(&folder, stamp, false)));
            next = folder.parent();
        }
        Ok(())
    }

    /// The snapshot.
    pub fn finish(self) -> Snapshot {
        let mut order: Vec<u32> = (0..self.folders.len() as u32).collect();
        // Neighbours on disk are looked up faster one after the other.
        order.sort_by(|a, b| self.folders[*a as usize].path.cmp(&self.folders[*b as usize].path));
        let new_folder = inverse(&order);
        let mut by_folder: Vec<u32> = (0..self.entries.len() as u32).collect();
        by_folder.sort_by_key(|at| new_folder[self.entries[*at as usize].0 as usize]);
        let new_entry = inverse(&by_folder);

        let deps: usize = self.sets.iter().map(Vec::len).sum();
        let mut strings: Vec<u8> = Vec::new();
        let mut text = |bytes: &[u8]| {
            let at = strings.len() as u32;
            strings.extend_from_slice(bytes);
            strings.push(0);
            [at, bytes.len() as u32]
        };
        let mut bytes = Vec::new();
        put(
            &mut bytes,
            &[self.folders.len() as u32, self.entries.len() as u32, self.sets.len() as u32, deps as u32, 0],
        );
        let mut first = 0;
        for at in &order {
            let draft = &self.folders[*at as usize];
            let of = |entry: &u32| self.entries[*entry as usize].0 == *at;
            let count = by_folder[first..].iter().take_while(|entry| of(entry)).count();
            put(&mut bytes, &text(draft.path.as_bytes()));
            put(&mut bytes, &[first as u32, count as u32]);
            put_stamp(&mut bytes, &draft.stamp);
            put(&mut bytes, &[if draft.names { NAMES } else { 0 }]);
            first += count;
        }
        for at in &by_folder {
            let (_, name, stamp) = &self.entries[*at as usize];
            put(&mut bytes, &text(name));
            put_stamp(&mut bytes, &stamp.unwrap_or_else(Stamp::none));
            put(&mut bytes, &[if stamp.is_some() { THERE } else { 0 }]);
        }
        let mut start = 0;
        put(&mut bytes, &[0]);
        for set in &self.sets {
            start += set.len() as u32;
            put(&mut bytes, &[start]);
        }
        for dep in self.sets.iter().flatten() {
            let renamed = match *dep {
                Dep::Entry(at) => Dep::Entry(new_entry[at as usize]),
                Dep::Folder(at) => Dep::Folder(new_folder[at as usize]),
                Dep::Names(at) => Dep::Names(new_folder[at as usize]),
            };
            put(&mut bytes, &[renamed.to_number()]);
        }
        bytes[16..20].copy_from_slice(&(strings.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&strings);
        Snapshot::read(bytes).unwrap_or_default()
    }
}

/// The sets of one observation, as they come into a snapshot.
pub struct SetsOf<'o> {
    seen: &'o Observation,
    /// By set: indices of [`Ground::listed`] and of [`Ground::probed`].
    listed: Vec<Vec<u32>>,
    probed: Vec<Vec<u32>>,
    stamps: HashMap<&'o RelPath, Stamp>,
    /// What each entry of the observation is in the snapshot.
    entries: Vec<Option<u32>>,
    done: Vec<Option<Result<u32, NotNoted>>>,
    trusts: Box<dyn Fn(&Stamp) -> bool + 'o>,
}

impl<'o> SetsOf<'o> {
    /// `trusts` says of a stamp whether it is old enough for it to be met again only by the same content.
    pub fn new(seen: &'o Observation, trusts: impl Fn(&Stamp) -> bool + 'o) -> Self {
        let Ground { listed, probed, above } = &seen.ground;
        let by_set = |sets: &mut dyn Iterator<Item = &'o Vec<u32>>| {
            let mut by_set: Vec<Vec<u32>> = vec![Vec::new(); seen.sets.len()];
            for (at, sets) in (0..).zip(sets) {
                sets.iter().for_each(|set| by_set[*set as usize].push(at));
            }
            by_set
        };
        let folder = |stood: &Option<Stood>| stood.filter(|stood| stood.is_folder).map(|stood| stood.stamp);
        let mut stamps: HashMap<&RelPath, Stamp> =
            above.iter().filter_map(|(path, stood)| Some((path, folder(stood)?))).collect();
        stamps.extend(listed.iter().map(|listed| (&listed.folder, listed.stamp)));
        Self {
            seen,
            listed: by_set(&mut listed.iter().map(|listed| &listed.sets)),
            probed: by_set(&mut probed.iter().map(|probed| &probed.sets)),
            stamps,
            entries: vec![None; seen.entries.len()],
            done: vec![None; seen.sets.len()],
            trusts: Box::new(trusts),
        }
    }

    /// What one set of the observation is in the snapshot.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn set(&mut self, builder: &mut Builder, set: usize) -> Result<u32, NotNoted> {
        if let Some(done) = self.done[set] {
            return done;
        }
        let made = self.deps(builder, set).map(|deps| builder.set(deps));
        self.done[set] = Some(made);
        made
    }

    fn deps(&mut self, builder: &mut Builder, set: usize) -> Result<Vec<Dep>, NotNoted> {
        let seen = self.seen;
        let mut deps = Vec::new();
        for at in &self.listed[set] {
            let listed = &seen.ground.listed[*at as usize];
            if !(self.trusts)(&listed.stamp) {
                return Err(NotNoted);
            }
            deps.push(Dep::Names(builder.folder(&listed.folder, listed.stamp, true)));
            self.above(builder, &listed.folder, &mut deps)?;
        }
        for at in &self.probed[set] {
            let probed = &seen.ground.probed[*at as usize];
            match &probed.stood {
                Some(Stood { is_link: true, .. }) => return Err(NotNoted),
                Some(Stood { is_folder: true, stamp, .. }) => {
                    deps.push(Dep::Folder(builder.folder(&probed.path, *stamp, false)));
                    self.above(builder, &probed.path, &mut deps)?;
                }
                Some(Stood { stamp, .. }) => {
                    deps.push(self.entry(builder, &probed.path, Some(*stamp))?);
                    self.above(builder, &probed.path, &mut deps)?;
                }
                None => {
                    let missing = self.first_missing(&probed.path);
                    deps.push(self.entry(builder, &missing, None)?);
                    self.above(builder, &missing, &mut deps)?;
                }
            }
        }
        let mut last = None;
        for at in &seen.sets[set].members {
            let observed = &seen.entries[*at as usize];
            if !matches!(observed.content, Content::File { .. }) {
                return Err(NotNoted);
            }
            let entry = match self.entries[*at as usize] {
                Some(entry) => entry,
                None => match self.entry(builder, &observed.path, Some(observed.stamp))? {
                    Dep::Entry(entry) => *self.entries[*at as usize].insert(entry),
                    Dep::Folder(_) | Dep::Names(_) => return Err(NotNoted),
                },
            };
            deps.push(Dep::Entry(entry));
            let folder = observed.path.parent();
            if folder != last {
                self.above(builder, &observed.path, &mut deps)?;
                last = folder;
            }
        }
        Ok(deps)
    }

    fn entry(&self, builder: &mut Builder, path: &RelPath, stamp: Option<Stamp>) -> Result<Dep, NotNoted> {
        if stamp.is_some_and(|stamp| !(self.trusts)(&stamp)) {
            return Err(NotNoted);
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(NotNoted) };
        let stood = self.stamp(&folder).ok_or(NotNoted)?;
        let folder = builder.folder(&folder, stood, stood.is_identity() && (self.trusts)(&stood));
        Ok(Dep::Entry(builder.entry(folder, name, stamp)))
    }

    fn above(&self, builder: &mut Builder, path: &RelPath, deps: &mut Vec<Dep>) -> Result<(), NotNoted> {
        builder.above(path, &|folder| self.stamp(folder), deps)
    }

    /// How a folder stood. Nobody moves the root away: it is told by its path alone.
    fn stamp(&self, folder: &RelPath) -> Option<Stamp> {
        self.stamps.get(folder).copied().or_else(|| folder.is_root().then(Stamp::none))
    }

    /// The first on the way to an absent path that is not there.
    fn first_missing(&self, path: &RelPath) -> RelPath {
        let above = &self.seen.ground.above;
        let mut missing = path.clone();
        let mut next = path.parent();
        while let Some(folder) = next {
            if above.get(&folder) == Some(&None) {
                missing = folder.clone();
            }
            next = folder.parent();
        }
        missing
    }
}

fn inverse(order: &[u32]) -> Vec<u32> {
    let mut new = vec![0; order.len()];
    for (at, old) in (0..).zip(order) {
        new[*old as usize] = at;
    }
    new
}

fn put(bytes: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}
