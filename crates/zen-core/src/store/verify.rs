//! The whole store against its digests. What it finds costs time at most: a fetch would find it as well.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "the edge to the disk"))]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::files;
use super::gc::{is_fan_out, objects_of};
use super::local::LocalStore;
use super::place::StoreError;
use crate::digest::Digest;
use crate::scan::hash::hash_file;

/// What a look at the whole store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Objects that were read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records that can be believed.
    pub records: u64,
    /// Records that cannot be.
    pub unreadable: u64,
    /// Objects that are not what their name says, by name.
    pub damaged: Vec<Found>,
    /// Objects that a record points to and that are not there, by name.
    pub missing: Vec<Found>,
}

/// An object that something is wrong with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub object: Digest,
    /// What is wrong with it.
    pub fault: Fault,
    /// The steps whose records point to it.
    pub steps: BTreeSet<String>,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its bytes have another digest.
    #[error("its bytes are those of {0}")]
    Bytes(Digest),
    /// Something else has its name.
    #[error("it is no regular file")]
    Kind,
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// It is not there.
    #[error("it is not there")]
    Missing,
}

impl LocalStore {
    /// Reads every object. With `repair` what is damaged is moved to `quarantine/`: whatever needs it is made again.
    ///
    /// # Errors
    /// What listing met; with `repair`, that the store cannot be written.
    pub fn verify(&self, repair: bool) -> Result<Verified, StoreError> {
        let io = |error| self.place.io(error);
        if repair {
            self.require_writable().map_err(io)?;
        }
        // So that nobody collects garbage meanwhile.
        let _in_use = self.in_use().map_err(io)?;
        self.records.refresh().map_err(io)?;
        let stored = self.records.all();
        let mut users: BTreeMap<Digest, BTreeSet<&str>> = BTreeMap::new();
        for record in stored.iter().map(|stored| &stored.record) {
            objects_of(record).for_each(|digest| {
                users.entry(digest).or_default().insert(&record.step);
            });
        }
        let found = |object: Digest, fault: Fault| {
            let steps = users.get(&object).into_iter().flatten().map(|step| (*step).to_owned()).collect();
            Found { object, fault, steps }
        };
        let objects = self.all_objects().map_err(io)?;
        let read: Vec<(Digest, Result<u64, Fault>)> =
            objects.par_iter().map(|(digest, path)| (*digest, look(*digest, path))).collect();
        let mut verified = Verified {
            records: stored.len() as u64,
            unreadable: (self.records.count() - stored.len()) as u64,
            ..Verified::default()
        };
        for (digest, looked) in &read {
            match looked {
                // Removed since it was listed: then it is missing, if anything.
                Err(Fault::Missing) => {}
                Err(fault) => verified.damaged.push(found(*digest, fault.clone())),
                Ok(size) => {
                    verified.objects += 1;
                    verified.bytes += size;
                }
            }
        }
        let there: BTreeSet<Digest> =
            read.iter().filter(|(_, looked)| *looked != Err(Fault::Missing)).map(|(digest, _)| *digest).collect();
        verified.missing = users
            .keys()
            .filter(|digest| !there.contains(digest))
            .map(|digest| found(*digest, Fault::Missing))
            .collect();
        if repair {
            verified.damaged.iter().for_each(|damaged| self.quarantine(damaged.object));
        }
        Ok(verified)
    }

    /// Whatever has an object's name in an object's place.
    fn all_objects(&self) -> io::Result<BTreeMap<Digest, PathBuf>> {
        let mut objects = BTreeMap::new();
        for folder in files::list(&self.place.v1().join("objects"))?.into_iter().map(|entry| entry.path()) {
            for entry in if is_fan_out(&folder) { files::list(&folder)? } else { Vec::new() } {
                let named = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok());
                if let Some(digest) = named.filter(|digest| self.object_path(*digest) == entry.path()) {
                    objects.insert(digest, entry.path());
                }
            }
        }
        Ok(objects)
    }
}

/// The size of a good object.
fn look(digest: Digest, path: &Path) -> Result<u64, Fault> {
    match hash_file(path) {
        Ok((found, stamp)) if found == digest => Ok(stamp.size),
        Ok((found, _)) => Err(Fault::Bytes(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::Missing),
        Err(error) => match path.symlink_metadata() {
            Ok(metadata) if !metadata.is_file() => Err(Fault::Kind),
            _ => Err(Fault::Unreadable(error.kind())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Objects;
    use crate::store::testing::{open, record_of_file};

    #[test]
    fn f41_each_flipped_byte_of_each_object_is_found_and_the_repair_takes_it_away() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let explanation = store.put_bytes(b"explanation").unwrap();
        let object = (store.put_bytes(b"some bytes").unwrap(), 10);
        let unused = store.put_bytes(b"nobody's").unwrap();
        store.records.append(&[record_of_file(1, "p/s", 0, object)]).unwrap();
        let good = Verified { objects: 3, bytes: 29, records: 1, ..Verified::default() };
        assert_eq!(store.verify(false).unwrap(), good);
        for digest in [explanation, object.0, unused] {
            let path = store.object_path(digest);
            let whole = std::fs::read(&path).unwrap();
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, &bytes).unwrap();
                let verified = store.verify(false).unwrap();
                let steps = if digest == unused { BTreeSet::new() } else { BTreeSet::from(["p/s".to_owned()]) };
                let damaged = Found { object: digest, fault: Fault::Bytes(Digest::of(&bytes)), steps };
                assert_eq!(verified.damaged, [damaged], "byte {at}");
                assert!(path.exists(), "it is only looked at");
                store.verify(true).unwrap();
                assert!(!path.exists(), "byte {at}");
                let missing: Vec<_> = store.verify(false).unwrap().missing.into_iter().map(|it| it.object).collect();
                assert_eq!(missing, if digest == unused { vec![] } else { vec![digest] });
                std::fs::write(&path, &whole).unwrap();
            }
        }
        assert_eq!(store.verify(false).unwrap(), good);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_no_object() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let object = store.put_bytes(b"some bytes").unwrap();
        let path = store.object_path(object);
        std::fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        std::fs::write(path.with_file_name("a stranger's"), "x").unwrap();
        let verified = store.verify(true).unwrap();
        let damaged = Found { object, fault: Fault::Kind, steps: BTreeSet::new() };
        assert_eq!(verified, Verified { damaged: vec![damaged], ..Verified::default() });
        assert!(path.symlink_metadata().is_err() && path.with_file_name("a stranger's").exists());
        assert!(dir.path().join("elsewhere").exists(), "what a link leads to is nobody's business");
    }
}
