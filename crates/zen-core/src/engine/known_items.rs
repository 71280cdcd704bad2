//! What source items held when their files were last taken apart, by the digests of those files: a run in which nothing
//! changed parses nothing. Knows not whether an answer still holds; losing it costs time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;
use crate::scan::own;

/// Part of the file's checksum: one that was written otherwise, or of other tokens, is of no use.
const DOMAIN: &str = "zen source items 1";

/// The digest of an item, and the files that say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownItem {
    /// Of the item.
    pub(super) digest: Digest,
    /// With the digests of their bytes; `None`: it was not there.
    pub(super) files: BTreeMap<RelPath, Option<Digest>>,
}

/// The items of a workspace, by what names them.
#[derive(Debug)]
pub(super) struct KnownItems {
    file: PathBuf,
    old: BTreeMap<String, KnownItem>,
    new: Mutex<BTreeMap<String, KnownItem>>,
}

impl KnownItems {
    /// Those in `file`; none if it is not there or damaged.
    pub(super) fn open(file: &Path) -> Self {
        Self { file: file.to_owned(), old: load(file).unwrap_or_default(), new: Mutex::default() }
    }

    /// What is known of an item.
    pub(super) fn get(&self, name: &str) -> Option<&KnownItem> {
        self.old.get(name)
    }

    /// Keeps what was found out.
    pub(super) fn put(&self, name: String, known: KnownItem) {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).insert(name, known);
    }

    /// Writes what is new, and of the old what is `wanted`.
    ///
    /// # Errors
    /// What writing met.
    pub(super) fn save(&self, wanted: &BTreeSet<String>) -> io::Result<()> {
        let new = std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner));
        if new.is_empty() {
            return Ok(());
        }
        let mut all = self.old.clone();
        all.extend(new);
        all.retain(|name, _| wanted.contains(name));
        let body = postcard::to_stdvec(&all).map_err(io::Error::other)?;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".zen-tmp-").tempfile_in(folder)?;
        file.write_all(&checksum(&body).0)?;
        file.write_all(&body)?;
        file.persist(&self.file)?;
        Ok(())
    }
}

fn load(file: &Path) -> Option<BTreeMap<String, KnownItem>> {
    let bytes = own::read(file).ok()?;
    let (digest, body) = bytes.split_first_chunk::<32>()?;
    (checksum(body).0 == *digest).then(|| postcard::from_bytes(body).ok())?
}

fn checksum(body: &[u8]) -> Digest {
    FieldHasher::new(DOMAIN).field(body).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_known_again_unless_the_file_is_damaged_or_nobody_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("source-items");
        let known = |text: &str| KnownItem {
            digest: Digest::of(text.as_bytes()),
            files: [(RelPath::new("a.rs").unwrap(), None)].into(),
        };
        let items = KnownItems::open(&file);
        for name in ["a", "b"] {
            items.put(name.to_owned(), known(name));
        }
        items.save(&BTreeSet::from(["a".to_owned()])).unwrap();
        let again = KnownItems::open(&file);
        assert_eq!(again.get("a"), Some(&known("a")));
        assert_eq!(again.get("b"), None);
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(KnownItems::open(&file).get("a"), None);
    }
}
