//! What a step must be like whose cells share one command. Knows not how they are run.

use std::collections::BTreeMap;

use super::Context;
use crate::diag::{Diagnostic, Span};
use crate::model::template::{Placeholder, Template};
use crate::model::{Command, Step};

/// Reports each step with `batch = true` that cannot be run so, once for all of its cells.
pub(crate) fn check(context: &Context<'_>, steps: &[Step], problems: &mut Vec<Diagnostic>) {
    let mut first_cells: BTreeMap<Span, &Step> = BTreeMap::new();
    for (place, step) in context.steps.iter().zip(steps) {
        let Some(span) = place.step.batch else { continue };
        let first = *first_cells.entry(span).or_insert(step);
        let name = &step.base_name;
        let mut refuse = |problem: String, help: &str| {
            problems.push(Diagnostic::error(problem).at(span, "one command for all cells").help(help));
        };
        if place.step.matrix.is_empty() {
            refuse(format!("step `{name}` has `batch` and no `matrix`"), "`matrix.pkg.packages = \"*\"`");
        } else if !step.outputs.is_empty() {
            let help = "a batch is for checks: nobody could tell which cell made what";
            refuse(format!("step `{name}` has `batch` and outputs"), help);
        } else if step.interactive {
            refuse(format!("step `{name}` has `batch` and is `interactive`"), "take one of the two out");
        } else if !templates(&step.command).any(holds_matrix) {
            let help = "write `--package={{ matrix.pkg }}`: a word that holds a placeholder is repeated for each cell";
            refuse(format!("no word of the command of step `{name}` holds `{{{{ matrix.… }}}}`"), help);
        } else if step.env.values().any(holds_matrix) || step.cwd != first.cwd || step.params != first.params {
            let help = "only words of `run`, and what says what a cell reads, can hold `{{ matrix.x }}` in a batch";
            refuse(format!("`env`, `cwd` or `params` of step `{name}` differ between its cells"), help);
        }
    }
}

fn templates(command: &Command) -> impl Iterator<Item = &Template> {
    let templates: &[Template] = match command {
        Command::Shell { script, .. } => std::slice::from_ref(script),
        Command::Argv(words) | Command::Target { args: words, .. } => words,
        Command::Build(_) => &[],
    };
    templates.iter()
}

fn holds_matrix(template: &Template) -> bool {
    template.placeholders().any(|placeholder| matches!(placeholder, Placeholder::Matrix(_)))
}
