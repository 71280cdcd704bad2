//! The records of a store: key → what the step left. Knows not what a step is.
//!
//! One [`FrameLog`]. A frame of a record has what it is looked up by at a fixed place (key, end, step), then the record
//! itself; it is verified and decoded only when it is asked for, and what does not verify, decode or [`check`] is a miss.
//! Frames of other kinds or schemas are somebody else's: ignored, and kept by a compaction.
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::check::check;
use super::log::{Changed, Frame, FrameLog, Mark};
use super::place::Place;
use crate::artifact::{Key, Record, Timestamp};
use crate::digest::Digest;

const SCHEMA: u8 = 2;
const RECORD: u32 = 1;
const REMOVED: u32 = 2;
const USED: u32 = 3;
/// Schema, key 32, end 8, length of the step's id 2.
const FIXED: usize = 43;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// A log smaller than this is not worth a compaction.
const SMALL: u64 = 64 << 10;

/// The records of a store. Any number of processes may use them at once; what others append is seen after
/// [`Records::refresh`].
#[derive(Debug)]
pub struct Records {
    place: Place,
    writable: bool,
    inner: Mutex<Inner>,
}

/// A record, and what the store knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// When a run last used it, to the day; at first, when it was made.
    pub last_used: Timestamp,
}

impl Records {
    pub(super) fn new(place: Place, writable: bool) -> Self {
        let log = FrameLog::open(place.v1().join("records.log"));
        let (index, trouble) = (Index::default(), None);
        Self { place, writable, inner: Mutex::new(Inner { log, index, is_read: false, trouble }) }
    }

    /// Reads what other processes appended.
    ///
    /// # Errors
    /// What reading met; then everything is as it was.
    pub fn refresh(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever asks first reads all that there is then.
        if inner.is_read { inner.refresh() } else { Ok(()) }
    }

    /// What reading met when it was first needed: then there are no records.
    pub fn trouble(&self) -> Option<String> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// How far the log was read.
    pub fn mark(&self) -> Mark {
        self.lock().log.mark()
    }

    /// The keys whose records came, were replaced or went since the mark; `None` if that cannot be told.
    pub fn changed_since(&self, mark: &Mark) -> Option<HashSet<Key>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.is_read && inner.log.is_still_at(mark) {
            return Some(HashSet::new());
        }
        drop(inner);
        let inner = self.lock();
        let mut keys = HashSet::new();
        for frame in inner.log.since(mark)? {
            match (frame.kind, inner.log.peek(frame)) {
                (RECORD, payload @ [SCHEMA, ..]) => keys.extend(fixed(payload).map(|(key, ..)| key)),
                (REMOVED, [SCHEMA, ..]) => {
                    keys.extend(inner.log.payload(frame).unwrap_or(&[SCHEMA])[1..].chunks_exact(32).map(key_of));
                }
                _ => {}
            }
        }
        Some(keys)
    }

    /// The newest record of each key; `None` if there is none that can be believed.
    pub fn get(&self, keys: &[Key]) -> Vec<Option<Record>> {
        let inner = self.lock();
        keys.iter().map(|key| decode(&inner.log, key, inner.index.slots.get(key)?.frame)).collect()
    }

    /// The newest records of the step that calls itself `display_id`, of different keys, newest first.
    pub fn latest_of_step(&self, display_id: &str, limit: usize) -> Vec<Record> {
        let mut inner = self.lock();
        let Inner { log, index, .. } = &mut *inner;
        index.index_steps(log);
        let made = index.steps.as_ref().and_then(|steps| steps.get(display_id.as_bytes()));
        let live = made.into_iter().flatten().rev().filter_map(|(number, key)| {
            let slot = index.slots.get(key).filter(|slot| slot.number == *number)?;
            decode(log, key, slot.frame)
        });
        live.take(limit).collect()
    }

    /// Appends records, all in one write. A record replaces an earlier one of the same key.
    ///
    /// # Errors
    /// `InvalidData` for a record that [`check`] refuses (then none is appended); what writing met.
    pub fn append(&self, records: &[impl Borrow<Record>]) -> io::Result<()> {
        let payloads = records.iter().map(|record| encode(record.borrow())).collect::<io::Result<Vec<_>>>()?;
        self.write(&payloads.iter().map(|payload| (RECORD, &payload[..])).collect::<Vec<_>>())
    }

    /// Forgets the records of these keys.
    ///
    /// # Errors
    /// What writing met.
    pub fn remove(&self, keys: &[Key]) -> io::Result<()> {
        let mut payload = vec![SCHEMA];
        keys.iter().for_each(|key| payload.extend_from_slice(&key.0.0));
        if keys.is_empty() { Ok(()) } else { self.write(&[(REMOVED, &payload)]) }
    }

    /// Says that a run at `now` used the records of these keys. Writes only what is wrong by more than a day, so that
    /// a run that changes nothing writes nothing.
    ///
    /// # Errors
    /// What writing met.
    pub fn touch(&self, keys: &[Key], now: Timestamp) -> io::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut payload = vec![SCHEMA];
        {
            let inner = self.lock();
            let is_old =
                |key: &&Key| inner.index.slots.get(key).is_some_and(|slot| slot.used.abs_diff(now.0) > DAY as u64);
            for key in keys.iter().filter(is_old) {
                push_use(&mut payload, key, now.0);
            }
        }
        if payload.len() == 1 { Ok(()) } else { self.write(&[(USED, &payload)]) }
    }

    /// All records that can be believed, oldest first.
    pub fn all(&self) -> Vec<Stored> {
        let inner = self.lock();
        let stored = |(key, slot): (&Key, &Slot)| {
            Some(Stored { record: decode(&inner.log, key, slot.frame)?, last_used: Timestamp(slot.used) })
        };
        inner.index.in_order().into_iter().filter_map(stored).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().index.slots.len()
    }

    /// Bytes of the log.
    pub fn log_size(&self) -> u64 {
        self.lock().log.size()
    }

    /// Writes the log anew if more than half of it is dead.
    ///
    /// # Errors
    /// What writing met; then the log is as it was.
    pub fn compact(&self) -> io::Result<()> {
        let mut inner = self.lock();
        let Inner { log, index, .. } = &mut *inner;
        let live: u64 = index.slots.values().map(|slot| &slot.frame).chain(&index.foreign).map(Frame::size).sum();
        if !self.writable || log.size() < SMALL || log.size() / 2 < live {
            return Ok(());
        }
        let mut writer = log.write()?;
        let changed = writer.take_changed();
        index.apply(writer.log(), &changed);
        let live = index.in_order();
        let mut uses = vec![SCHEMA];
        live.iter().for_each(|(key, slot)| push_use(&mut uses, key, slot.used));
        let kept = index.foreign.iter().copied().chain(live.iter().map(|(_, slot)| slot.frame));
        let whole = |frame: Frame| Some((frame.kind, writer.log().payload(frame)?.to_vec()));
        let mut frames: Vec<(u32, Vec<u8>)> = kept.filter_map(whole).collect();
        frames.push((USED, uses));
        let changed =
            writer.replace(&frames.iter().map(|(kind, payload)| (*kind, &payload[..])).collect::<Vec<_>>())?;
        index.apply(log, &changed);
        Ok(())
    }

    fn write(&self, frames: &[(u32, &[u8])]) -> io::Result<()> {
        if !self.writable {
            return Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the store is open for reading only"));
        }
        self.place.with_folders(|| std::fs::symlink_metadata(self.place.v1()).map(drop))?;
        let mut inner = self.lock();
        let Inner { log, index, .. } = &mut *inner;
        let mut writer = log.write()?;
        // What others wrote counts even if our own frames do not get there.
        let theirs = writer.take_changed();
        index.apply(writer.log(), &theirs);
        writer.append(frames)?;
        let ours = writer.finish();
        index.apply(log, &ours);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.is_read
            && let Err(error) = inner.refresh()
        {
            inner.trouble = Some(error.to_string());
        }
        inner
    }
}

#[derive(Debug)]
struct Inner {
    log: FrameLog,
    index: Index,
    /// Was the log read? It is when somebody asks.
    is_read: bool,
    trouble: Option<String>,
}

impl Inner {
    fn refresh(&mut self) -> io::Result<()> {
        self.is_read = true;
        let Self { log, index, .. } = self;
        let changed = log.refresh()?;
        index.apply(log, &changed);
        Ok(())
    }
}

/// What the frames say, without a look into the records themselves.
#[derive(Debug, Default)]
struct Index {
    slots: HashMap<Key, Slot>,
    /// Step → what it made, oldest first, replaced ones among them; made when it is first asked for.
    steps: Option<HashMap<Vec<u8>, Made>>,
    /// Frames that are not for us.
    foreign: Vec<Frame>,
    next: u64,
}

/// Numbers and keys of records.
type Made = Vec<(u64, Key)>;

#[derive(Debug, Clone, Copy)]
struct Slot {
    frame: Frame,
    /// Counts the records of the log.
    number: u64,
    /// Milliseconds since the epoch.
    used: i64,
}

impl Index {
    fn apply(&mut self, log: &FrameLog, changed: &Changed) {
        if changed.reset {
            *self = Self { next: self.next, ..Self::default() };
        }
        for frame in &changed.frames {
            self.apply_frame(log, *frame);
        }
    }

    fn apply_frame(&mut self, log: &FrameLog, frame: Frame) {
        match (frame.kind, log.peek(frame)) {
            (RECORD, [SCHEMA, ..]) => {
                let Some((key, ended, step)) = fixed(log.peek(frame)) else { return };
                let used = self.slots.get(&key).map_or(ended, |slot| slot.used.max(ended));
                self.slots.insert(key, Slot { frame, number: self.next, used });
                if let Some(steps) = &mut self.steps {
                    steps.entry(step.to_vec()).or_default().push((self.next, key));
                }
                self.next += 1;
            }
            // These are few, and what they say is believed at once: so they are verified at once.
            (REMOVED, [SCHEMA, ..]) => {
                for key in log.payload(frame).unwrap_or(&[SCHEMA])[1..].chunks_exact(32) {
                    self.slots.remove(&key_of(key));
                }
            }
            (USED, [SCHEMA, ..]) => {
                for entry in log.payload(frame).unwrap_or(&[SCHEMA])[1..].chunks_exact(40) {
                    if let Some(slot) = self.slots.get_mut(&key_of(&entry[..32])) {
                        slot.used = number_of(&entry[32..]);
                    }
                }
            }
            _ => self.foreign.push(frame),
        }
    }

    fn in_order(&self) -> Vec<(&Key, &Slot)> {
        let mut slots: Vec<_> = self.slots.iter().collect();
        slots.sort_by_key(|(_, slot)| slot.number);
        slots
    }

    fn index_steps(&mut self, log: &FrameLog) {
        if self.steps.is_some() {
            return;
        }
        let mut steps: HashMap<Vec<u8>, Made> = HashMap::new();
        for (key, slot) in self.in_order() {
            if let Some((_, _, step)) = fixed(log.peek(slot.frame)) {
                steps.entry(step.to_vec()).or_default().push((slot.number, *key));
            }
        }
        self.steps = Some(steps);
    }
}

/// What the frame holds for `key`, if it can be believed.
fn decode(log: &FrameLog, key: &Key, frame: Frame) -> Option<Record> {
    let payload = log.payload(frame)?;
    let (_, _, step) = fixed(payload)?;
    let (record, rest) = postcard::take_from_bytes::<Record>(payload.get(FIXED + step.len()..)?).ok()?;
    (rest.is_empty() && record.key == *key && record.step.as_bytes() == step && check(&record).is_ok())
        .then_some(record)
}

fn encode(record: &Record) -> io::Result<Vec<u8>> {
    let invalid = |why: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("what `{}` made cannot be kept: {why}", record.step.escape_debug()),
        )
    };
    check(record).map_err(|fault| invalid(fault.to_string()))?;
    let length = u16::try_from(record.step.len()).map_err(|e| invalid(e.to_string()))?;
    let mut payload = vec![SCHEMA];
    payload.extend_from_slice(&record.key.0.0);
    payload.extend_from_slice(&record.ended.0.to_le_bytes());
    payload.extend_from_slice(&length.to_le_bytes());
    payload.extend_from_slice(record.step.as_bytes());
    postcard::to_extend(record, payload).map_err(|e| invalid(e.to_string()))
}

/// Key, end and step, from where they always stand.
fn fixed(payload: &[u8]) -> Option<(Key, i64, &[u8])> {
    let (head, rest) = payload.split_at_checked(FIXED)?;
    let length = usize::from(u16::from_le_bytes([head[41], head[42]]));
    Some((key_of(&head[1..33]), number_of(&head[33..41]), rest.get(..length)?))
}

fn push_use(payload: &mut Vec<u8>, key: &Key, used: i64) {
    payload.extend_from_slice(&key.0.0);
    payload.extend_from_slice(&used.to_le_bytes());
}

fn key_of(bytes: &[u8]) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(bytes);
    Key(Digest(key))
}

fn number_of(bytes: &[u8]) -> i64 {
    let mut number = [0; 8];
    number.copy_from_slice(bytes);
    i64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Artifact, Entry, Node};
    use crate::path::RelPath;
    use crate::store::testing::{key, open, record, record_of_file};

    #[test]
    fn f_23_the_newest_production_of_a_key_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let (old, new) = (record(1, "p/s", 10), Record { duration_ms: 99, ..record(1, "p/s", 5) });
        store.records.append(&[old, record(2, "p/t", 20)]).unwrap();
        store.records.append(std::slice::from_ref(&new)).unwrap();
        for store in [&store, &open(dir.path())] {
            let got = store.records.get(&[key(1), key(3), key(2)]);
            assert_eq!(
                got,
                [Some(new.clone()), None, Some(record(2, "p/t", 20))],
                "the last one counts, whatever the clock says"
            );
            assert_eq!(store.records.all().len(), 2);
        }
    }

    #[test]
    fn the_latest_of_a_step_come_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let made = |n| record(n, "p/s", 1000 - i64::from(n));
        store.records.append(&[made(1), made(2), record(3, "p/other", 0)]).unwrap();
        assert_eq!(store.records.latest_of_step("p/s", 9), [made(2), made(1)]);
        store.records.append(&[made(4), made(1)]).unwrap();
        store.records.remove(&[key(2)]).unwrap();
        for store in [&store, &open(dir.path())] {
            assert_eq!(store.records.latest_of_step("p/s", 9), [made(1), made(4)]);
            assert_eq!(store.records.latest_of_step("p/s", 1), [made(1)]);
            assert_eq!(store.records.latest_of_step("p/", 9), []);
        }
    }

    #[test]
    fn a_mark_tells_whose_records_changed_since() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.records.append(&[record(1, "p/s", 0), record(2, "p/t", 0), record(3, "p/u", 0)]).unwrap();
        let mark = store.records.mark();
        assert_eq!(store.records.changed_since(&mark), Some(HashSet::new()));
        store.records.append(&[record(1, "p/s", 1)]).unwrap();
        store.records.remove(&[key(2)]).unwrap();
        store.records.touch(&[key(3)], Timestamp(9 * DAY)).unwrap();
        assert_eq!(store.records.changed_since(&mark), Some([key(1), key(2)].into()), "a use is no change");
        let other = tempfile::tempdir().unwrap();
        assert_eq!(open(other.path()).records.changed_since(&mark), None);
    }

    #[test]
    fn f8_others_records_are_seen_after_a_refresh() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (open(dir.path()), open(dir.path()));
        assert_eq!(b.records.get(&[key(1)]), [None]);
        a.records.append(&[record(1, "p/s", 0)]).unwrap();
        assert_eq!(b.records.get(&[key(1)]), [None]);
        b.records.refresh().unwrap();
        assert_eq!(b.records.get(&[key(1)]), [Some(record(1, "p/s", 0))]);
        b.records.append(&[record(2, "p/s", 0)]).unwrap();
        a.records.append(&[record(3, "p/s", 0)]).unwrap();
        assert_eq!(a.records.count(), 3, "an append sees what came before it");
    }

    #[test]
    fn f_31_f44_a_hostile_record_is_a_miss() {
        let bad = |path: &[u8]| {
            let node = Node::File { digest: Digest([1; 32]), size: 1, executable: false };
            let entries = vec![Entry { path: RelPath::root().child(path), node }];
            Record { artifacts: [Artifact { name: "o".to_owned(), entries }].into(), ..record(1, "p/s", 0) }
        };
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let mut log = FrameLog::open(store.folder().join("records.log"));
        let mut payloads: Vec<Vec<u8>> = Vec::new();
        for path in [&b"../x"[..], b"/etc/passwd", b"a/../../b", b"a\0"] {
            assert_eq!(store.records.append(&[bad(path)]).unwrap_err().kind(), io::ErrorKind::InvalidData);
            let mut payload = encode(&record(1, "p/s", 0)).unwrap()[..FIXED + 3].to_vec();
            payload.extend(postcard::to_stdvec(&bad(path)).unwrap());
            payloads.push(payload);
        }
        let honest = encode(&record(1, "p/s", 0)).unwrap();
        payloads.push([&honest[..], b"more"].concat());
        payloads.push(honest[..honest.len() - 1].to_vec());
        payloads.push([&honest[..5], &[0x77], &honest[6..]].concat());
        payloads.push([&honest[..FIXED], b"q/s", &honest[FIXED + 3..]].concat());
        payloads.extend((0..FIXED + 3).map(|len| honest[..len].to_vec()));
        // A vector that says it has 2^60 elements.
        payloads.push([&honest[..FIXED + 3], &[0xff; 8], &[0x0f]].concat());
        for payload in payloads {
            log.append(&[(RECORD, &payload)]).unwrap();
            store.records.refresh().unwrap();
            let mut other = key(1);
            other.0.0[4] = 0x77;
            let got = store.records.get(&[key(1), other]);
            assert!(got.iter().flatten().all(|r| *r == record(1, "p/s", 0)), "{payload:?} was believed: {got:?}");
            store.records.remove(&[key(1), other]).unwrap();
        }
        store.records.append(&[record(1, "p/s", 0)]).unwrap();
        assert_eq!(
            open(dir.path()).records.get(&[key(1)]),
            [Some(record(1, "p/s", 0))],
            "and the next production heals it"
        );
    }

    #[test]
    fn f28_sizes_beyond_four_gibibytes_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let large = record_of_file(1, "p/s", 0, (Digest([1; 32]), (5 << 30) + 7));
        store.records.append(std::slice::from_ref(&large)).unwrap();
        assert_eq!(open(dir.path()).records.get(&[key(1)]), [Some(large.clone())]);
        assert_eq!(large.artifacts[0].size(), 5_368_709_127);
    }

    #[test]
    fn f40_frames_of_other_versions_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let path = store.folder().join("records.log");
        let mut newer = encode(&record(1, "p/s", 0)).unwrap();
        newer[0] = SCHEMA + 1;
        FrameLog::open(&path).append(&[(RECORD, &newer), (77, b"what is this"), (RECORD, b"")]).unwrap();
        store.records.refresh().unwrap();
        assert_eq!(store.records.get(&[key(1)]), [None]);
        fill_and_compact(&store.records);
        let mut log = FrameLog::open(&path);
        let frames = log.refresh().unwrap().frames;
        let kept: Vec<_> = frames.iter().take(2).map(|f| (f.kind, log.payload(*f).unwrap())).collect();
        assert_eq!(kept, [(RECORD, &newer[..]), (77, b"what is this")]);
    }

    fn fill_and_compact(records: &Records) {
        while records.log_size() < 3 * SMALL {
            records.append(&(0..50).map(|n| record(n % 5, "p/s", i64::from(n))).collect::<Vec<_>>()).unwrap();
        }
        records.touch(&[key(3)], Timestamp(5 * DAY)).unwrap();
        records.compact().unwrap();
        assert!(records.log_size() < SMALL, "{} bytes are left", records.log_size());
    }

    #[test]
    fn a_compaction_keeps_records_order_and_uses() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let watcher = open(dir.path());
        fill_and_compact(&store.records);
        watcher.records.refresh().unwrap();
        let expected: Vec<_> = (0..5)
            .map(|n| Stored {
                record: record(n, "p/s", 45 + i64::from(n)),
                last_used: Timestamp(if n == 3 { 5 * DAY } else { 45 + i64::from(n) }),
            })
            .collect();
        for store in [&store, &watcher, &open(dir.path())] {
            assert_eq!(store.records.all(), expected);
            assert_eq!(store.records.latest_of_step("p/s", 1)[0].key, key(4));
        }
    }

    #[test]
    fn uses_are_written_once_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let now = |days, ms| Timestamp(days * DAY + ms);
        store.records.append(&[record(1, "p/s", now(10, 0).0)]).unwrap();
        let size = store.records.log_size();
        store.records.touch(&[key(1), key(2)], now(11, 0)).unwrap();
        assert_eq!(store.records.log_size(), size, "nothing to write within a day");
        store.records.touch(&[key(1)], now(11, 1)).unwrap();
        assert_eq!(open(dir.path()).records.all()[0].last_used, now(11, 1));
        store.records.touch(&[key(1)], now(3, 0)).unwrap();
        assert_eq!(store.records.all()[0].last_used, now(3, 0), "a stamp from the future is put right (F12)");
    }
}
