//! In a job of GitHub Actions: an annotation for each step that failed, and a summary of the run. A consumer of events;
//! knows no terminal.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use zen_core::diag::{Diagnostic, Sources, Span};
use zen_core::engine::Definitions;
use zen_core::event::{Event, Finished, Outcome, Summary};
use zen_core::model::{Step, StepId};

use crate::graph::dag::{Dag, Drawn, Shown};
use crate::graph::mermaid;
use crate::human::summary_line;
use crate::words::{Names, count, elapsed, saved};

/// Steps of a DAG that GitHub still draws, and that anybody still reads.
const DRAWN: usize = 60;
/// Rows of the table; steps that were merely fresh are counted beyond it.
const ROWS: usize = 100;

/// What a run's summary is made of.
#[derive(Debug, Default)]
pub(crate) struct Summarizer {
    finished: Vec<Finished>,
    summary: Option<Summary>,
}

impl Summarizer {
    /// Takes in what concerns it.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Finished(finished) => self.finished.push((**finished).clone()),
            Event::RunFinished(summary) => self.summary = Some(summary.clone()),
            _ => {}
        }
    }

    /// Appends the summary to the file that the runner reads.
    ///
    /// # Errors
    /// What writing met.
    pub(crate) fn write(
        &self,
        file: &Path,
        title: &str,
        definitions: &Definitions,
        order: &[StepId],
        names: &Names,
    ) -> io::Result<()> {
        let Some(summary) = &self.summary else { return Ok(()) };
        let places: HashMap<StepId, usize> = order.iter().copied().zip(0..).collect();
        let mut finished: Vec<&Finished> = self.finished.iter().collect();
        finished.sort_by_key(|finished| places.get(&finished.step));
        let text = page(summary, &finished, title, definitions, names);
        std::fs::OpenOptions::new().create(true).append(true).open(file)?.write_all(text.as_bytes())
    }
}

fn page(summary: &Summary, finished: &[&Finished], title: &str, definitions: &Definitions, names: &Names) -> String {
    let result = if summary.success { "" } else { "❌ " };
    let mut page = format!("### {result}{}\n\n{}\n\n", markdown(title), summary_line(summary));
    if finished.len() <= DRAWN {
        let steps: Vec<Drawn> =
            finished.iter().map(|it| Drawn { step: it.step, state: it.outcome.into(), why: it.why.clone() }).collect();
        let dag = Dag::new(definitions, &steps, names, Shown::default());
        let _ = write!(page, "```mermaid\n{}```\n\n", mermaid::draw(&dag));
    }
    page.push_str("| step | outcome | why | time |\n| --- | --- | --- | ---: |\n");
    let is_row = |it: &&&Finished| finished.len() <= ROWS || it.outcome != Outcome::Fresh;
    let rows: Vec<&&Finished> = finished.iter().filter(is_row).collect();
    for it in rows.iter().take(ROWS) {
        let why = it.why.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (why, time) = match (it.outcome, it.reused) {
            (Outcome::Fresh | Outcome::Restored, Some(made)) => {
                (format!("run {}", made.run), format!("saved {}", saved(made.saved)))
            }
            (Outcome::Failed | Outcome::Skipped, _) => {
                let failure = it.failure.clone().unwrap_or_default();
                (if why.is_empty() { failure } else { format!("{failure} ({why})") }, elapsed(it.duration))
            }
            _ => (why, elapsed(it.duration)),
        };
        let name = markdown(names.of(it.step));
        let _ = writeln!(page, "| {name} | {} | {} | {time} |", it.outcome.name(), markdown(&why));
    }
    match finished.len() - rows.len().min(ROWS) {
        0 => {}
        others => {
            let _ = writeln!(page, "\nand {}", count(others, "more step"));
        }
    }
    page + "\n"
}

/// Where the workspace lies in the repository that the runner checked out.
pub(crate) fn in_repository(root: &Path) -> PathBuf {
    let repository = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from).and_then(|path| path.canonicalize().ok());
    let inside = repository.and_then(|repository| root.strip_prefix(repository).map(Path::to_owned).ok());
    inside.unwrap_or_default()
}

/// The line by which the runner marks a failed step at the table that defines it. `prefix` leads from the repository's root to
/// the workspace's.
pub(crate) fn failed(finished: &Finished, step: &Step, sources: &Sources, prefix: &Path) -> String {
    let title = format!("step {} failed", step.display_id);
    annotation(step.span, &title, finished.failure.as_deref().unwrap_or("for an unknown reason"), sources, prefix)
}

/// The line by which the runner marks a wrong definition where it stands; `None` if it stands nowhere.
pub(crate) fn wrong(problem: &Diagnostic, sources: &Sources, prefix: &Path) -> Option<String> {
    let label = problem.labels.iter().find(|label| label.primary)?;
    let helps: Vec<String> = problem.helps.iter().map(|help| format!("\nhelp: {help}")).collect();
    let said = if label.text.is_empty() { String::new() } else { format!(" ({})", label.text) };
    let text = format!("{}{said}{}", problem.message, helps.concat());
    Some(annotation(label.span, "invalid definition", &text, sources, prefix))
}

fn annotation(span: Span, title: &str, text: &str, sources: &Sources, prefix: &Path) -> String {
    let path = prefix.join(sources.file(span.file).path.to_string());
    let (path, line) = (path.to_string_lossy(), sources.line(span));
    format!("::error file={},line={line},title={}::{}", property(&path), property(title), message(text))
}

/// Text of a workflow command.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text that is no markup in a cell of a table.
fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() || " -./=,:()'→".contains(c) => out.push(c),
            c if c.is_control() => out.push(' '),
            c => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
        }
    }
    out
}
