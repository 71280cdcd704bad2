//! What zen last left where, kept in a log in the zen folder. Several processes may append to it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::artifact::Node;
use crate::path::RelPath;
use crate::store::log::{Changed, Frame, FrameLog, Mark};

const LEFT: u32 = 1;
/// From this size on a log of which most is dead is written anew.
const SMALL: u64 = 256 << 10;

/// What zen left for one step.
type Entries = BTreeMap<RelPath, Node>;

/// Path → what zen last put or collected there, by step.
#[derive(Debug)]
pub(super) struct Ledger(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    log: FrameLog,
    /// Was it read? It is when somebody asks.
    is_read: bool,
    /// The last frame of each step, decoded when somebody asks for it.
    last: BTreeMap<String, Frame>,
    /// What all steps left at a path; gathered when it is first asked for.
    paths: Option<HashMap<RelPath, Vec<Node>>>,
    /// Bytes of the last frames.
    live: u64,
}

impl Ledger {
    /// The ledger in this file; one that cannot be read is an empty one: what it held is moved to `replaced/` then
    /// instead of being removed.
    pub(super) fn open(file: &Path) -> Self {
        let log = FrameLog::open(file);
        Self(Mutex::new(Inner { log, is_read: false, last: BTreeMap::new(), paths: None, live: 0 }))
    }

    fn read(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.is_read {
            let _ = inner.refresh();
        }
        inner
    }

    /// How far it was read.
    pub(super) fn mark(&self) -> Mark {
        self.read().log.mark()
    }

    /// Did nobody note anything since the mark?
    pub(super) fn is_as_at(&self, mark: &Mark) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).log.is_still_at(mark)
    }

    /// Sees to it that what other processes noted since it was opened is known; what cannot be read is not.
    pub(super) fn refresh(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_read = false;
    }

    /// Is this what zen last left at `path`? `step` is the one that most likely left it.
    pub(super) fn is_own(&self, step: Option<&str>, path: &RelPath, node: &Node) -> bool {
        let mut inner = self.read();
        step.is_some_and(|step| inner.entries(step).get(path) == Some(node))
            || inner.paths().get(path).is_some_and(|nodes| nodes.contains(node))
    }

    /// From now on these, and only these, are what zen left for `step`. Whoever asks holds the locks on its places, so
    /// that what is known of it is what was last noted.
    ///
    /// # Errors
    /// What writing met.
    pub(super) fn set(&self, step: &str, entries: &Entries) -> io::Result<()> {
        let mut inner = self.read();
        if inner.entries(step) == *entries {
            return Ok(());
        }
        let payload = postcard::to_stdvec(&(step, entries)).map_err(io::Error::other)?;
        let changed = inner.log.append(&[(LEFT, &payload)])?;
        inner.apply(changed);
        inner.compact()
    }

    /// Everything, by step.
    pub(super) fn steps(&self) -> BTreeMap<String, Entries> {
        let inner = self.read();
        let all = inner.last.iter().map(|(step, frame)| (step.clone(), decode(&inner.log, *frame)));
        all.filter(|(_, entries)| !entries.is_empty()).collect()
    }
}

impl Inner {
    fn refresh(&mut self) -> io::Result<()> {
        self.is_read = true;
        let changed = self.log.refresh()?;
        self.apply(changed);
        Ok(())
    }

    fn apply(&mut self, changed: Changed) {
        if changed.reset {
            (self.last, self.paths, self.live) = (BTreeMap::new(), None, 0);
        }
        for frame in changed.frames {
            // A frame that another version wrote says nothing.
            if let Ok((step, _)) = postcard::take_from_bytes::<&str>(self.log.peek(frame)) {
                let step = step.to_owned();
                self.put(step, frame);
            }
        }
    }

    fn put(&mut self, step: String, frame: Frame) {
        let Self { log, last, paths, live, .. } = self;
        let old = last.insert(step, frame);
        *live = (*live + frame.size()).saturating_sub(old.map_or(0, |old| old.size()));
        let Some(paths) = paths else { return };
        for (path, node) in old.into_iter().flat_map(|old| decode(log, old)) {
            let nodes = paths.entry(path).or_default();
            if let Some(at) = nodes.iter().position(|known| *known == node) {
                nodes.swap_remove(at);
            }
        }
        for (path, node) in decode(log, frame) {
            paths.entry(path).or_default().push(node);
        }
    }

    fn entries(&self, step: &str) -> Entries {
        self.last.get(step).map(|frame| decode(&self.log, *frame)).unwrap_or_default()
    }

    fn paths(&mut self) -> &HashMap<RelPath, Vec<Node>> {
        let Self { log, last, paths, .. } = self;
        paths.get_or_insert_with(|| {
            let mut paths: HashMap<RelPath, Vec<Node>> = HashMap::new();
            for (path, node) in last.values().flat_map(|frame| decode(log, *frame)) {
                paths.entry(path).or_default().push(node);
            }
            paths
        })
    }

    fn compact(&mut self) -> io::Result<()> {
        if self.log.size() < SMALL || self.log.size() / 4 <= self.live {
            return Ok(());
        }
        let all = self.last.values().filter(|frame| !decode(&self.log, **frame).is_empty());
        let payloads: Vec<Vec<u8>> = all.map(|frame| self.log.peek(*frame).to_vec()).collect();
        let frames: Vec<(u32, &[u8])> = payloads.iter().map(|payload| (LEFT, &payload[..])).collect();
        let changed = self.log.write()?.replace(&frames)?;
        self.apply(changed);
        Ok(())
    }
}

/// What a frame says; nothing if it is damaged.
fn decode(log: &FrameLog, frame: Frame) -> Entries {
    let said = log.payload(frame).map(postcard::from_bytes::<(&str, Entries)>);
    said.and_then(Result::ok).map_or_else(Entries::new, |(_, entries)| entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn file(bytes: &str) -> Node {
        Node::File { digest: Digest::of(bytes.as_bytes()), size: bytes.len() as u64, executable: false }
    }

    fn left(entries: &[(&str, &str)]) -> Entries {
        entries.iter().map(|(at, bytes)| (path(at), file(bytes))).collect()
    }

    #[test]
    fn the_last_word_of_each_step_counts() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("places.log");
        let (ours, theirs) = (Ledger::open(&log), Ledger::open(&log));
        let owns = |ledger: &Ledger, step, at: &str, bytes| ledger.is_own(step, &path(at), &file(bytes));
        ours.set("p/a", &left(&[("x", "1"), ("y", "1")])).unwrap();
        assert!(owns(&ours, Some("p/a"), "x", "1") && owns(&ours, None, "y", "1"));
        assert!(!owns(&ours, Some("p/a"), "x", "2") && !owns(&ours, Some("p/b"), "z", "1"));
        ours.set("p/a", &left(&[("x", "2")])).unwrap();
        assert!(owns(&ours, None, "x", "2") && !owns(&ours, None, "x", "1") && !owns(&ours, None, "y", "1"));
        // What others note is known after a refresh, and what they note of others' steps too.
        assert!(owns(&theirs, None, "x", "2"));
        theirs.set("p/b", &left(&[("x", "2"), ("z", "3")])).unwrap();
        assert!(!owns(&ours, None, "z", "3"));
        ours.refresh();
        assert!(owns(&ours, None, "z", "3"));
        ours.set("p/a", &Entries::new()).unwrap();
        assert!(owns(&ours, None, "x", "2"), "the other step left the same there");
        ours.set("p/b", &Entries::new()).unwrap();
        assert!(!owns(&ours, None, "x", "2") && ours.steps().is_empty());
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("places.log");
        let ledger = Ledger::open(&log);
        let mut sizes = Vec::new();
        while sizes.last() >= sizes.iter().max() {
            let n = sizes.len();
            ledger.set(&format!("p/{}", n % 40), &left(&[(&"x".repeat(500), &n.to_string())])).unwrap();
            sizes.push(log.metadata().unwrap().len());
        }
        assert!(sizes[sizes.len() - 2] + 600 > SMALL, "it is written anew when it is large, and not before");
        assert!(sizes.last() < Some(&(SMALL / 4)), "and is small then");
        let (known, read) = (ledger.steps(), Ledger::open(&log).steps());
        assert_eq!(known.len(), 40);
        assert_eq!(known, read);
    }

    #[test]
    fn what_is_damaged_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("places.log");
        Ledger::open(&log).set("p/a", &left(&[("x", "1")])).unwrap();
        Ledger::open(&log).set("p/b", &left(&[("y", "1")])).unwrap();
        let mut bytes = std::fs::read(&log).unwrap();
        // The first frame is the file's identity; the last byte of the next one is p/a's.
        let at = bytes.windows(3).position(|window| window == b"p/a").unwrap() + 10;
        bytes[at] ^= 1;
        std::fs::write(&log, bytes).unwrap();
        let ledger = Ledger::open(&log);
        assert!(!ledger.is_own(Some("p/a"), &path("x"), &file("1")));
        assert!(ledger.is_own(None, &path("y"), &file("1")));
        assert_eq!(ledger.steps().into_keys().collect::<Vec<_>>(), ["p/b"]);
    }
}
