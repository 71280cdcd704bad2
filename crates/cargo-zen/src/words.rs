//! How times, sizes and step names read.

use std::collections::HashMap;
use std::time::Duration;

use zen_core::artifact::Timestamp;
use zen_core::model::{Model, StepId};

/// `0.93s`, `1m 02s`: as cargo has it.
pub(crate) fn elapsed(duration: Duration) -> String {
    let duration = as_kept(duration);
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{:.2}s", duration.as_secs_f64())
    }
}

/// `1.2s`: a time that was saved, to the precision that anybody cares for.
pub(crate) fn saved(duration: Duration) -> String {
    let duration = as_kept(duration);
    if duration < Duration::from_secs(1) {
        format!("{:.2}s", duration.as_secs_f64())
    } else if duration < Duration::from_secs(60) {
        format!("{:.1}s", duration.as_secs_f64())
    } else {
        elapsed(duration)
    }
}

/// In whole milliseconds, as history and records have it: what is said now is what is said later.
fn as_kept(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// `12.3 MiB`
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `2026-11-29T03:33:10.123Z`
pub(crate) fn utc(at: Timestamp) -> String {
    instant(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `2026-11-29 03:33:10 UTC`
pub(crate) fn day(at: Timestamp) -> String {
    instant(at).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default()
}

/// Text that a step or a user made up, in one line, and without what a terminal or a runner would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// An argument as a shell would take it, in one line.
pub(crate) fn typed(argument: &str) -> String {
    let argument = plain(argument);
    let is_plain = |c: char| c.is_alphanumeric() || "_-./=:,@%+[]".contains(c);
    match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument,
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

/// A value on one line, so that a script of many lines does not tear the list apart.
pub(crate) fn one_line(value: &str) -> String {
    let mut lines = value.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default().trim();
    if lines.next().is_some() { format!("{first} …") } else { first.to_owned() }
}

/// A number as anybody wants to read it: six digits that count.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-4..1e9).contains(&size) {
        let digits = (5 - size.max(1e-300).log10().floor() as i32).clamp(0, 9) as usize;
        let text = format!("{value:.digits$}");
        let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
    } else {
        format!("{value:.4e}")
    }
}

/// A metric as it was and as it is: `accuracy: 0.9 → 0.95 (+0.05)`; `None` was not there.
pub(crate) fn metric(name: &str, values: [Option<f64>; 2]) -> String {
    let name = plain(name);
    let [was, is] = values.map(|value| value.map_or_else(|| "(not there)".to_owned(), figure));
    let change = match values {
        // Without the noise of binary fractions.
        [Some(was), Some(is)] => format!(" ({}{})", if is < was { "" } else { "+" }, figure(is - was)),
        _ => String::new(),
    };
    format!("{name}: {was} → {is}{change}")
}

/// `1 step`, `2 steps`
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `1 ran, 2 cached in 0.95s (saved 1.2s)`. The numbers: ran, cached, failed, skipped.
pub(crate) fn came_of_it(numbers: [usize; 4], took: Duration, saving: Duration) -> String {
    let parts = numbers.into_iter().zip(["ran", "cached", "failed", "skipped"]);
    let parts: Vec<String> =
        parts.filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let what = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    let saving = if saving.is_zero() { String::new() } else { format!(" (saved {})", saved(saving)) };
    format!("{what} in {}{saving}", elapsed(took))
}

/// Text within HTML or XML: a step's name can hold anything.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // XML has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// What steps are called on the screen: the name alone where no other step of the run has it.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<StepId, String>);

impl Names {
    /// For the steps of one run.
    pub(crate) fn new(model: &Model, steps: &[StepId]) -> Self {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for step in steps {
            *uses.entry(&model.step(*step).name).or_default() += 1;
        }
        let name = |step: &StepId| {
            let step_ = model.step(*step);
            let short = uses.get(step_.name.as_str()) == Some(&1);
            (*step, if short { step_.name.clone() } else { step_.display_id.clone() })
        };
        Self(steps.iter().map(name).collect())
    }

    /// The name of a step of the run.
    pub(crate) fn of(&self, step: StepId) -> &str {
        self.0.get(&step).map_or("?", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let figures = [0.0, 1.0, 0.1 + 0.2, 0.966_666_666_7, -12.5, 123_456_789.0, 1e12, 1e-7, f64::NAN].map(figure);
        assert_eq!(figures, ["0", "1", "0.3", "0.966667", "-12.5", "123456789", "1.0000e12", "1.0000e-7", "NaN"]);
    }

    #[test]
    fn a_metric_shows_its_change() {
        assert_eq!(metric("a", [Some(0.7), Some(0.1 + 0.7)]), "a: 0.7 → 0.8 (+0.1)");
        assert_eq!(metric("a", [Some(2.0), Some(-1.5)]), "a: 2 → -1.5 (-3.5)");
        assert_eq!(metric("a", [None, Some(1.0)]), "a: (not there) → 1");
        assert_eq!(
            metric("a\n::error::\u{1b}[2J", [None, None]),
            "a\u{fffd}::error::\u{fffd}[2J: (not there) → (not there)"
        );
    }

    #[test]
    fn reads_well() {
        assert_eq!(elapsed(Duration::from_millis(934)), "0.93s");
        assert_eq!(elapsed(Duration::from_secs(62)), "1m 02s");
        assert_eq!(saved(Duration::from_millis(1234)), "1.2s");
        assert_eq!(saved(Duration::from_millis(34)), "0.03s");
        assert_eq!(utc(Timestamp(1_795_923_190_123)), "2026-11-29T03:33:10.123Z");
        assert_eq!(day(Timestamp(1_795_923_190_123)), "2026-11-29 03:33:10 UTC");
        assert_eq!(["a=1", "", "it's\n"].map(typed), ["a=1", "''", "'it'\\''s\u{fffd}'"]);
        assert_eq!(size(5), "5 B");
        assert_eq!(size(5 << 20), "5.0 MiB");
        let seconds = Duration::from_secs;
        assert_eq!(came_of_it([1, 2, 0, 0], seconds(3), seconds(4)), "1 ran, 2 cached in 3.00s (saved 4.0s)");
        assert_eq!(came_of_it([0; 4], seconds(0), seconds(0)), "nothing to do in 0.00s");
        assert_eq!(count(1, "step"), "1 step");
        assert_eq!(count(0, "step"), "0 steps");
    }
}
