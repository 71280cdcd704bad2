//! Typed access to parsed TOML, with spans: wrong types, unknown keys and twins become diagnostics. Knows not what the
//! keys mean.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::quantity::{self, QuantityError};
use crate::diag::{Diagnostic, FileId, Span, Spanned};
use crate::suggest;
use crate::value::Value;

/// A string of a table, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Span,
    /// Where the content starts in the file, if it stands there without escapes.
    content: Option<usize>,
}

impl Text {
    /// The span of a part of the string; of the whole string if escapes are in the way.
    pub(crate) fn part(&self, range: Range<usize>) -> Span {
        match self.content {
            Some(start) => Span { file: self.span.file, start: start + range.start, end: start + range.end },
            None => self.span,
        }
    }
}

/// A key or table name, and where it is written.
pub(crate) type Name = Spanned<String>;

/// A value in the source.
pub(crate) type Node<'i> = toml::Spanned<DeValue<'i>>;

/// A key that a table may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// It works.
    Known(&'static str),
    /// It is in the contract, and not built yet.
    NotYet(&'static str),
}

impl Key {
    /// In kebab-case.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Known(name) | Self::NotYet(name) => name,
        }
    }
}

/// Reads one file and collects what is wrong with it.
pub(crate) struct Reader<'s> {
    pub(crate) file: FileId,
    text: &'s str,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The keys of one table, in kebab-case.
pub(crate) struct Fields<'t, 'i> {
    entries: BTreeMap<&'static str, (Span, &'t Node<'i>)>,
}

impl<'t, 'i> Fields<'t, 'i> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'t Node<'i>> {
        self.entries.get(key).map(|(_, value)| *value)
    }

    /// The span of a key.
    pub(crate) fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.get(key).map(|(span, _)| *span)
    }
}

impl<'s> Reader<'s> {
    pub(crate) fn new(file: FileId, text: &'s str) -> Self {
        Self { file, text, diagnostics: Vec::new() }
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }

    /// `what` reads after "in": `step \`train\``. `elsewhere` gives the help for a key that belongs in another table.
    pub(crate) fn fields<'t, 'i>(
        &mut self,
        node: &'t Node<'i>,
        what: &str,
        keys: &[Key],
        elsewhere: impl Fn(&str) -> Option<String>,
    ) -> Fields<'t, 'i> {
        let mut entries: BTreeMap<&'static str, (Span, &'t Node<'i>)> = BTreeMap::new();
        let Some(table) = self.table(node, what) else { return Fields { entries } };
        for (written, value) in table {
            let span = self.span(written.span());
            let written: &str = written.get_ref();
            if written.starts_with("x-") {
                continue;
            }
            let kebab = written.replace('_', "-");
            match keys.iter().find(|key| key.name() == kebab) {
                Some(Key::NotYet(_)) => self.report(
                    Diagnostic::error(format!("`{written}` is not supported yet"))
                        .at(span, format!("in {what}"))
                        .help(format!("remove it, or keep it as `x-{kebab}` until it is: such keys are left alone")),
                ),
                Some(Key::Known(key)) => {
                    if let Some((twin, _)) = entries.get(key) {
                        let (first, second) = (span.min(*twin), span.max(*twin));
                        self.report(
                            Diagnostic::error(format!("`{key}` is written twice in {what}"))
                                .at(second, "the same key in its other spelling")
                                .and(first, "first here")
                                .help("keep one of the two"),
                        );
                    } else {
                        entries.insert(key, (span, value));
                    }
                }
                None => {
                    let known = keys.iter().filter(|key| matches!(key, Key::Known(_))).map(|key| key.name());
                    let help = elsewhere(&kebab).unwrap_or_else(|| suggest::help(&kebab, known, "known keys"));
                    self.report(
                        Diagnostic::error(format!("unknown key `{written}` in {what}"))
                            .at(span, "not a key of this table")
                            .help(help),
                    );
                }
            }
        }
        Fields { entries }
    }

    /// `key` names the value in the message.
    pub(crate) fn wrong_type(&mut self, node: &Node<'_>, key: &str, expected: &str) -> &mut Diagnostic {
        let found = node.get_ref().type_str();
        let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
        self.diagnostics.push(
            Diagnostic::error(format!("`{key}` must be {expected}, not {article} {found}"))
                .at(self.span(node.span()), format!("expected {expected}")),
        );
        self.diagnostics.last_mut().expect("one was pushed just now")
    }

    pub(crate) fn table<'t, 'i>(&mut self, node: &'t Node<'i>, key: &str) -> Option<&'t DeTable<'i>> {
        let table = node.get_ref().as_table();
        if table.is_none() {
            let key = key.rsplit('`').nth(1).unwrap_or(key).to_owned();
            self.wrong_type(node, &key, "a table");
        }
        table
    }

    pub(crate) fn name(&self, key: &toml::Spanned<std::borrow::Cow<'_, str>>) -> Name {
        Spanned::new(key.get_ref().to_string(), self.span(key.span()))
    }

    /// The string of a node that is one.
    pub(crate) fn as_text(&self, node: &Node<'_>) -> Option<Text> {
        let value = node.get_ref().as_str()?.to_owned();
        let range = node.span();
        // Without escapes the content stands between the quotes as it is; `"""` may have a line end after it.
        let content = self.text.get(range.clone()).and_then(|raw| {
            let quotes = [(1, 1), (3, 3), (4, 3), (5, 3)];
            let fits = |(open, close): &(usize, usize)| {
                raw.len() == open + value.len() + close && raw.get(*open..).is_some_and(|raw| raw.starts_with(&value))
            };
            quotes.into_iter().find(fits).map(|(open, _)| range.start + open)
        });
        Some(Text { value, span: self.span(range), content })
    }

    pub(crate) fn string(&mut self, node: &Node<'_>, key: &str) -> Option<Text> {
        let text = self.as_text(node);
        if text.is_none() {
            self.wrong_type(node, key, "a string");
        }
        text
    }

    pub(crate) fn boolean(&mut self, node: &Node<'_>, key: &str) -> Option<bool> {
        let flag = node.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(node, key, "true or false");
        }
        flag
    }

    /// A whole number of at least `least`.
    pub(crate) fn count(&mut self, node: &Node<'_>, key: &str, least: u32) -> Option<u32> {
        let Some(number) = integer(node) else {
            self.wrong_type(node, key, "an integer");
            return None;
        };
        let count = u32::try_from(number).ok().filter(|count| *count >= least);
        if count.is_none() {
            self.report(
                Diagnostic::error(format!("`{key}` must be an integer of at least {least}"))
                    .at(self.span(node.span()), format!("not in {least} to {}", u32::MAX)),
            );
        }
        count
    }

    /// An array of strings.
    pub(crate) fn strings(&mut self, node: &Node<'_>, key: &str) -> Vec<Text> {
        let Some(items) = node.get_ref().as_array() else {
            let text = self.as_text(node);
            let problem = self.wrong_type(node, key, "an array of strings");
            if let Some(text) = text {
                problem.helps.push(format!("`{key} = [{:?}]`", text.value));
            }
            return Vec::new();
        };
        items.iter().filter_map(|item| self.string(item, key)).collect()
    }

    /// A string or an array of strings.
    pub(crate) fn string_or_strings(&mut self, node: &Node<'_>, key: &str) -> Vec<Text> {
        if let Some(text) = self.as_text(node) {
            return vec![text];
        }
        if !node.get_ref().is_array() {
            self.wrong_type(node, key, "a string or an array of strings");
            return Vec::new();
        }
        self.strings(node, key)
    }

    /// Whole seconds, or a string with units.
    pub(crate) fn duration(&mut self, node: &Node<'_>, key: &str) -> Option<std::time::Duration> {
        let read = match node.get_ref() {
            DeValue::String(text) => quantity::duration(text),
            DeValue::Integer(_) => quantity::seconds(integer(node).unwrap_or(i64::MAX)),
            _ => {
                self.wrong_type(node, key, "a duration: seconds, or a string such as \"24h\"");
                return None;
            }
        };
        self.quantity(node, key, read)
    }

    /// Bytes, or a string with a unit.
    pub(crate) fn size(&mut self, node: &Node<'_>, key: &str) -> Option<u64> {
        let read = match node.get_ref() {
            DeValue::String(text) => quantity::size(text),
            DeValue::Integer(number) => integer(node)
                .and_then(|bytes| u64::try_from(bytes).ok())
                .ok_or_else(|| QuantityError::Size(number.to_string())),
            _ => {
                self.wrong_type(node, key, "a size: bytes, or a string such as \"20GiB\"");
                return None;
            }
        };
        self.quantity(node, key, read)
    }

    fn quantity<T>(&mut self, node: &Node<'_>, key: &str, read: Result<T, QuantityError>) -> Option<T> {
        read.map_err(|error| {
            self.report(Diagnostic::error(format!("`{key}`: {error}")).at(self.span(node.span()), ""));
        })
        .ok()
    }

    /// Any value, with the span of each string in it.
    pub(crate) fn raw(&mut self, node: &Node<'_>) -> Raw {
        match node.get_ref() {
            DeValue::String(_) => self.as_text(node).map_or_else(|| Raw::Plain(value(node.get_ref())), Raw::Text),
            DeValue::Array(items) => Raw::Array(items.iter().map(|item| self.raw(item)).collect()),
            DeValue::Table(entries) => {
                Raw::Table(entries.iter().map(|(key, item)| (key.get_ref().to_string(), self.raw(item))).collect())
            }
            plain => {
                if plain.is_integer() && integer(node).is_none() {
                    self.report(
                        Diagnostic::error("an integer must fit into 64 bits")
                            .at(self.span(node.span()), "too large")
                            .help("write it as a string"),
                    );
                }
                Raw::Plain(value(plain))
            }
        }
    }
}

/// A parameter's value as written: strings may hold placeholders.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    Text(Text),
    Plain(Value),
    Array(Vec<Raw>),
    Table(BTreeMap<String, Raw>),
}

impl Raw {
    /// The value, placeholders left as they are.
    pub(crate) fn literal(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.value.clone()),
            Self::Plain(value) => value.clone(),
            Self::Array(items) => Value::Array(items.iter().map(Self::literal).collect()),
            Self::Table(entries) => {
                Value::Table(entries.iter().map(|(key, item)| (key.clone(), item.literal())).collect())
            }
        }
    }
}

/// The number of a node that is an integer in the range of 64 bits.
pub(crate) fn integer(node: &Node<'_>) -> Option<i64> {
    let number = node.get_ref().as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A parsed TOML value as a parameter's value.
pub(crate) fn value(parsed: &DeValue<'_>) -> Value {
    match parsed {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(time.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| value(item.get_ref())).collect()),
        DeValue::Table(entries) => {
            Value::Table(entries.iter().map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref()))).collect())
        }
    }
}
