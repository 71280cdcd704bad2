//! The page itself: what is to be read without any script is in its markup, the facts of each step are data for the script.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde_json::{Value, json};
use zen_core::engine::history::{RunEntry, StepEntry, StepOutcome};
use zen_core::engine::past::Facts;

use super::plots::{self, PLOTS, Plot};
use super::timeline::{self, Bar};
use crate::graph::dag::{Dag, State};
use crate::graph::look::LOOKS;
use crate::graph::svg;
use crate::runs::{Difference, Whole, made_with, told};
use crate::words::{count, day, elapsed, escaped, figure, metric, saved, utc};

/// How a report begins: what does not is somebody else's file.
pub(super) const MARKER: &str = "<!doctype html>\n<!-- a report of cargo zen -->\n";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Reasons that are counted one by one.
const REASONS: usize = 12;
/// Edges that are drawn.
const EDGES: usize = 20_000;
/// Steps of the critical path that are named, and the last one.
const NAMED: usize = 8;
/// Pixels of a lane of the timeline.
const LANE: usize = 24;

/// All that a page is made of.
pub(super) struct Page<'a> {
    pub(super) whole: &'a Whole,
    /// What the steps are called, in their order.
    pub(super) names: &'a [&'a str],
    /// What is known of each, for the script.
    pub(super) facts: &'a [Value],
    pub(super) plots: &'a [Plot],
    /// From another run to this one.
    pub(super) difference: Option<&'a Difference>,
}

impl Page<'_> {
    pub(super) fn html(&self) -> String {
        let run = self.run();
        let title = escaped(&format!("Run {}: {}", run.id, run.request));
        // Whatever a name smuggles in: it does not know this number, and no other script runs.
        let nonce = format!("{:016x}", RandomState::new().hash_one(run.id.0));
        let policy = format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'");
        let data = json!({ "steps": self.facts }).to_string().replace('<', "\\u003c");
        let sections = [
            ("graph", "Graph", self.graph()),
            ("comparison", "Comparison", self.comparison()),
            ("metrics", "Metrics", self.metrics()),
            ("timeline", "Timeline", self.timeline()),
            ("steps", "Steps", self.steps()),
            ("params", "Parameters", self.params()),
            ("cache", "Cache", self.cache()),
        ];
        let sections: Vec<_> = sections.into_iter().filter_map(|(id, name, body)| Some((id, name, body?))).collect();
        let mut links = String::new();
        let mut body = String::new();
        for (id, name, text) in &sections {
            let _ = write!(links, "<a href=\"#{id}\">{name}</a>");
            let _ = write!(
                body,
                "<section id=\"{id}\" aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{name}</h2>\n{text}</section>\n"
            );
        }
        format!(
            "{MARKER}<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}{}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#steps\">To the steps</a>\n<header>\n<h1>{title}</h1>\n{}</header>\n\
             <nav aria-label=\"Sections\">{links}</nav>\n<main>\n{body}</main>\n\
             <dialog id=\"facts\" aria-labelledby=\"facts-title\"></dialog>\n\
             <script type=\"application/json\" id=\"data\">{data}</script>\n<script nonce=\"{nonce}\">{SCRIPT}</script>\n</body>\n</html>\n",
            looks(),
            self.head()
        )
    }

    fn run(&self) -> &RunEntry {
        &self.whole.run
    }

    fn head(&self) -> String {
        let run = self.run();
        let result = if run.success { "succeeded" } else { "failed" };
        let made = made_with(run).map(|made| format!("<p>{}</p>\n", escaped(&made))).unwrap_or_default();
        format!(
            "<p class=\"result {result}\"><strong>{result}</strong>: {}</p>\n<p>began <time datetime=\"{}\">{}</time></p>\n{made}",
            escaped(&told(run)),
            utc(run.started),
            day(run.started)
        )
    }

    fn graph(&self) -> Option<String> {
        let mut dag = Dag::of_run(self.run());
        let left_out = match dag.edges.len() {
            number if number > EDGES => {
                dag.edges.clear();
                format!("<p>It has {number} edges, more than anybody can see: each step tells its own.</p>\n")
            }
            _ => String::new(),
        };
        let svg = svg::draw(&dag);
        Some(format!(
            "<p class=\"hint\" data-script>Click a step for what is known of it. Drag to move; + and − or Ctrl and the wheel to zoom.</p>\n\
             <div class=\"tools\" data-script><button type=\"button\" data-zoom=\"in\" aria-label=\"Zoom in\">+</button>\
             <button type=\"button\" data-zoom=\"out\" aria-label=\"Zoom out\">−</button>\
             <button type=\"button\" data-zoom=\"fit\">Whole graph</button></div>\n<div id=\"view\">{svg}</div>\n{}{left_out}",
            self.legend()
        ))
    }

    /// The states that there are, as the graph colours them.
    fn legend(&self) -> String {
        let is_used = |class: &str| self.run().steps.iter().any(|step| State::from(step.outcome).name() == class);
        let states = LOOKS.iter().map(|look| look.class).filter(|class| is_used(class));
        let states: String = states.map(|class| format!("<li><i class=\"state {class}\"></i>{class}</li>")).collect();
        format!("<ul class=\"legend\">{states}</ul>\n")
    }

    fn timeline(&self) -> Option<String> {
        let run = self.run();
        let bars = timeline::bars(run);
        let end = bars.iter().map(|bar| bar.from.saturating_add(bar.took)).chain([run.duration_ms]).max()?.max(1);
        if bars.is_empty() {
            return None;
        }
        let critical = timeline::critical_path(run);
        let lanes = bars.iter().map(|bar| bar.lane + 1).max().unwrap_or(1);
        let mut drawn = String::new();
        for bar in &bars {
            drawn.push_str(&self.bar(bar, end, critical.contains(&bar.step)));
        }
        let ticks: String = (0..=4)
            .map(|at| {
                format!(
                    "<span style=\"left:{}%\">{}</span>",
                    at * 25,
                    elapsed(Duration::from_millis(end / 4 * at + end % 4 * at / 4))
                )
            })
            .collect();
        let named: Vec<String> = critical.iter().map(|step| escaped(self.names[*step])).collect();
        let path = match named.as_slice() {
            [first @ .., last] if first.len() > NAMED => {
                format!("{} → … {} more … → {last}", first[..NAMED].join(" → "), first.len() - NAMED)
            }
            all => all.join(" → "),
        };
        let took = sum(critical.iter().map(|step| run.steps[*step].duration_ms));
        let (took, whole) = (Duration::from_millis(took), Duration::from_millis(run.duration_ms));
        Some(format!(
            "<p>Critical path: <strong>{path}</strong>, {} of the run's {}. The run takes at least that long, with any number of cores.</p>\n\
             <div class=\"lanes\"><div class=\"ticks\" aria-hidden=\"true\">{ticks}</div>\
             <ul style=\"height:{}px\">\n{drawn}</ul></div>\n",
            elapsed(took),
            elapsed(whole),
            lanes * LANE
        ))
    }

    fn bar(&self, bar: &Bar, end: u64, is_critical: bool) -> String {
        let step = &self.run().steps[bar.step];
        let share = |millis: u64| 100.0 * millis as f64 / end as f64;
        let (class, critical, said) = match is_critical {
            true => (State::from(step.outcome).name(), " critical", ", on the critical path"),
            false => (State::from(step.outcome).name(), "", ""),
        };
        let text = format!("{} {}", self.names[bar.step], elapsed(Duration::from_millis(bar.took)));
        let from = elapsed(Duration::from_millis(bar.from));
        format!(
            "<li style=\"left:{:.3}%;width:max({:.3}%,3px);top:{}px\"><button type=\"button\" class=\"state {class}{critical}\" data-step=\"{}\" title=\"{}\">{}</button></li>\n",
            share(bar.from),
            share(bar.took),
            bar.lane * LANE,
            bar.step,
            escaped(&format!("{text}, {class}, began after {from}{said}")),
            escaped(&text)
        )
    }

    fn steps(&self) -> Option<String> {
        let mut rows = String::new();
        for (at, (step, facts)) in self.whole.steps().enumerate() {
            let class = State::from(step.outcome).name();
            let _ = writeln!(
                rows,
                "<tr><th scope=\"row\"><button type=\"button\" class=\"link\" data-step=\"{at}\">{}</button></th>\
                 <td><i class=\"state {class}\"></i>{class}</td><td>{}</td><td class=\"number\">{}</td></tr>",
                escaped(self.names[at]),
                escaped(&why(step, facts)),
                escaped(&time(step))
            );
        }
        Some(format!(
            "<p data-script><label>Show steps with <input type=\"search\" id=\"filter\" placeholder=\"name, outcome, reason\"></label></p>\n\
             <div class=\"wide\" tabindex=\"0\" role=\"group\" aria-labelledby=\"steps-title\"><table id=\"rows\">\n<thead><tr><th scope=\"col\">step</th><th scope=\"col\">outcome</th>\
             <th scope=\"col\">why</th><th scope=\"col\" class=\"number\">time</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
        ))
    }

    fn cache(&self) -> Option<String> {
        let run = self.run();
        let is_cached = |step: &&StepEntry| matches!(step.outcome, StepOutcome::Fresh | StepOutcome::Restored);
        let cached = run.steps.iter().filter(is_cached).count();
        let spent = sum(run.steps.iter().map(|step| step.duration_ms));
        let total = run.steps.len();
        let share = (100 * cached).checked_div(total).unwrap_or_default();
        let (spent, saving) = (Duration::from_millis(spent), Duration::from_millis(run.saved_ms()));
        let mut reused: BTreeMap<u64, usize> = BTreeMap::new();
        run.steps.iter().filter_map(|step| step.reused).for_each(|made| *reused.entry(made.0).or_default() += 1);
        let mut reasons: Vec<(&str, usize)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for why in run.steps.iter().flat_map(|step| &step.why) {
            let place = *places.entry(why).or_insert(reasons.len());
            if place == reasons.len() {
                reasons.push((why, 0));
            }
            reasons[place].1 += 1;
        }
        let list = |title: &str, rows: Vec<String>| match rows.is_empty() {
            true => String::new(),
            false => format!("<h3>{title}</h3>\n<ul class=\"plain\">{}</ul>\n", rows.concat()),
        };
        // Of those that are as frequent, the first first.
        reasons.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let why = reasons.iter().take(REASONS).map(|(why, number)| format!("<li>{number} × {}</li>", escaped(why)));
        let more = reasons.len().saturating_sub(REASONS);
        let more = (more > 0).then(|| format!("<li>and {}</li>", count(more, "more reason")));
        let from = reused.iter().rev().map(|(run, number)| format!("<li>{} of run {run}</li>", count(*number, "step")));
        Some(format!(
            "<dl class=\"tiles\"><div><dt>cached</dt><dd>{cached} of {}</dd></div><div><dt>hit rate</dt><dd>{share} %</dd></div>\
             <div><dt>time saved</dt><dd>{}</dd></div><div><dt>time spent in steps</dt><dd>{}</dd></div></dl>\n\
             <meter min=\"0\" max=\"{}\" value=\"{cached}\" aria-label=\"cached steps\">{share} %</meter>\n{}{}",
            count(total, "step"),
            saved(saving),
            elapsed(spent),
            total.max(1),
            list("Why steps ran", why.chain(more).collect()),
            list("Reused", from.collect())
        ))
    }

    fn params(&self) -> Option<String> {
        let mut rows = String::new();
        for (at, (_, facts)) in self.whole.steps().enumerate() {
            for (name, value) in facts.params() {
                let _ = writeln!(
                    rows,
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td><code>{}</code></td></tr>",
                    escaped(name),
                    escaped(self.names[at]),
                    escaped(value)
                );
            }
        }
        (!rows.is_empty()).then(|| {
            format!(
                "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-labelledby=\"params-title\"><table>\n<thead><tr><th scope=\"col\">parameter</th><th scope=\"col\">step</th>\
                 <th scope=\"col\">value</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
            )
        })
    }

    fn metrics(&self) -> Option<String> {
        let run = self.run().id.0;
        let mut figures = String::new();
        for plot in self.plots.iter().take(PLOTS) {
            let now = plot.points.iter().find(|point| point.run == run);
            let now = now.map(|point| format!(": <strong>{}</strong>", figure(point.value))).unwrap_or_default();
            let _ = writeln!(
                figures,
                "<figure><figcaption>{}{now}</figcaption>{}</figure>",
                escaped(&plot.name),
                plots::draw(plot, run)
            );
        }
        let more = match self.plots.len().saturating_sub(PLOTS) {
            0 => String::new(),
            more => format!(
                "<p>and {}: <code>cargo zen runs show --message-format json</code></p>\n",
                count(more, "more metric")
            ),
        };
        (!figures.is_empty()).then(|| {
            format!("<p>Over the last runs, this one as the large point. Each point says its run and its parameters.</p>\n<div class=\"plots\">\n{figures}</div>\n{more}")
        })
    }

    fn comparison(&self) -> Option<String> {
        let difference = self.difference?;
        let mut text = String::new();
        for (id, head) in difference.ids.iter().zip(&difference.heads) {
            let _ = writeln!(text, "<p>run {id}: {}</p>", escaped(head));
        }
        let list = |lines: &mut dyn Iterator<Item = String>| {
            lines.map(|line| format!("<div>{}</div>", escaped(&line))).collect::<String>()
        };
        let mut rows = String::new();
        for step in difference.others() {
            let _ = writeln!(
                rows,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                escaped(&step.step),
                list(&mut difference.what(step).into_iter()),
                list(&mut step.metrics.iter().map(|(name, values)| metric(name, *values)))
            );
        }
        let _ = writeln!(text, "<p>{} the same in both.</p>", count(difference.same(), "step"));
        if !rows.is_empty() {
            let _ = write!(
                text,
                "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-labelledby=\"comparison-title\"><table>\n<thead><tr><th scope=\"col\">step</th><th scope=\"col\">what changed</th>\
                 <th scope=\"col\">metrics</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
            );
        }
        Some(text)
    }
}

/// A file of history may say anything: no sum of it is a panic.
fn sum(millis: impl Iterator<Item = u64>) -> u64 {
    millis.fold(0, u64::saturating_add)
}

/// The colours of states, for all that is no graph.
fn looks() -> String {
    let rule =
        |class: &str, [fill, edge]: [&str; 2]| format!(".state.{class}{{background:{fill};border-color:{edge}}}");
    let light: String = LOOKS.iter().map(|look| rule(look.class, look.light)).collect();
    let dark: String = LOOKS.iter().map(|look| rule(look.class, look.dark)).collect();
    format!("{light}@media(prefers-color-scheme:dark){{{dark}}}")
}

/// Why a step ran, or failed, or whose work it took.
fn why(step: &StepEntry, facts: &Facts) -> String {
    let why = step.why.join(", ");
    match (step.outcome, &step.failure, step.reused) {
        (StepOutcome::Failed | StepOutcome::Skipped, Some(failure), _) if why.is_empty() => failure.clone(),
        (StepOutcome::Failed | StepOutcome::Skipped, Some(failure), _) => format!("{failure} ({why})"),
        (StepOutcome::Fresh | StepOutcome::Restored, _, Some(run)) => {
            let at = facts.made.as_ref().map(|made| format!(", {}", day(made.ended)));
            format!("as run {run} made it{}", at.unwrap_or_default())
        }
        _ => why,
    }
}

fn time(step: &StepEntry) -> String {
    match step.outcome {
        StepOutcome::Fresh | StepOutcome::Restored => format!("saved {}", saved(Duration::from_millis(step.saved_ms))),
        StepOutcome::Ran | StepOutcome::Failed => elapsed(Duration::from_millis(step.duration_ms)),
        StepOutcome::Skipped => String::new(),
    }
}
