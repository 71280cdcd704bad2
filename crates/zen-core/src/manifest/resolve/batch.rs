//! What a step must be like whose cells share one command. Knows not how they are run.

use std::collections::BTreeMap;

use super::Context;
use crate::diag::{Diagnostic, Span};
use crate::manifest::shell::{self, Word};
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
        } else if let Some(sole) = sole_word(&step.command) {
            let help = "there can be but one: write it as an argument of a command, or take out `batch`; for a variable: \
                        `for x in {{ matrix.x }}; do …; done`";
            let problem =
                format!("`{sole}` of step `{name}` is a program, a variable's value or where a redirection goes");
            refuse(problem, help);
        } else if let Some(key) = differs(step, first) {
            let help = "only words of `run`, and what says what a cell reads, can hold `{{ matrix.x }}` in a batch";
            refuse(format!("{key} of step `{name}` differ between its cells"), help);
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

/// What of the one command is not the same in both cells.
fn differs(step: &Step, first: &Step) -> Option<&'static str> {
    let built = |step: &Step| match &step.command {
        Command::Target { build, .. } | Command::Build(build) => Some(build.clone()),
        Command::Shell { .. } | Command::Argv(_) => None,
    };
    let shell = |step: &Step| match &step.command {
        Command::Shell { shell, .. } => shell.clone(),
        _ => None,
    };
    if step.env.values().any(holds_matrix) || step.cwd != first.cwd || step.params != first.params {
        return Some("`env`, `cwd` or `params`");
    }
    if built(step) != built(first) || shell(step) != shell(first) {
        return Some("what is built for `run`, or its `shell`,");
    }
    let handed =
        |step: &Step| (step.track_env.clone(), step.pass_env.clone(), step.secret_env.clone(), step.pool.clone());
    (handed(step) != handed(first)).then_some("`track-env`, `pass-env`, `secret-env` or `pool`")
}

/// A placeholder in a word that cannot be there several times, as a program and a redirection's target: one would win,
/// and the other cells be taken for checked.
fn sole_word(command: &Command) -> Option<String> {
    let is_matrix = |hole: &&Placeholder| matches!(hole, Placeholder::Matrix(_));
    match command {
        Command::Shell { script, .. } => {
            let (items, holes) = shell::items(&script.parts);
            let script = shell::lex(&items);
            let programs = script.commands.iter().filter_map(|words| words.first()).flat_map(Word::holes);
            let mut sole = script.sole_holes.iter().copied().chain(programs).map(|number| holes[number]);
            sole.find(is_matrix).map(ToString::to_string)
        }
        Command::Argv(words) => words.first()?.placeholders().find(is_matrix).map(ToString::to_string),
        Command::Target { .. } | Command::Build(_) => None,
    }
}

fn holds_matrix(template: &Template) -> bool {
    template.placeholders().any(|placeholder| matches!(placeholder, Placeholder::Matrix(_)))
}
