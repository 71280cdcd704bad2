//! `--timings`: where a run's time went, as a page for people and as a trace for the tools that browsers have for that.
//! A consumer of events: it measures nothing itself but the time before the engine began.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use zen_core::event::{Event, Part, Spent, Summary};
use zen_core::model::StepId;
use zen_core::scan::own;

use crate::words::{Names, count, escaped};

/// What a run spent its time on.
#[derive(Debug)]
pub(crate) struct Timings {
    /// What loading took: all other times count from its end.
    loaded: Duration,
    spent: Vec<Spent>,
    summary: Option<Summary>,
}

/// A part that some step or none was worked on, in the lane that it is drawn in.
struct Bar {
    spent: Spent,
    lane: usize,
}

impl Timings {
    /// Nothing yet but loading.
    pub(crate) fn new(loaded: Duration) -> Self {
        let load = Spent { step: None, part: Part::Load, from: Duration::ZERO, took: loaded };
        Self { loaded, spent: vec![load], summary: None }
    }

    /// Takes in what concerns it.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Spent(spent) => self.spent.push(Spent { from: spent.from + self.loaded, ..*spent }),
            Event::RunFinished(summary) => self.summary = Some(summary.clone()),
            _ => {}
        }
    }

    /// Writes the page and the trace into `folder`; gives where the page is.
    ///
    /// # Errors
    /// What writing met.
    pub(crate) fn write(&self, folder: &Path, title: &str, names: &Names) -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let run = self.summary.as_ref().and_then(|summary| summary.run);
        let stem = run.map_or_else(|| "run".to_owned(), |run| format!("run-{run}"));
        let (page, trace) = (format!("{stem}.html"), format!("{stem}.trace.json"));
        let bars = self.bars();
        own::write(&folder.join(&trace), self.trace(&bars, names).to_string().as_bytes())?;
        own::write(&folder.join(&page), self.page(&bars, title, names, &trace).as_bytes())?;
        Ok(folder.join(page))
    }

    /// All that was done, by its start; what overlaps in lanes of its own, the run's own parts in the first.
    fn bars(&self) -> Vec<Bar> {
        let mut spent = self.spent.clone();
        spent.sort_by_key(|spent| (spent.from, spent.step, spent.part));
        let mut free: Vec<(Option<StepId>, Duration)> = vec![(None, Duration::ZERO)];
        let bars = spent.into_iter().map(|spent| {
            let end = spent.from + spent.took;
            let fits = |(at, (last, until)): &(usize, &(Option<StepId>, Duration))| {
                *at > 0 && (*until <= spent.from || *last == spent.step)
            };
            let lane = match spent.step {
                None => 0,
                // A step's parts stay beside each other.
                Some(_) => match free.iter().enumerate().find(|it| fits(it) && it.1.0 == spent.step) {
                    Some((at, _)) => at,
                    None => free.iter().enumerate().find(fits).map_or(free.len(), |(at, _)| at),
                },
            };
            if lane == free.len() {
                free.push((None, Duration::ZERO));
            }
            free[lane] = (spent.step, end);
            Bar { spent, lane }
        });
        bars.collect()
    }

    /// The trace event format, as chrome://tracing and Perfetto read it: times in microseconds.
    fn trace(&self, bars: &[Bar], names: &Names) -> Value {
        let events = bars.iter().map(|Bar { spent, lane }| {
            let name = spent.step.map_or_else(|| spent.part.name().to_owned(), |step| names.of(step).to_owned());
            json!({
                "name": name, "cat": spent.part.name(), "ph": "X", "pid": 1, "tid": lane,
                "ts": micros(spent.from), "dur": micros(spent.took), "args": { "part": spent.part.name() },
            })
        });
        json!({ "displayTimeUnit": "ms", "traceEvents": events.collect::<Vec<_>>() })
    }

    fn page(&self, bars: &[Bar], title: &str, names: &Names, trace: &str) -> String {
        let total = bars.iter().map(|bar| bar.spent.from + bar.spent.took).max().unwrap_or_default();
        let mut parts: BTreeMap<Part, (Duration, usize)> = BTreeMap::new();
        let mut steps: BTreeMap<StepId, Duration> = BTreeMap::new();
        for Bar { spent, .. } in bars {
            let (sum, number) = parts.entry(spent.part).or_default();
            *sum += spent.took;
            *number += 1;
            if let Some(step) = spent.step {
                *steps.entry(step).or_default() += spent.took;
            }
        }
        let mut rows = String::new();
        for (part, (sum, number)) in &parts {
            let name = part.name();
            let _ = writeln!(
                rows,
                "<tr><td><i class=\"{name}\"></i>{name}</td><td>{}</td><td>{number}</td></tr>",
                millis(*sum)
            );
        }
        let mut slowest: Vec<(StepId, Duration)> = steps.into_iter().collect();
        slowest.sort_by_key(|(step, took)| (std::cmp::Reverse(*took), *step));
        let mut of_steps = String::new();
        for (step, took) in slowest.iter().take(SLOWEST) {
            let _ = writeln!(of_steps, "<tr><td>{}</td><td>{}</td></tr>", escaped(names.of(*step)), millis(*took));
        }
        let lanes = bars.iter().map(|bar| bar.lane + 1).max().unwrap_or(1);
        let mut drawn = String::new();
        for Bar { spent, lane } in bars {
            let share = |time: Duration| 100.0 * time.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
            let name = spent.step.map_or_else(String::new, |step| format!("{}: ", names.of(step)));
            let text = format!("{name}{} {}", spent.part.name(), millis(spent.took));
            let _ = writeln!(
                drawn,
                "<rect class=\"{}\" x=\"{:.4}%\" y=\"{}\" width=\"{:.4}%\" height=\"14\"><title>{}</title></rect>",
                spent.part.name(),
                share(spent.from),
                lane * 16,
                share(spent.took),
                escaped(&text)
            );
        }
        let said = match &self.summary {
            Some(summary) => format!(
                "{} ran, {} cached, {} failed, {} skipped",
                count(summary.ran, "step"),
                summary.fresh + summary.restored,
                summary.failed,
                summary.skipped
            ),
            None => String::new(),
        };
        let title = escaped(title);
        let whole = millis(total);
        let height = lanes * 16;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}: timings</title>\n\
             <style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{said}; {whole} in all. \
             <a href=\"{trace}\">The same as a trace</a>, for Perfetto or chrome://tracing.</p>\n\
             <svg role=\"img\" aria-label=\"what was done when\" width=\"100%\" height=\"{height}\">\n{drawn}</svg>\n\
             <h2>Parts</h2>\n<p>Steps side by side add up to more than the time of the run.</p>\n\
             <table>\n<tr><th scope=\"col\">part</th><th scope=\"col\">time</th><th scope=\"col\">times</th></tr>\n{rows}</table>\n\
             <h2>Steps</h2>\n<table>\n<tr><th scope=\"col\">step</th><th scope=\"col\">time</th></tr>\n{of_steps}</table>\n</html>\n"
        )
    }
}

/// Steps that the page lists, the slowest first.
const SLOWEST: usize = 200;

const STYLE: &str = "\
body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;background:#fff;color:#222}\
table{border-collapse:collapse}td,th{padding:.1em 1em .1em 0;text-align:left}td:nth-child(n+2){text-align:right}\
i{display:inline-block;width:.8em;height:.8em;margin-right:.5em}a{color:inherit}\
.load{fill:#9aa;background:#9aa}.stand{fill:#48c;background:#48c}.walk{fill:#37a;background:#37a}\
.hash{fill:#c83;background:#c83}.lock{fill:#bbb;background:#bbb}.decide{fill:#84c;background:#84c}\
.restore{fill:#4a8;background:#4a8}.prepare{fill:#7bd;background:#7bd}.run{fill:#393;background:#393}\
.store{fill:#b63;background:#b63}.check{fill:#66b;background:#66b}.note{fill:#888;background:#888}\
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}";

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(step: Option<u32>, part: Part, from: u64, took: u64) -> Spent {
        let millis = Duration::from_millis;
        Spent { step: step.map(StepId), part, from: millis(from), took: millis(took) }
    }

    #[test]
    fn what_overlaps_has_lanes_of_its_own() {
        let mut timings = Timings::new(Duration::from_millis(5));
        for spent in [
            spent(None, Part::Stand, 0, 10),
            spent(Some(1), Part::Prepare, 10, 1),
            spent(Some(2), Part::Prepare, 10, 2),
            spent(Some(1), Part::Run, 11, 20),
            spent(Some(2), Part::Run, 12, 3),
            spent(Some(3), Part::Run, 16, 3),
        ] {
            timings.event(&Event::Spent(spent));
        }
        let lanes: Vec<_> = timings.bars().iter().map(|bar| (bar.spent.step.map(|it| it.0), bar.lane)).collect();
        let expected = [(None, 0), (None, 0), (Some(1), 1), (Some(2), 2), (Some(1), 1), (Some(2), 2), (Some(3), 2)];
        assert_eq!(lanes, expected);
        assert_eq!(timings.spent[1].from, Duration::from_millis(5), "loading came first");
    }

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(escaped("<b>\"x\" & 'y'</b>"), "&lt;b&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/b&gt;");
    }
}
