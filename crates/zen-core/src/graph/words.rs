//! The words of a command that may name a file. Knows no paths and no shell beyond where a word ends.

use crate::diag::Span;
use crate::model::Command;
use crate::model::template::{Part, Template};

/// A word without placeholders, and where the string that holds it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As written, without quotes and shell punctuation around it.
    pub text: String,
    /// The whole string's place.
    pub span: Span,
}

/// The words of a shell string, or the elements of a list, that hold no placeholder, in order. Options are no words.
pub fn words(command: &Command) -> Vec<Word> {
    let mut found = Vec::new();
    match command {
        Command::Shell { script, .. } => split(script, &mut found),
        Command::Argv(args) | Command::Target { args, .. } => found.extend(args.iter().filter_map(whole)),
        Command::Build(_) => {}
    }
    found.retain(|word| !word.text.is_empty() && !word.text.starts_with('-'));
    found
}

fn whole(arg: &Template) -> Option<Word> {
    let mut text = String::new();
    for part in &arg.parts {
        match part {
            Part::Text(more) => text.push_str(more),
            Part::Placeholder(_) => return None,
        }
    }
    Some(Word { text, span: arg.span })
}

fn split(script: &Template, found: &mut Vec<Word>) {
    // `None`: the current word holds a placeholder.
    let mut word = Some(String::new());
    let mut end = |word: &mut Option<String>| {
        if let Some(text) = word.replace(String::new()) {
            found.push(Word { text: text.trim_matches(is_around).to_owned(), span: script.span });
        }
    };
    for part in &script.parts {
        match part {
            Part::Placeholder(_) => word = None,
            Part::Text(text) => {
                for c in text.chars() {
                    if c.is_whitespace() {
                        end(&mut word);
                    } else if let Some(word) = &mut word {
                        word.push(c);
                    }
                }
            }
        }
    }
    end(&mut word);
}

/// Quotes, and what a shell takes for the end of a word.
fn is_around(c: char) -> bool {
    matches!(c, '\'' | '"' | '`' | '<' | '>' | '|' | '&' | ';' | '(' | ')' | '{' | '}')
}

#[cfg(test)]
mod tests {
    use super::super::testing::template;
    use super::*;

    fn texts(command: &Command) -> Vec<String> {
        words(command).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn placeholders_are_no_words() {
        let script = template("cat 'a.txt' dir/{{ params.x }}.csv <b.txt; ./tool -x {{ outputs.y }}\n(sort c)");
        let command = Command::Shell { script, shell: None };
        assert_eq!(texts(&command), ["cat", "a.txt", "b.txt", "./tool", "sort", "c"]);
    }

    #[test]
    fn an_element_of_a_list_is_one_word() {
        let command = Command::Argv(["tools/gen", "a b.txt", "--flag", "x{{ params.x }}"].map(template).into());
        assert_eq!(texts(&command), ["tools/gen", "a b.txt"]);
    }
}
