//! Figures as data, as lines for a terminal, and as a Markdown table. Prints numbers as they are; takes none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// All that one call of `cargo xtask bench` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// On which day it began, in UTC: `2026-01-31`.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    /// How to do it again.
    pub(crate) command: String,
    /// The commit that was measured.
    pub(crate) commit: String,
    /// Peers that took part, with their versions.
    pub(crate) peers: Vec<String>,
    /// What each size was divided by; 1 for figures that count.
    pub(crate) divided_by: usize,
    pub(crate) rows: Vec<Row>,
    /// Results that were wrong, and scenarios that could not be measured or were left out.
    pub(crate) wrong: Vec<String>,
    pub(crate) left_out: Vec<String>,
}

/// One figure beside its floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The scenario, and what of it.
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// Each measurement, in the order in which they were taken.
    pub(crate) zen: Vec<f64>,
    pub(crate) floor: Option<Floor>,
    pub(crate) target: Target,
}

/// What it is compared with, measured in turn with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Floor {
    pub(crate) what: String,
    pub(crate) samples: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us/step")]
    MicrosecondsPerStep,
    #[serde(rename = "MiB")]
    Mebibytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// Only right, and that was checked.
    Right,
    /// None but being right; the figure is for information.
    None,
    /// At most so many times the floor.
    Times(f64),
    /// At most so many units.
    Most(f64),
    /// At most so many units more than the floor.
    Above(f64),
}

impl Row {
    /// A row in milliseconds.
    pub(crate) fn times(name: impl Into<String>, zen: &[Duration], target: Target) -> Self {
        Self { name: name.into(), unit: Unit::Milliseconds, zen: milliseconds(zen), floor: None, target }
    }

    /// A row of one figure in MiB.
    pub(crate) fn mebibytes(name: impl Into<String>, mib: f64, target: Target) -> Self {
        Self { name: name.into(), unit: Unit::Mebibytes, zen: vec![mib], floor: None, target }
    }

    /// The same beside a floor.
    pub(crate) fn beside(self, what: impl Into<String>, samples: &[Duration]) -> Self {
        Self { floor: Some(Floor { what: what.into(), samples: milliseconds(samples) }), ..self }
    }

    /// How many times the floor it is.
    fn ratio(&self) -> Option<f64> {
        self.floor.as_ref().map(|floor| median(&self.zen) / median(&floor.samples))
    }

    /// Whether the target is met; nothing where there is none.
    fn met(&self) -> Option<bool> {
        let value = median(&self.zen);
        let floor = self.floor.as_ref().map(|floor| median(&floor.samples));
        match self.target {
            Target::Right => Some(true),
            Target::None => None,
            Target::Times(most) => floor.map(|floor| value <= most * floor),
            Target::Most(most) => Some(value <= most),
            Target::Above(most) => floor.map(|floor| value <= floor + most),
        }
    }

    /// Name, figure, floor, what the floor is, ratio, target, met.
    fn cells(&self) -> [String; 7] {
        let unit = self.unit.text();
        let floor = self.floor.as_ref();
        [
            self.name.clone(),
            number(median(&self.zen), unit),
            floor.map_or_else(dash, |floor| number(median(&floor.samples), unit)),
            floor.map_or_else(dash, |floor| floor.what.clone()),
            self.ratio().map_or_else(dash, |ratio| format!("{ratio:.2}")),
            match self.target {
                Target::Right => "right".to_owned(),
                Target::None => dash(),
                Target::Times(most) => format!("≤ {most} × floor"),
                Target::Most(most) => format!("≤ {most} {unit}"),
                Target::Above(most) => format!("≤ floor + {most} {unit}"),
            },
            self.met().map_or_else(dash, |met| if met { "yes" } else { "NO" }.to_owned()),
        ]
    }
}

impl Unit {
    fn text(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::MicrosecondsPerStep => "µs/step",
            Self::Mebibytes => "MiB",
        }
    }
}

const HEAD: [&str; 7] = ["scenario", "zen", "floor", "what the floor is", "ratio", "target", "met"];

/// The rows in columns, for a terminal.
pub(crate) fn columns(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |cells: &[String; 7]| {
        let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            1 | 2 | 4 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// The report as Markdown: on what and how it was measured, and the table.
pub(crate) fn markdown(report: &Report) -> String {
    let Machine { cores, cpu, kernel, file_system } = &report.machine;
    let peers = if report.peers.is_empty() { "none".to_owned() } else { report.peers.join(", ") };
    let mut text = format!(
        "- Date: {}, commit {}\n- Machine: {cores} cores, {cpu}\n- Kernel: {kernel}; file system: {file_system}\n\
         - Peers: {peers}\n- To repeat: `{}`\n",
        report.date, report.commit, report.command
    );
    if report.divided_by > 1 {
        text.push_str(&format!("- A trial: all sizes are divided by {}\n", report.divided_by));
    }
    for (name, lines) in [("WRONG", &report.wrong), ("Left out", &report.left_out)] {
        text.extend(lines.iter().map(|line| format!("- {name}: {}\n", line.lines().next().unwrap_or_default())));
    }
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    text.push('\n');
    text.push_str(&row(&HEAD.map(str::to_owned)));
    text.push_str("| --- | ---: | ---: | --- | ---: | --- | --- |\n");
    text.extend(report.rows.iter().map(|one| row(&one.cells())));
    text
}

/// The middle of the samples; of an even number the mean of the two in the middle. 0 for none.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

fn milliseconds(samples: &[Duration]) -> Vec<f64> {
    samples.iter().map(|time| time.as_secs_f64() * 1000.0).collect()
}

fn number(value: f64, unit: &str) -> String {
    let digits = if value < 100.0 { 2 } else { 0 };
    format!("{value:.digits$} {unit}")
}

fn dash() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(zen: f64, floor: f64, target: Target) -> Row {
        let floor = Floor { what: "stat walk".to_owned(), samples: vec![floor] };
        Row { name: "noop".to_owned(), unit: Unit::Milliseconds, zen: vec![zen], floor: Some(floor), target }
    }

    fn report(rows: Vec<Row>) -> Report {
        let machine =
            Machine { cores: 2, cpu: "Some CPU".to_owned(), kernel: "6.1".to_owned(), file_system: "ext4".to_owned() };
        Report {
            date: "2026-01-31".to_owned(),
            machine,
            command: "cargo xtask bench".to_owned(),
            commit: "abc".to_owned(),
            peers: Vec::new(),
            divided_by: 1,
            rows,
            wrong: Vec::new(),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 9.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn targets_are_met_or_not() {
        let met = |zen, target| row(zen, 10.0, target).met();
        assert_eq!([15.0, 15.1].map(|zen| met(zen, Target::Times(1.5))), [Some(true), Some(false)]);
        assert_eq!([5.0, 5.1].map(|zen| met(zen, Target::Most(5.0))), [Some(true), Some(false)]);
        assert_eq!([12.0, 12.1].map(|zen| met(zen, Target::Above(2.0))), [Some(true), Some(false)]);
        assert_eq!(met(1.0, Target::None), None);
        assert_eq!(Row { floor: None, ..row(1.0, 1.0, Target::Times(1.5)) }.met(), None, "no floor, no verdict");
    }

    #[test]
    fn columns_stand_below_their_heads() {
        let text = columns(&[row(15.0, 10.0, Target::Times(1.5)), row(1234.0, 10.0, Target::Times(1.5))]);
        assert_eq!(
            text,
            "scenario       zen     floor  what the floor is   ratio  target         met\n\
             noop      15.00 ms  10.00 ms  stat walk            1.50  ≤ 1.5 × floor  yes\n\
             noop       1234 ms  10.00 ms  stat walk          123.40  ≤ 1.5 × floor  NO\n"
        );
    }

    #[test]
    fn markdown_says_on_what_and_how() {
        let text = markdown(&report(vec![row(15.0, 10.0, Target::Above(10.0))]));
        assert_eq!(
            text,
            "- Date: 2026-01-31, commit abc\n- Machine: 2 cores, Some CPU\n- Kernel: 6.1; file system: ext4\n\
             - Peers: none\n- To repeat: `cargo xtask bench`\n\n\
             | scenario | zen | floor | what the floor is | ratio | target | met |\n\
             | --- | ---: | ---: | --- | ---: | --- | --- |\n\
             | noop | 15.00 ms | 10.00 ms | stat walk | 1.50 | ≤ floor + 10 ms | yes |\n"
        );
        let trial = Report { divided_by: 9, wrong: vec!["right: bad\nmore".to_owned()], ..report(Vec::new()) };
        assert!(markdown(&trial).contains("- A trial: all sizes are divided by 9\n- WRONG: right: bad\n"));
    }

    #[test]
    fn a_report_survives_json() {
        let rows = vec![row(15.0, 10.0, Target::Times(1.5)), Row { floor: None, ..row(1.0, 1.0, Target::Right) }];
        let report = report(rows);
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains(r#""target":{"times":1.5}"#), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
