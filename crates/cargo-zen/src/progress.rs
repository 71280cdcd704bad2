//! The bar at the bottom of a terminal: how many steps are done, which ones run. Knows no terminal but its width.

use clap_cargo::style;

/// Narrower than this there is no room for a bar.
const NARROW: usize = 30;
/// The bar itself, at most.
const BAR: usize = 25;

/// One line, no wider than `width`: `     Running [=====>     ] 5/12: a, b`.
pub(crate) fn line(done: usize, total: usize, running: &[&str], width: usize) -> Option<String> {
    if width < NARROW || total == 0 {
        return None;
    }
    let counts = format!("{done}/{total}");
    // The verb's column, two spaces, brackets.
    let room = width.saturating_sub(12 + 2 + 2 + counts.len());
    let bar = room.min(BAR);
    let filled = (bar * done / total).min(bar);
    let mut drawn = "=".repeat(filled);
    if filled < bar {
        drawn.push('>');
        drawn.push_str(&" ".repeat(bar - filled - 1));
    }
    let mut names = if running.is_empty() { String::new() } else { format!(": {}", running.join(", ")) };
    let room = room.saturating_sub(bar + 1);
    if names.chars().count() > room {
        names = names.chars().take(room.saturating_sub(3)).collect::<String>() + "...";
        names.truncate(if room < 6 { 0 } else { names.len() });
    }
    let style = style::TRANSIENT;
    Some(format!("{style}{:>12}{style:#} [{drawn}] {counts}{names}", "Running"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(done: usize, total: usize, running: &[&str], width: usize) -> Option<String> {
        line(done, total, running, width).map(|line| anstream::adapter::strip_str(&line).to_string())
    }

    #[test]
    fn fits_into_every_width() {
        for width in 0..200 {
            for names in [&[][..], &["a"], &["training_data_loader", "svc_trainer", "evaluator"]] {
                let line = plain(3, 12, names, width).unwrap_or_default();
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn says_how_far_it_is() {
        assert_eq!(plain(1, 4, &["load"], 80).unwrap(), "     Running [======>                  ] 1/4: load");
        assert_eq!(plain(4, 4, &[], 80).unwrap(), "     Running [=========================] 4/4");
        assert_eq!(plain(1, 4, &["load"], 20), None);
    }
}
