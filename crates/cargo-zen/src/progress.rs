//! The bar at the bottom of a terminal: how many steps are done, which ones run and for how long, and what time is left.
//! Knows no terminal but its width, and no clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clap_cargo::style;
use zen_core::decide::Decision;
use zen_core::event::Planned;
use zen_core::model::StepId;
use zen_core::scan::reading::Read;

use crate::words::{saved, size};

/// Narrower than this there is no room for a bar.
const NARROW: usize = 30;
/// The bar itself, at most.
const BAR: usize = 25;
/// A step says how long it runs from then on: a number that flashes by tells nobody anything.
const LONG: Duration = Duration::from_secs(1);

/// What is to be shown at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) done: usize,
    pub(crate) total: usize,
    /// Steps that run, and for how long, the one that began first in front.
    pub(crate) running: Vec<(String, Duration)>,
    /// Until the end, where that is known.
    pub(crate) left: Option<Duration>,
}

/// A run as the bar sees it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
    /// Steps at a time.
    lanes: u32,
    /// Those that may still run, and what they took when they last did.
    open: HashMap<StepId, Option<Duration>>,
    running: Vec<(StepId, String, Instant)>,
}

impl Progress {
    /// All of these are still to be seen to, so many at a time.
    pub(crate) fn new(steps: &[Planned], lanes: u32) -> Self {
        let may_run = steps.iter().filter(|step| matches!(step.decision, Decision::Run | Decision::Maybe));
        let open = may_run.map(|step| (step.step, step.expected)).collect();
        Self { total: steps.len(), done: 0, lanes, open, running: Vec::new() }
    }

    /// It runs from now on.
    pub(crate) fn start(&mut self, step: StepId, name: &str, now: Instant) {
        if !self.running.iter().any(|(running, ..)| *running == step) {
            self.running.push((step, name.to_owned(), now));
        }
    }

    /// It has ended, whether it ran or not. Says whether it ran.
    pub(crate) fn end(&mut self, step: StepId) -> bool {
        self.done += 1;
        self.open.remove(&step);
        let before = self.running.len();
        self.running.retain(|(running, ..)| *running != step);
        self.running.len() < before
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// What is to be shown at this moment.
    pub(crate) fn shown(&self, now: Instant) -> Shown {
        let running = self.running.iter().map(|(step, name, since)| (*step, name, now.duration_since(*since)));
        let ran: HashMap<StepId, Duration> = running.clone().map(|(step, _, time)| (step, time)).collect();
        let open = self.open.iter().map(|(step, takes)| (*takes, ran.get(step).copied().unwrap_or_default()));
        Shown {
            done: self.done,
            total: self.total,
            left: left(open, self.lanes),
            running: running.map(|(_, name, time)| (name.clone(), time)).collect(),
        }
    }
}

/// One line, no wider than `width`: `     Running [=====>     ] 5/12, 14s left: a 3.2s, b`.
pub(crate) fn line(shown: &Shown, width: usize) -> Option<String> {
    let Shown { done, total, .. } = *shown;
    if width < NARROW || total == 0 {
        return None;
    }
    let mut rest = String::new();
    if let Some(left) = shown.left {
        rest.push_str(&format!(", {} left", about(left)));
    }
    let running = shown.running.iter().map(|(name, time)| match *time {
        time if time < LONG => name.clone(),
        time => format!("{name} {}", saved(time)),
    });
    let running = running.collect::<Vec<_>>().join(", ");
    if !running.is_empty() {
        rest.push_str(&format!(": {running}"));
    }
    Some(bar("Running", &format!("{done}/{total}"), done as f64 / total as f64, &rest, width))
}

/// The same while files are read for their digests: `     Hashing [==>    ] 1200/15000 files, 1.2 GiB of 4.0 GiB`.
pub(crate) fn hashing(read: &Read, width: usize) -> Option<String> {
    let ((files, of), (bytes, of_bytes)) = (read.files, read.bytes);
    if width < NARROW || files >= of {
        return None;
    }
    let rest = format!(" files, {} of {}", size(bytes), size(of_bytes));
    // What takes the time is their bytes.
    let share = if of_bytes == 0 { files as f64 / of as f64 } else { bytes as f64 / of_bytes as f64 };
    Some(bar("Hashing", &format!("{files}/{of}"), share, &rest, width))
}

/// A verb, how much is done of all, in words and as a share of 1, and what else there is room for.
fn bar(verb: &str, counts: &str, share: f64, rest: &str, width: usize) -> String {
    // The verb's column, two spaces, brackets.
    let room = width.saturating_sub(12 + 2 + 2 + counts.len());
    // On a narrow one the names are worth more.
    let bar = room.min(BAR).min(width / 4);
    let filled = ((bar as f64 * share) as usize).min(bar);
    let mut drawn = "=".repeat(filled);
    if filled < bar {
        drawn.push('>');
        drawn.push_str(&" ".repeat(bar - filled - 1));
    }
    let room = room.saturating_sub(bar + 1);
    let cut = match rest.chars().count() {
        length if length <= room => rest.to_owned(),
        _ if room < 6 => String::new(),
        _ => rest.chars().take(room - 3).collect::<String>() + "...",
    };
    let style = style::TRANSIENT;
    format!("{style}{verb:>12}{style:#} [{drawn}] {counts}{cut}")
}

/// `14s`, `2m 05s`: as exact as a guess may be.
fn about(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil().max(1.0) as u64;
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m {:02}s", seconds / 60, seconds % 60) }
}

/// What time is left, if `lanes` steps run at a time: of each that is not done, what it takes (`None`: nobody knows) and
/// for how long it has run.
pub(crate) fn left(open: impl Iterator<Item = (Option<Duration>, Duration)>, lanes: u32) -> Option<Duration> {
    let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
    for (takes, ran) in open {
        let rest = takes?.saturating_sub(ran);
        sum += rest;
        longest = longest.max(rest);
    }
    let time = longest.max(sum / lanes.max(1));
    (!time.is_zero()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(done: usize, total: usize, running: &[(&str, u64)], left: Option<u64>, width: usize) -> Option<String> {
        let running = running.iter().map(|(name, ms)| ((*name).to_owned(), Duration::from_millis(*ms))).collect();
        let shown = Shown { done, total, running, left: left.map(Duration::from_secs) };
        line(&shown, width).map(|line| anstream::adapter::strip_str(&line).to_string())
    }

    #[test]
    fn fits_into_every_width() {
        for width in 0..200 {
            for names in
                [&[][..], &[("a", 0)], &[("training_data_loader", 61_000), ("svc_trainer", 5), ("evaluator", 0)]]
            {
                for left in [None, Some(5), Some(500)] {
                    let line = plain(3, 12, names, left, width).unwrap_or_default();
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn says_how_far_it_is() {
        assert_eq!(plain(1, 4, &[("load", 0)], None, 80).unwrap(), "     Running [=====>              ] 1/4: load");
        assert_eq!(
            plain(1, 4, &[("load", 2340), ("b", 10)], Some(14), 80).unwrap(),
            "     Running [=====>              ] 1/4, 14s left: load 2.3s, b"
        );
        assert_eq!(plain(2, 4, &[("load", 0)], Some(125), 40).unwrap(), "     Running [=====>    ] 2/4, 2m 05...");
        assert_eq!(plain(4, 4, &[], None, 100).unwrap(), "     Running [=========================] 4/4");
        assert_eq!(plain(1, 4, &[("load", 0)], None, 20), None);
    }

    #[test]
    fn hashing_says_how_far_it_is_and_nothing_when_it_is_over() {
        let line = |files, bytes, width| {
            let line = hashing(&Read { files, bytes }, width);
            line.map(|line| anstream::adapter::strip_str(&line).to_string())
        };
        assert_eq!(
            line((1200, 15000), (1 << 30, 4 << 30), 80).unwrap(),
            "     Hashing [=====>              ] 1200/15000 files, 1.0 GiB of 4.0 GiB"
        );
        assert_eq!(line((0, 1), (0, 4 << 30), 50).unwrap(), "     Hashing [>           ] 0/1 files, 0 B of ...");
        for width in 0..100 {
            let line = line((1, 1_000_000), (0, u64::MAX), width).unwrap_or_default();
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        assert_eq!(line((3, 3), (5, 5), 80), None);
        assert_eq!(line((0, 0), (0, 0), 80), None, "nothing is to be read");
    }

    #[test]
    fn what_is_left_is_the_longest_or_all_by_lanes() {
        let seconds = Duration::from_secs;
        let left = |open: &[(Option<u64>, u64)], lanes| {
            left(open.iter().map(|(takes, ran)| (takes.map(seconds), seconds(*ran))), lanes)
        };
        assert_eq!(left(&[(Some(10), 4), (Some(2), 0)], 2), Some(seconds(6)));
        assert_eq!(left(&[(Some(4), 0), (Some(4), 0), (Some(4), 0)], 2), Some(seconds(6)));
        assert_eq!(left(&[(Some(4), 9)], 2), None, "it takes longer than it did");
        assert_eq!(left(&[(Some(4), 0), (None, 0)], 2), None, "nobody knows");
        assert_eq!(left(&[], 2), None);
        assert_eq!(
            (about(seconds(14)), about(seconds(125)), about(Duration::from_millis(3))),
            ("14s".into(), "2m 05s".into(), "1s".into())
        );
    }
}
