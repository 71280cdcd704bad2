//! Metrics over runs, each as a line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io;

use zen_core::artifact::Production;
use zen_core::engine::history::RunEntry;
use zen_core::engine::past::{Facts, Past};

use crate::words::{escaped, figure};

/// Runs that are looked at.
const RUNS: usize = 100;
/// Plots that are drawn.
pub(super) const PLOTS: usize = 60;
/// The size of a plot, and of the field in it that the line is drawn in: left, top, right, bottom.
const SIZE: (f64, f64) = (360.0, 150.0);
const FIELD: [f64; 4] = [12.0, 26.0, 348.0, 122.0];

/// One metric of one step over runs.
#[derive(Debug, PartialEq)]
pub(super) struct Plot {
    /// The step's id, and the metric.
    pub(super) name: String,
    /// The oldest first.
    pub(super) points: Vec<Point>,
}

/// What a metric was in a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) run: u64,
    pub(super) value: f64,
    /// The step's parameters in that run.
    pub(super) params: String,
}

/// The metrics of the steps that `run` had, over the last runs, or over the last ones up to it if it is older than these.
pub(super) fn collect(past: &Past<'_>, run: &RunEntry) -> io::Result<Vec<Plot>> {
    let mut runs: Vec<RunEntry> = past.newest_first()?.take(RUNS).collect();
    if runs.last().is_some_and(|oldest| oldest.id > run.id) {
        runs = past.newest_first()?.skip_while(|newer| newer.id > run.id).take(RUNS).collect();
    }
    let places: HashMap<&str, usize> = run.steps.iter().map(|step| step.step.as_str()).zip(0..).collect();
    let measures: HashSet<&str> = places.keys().copied().filter(|step| past.has_metrics(step)).collect();
    // Most runs have the same productions as those before.
    let mut known: HashMap<Production, Facts> = HashMap::new();
    // In the order of the run's steps.
    let mut plots: BTreeMap<(usize, String), Vec<Point>> = BTreeMap::new();
    for earlier in runs.iter().rev() {
        for entry in &earlier.steps {
            let Some(place) = places.get(entry.step.as_str()) else { continue };
            if entry.metrics.is_empty() && !measures.contains(entry.step.as_str()) {
                continue;
            }
            let Some(production) = entry.production else { continue };
            let facts = known.entry(production).or_insert_with(|| past.facts(earlier, entry));
            let params = facts.params().into_iter().map(|(name, value)| format!("{name} = {value}"));
            let params = params.collect::<Vec<_>>().join(", ");
            for (name, value) in facts.made.iter().flat_map(|made| &made.metrics) {
                let point = Point { run: earlier.id.0, value: *value, params: params.clone() };
                plots.entry((*place, format!("{}.{name}", entry.step))).or_default().push(point);
            }
        }
    }
    Ok(plots.into_iter().map(|((_, name), points)| Plot { name, points }).collect())
}

/// A plot as SVG; the point of `run` stands out.
pub(super) fn draw(plot: &Plot, run: u64) -> String {
    let values = || plot.points.iter().map(|point| point.value);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let [left, top, right, bottom] = FIELD;
    let last = plot.points.len().saturating_sub(1);
    let place = |(at, point): (usize, &Point)| {
        let share = if last == 0 { 0.5 } else { at as f64 / last as f64 };
        // Halves: the whole distance may be more than a number can say.
        let height = if most > least { (point.value / 2.0 - least / 2.0) / (most / 2.0 - least / 2.0) } else { 0.5 };
        (left + share * (right - left), bottom - height * (bottom - top))
    };
    let places: Vec<(f64, f64)> = plot.points.iter().enumerate().map(place).collect();
    let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut svg = format!(
        "<svg class=\"plot\" role=\"img\" viewBox=\"0 0 {} {}\" aria-label=\"{}\"><line x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" \
         y2=\"{bottom}\"/><line x1=\"{left}\" y1=\"{top}\" x2=\"{right}\" y2=\"{top}\"/><polyline points=\"{}\"/>",
        SIZE.0,
        SIZE.1,
        escaped(&spoken(plot)),
        line.join(" ")
    );
    for (point, (x, y)) in plot.points.iter().zip(&places) {
        let (class, radius) = if point.run == run { ("now", 5) } else { ("then", 3) };
        let params = if point.params.is_empty() { String::new() } else { format!(" ({})", point.params) };
        let text = format!("run {}: {}{params}", point.run, point.value);
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{}</title></circle>",
            escaped(&text)
        );
    }
    let ends = [plot.points.first(), plot.points.last()].map(|point| point.map_or(0, |point| point.run));
    let _ = write!(
        svg,
        "<text x=\"{left}\" y=\"{:.1}\">{}</text><text x=\"{left}\" y=\"{:.1}\">{}</text>\
         <text x=\"{left}\" y=\"{}\">run {}</text>",
        top - 5.0,
        figure(most),
        bottom - 4.0,
        if most > least { figure(least) } else { String::new() },
        SIZE.1 - 8.0,
        ends[0]
    );
    if last > 0 {
        let _ = write!(svg, "<text class=\"end\" x=\"{right}\" y=\"{}\">run {}</text>", SIZE.1 - 8.0, ends[1]);
    }
    svg + "</svg>"
}

/// A plot for who does not see it.
fn spoken(plot: &Plot) -> String {
    let points: Vec<String> =
        plot.points.iter().rev().take(10).map(|point| format!("run {}: {}", point.run, figure(point.value))).collect();
    format!("{}, the newest first: {}", plot.name, points.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_stays_in_its_field_whatever_is_plotted() {
        for values in [&[1.0][..], &[1.0, 1.0], &[-5.0, 1e300, 0.0], &[f64::MAX, -f64::MAX]] {
            let points = values.iter().zip(1..).map(|(value, run)| Point { run, value: *value, params: String::new() });
            let svg = draw(&Plot { name: "<b>".to_owned(), points: points.collect() }, 1);
            assert_eq!(svg.matches("<circle").count(), values.len());
            assert_eq!(svg.matches("\"now\"").count(), 1);
            assert!(!svg.contains("<b>"));
            let heights =
                svg.split("cy=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse::<f64>().unwrap());
            assert!(heights.into_iter().all(|y| (FIELD[1]..=FIELD[3]).contains(&y)), "{svg}");
        }
    }
}
