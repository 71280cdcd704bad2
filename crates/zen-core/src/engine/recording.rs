//! Records of quick steps wait here for a moment and are written together: to make a file and give it its name takes as
//! long as a short step. What is written late is lost if zen is killed, and made again. Knows no schedule.

use std::io;
use std::time::{Duration, Instant};

use crate::artifact::{Key, Piece, Record};
use crate::model::StepId;
use crate::store::Objects;
use crate::store::local::LocalStore;

/// How long a record may wait.
const MOMENT: Duration = Duration::from_millis(10);
/// A step that took longer is recorded when it ends.
const QUICK: Duration = Duration::from_millis(20);
/// So many bytes of explanations are enough for one object.
const ENOUGH: usize = 64 << 10;

/// A record that is not in the store yet.
#[derive(Debug)]
pub(super) struct Unrecorded {
    /// Whole but for where its explanation is.
    pub(super) record: Record,
    /// What its key was made from, as it is stored.
    pub(super) explanation: Vec<u8>,
}

/// The records that wait.
#[derive(Debug, Default)]
pub(super) struct Recording {
    waiting: Vec<(StepId, Unrecorded)>,
    bytes: usize,
    due: Option<Instant>,
}

impl Recording {
    /// Takes the record of a step that ended now.
    pub(super) fn add(&mut self, step: StepId, unrecorded: Unrecorded, now: Instant) {
        self.bytes += unrecorded.explanation.len();
        let took = Duration::from_millis(unrecorded.record.duration_ms);
        let is_urgent = took > QUICK || self.bytes >= ENOUGH;
        let due = now + if is_urgent { Duration::ZERO } else { MOMENT };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        self.waiting.push((step, unrecorded));
    }

    /// Does the record of this step wait?
    pub(super) fn has(&self, step: StepId) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == step)
    }

    /// Does a record of this key wait?
    pub(super) fn has_key(&self, key: Key) -> bool {
        self.waiting.iter().any(|(_, unrecorded)| unrecorded.record.key == key)
    }

    /// When they are to be written, if there are any.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes them: one object for all explanations, then all records. Gives each record as it is in the store now, or
    /// why it is not.
    pub(super) fn write(&mut self, store: &LocalStore) -> Vec<(StepId, io::Result<Record>)> {
        let Self { waiting, .. } = std::mem::take(self);
        let steps: Vec<StepId> = waiting.iter().map(|(step, _)| *step).collect();
        let mut waiting: Vec<Unrecorded> = waiting.into_iter().map(|(_, unrecorded)| unrecorded).collect();
        let written = match append(store, &mut waiting) {
            Ok(()) => waiting.into_iter().map(|written| Ok(written.record)).collect(),
            // What forbids one need not forbid the others.
            Err(_) if waiting.len() > 1 => waiting.into_iter().map(|one| append_one(store, one)).collect(),
            Err(error) => vec![Err(error)],
        };
        steps.into_iter().zip::<Vec<_>>(written).collect()
    }
}

fn append_one(store: &LocalStore, unrecorded: Unrecorded) -> io::Result<Record> {
    let mut one = [unrecorded];
    append(store, &mut one)?;
    let [written] = one;
    Ok(written.record)
}

/// One object with all explanations, then the records, which say where in it theirs is.
fn append(store: &LocalStore, waiting: &mut [Unrecorded]) -> io::Result<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    let explanations: Vec<&[u8]> = waiting.iter().map(|unrecorded| &unrecorded.explanation[..]).collect();
    let object = store.put_bytes(&explanations.concat())?;
    let mut at = 0;
    for Unrecorded { record, explanation } in &mut *waiting {
        record.explanation = Piece { object, at, len: explanation.len() as u64 };
        at += record.explanation.len;
    }
    let records: Vec<&Record> = waiting.iter().map(|unrecorded| &unrecorded.record).collect();
    store.records.append(&records)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::artifact::{Artifact, Entry, Node, Production, RunId, Timestamp};
    use crate::digest::Digest;
    use crate::path::RelPath;
    use crate::store::local::Access;

    fn unrecorded(n: u8, explanation: &[u8], duration_ms: u64) -> Unrecorded {
        let record = Record {
            key: Key(Digest([n; 32])),
            production: Production([n; 16]),
            step: format!("p/{n}"),
            run: RunId(1),
            ended: Timestamp(0),
            duration_ms,
            artifacts: Arc::default(),
            explanation: Piece { object: Digest([0; 32]), at: 0, len: 0 },
            log: None,
        };
        Unrecorded { record, explanation: explanation.to_vec() }
    }

    fn store() -> (tempfile::TempDir, LocalStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&folder.path().join("store"), Access::Write).unwrap();
        (folder, store)
    }

    fn explanation(store: &LocalStore, key: u8) -> Option<Vec<u8>> {
        let record = store.records.get(&[Key(Digest([key; 32]))]).pop().flatten()?;
        let bytes = store.read(record.explanation.object).ok()?;
        record.explanation.of(&bytes).map(<[u8]>::to_vec)
    }

    #[test]
    fn all_are_written_together_and_each_has_its_own_explanation() {
        let (_folder, store) = store();
        let mut recording = Recording::default();
        let now = Instant::now();
        assert!(recording.write(&store).is_empty() && recording.due().is_none());
        for (n, text) in [(1, "one"), (2, ""), (3, "the third")] {
            recording.add(StepId(n), unrecorded(n as u8, text.as_bytes(), 1), now);
        }
        assert!(recording.has(StepId(2)) && recording.due() == Some(now + MOMENT));
        assert_eq!(explanation(&store, 1), None, "it is not written yet");
        let written = recording.write(&store);
        assert_eq!(
            written.iter().map(|(step, record)| (step.0, record.is_ok())).collect::<Vec<_>>(),
            [(1, true), (2, true), (3, true)]
        );
        assert!(!recording.has(StepId(2)) && recording.due().is_none());
        let texts = [1, 2, 3].map(|n| explanation(&store, n));
        assert_eq!(texts, [Some(b"one".to_vec()), Some(Vec::new()), Some(b"the third".to_vec())]);
    }

    #[test]
    fn what_took_long_or_is_much_does_not_wait() {
        let now = Instant::now();
        let mut recording = Recording::default();
        recording.add(StepId(1), unrecorded(1, b"", QUICK.as_millis() as u64 + 1), now);
        assert_eq!(recording.due(), Some(now));
        let mut recording = Recording::default();
        recording.add(StepId(1), unrecorded(1, &vec![0; ENOUGH], 1), now);
        assert_eq!(recording.due(), Some(now));
        recording.add(StepId(2), unrecorded(2, b"", 1), now + MOMENT);
        assert_eq!(recording.due(), Some(now), "who comes later does not put it off");
    }

    #[test]
    fn one_that_cannot_be_recorded_does_not_keep_the_others_out() {
        let (_folder, store) = store();
        let mut recording = Recording::default();
        let now = Instant::now();
        let mut bad = unrecorded(2, b"two", 1);
        let entries = vec![Entry { path: RelPath::root().child(b".."), node: Node::Folder }];
        bad.record.artifacts = [Artifact { name: "out".to_owned(), entries }].into();
        recording.add(StepId(1), unrecorded(1, b"one", 1), now);
        recording.add(StepId(2), bad, now);
        recording.add(StepId(3), unrecorded(3, b"three", 1), now);
        let written: Vec<bool> = recording.write(&store).into_iter().map(|(_, record)| record.is_ok()).collect();
        assert_eq!(written, [true, false, true]);
        assert_eq!([1, 2, 3].map(|n| explanation(&store, n)), [Some(b"one".to_vec()), None, Some(b"three".to_vec())]);
    }
}
