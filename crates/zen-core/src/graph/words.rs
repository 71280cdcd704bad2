//! The words of a command that may name a file. Knows no paths and no shell beyond where a word ends.

use crate::diag::Span;
use crate::model::template::{Part, Placeholder, Template};
use crate::model::{Command, Step};
use crate::value::Value;

/// A word without placeholders, and where the string that holds it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As the shell takes it: without quotes and punctuation.
    pub text: String,
    /// The whole string's place.
    pub span: Span,
}

/// The words of a step's shell string, or the elements of its list, in order: with the values of parameters, and without
/// those that hold another placeholder. Options are no words.
pub fn words(step: &Step) -> Vec<Word> {
    let mut found = Vec::new();
    match &step.command {
        Command::Shell { script, .. } => split(script, step, &mut found),
        Command::Argv(args) | Command::Target { args, .. } => {
            found.extend(args.iter().filter_map(|arg| whole(arg, step)));
        }
        Command::Build(_) => {}
    }
    found.retain(|word| !word.text.is_empty() && !word.text.starts_with('-'));
    found
}

fn value(placeholder: &Placeholder, step: &Step) -> Option<String> {
    match placeholder {
        Placeholder::Param(name) => step.params.get(name).map(Value::to_text),
        Placeholder::Pipeline(name) => step.pipeline_params.get(name).map(Value::to_text),
        Placeholder::Matrix(name) => step.matrix.get(name).map(Value::to_text),
        Placeholder::Input(_) | Placeholder::Output(_) | Placeholder::Args => None,
    }
}

fn whole(arg: &Template, step: &Step) -> Option<Word> {
    let mut text = String::new();
    for part in &arg.parts {
        match part {
            Part::Text(more) => text.push_str(more),
            Part::Placeholder(placeholder) => text.push_str(&value(placeholder, step)?),
        }
    }
    Some(Word { text, span: arg.span })
}

/// Two readings at once: with quotes a word may hold spaces (`'a b.txt'`), and what stands in quotes may be a command
/// itself (`"$(cat a.txt)"`). A word too many costs nothing unless a file is called so.
fn split(script: &Template, step: &Step, found: &mut Vec<Word>) {
    // `None`: what is being read holds a placeholder.
    let (mut word, mut piece) = (Some(String::new()), Some(String::new()));
    let mut end = |text: &mut Option<String>| {
        if let Some(text) = text.replace(String::new())
            && !text.is_empty()
            && found.last().is_none_or(|last| last.text != text)
        {
            found.push(Word { text, span: script.span });
        }
    };
    let (mut quote, mut escaped) = (None, false);
    for part in &script.parts {
        let text = match part {
            Part::Text(text) => text,
            // It is quoted where it is put in: one word, whatever it holds.
            Part::Placeholder(placeholder) => match value(placeholder, step) {
                Some(value) => {
                    [&mut word, &mut piece].into_iter().flatten().for_each(|text| text.push_str(&value));
                    continue;
                }
                None => {
                    (word, piece) = (None, None);
                    continue;
                }
            },
        };
        for c in text.chars() {
            let is_literal = std::mem::replace(&mut escaped, false);
            if is_literal && c == '\n' {
                // A line that goes on.
            } else if !is_literal && c == '\\' && quote != Some('\'') {
                escaped = true;
            } else if !is_literal && matches!(c, '\'' | '"') && quote.is_none_or(|quote| quote == c) {
                quote = if quote.is_none() { Some(c) } else { None };
                end(&mut piece);
            } else if !is_literal && (c.is_whitespace() || is_between(c)) {
                end(&mut piece);
                match &mut word {
                    Some(word) if quote.is_some() => word.push(c),
                    None if quote.is_some() => {}
                    word => end(word),
                }
            } else {
                [&mut word, &mut piece].into_iter().flatten().for_each(|text| text.push(c));
            }
        }
    }
    end(&mut piece);
    end(&mut word);
}

/// What a shell takes for the end of a word, beside space.
fn is_between(c: char) -> bool {
    matches!(c, '`' | '<' | '>' | '|' | '&' | ';' | '(' | ')')
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Tables, template};
    use super::*;

    fn texts(command: &Command) -> Vec<String> {
        let mut house = Tables::new();
        let step = house.step("p", "s");
        house.at(step).command = command.clone();
        house.at(step).params = [("known".to_owned(), Value::String("a b.csv".to_owned()))].into();
        words(house.at(step)).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn parameters_are_read_with_their_values() {
        let script = template("cat {{ known }} data/{{ known }}");
        let command = Command::Shell { script, shell: None };
        assert_eq!(texts(&command), ["cat", "a b.csv", "data/a b.csv"]);
        let command = Command::Argv(["cat", "x/{{ known }}"].map(template).into());
        assert_eq!(texts(&command), ["cat", "x/a b.csv"]);
    }

    #[test]
    fn placeholders_are_no_words() {
        let script = template("cat 'a.txt' dir/{{ params.x }}.csv <b.txt; ./tool -x {{ outputs.y }}\n(sort c)");
        let command = Command::Shell { script, shell: None };
        assert_eq!(texts(&command), ["cat", "a.txt", "b.txt", "./tool", "sort", "c"]);
    }

    #[test]
    fn a_word_ends_where_the_shell_ends_it() {
        for (script, expected) in [
            ("cat a.txt|sort>b.txt&&./c;d", &["cat", "a.txt", "sort", "b.txt", "./c", "d"][..]),
            ("sh 'a b.txt' c\\ d", &["sh", "a", "b.txt", "a b.txt", "c d"]),
            ("x=\"$(cat a.txt)\"", &["x=", "$", "cat", "a.txt", "x=$(cat a.txt)"]),
            ("sh \\\n  a.txt", &["sh", "a.txt"]),
            ("{{ params.x }};./a x{{ params.x }}>b", &["./a", "b"]),
            ("'it;'\\''s' '{{ params.x }} y' z", &["it", "'", "s", "it;'s", "y", "z"]),
        ] {
            assert_eq!(texts(&Command::Shell { script: template(script), shell: None }), expected, "{script}");
        }
    }

    #[test]
    fn an_element_of_a_list_is_one_word() {
        let command = Command::Argv(["tools/gen", "a b.txt", "--flag", "x{{ params.x }}"].map(template).into());
        assert_eq!(texts(&command), ["tools/gen", "a b.txt"]);
    }
}
