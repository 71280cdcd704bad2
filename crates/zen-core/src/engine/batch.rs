//! Several cells of one step by one command: each is looked at, recorded and reported by itself. Knows no schedule.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::job::{End, Ended, Job, Message, Say, Stop, Task, Work};
use crate::decide::Why;
use crate::event::Event;

impl Work<'_> {
    /// Runs a job with those that go along. Gives how the first ended; the others are reported.
    pub(super) fn execute_batch(&self, lead: &Job, say: Say<'_>) -> Ended {
        let mut lead_ended = None;
        let mut end_one = |job: &Job, ended: Ended| {
            if job.step == lead.step {
                lead_ended = Some(ended);
            } else {
                say(Message::Ended { step: job.step, ended, spent: Vec::new() });
            }
        };
        let mut ready: Vec<(Attempt<'_, '_>, &[Why])> = Vec::new();
        for job in std::iter::once(lead).chain(&lead.along) {
            let Task::Run { key, why, look_no_more } = &job.task else { continue };
            let mut attempt = Attempt::new(self, job, key.clone(), say);
            let checked = self.put_upstream_in_place(job, say).and_then(|()| attempt.check_inputs(*look_no_more));
            match checked {
                Ok(()) => ready.push((attempt, why)),
                Err(Stop::Ended(ended)) => end_one(job, ended),
                Err(Stop::Failed(failure)) => {
                    let end = Box::new(End { why: why.clone(), ..End::default() });
                    end_one(job, Ended::Failed { failure, end });
                }
            }
        }
        if !ready.is_empty() {
            let cells = ready.len() as u32;
            let (mut first, why) = ready.remove(0);
            for (other, why) in &ready {
                let started = Event::Started { step: other.job.step, why: why.to_vec(), attempt: 1 };
                say(Message::Event(started));
                first.add_cell(other);
            }
            let ran = first.run(why);
            // What it took cannot be told apart.
            let took = first.started.map_or(Duration::ZERO, |started: Instant| started.elapsed()) / cells;
            let log = first.store_log();
            let began = first.began();
            let (exit_code, refused) = (first.exit_code, first.refused_by_build.clone());
            for (at, (mut attempt, why)) in std::iter::once((first, why)).chain(ready).enumerate() {
                let end = End { exit_code, began, duration: took, why: why.to_vec(), log, metrics: Vec::new() };
                let ended = match &ran {
                    Ok(artifacts) => {
                        let artifacts = Arc::from(&artifacts[..]);
                        if at > 0 {
                            attempt.check_afterwards(refused.as_deref());
                        }
                        attempt.ended(artifacts, end)
                    }
                    Err(Stop::Failed(failure)) => Ended::Failed { failure: failure.clone(), end: Box::new(end) },
                    // Only what comes before a command starts ends so.
                    Err(Stop::Ended(_)) => Ended::InputsMoved,
                };
                end_one(attempt.job, ended);
            }
        }
        lead_ended.unwrap_or(Ended::InputsMoved)
    }
}
