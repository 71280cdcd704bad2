//! A lexer for POSIX shell strings, as much as is needed to know in what a placeholder stands, which commands are
//! called, and which variables are used. Runs nothing, and takes what it does not know for words.

mod lexer;

use std::collections::BTreeSet;

use crate::model::template::{Part, Placeholder};

/// One unit of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// A character.
    Char(char),
    /// A placeholder: some value, quoted for the shell.
    Hole(usize),
}

/// What a placeholder stands in. All but [`Bare`](Surround::Bare) would make the quotes of the value, or the value
/// itself, part of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Surround {
    Bare,
    /// The range of the items from quote to quote.
    Quotes(char, std::ops::Range<usize>),
    Backticks,
    Substitution,
    Expansion,
    Arithmetic,
    HereDocument,
    Comment,
    /// Right after a `\`.
    Backslash,
    /// Right after a `$`.
    Dollar,
}

/// A word of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// Texts without their quotes, and placeholders.
    pub(crate) parts: Vec<Item>,
    /// Does the shell put something else in its place?
    pub(crate) expands: bool,
    /// Was a part of it quoted?
    quoted: bool,
}

impl Word {
    /// Its text, if it is nothing else.
    pub(crate) fn literal(&self) -> Option<String> {
        let text = self.parts.iter().map(|item| if let Item::Char(c) = item { Some(*c) } else { None });
        if self.expands { None } else { text.collect() }
    }

    /// The placeholders that it holds.
    pub(crate) fn holes(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|item| if let Item::Hole(number) = item { Some(*number) } else { None })
    }

    fn is(&self, text: &str) -> bool {
        !self.quoted && self.literal().as_deref() == Some(text)
    }

    fn assigns(&self) -> Option<String> {
        let before: String = self
            .parts
            .iter()
            .map_while(|item| if let Item::Char(c) = item { Some(*c) } else { None })
            .take_while(|c| *c != '=')
            .collect();
        let assigns = is_variable(&before) && self.parts.get(before.len()) == Some(&Item::Char('='));
        assigns.then_some(before)
    }
}

/// What is known of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// For each placeholder, in order.
    pub(crate) holes: Vec<(usize, Surround)>,
    /// The commands, without assignments before them, reserved words and redirections. Those in `$(…)` too.
    pub(crate) commands: Vec<Vec<Word>>,
    /// Is it one simple command, and nothing else on the top level?
    pub(crate) is_simple: bool,
    /// The items of each word of a command that holds a placeholder, in order.
    pub(crate) hole_words: Vec<std::ops::Range<usize>>,
    /// The placeholders in words of which there can be only one: what is assigned, where a redirection goes.
    pub(crate) sole_holes: BTreeSet<usize>,
    variables: BTreeSet<String>,
}

/// The names that a script takes from its environment: used as `$NAME` or `${NAME…}` outside single quotes, and not
/// set earlier in the script. Sorted.
pub fn shell_variables(script: &str) -> Vec<String> {
    let items: Vec<Item> = script.chars().map(Item::Char).collect();
    lex(&items).variables.into_iter().collect()
}

/// A shell string as its lexer takes it, and what the holes are.
pub(crate) fn items(parts: &[Part]) -> (Vec<Item>, Vec<&Placeholder>) {
    let (mut items, mut holes) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(text) => items.extend(text.chars().map(Item::Char)),
            Part::Placeholder(placeholder) => {
                items.push(Item::Hole(holes.len()));
                holes.push(placeholder);
            }
        }
    }
    (items, holes)
}

/// Reads a script.
pub(crate) fn lex(items: &[Item]) -> Script {
    lexer::read(items)
}

/// Could a variable be called this?
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}
