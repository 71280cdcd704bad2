//! Records of quick steps wait here for a moment and are written together: to make a file and give it its name takes as
//! long as a short step. What is written late is lost if zen is killed, and made again. Knows no schedule.

use std::io;
use std::time::{Duration, Instant};

use crate::artifact::{Piece, Record};
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
    pub(super) fn add(&mut self, step: StepId, unrecorded: Unrecorded) {
        self.bytes += unrecorded.explanation.len();
        let took = Duration::from_millis(unrecorded.record.duration_ms);
        let is_urgent = took > QUICK || self.bytes >= ENOUGH;
        let due = Instant::now() + if is_urgent { Duration::ZERO } else { MOMENT };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        self.waiting.push((step, unrecorded));
    }

    /// Does the record of this step wait?
    pub(super) fn has(&self, step: StepId) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == step)
    }

    /// When they are to be written, if there are any.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes them: one object for all explanations, then all records. Gives each record as it is in the store now, or
    /// why it is not.
    pub(super) fn write(&mut self, store: &LocalStore) -> Vec<(StepId, Result<Record, String>)> {
        let Self { waiting, .. } = std::mem::take(self);
        let steps: Vec<StepId> = waiting.iter().map(|(step, _)| *step).collect();
        let mut waiting: Vec<Unrecorded> = waiting.into_iter().map(|(_, unrecorded)| unrecorded).collect();
        let written = match append(store, &mut waiting) {
            Ok(()) => waiting.into_iter().map(|written| Ok(written.record)).collect(),
            // What forbids one need not forbid the others.
            Err(_) if waiting.len() > 1 => waiting.into_iter().map(|one| append_one(store, one)).collect(),
            Err(error) => vec![Err(error.to_string())],
        };
        steps.into_iter().zip::<Vec<_>>(written).collect()
    }
}

fn append_one(store: &LocalStore, unrecorded: Unrecorded) -> Result<Record, String> {
    let mut one = [unrecorded];
    append(store, &mut one).map_err(|error| error.to_string())?;
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
