//! Templates into text, words and shell scripts. Pure: the values come in, and how they are run is not known here.

mod batch;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use crate::model::Command;
use crate::model::template::{Part, Placeholder, Template};
use crate::path::bytes_path;
use crate::value::Value;

pub use batch::batch_words;

/// What placeholders stand for. Paths are relative to the step's `cwd`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// `{{ params.x }}`
    pub params: BTreeMap<String, Value>,
    /// `{{ pipeline.x }}`
    pub pipeline: BTreeMap<String, Value>,
    /// `{{ matrix.x }}`, `{{ matrix.x.field }}`
    pub matrix: BTreeMap<String, Value>,
    /// `{{ inputs.x }}`: the paths, sorted.
    pub inputs: BTreeMap<String, Vec<Vec<u8>>>,
    /// `{{ outputs.x }}`
    pub outputs: BTreeMap<String, Vec<u8>>,
    /// `{{ args }}`
    pub args: Vec<String>,
}

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Several values and other text in one word.
    #[error("`{placeholder}` stands for {count} values and cannot be part of one word; let it be a word of its own")]
    SeveralInWord {
        /// As written.
        placeholder: String,
        /// How many values it has now.
        count: usize,
    },
    /// The values lack it, though the definitions named it.
    #[error("`{0}` has no value in this run")]
    NoValue(String),
}

impl Values {
    /// Lets the inputs be those of other cells as well: what one command for all of them reads.
    pub fn join_inputs<'a>(&mut self, others: impl Iterator<Item = &'a Values>) {
        for (name, paths) in others.flat_map(|other| &other.inputs) {
            join(self.inputs.entry(name.clone()).or_default(), paths);
        }
    }

    /// What `placeholder` stands for: one word, or for inputs and arguments any number.
    fn words(&self, placeholder: &Placeholder) -> Result<Vec<Cow<'_, [u8]>>, RenderError> {
        let value = match placeholder {
            Placeholder::Param(name) => self.params.get(name).map(|v| vec![Cow::Owned(v.to_text().into_bytes())]),
            Placeholder::Pipeline(name) => self.pipeline.get(name).map(|v| vec![Cow::Owned(v.to_text().into_bytes())]),
            Placeholder::Matrix(name) => self.matrix.get(name).map(|v| vec![Cow::Owned(v.to_text().into_bytes())]),
            Placeholder::Input(name) => self.inputs.get(name).map(|paths| paths.iter().map(|p| word(p)).collect()),
            Placeholder::Output(name) => self.outputs.get(name).map(|path| vec![word(path)]),
            Placeholder::Args => Some(self.args.iter().map(|arg| Cow::Borrowed(arg.as_bytes())).collect()),
        };
        value.ok_or_else(|| RenderError::NoValue(placeholder.to_string()))
    }
}

/// Adds those of `more` that are not there yet.
pub(crate) fn join<T: Clone + Ord>(paths: &mut Vec<T>, more: &[T]) {
    let known: BTreeSet<T> = paths.iter().cloned().collect();
    paths.extend(more.iter().filter(|path| !known.contains(path)).cloned());
}

/// A file called `-rf` is not to be read as an option.
fn word(path: &[u8]) -> Cow<'_, [u8]> {
    if path.starts_with(b"-") { [b"./", path].concat().into() } else { path.into() }
}

/// The command as program and arguments. For [`Command::Target`] these are the arguments alone, for
/// [`Command::Build`] there are none.
///
/// # Errors
/// Several values within one word of an argument list; a value that is not there.
pub fn command_words(command: &Command, values: &Values) -> Result<Vec<OsString>, RenderError> {
    let each = |templates: &[Template]| -> Result<Vec<OsString>, RenderError> {
        let words: Result<Vec<_>, _> = templates.iter().map(|template| render_words(template, values)).collect();
        Ok(words?.concat())
    };
    match command {
        Command::Shell { script, shell } => {
            let mut words: Vec<OsString> = match shell {
                Some(shell) => shell.iter().map(OsString::from).collect(),
                None => default_shell().iter().map(OsString::from).collect(),
            };
            words.push(render_script(script, values)?);
            Ok(words)
        }
        Command::Argv(words) => each(words),
        Command::Target { args, .. } => each(args),
        Command::Build(_) => Ok(Vec::new()),
    }
}

/// What gets the string of a step that names no `shell`; never `$SHELL`.
pub fn default_shell() -> &'static [&'static str] {
    if cfg!(windows) { &["cmd", "/C"] } else { &["sh", "-e", "-c"] }
}

/// One text, as for `env`: several values are joined by spaces.
///
/// # Errors
/// A value that is not there.
pub fn render_text(template: &Template, values: &Values) -> Result<OsString, RenderError> {
    let mut out = Vec::new();
    for part in &template.parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Placeholder(placeholder) => out.extend(values.words(placeholder)?.join(&b' ')),
        }
    }
    Ok(os(&out))
}

/// One item of an argument list: a placeholder that is all of it gives as many words as it has values.
///
/// # Errors
/// Several values beside other text; a value that is not there.
pub fn render_words(template: &Template, values: &Values) -> Result<Vec<OsString>, RenderError> {
    if let [Part::Placeholder(placeholder)] = &*template.parts {
        return Ok(values.words(placeholder)?.iter().map(|word| os(word)).collect());
    }
    let mut out = Vec::new();
    for part in &template.parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Placeholder(placeholder) => {
                let words = values.words(placeholder)?;
                if words.len() > 1 {
                    let placeholder = placeholder.to_string();
                    return Err(RenderError::SeveralInWord { placeholder, count: words.len() });
                }
                words.iter().for_each(|word| out.extend_from_slice(word));
            }
        }
    }
    Ok(vec![os(&out)])
}

/// A script for a POSIX shell: every value is quoted where that is needed, several are as many words. (The loader has
/// refused placeholders inside quotes, and on Windows those of `cmd /C`.)
///
/// # Errors
/// A value that is not there.
pub fn render_script(template: &Template, values: &Values) -> Result<OsString, RenderError> {
    let mut out = Vec::new();
    for part in &template.parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Placeholder(placeholder) => {
                let words: Vec<_> = values.words(placeholder)?.iter().map(|word| quote(word)).collect();
                out.extend(words.join(&b' '));
            }
        }
    }
    Ok(os(&out))
}

/// `value` as one word of a POSIX shell: as it is where that is safe, else in single quotes.
pub fn shell_quote(value: &str) -> String {
    String::from_utf8_lossy(&quote(value.as_bytes())).into_owned()
}

fn quote(value: &[u8]) -> Vec<u8> {
    let safe = |b: &u8| b.is_ascii_alphanumeric() || b"_-./,:@%+=".contains(b);
    // A leading `=` is expanded by zsh; a word like `a=b` in front of a command would be an assignment.
    if !value.is_empty() && value.iter().all(safe) && !value.contains(&b'=') {
        return value.to_vec();
    }
    let mut out = vec![b'\''];
    for &byte in value {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            byte => out.push(byte),
        }
    }
    out.push(b'\'');
    out
}

fn os(bytes: &[u8]) -> OsString {
    bytes_path(bytes).into_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{FileId, Span};
    use proptest::prelude::*;

    fn template(parts: Vec<Part>) -> Template {
        Template { parts, span: Span::new(FileId(0), 0..0) }
    }

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    fn input(name: &str) -> Part {
        Part::Placeholder(Placeholder::Input(name.to_owned()))
    }

    fn values() -> Values {
        Values {
            params: [("gamma".to_owned(), Value::Float(0.5)), ("who".to_owned(), Value::String("a'b $x".into()))]
                .into(),
            inputs: [
                ("many".to_owned(), vec![b"a b.csv".to_vec(), b"c.csv".to_vec()]),
                ("none".to_owned(), vec![]),
                ("dash".to_owned(), vec![b"-rf".to_vec()]),
                ("bytes".to_owned(), vec![b"bad\xff".to_vec()]),
            ]
            .into(),
            ..Values::default()
        }
    }

    #[test]
    fn f_26_values_are_quoted_in_a_script() {
        let script = template(vec![
            text("run "),
            Part::Placeholder(Placeholder::Param("who".into())),
            text(" "),
            input("many"),
            text(" "),
            input("dash"),
        ]);
        assert_eq!(render_script(&script, &values()).unwrap(), r"run 'a'\''b $x' 'a b.csv' c.csv ./-rf");
    }

    #[test]
    fn a_whole_word_gives_as_many_words_as_it_has_values() {
        let words = |part| render_words(&template(vec![part]), &values()).unwrap();
        assert_eq!(words(input("many")), ["a b.csv", "c.csv"]);
        assert_eq!(words(input("none")), Vec::<OsString>::new());
        let inside = template(vec![text("--in="), input("many")]);
        let error = render_words(&inside, &values()).unwrap_err();
        assert_eq!(error, RenderError::SeveralInWord { placeholder: "{{ inputs.many }}".into(), count: 2 });
        let gamma = template(vec![text("--gamma="), Part::Placeholder(Placeholder::Param("gamma".into()))]);
        assert_eq!(render_words(&gamma, &values()).unwrap(), ["--gamma=0.5"]);
    }

    #[test]
    fn the_shell_is_fixed() {
        let script = template(vec![text("true")]);
        let command = Command::Shell { script: script.clone(), shell: None };
        if cfg!(unix) {
            assert_eq!(command_words(&command, &values()).unwrap(), ["sh", "-e", "-c", "true"]);
        }
        let command = Command::Shell { script, shell: Some(vec!["bash".into(), "-c".into()]) };
        assert_eq!(command_words(&command, &values()).unwrap(), ["bash", "-c", "true"]);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_text_survive() {
        use std::os::unix::ffi::OsStrExt;
        let words = render_words(&template(vec![input("bytes")]), &values()).unwrap();
        assert_eq!(words[0].as_bytes(), b"bad\xff");
        let script = render_script(&template(vec![input("bytes")]), &values()).unwrap();
        assert_eq!(script.as_bytes(), b"'bad\xff'");
    }

    /// Reads one word as a POSIX shell does, for what `quote` may write.
    fn unquote(word: &str) -> String {
        let mut out = String::new();
        let mut chars = word.chars();
        while let Some(c) = chars.next() {
            match c {
                '\'' => out.extend(chars.by_ref().take_while(|c| *c != '\'')),
                '\\' => out.extend(chars.next()),
                c => {
                    assert!(c.is_ascii_alphanumeric() || "_-./,:@%+".contains(c), "{c:?} stands unquoted");
                    out.push(c);
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn quoting_keeps_every_value(value in ".*") {
            prop_assert_eq!(unquote(&shell_quote(&value)), value);
        }
    }
}
