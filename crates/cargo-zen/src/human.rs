//! A run for people: the events as status lines.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zen_core::artifact::Timestamp;
use zen_core::decide::{Decision, Why, age_text};
use zen_core::diag::Sources;
use zen_core::event::{Event, Finished, Listener, Metric, Outcome, Planned, Reused, Summary};
use zen_core::model::StepId;

use crate::diagnose;
use crate::flags::OutputStyle;
use crate::progress::{Progress, line};
use crate::shell::{Shell, Verb, Verbosity};
use crate::tame::{Tame, tame};
use crate::words::{Names, came_of_it, count, elapsed, figure, metric, plain, saved};

/// Metrics of a step that are said.
const METRICS: usize = 8;
/// From this many on, fresh steps are one line.
const MANY: usize = 17;

/// Writes what happens to standard error.
pub(crate) struct Human<'a> {
    /// Where it goes.
    pub(crate) shell: &'a mut Shell,
    /// What steps are called.
    pub(crate) names: &'a Names,
    /// What spans point into.
    pub(crate) sources: &'a Sources,
    /// The pipelines, for the first and the last line.
    pub(crate) title: String,
    /// How step output is shown.
    pub(crate) output: OutputStyle,
    /// The time that ages are counted from.
    pub(crate) now: Timestamp,
    /// Steps at a time.
    pub(crate) jobs: u32,
    /// What the bar shows.
    progress: Arc<Mutex<Progress>>,
    /// Who has the terminal to itself: there is no bar then.
    terminal: Option<StepId>,
    kept: BTreeMap<StepId, Vec<u8>>,
    tamed: BTreeMap<StepId, Tame>,
    /// Fresh steps that are not listed one by one; `None` if they are.
    fold: Option<usize>,
}

impl<'a> Human<'a> {
    /// A listener that has heard nothing yet.
    pub(crate) fn new(
        shell: &'a mut Shell,
        names: &'a Names,
        sources: &'a Sources,
        title: String,
        output: OutputStyle,
        now: Timestamp,
        jobs: u32,
    ) -> Self {
        let (kept, tamed) = (BTreeMap::new(), BTreeMap::new());
        let (progress, terminal, fold) = (Arc::default(), None, None);
        Self { shell, names, sources, title, output, now, jobs, progress, terminal, kept, tamed, fold }
    }

    fn planned(&mut self, steps: &[Planned]) {
        self.shell.status(Verb::Planning, &format!("{} ({})", self.title, count(steps.len(), "step")));
        *self.progress() = Progress::new(steps, self.jobs);
        let fresh = steps.iter().filter(|step| step.decision == Decision::Fresh).count();
        if fresh >= MANY && self.shell.verbosity < Verbosity::Verbose {
            self.fold = Some(0);
        }
    }

    fn started(&mut self, step: StepId, why: &[Why], attempt: u32) {
        if attempt == 1 {
            self.unfold();
            let message = format!("{} ({})", self.names.of(step), reasons(why, self.shell.verbosity));
            self.shell.status(Verb::Running, &message);
        }
        let name = self.names.of(step);
        self.progress().start(step, name, Instant::now());
        self.show_bar();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_bar(&mut self) {
        if self.terminal.is_some() {
            return;
        }
        let progress = Arc::clone(&self.progress);
        self.shell.bar(|| {
            Box::new(move |width| {
                let shown = progress.lock().unwrap_or_else(PoisonError::into_inner).shown(Instant::now());
                line(&shown, width)
            })
        });
    }

    fn output(&mut self, step: StepId, bytes: &[u8]) {
        let bytes = &self.tamed.entry(step).or_default().push(bytes);
        match self.output {
            _ if bytes.is_empty() => {}
            OutputStyle::Lines if self.progress().running() > 1 => self.print_prefixed(self.names.of(step), bytes),
            OutputStyle::Lines => self.print(bytes),
            OutputStyle::Grouped | OutputStyle::Failures => {
                self.kept.entry(step).or_default().extend_from_slice(bytes);
            }
        }
    }

    /// As it came; a last line without its end gets one, or it would swallow the status line after it.
    fn print(&mut self, bytes: &[u8]) {
        self.shell.raw(bytes);
        if bytes.last().is_some_and(|last| *last != b'\n') {
            self.shell.raw(b"\n");
        }
    }

    fn print_prefixed(&mut self, name: &str, bytes: &[u8]) {
        let mut text = Vec::with_capacity(bytes.len() + name.len() + 3);
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b" | ");
            text.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                text.push(b'\n');
            }
        }
        self.shell.raw(&text);
    }

    fn finished(&mut self, finished: &Finished) {
        let name = self.names.of(finished.step).to_owned();
        let has_run = self.progress().end(finished.step);
        self.terminal = self.terminal.filter(|step| *step != finished.step);
        self.tamed.remove(&finished.step);
        if has_run {
            self.show_bar();
        }
        let kept = self.kept.remove(&finished.step).unwrap_or_default();
        // GitHub's runner folds what stands between these; of a step that failed it is to be seen at once.
        let is_folded = self.shell.is_github && !kept.is_empty() && finished.outcome != Outcome::Failed;
        if self.output == OutputStyle::Grouped && is_folded {
            self.shell.line(&format!("::group::{name}"));
            self.print(&kept);
            self.shell.line("::endgroup::");
        } else if self.output == OutputStyle::Grouped || finished.outcome == Outcome::Failed {
            self.print(&kept);
        }
        match finished.outcome {
            Outcome::Fresh => match &mut self.fold {
                Some(folded) => *folded += 1,
                None => self.shell.status(Verb::Fresh, &format!("{name}{}", reused(finished.reused, self.now))),
            },
            Outcome::Restored => {
                self.unfold();
                self.shell.status(Verb::Restored, &format!("{name}{}", reused(finished.reused, self.now)));
            }
            Outcome::Ran => {
                self.shell.status(Verb::Ran, &format!("{name} in {}", elapsed(finished.duration)));
                self.metrics(&finished.metrics);
            }
            Outcome::Failed => {
                let failure = finished.failure.as_deref().unwrap_or("for an unknown reason");
                let message = format!("{name} in {}: {failure}", elapsed(finished.duration));
                self.shell.status_always(Verb::Failed, &message);
            }
            Outcome::Skipped => {
                let why = finished.failure.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                self.shell.status(Verb::Skipped, &format!("{name}{why}"));
            }
        }
    }

    /// What a step measured, where there is something to compare it with; the numbers themselves most steps print.
    fn metrics(&mut self, metrics: &[Metric]) {
        let compared: Vec<_> = metrics.iter().filter_map(|it| Some((it, it.before?))).collect();
        let shown = if self.shell.verbosity < Verbosity::Verbose { METRICS } else { usize::MAX };
        for (it, before) in compared.iter().take(shown) {
            let text = match *before == it.value {
                true => format!("{}: {} (as before)", plain(&it.name), figure(it.value)),
                false => metric(&it.name, [Some(*before), Some(it.value)]),
            };
            self.shell.status(Verb::Metric, &text);
        }
        if let Some(more) = compared.len().checked_sub(shown).filter(|more| *more > 0) {
            self.shell.status(Verb::Metric, &format!("and {} (`-v` shows them)", count(more, "more metric")));
        }
    }

    /// Says how many steps were fresh since it was last said.
    fn unfold(&mut self) {
        if let Some(folded @ 1..) = self.fold {
            self.shell.status(Verb::Fresh, &count(folded, "step"));
            self.fold = Some(0);
        }
    }

    fn run_finished(&mut self, summary: &Summary) {
        self.shell.no_bar();
        self.unfold();
        let message = format!("{}: {}", self.title, summary_line(summary));
        if summary.success {
            self.shell.status(Verb::Finished, &message);
        } else {
            self.shell.error(&message);
        }
    }
}

/// What came of a run.
pub(crate) fn summary_line(summary: &Summary) -> String {
    let numbers = [summary.ran, summary.fresh + summary.restored, summary.failed, summary.skipped];
    came_of_it(numbers, summary.duration, summary.saved)
}

/// The first reasons and how many there are beside, or all of them.
pub(crate) fn reasons(why: &[Why], verbosity: Verbosity) -> String {
    let shown = if verbosity < Verbosity::Verbose { &why[..why.len().min(1)] } else { why };
    shown.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// ` (run 12, 3h ago, saves 1.2s)`
pub(crate) fn reused(reused: Option<Reused>, now: Timestamp) -> String {
    let Some(reused) = reused else { return String::new() };
    format!(" (run {}, {} ago, saves {})", reused.run, age(reused.ended, now), saved(reused.saved))
}

/// `3h`: how long ago something ended.
pub(crate) fn age(ended: Timestamp, now: Timestamp) -> String {
    age_text(Duration::from_millis(now.0.saturating_sub(ended.0).max(0).unsigned_abs()))
}

impl Listener for Human<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Planned(steps) => self.planned(steps),
            Event::Blocking { on, holder } => {
                self.shell.status(Verb::Blocking, &format!("waiting for {on}, held by {holder}"));
            }
            Event::Started { step, why, attempt } => self.started(*step, why, *attempt),
            Event::TerminalTaken { step } => {
                self.terminal = Some(*step);
                self.shell.no_bar();
            }
            Event::Output { step, bytes } => self.output(*step, bytes),
            Event::HookOutput { hook, bytes } => self.print_prefixed(hook, &tame(bytes)),
            Event::Retrying { step, attempt, failure, delay } => {
                let name = self.names.of(*step);
                let delay = if delay.is_zero() { String::new() } else { format!(", again in {}", saved(*delay)) };
                self.shell.status(Verb::Retrying, &format!("{name} (try {attempt}: {failure}{delay})"));
            }
            Event::Spent(_) => {}
            Event::Finished(finished) => self.finished(finished),
            Event::Warning(diagnostic) => self.shell.line(&diagnose::render(diagnostic, self.sources)),
            Event::Note(text) => self.shell.note(text),
            Event::RunFinished(summary) => self.run_finished(summary),
        }
    }
}
