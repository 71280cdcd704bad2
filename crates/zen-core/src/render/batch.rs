//! The words of one command for several cells of a step. Pure, and knows not which cells go together.

use std::ffi::{OsStr, OsString};

use super::{RenderError, Values, command_words, render_script, render_words};
use crate::manifest::shell::{Item, items, lex};
use crate::model::Command;
use crate::model::template::{Part, Placeholder, Template};

/// [`command_words`] for several cells of one step: each word that holds `{{ matrix.x }}` is there once for each of
/// them, in their order, with what it is in that cell. All other words are as `all` has them, the values of all cells.
///
/// # Errors
/// As [`command_words`].
pub fn batch_words(command: &Command, all: &Values, cells: &[&Values]) -> Result<Vec<OsString>, RenderError> {
    let each = |templates: &[Template]| -> Result<Vec<OsString>, RenderError> {
        let mut words = Vec::new();
        for template in templates {
            for values in values_of(&template.parts, all, cells) {
                words.extend(render_words(template, values)?);
            }
        }
        Ok(words)
    };
    match command {
        Command::Argv(words) => each(words),
        Command::Target { args, .. } => each(args),
        Command::Build(_) => command_words(command, all),
        Command::Shell { script, shell } => {
            let mut text = OsString::new();
            for parts in pieces(&script.parts) {
                let piece = Template { parts, span: script.span };
                let values = values_of(&piece.parts, all, cells);
                let words: Result<Vec<_>, _> = values.iter().map(|values| render_script(&piece, values)).collect();
                text.push(words?.join(OsStr::new(" ")));
            }
            let shell =
                Command::Shell { script: Template { parts: Vec::new(), span: script.span }, shell: shell.clone() };
            let mut words = command_words(&shell, all)?;
            words.pop();
            words.push(text);
            Ok(words)
        }
    }
}

fn values_of<'v>(parts: &[Part], all: &'v Values, cells: &[&'v Values]) -> Vec<&'v Values> {
    let holds_matrix = parts.iter().any(|part| matches!(part, Part::Placeholder(Placeholder::Matrix(_))));
    if holds_matrix { cells.to_vec() } else { vec![all] }
}

/// A shell string in words that hold a placeholder and what stands between them. Where a word ends is the shell's
/// business: `{{ matrix.x }};` is a word and an end of a command, `'a b'{{ matrix.x }}` is one word.
fn pieces(parts: &[Part]) -> Vec<Vec<Part>> {
    let (items, holes) = items(parts);
    let mut pieces = Vec::new();
    let mut at = 0;
    for word in lex(&items).hole_words {
        pieces.push(joined(&items[at..word.start], &holes));
        at = word.end;
        pieces.push(joined(&items[word], &holes));
    }
    pieces.push(joined(&items[at..], &holes));
    pieces
}

fn joined(items: &[Item], holes: &[&Placeholder]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for item in items {
        match (item, parts.last_mut()) {
            (Item::Char(c), Some(Part::Text(text))) => text.push(*c),
            (Item::Char(c), _) => parts.push(Part::Text(c.to_string())),
            (Item::Hole(number), _) => parts.push(Part::Placeholder(holes[*number].clone())),
        }
    }
    parts
}
