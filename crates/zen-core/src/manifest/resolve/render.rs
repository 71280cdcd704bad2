//! Puts values in the place of placeholders where a string must be known before anything runs: paths, globs, names.
//! Knows not what the strings are for.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Diagnostic;
use crate::glob::{PathSet, Pattern, PatternError};
use crate::manifest::reader::{Raw, Text};
use crate::manifest::template::{Refuse, Scope, parse};
use crate::model::template::{Part, Placeholder, Template};
use crate::path::{PathError, RelPath};
use crate::value::Value;

/// What a step without `matrix` has of it.
static NO_MATRIX: BTreeMap<String, Value> = BTreeMap::new();

/// A string with its values in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// The string.
    pub(crate) text: String,
    /// As a glob: what a value brought along stands for itself.
    glob: String,
    /// Has the string itself (not a value) a wildcard?
    pub(crate) is_wild: bool,
}

impl Rendered {
    /// As a pattern relative to `base`.
    pub(crate) fn pattern(&self, base: &RelPath) -> Result<Pattern, PatternError> {
        // `data\iris.csv`: an escape in a glob, but nobody escapes a letter.
        if self.text.split('\\').skip(1).any(|rest| rest.starts_with(|c: char| c.is_alphanumeric())) {
            return Err(PathError::Backslash(self.text.clone()).into());
        }
        if self.is_wild || self.glob == self.text || self.text.ends_with('/') {
            return Pattern::new(base, &self.glob);
        }
        Ok(Pattern::tree(&self.path(base)?))
    }

    /// As a path relative to `base`, within the workspace.
    pub(crate) fn path(&self, base: &RelPath) -> Result<RelPath, PatternError> {
        let path = base.join(&self.text).map_err(|error: PathError| PatternError::Path(error))?;
        if path.is_outside() { Err(PatternError::Outside(self.text.clone())) } else { Ok(path) }
    }
}

/// The values that a step's strings may use, and a note of those that they did.
pub(crate) struct Renderer<'a> {
    pub(crate) params: BTreeMap<String, Value>,
    pub(crate) pipeline: &'a BTreeMap<String, Value>,
    pub(crate) matrix: &'a BTreeMap<String, Value>,
    pub(crate) args: &'a [String],
    pub(crate) inputs: BTreeSet<String>,
    pub(crate) outputs: BTreeSet<String>,
    pub(crate) used_pipeline: BTreeSet<String>,
    pub(crate) uses_args: bool,
    /// What templates cannot hold here.
    pub(crate) refuse: Option<Refuse>,
    pub(crate) problems: Vec<Diagnostic>,
}

impl<'a> Renderer<'a> {
    pub(crate) fn new(pipeline: &'a BTreeMap<String, Value>, args: &'a [String]) -> Self {
        Self {
            params: BTreeMap::new(),
            pipeline,
            matrix: &NO_MATRIX,
            args,
            inputs: BTreeSet::new(),
            outputs: BTreeSet::new(),
            used_pipeline: BTreeSet::new(),
            uses_args: false,
            refuse: None,
            problems: Vec::new(),
        }
    }

    fn scope<'s>(
        params: &'s BTreeMap<String, Value>,
        pipeline: &'s BTreeMap<String, Value>,
        matrix: &'s BTreeMap<String, Value>,
        refuse: Option<Refuse>,
    ) -> Scope<'s> {
        Scope {
            params: params.keys().map(String::as_str).collect(),
            pipeline: pipeline.keys().map(String::as_str).collect(),
            matrix: matrix.keys().map(String::as_str).collect(),
            refuse,
            ..Scope::default()
        }
    }

    /// A string whose placeholders get their values when the step starts.
    pub(crate) fn template(&mut self, text: &Text) -> Template {
        let scope = Scope {
            inputs: self.inputs.iter().map(String::as_str).collect(),
            outputs: self.outputs.iter().map(String::as_str).collect(),
            ..Self::scope(&self.params, self.pipeline, self.matrix, self.refuse)
        };
        let template = parse(text, &scope, &mut self.problems);
        self.note(&template);
        template
    }

    /// The same for one that runs before inputs and outputs are known.
    pub(crate) fn early_template(&mut self, text: &Text) -> Template {
        let scope = Self::scope(&self.params, self.pipeline, self.matrix, Some(Refuse::Artifacts));
        let template = parse(text, &scope, &mut self.problems);
        self.note(&template);
        template
    }

    fn note(&mut self, template: &Template) {
        for placeholder in template.placeholders() {
            match placeholder {
                Placeholder::Pipeline(name) => {
                    self.used_pipeline.insert(name.clone());
                }
                Placeholder::Args => self.uses_args = true,
                Placeholder::Param(_) | Placeholder::Matrix(_) | Placeholder::Input(_) | Placeholder::Output(_) => {}
            }
        }
    }

    /// A string that must be known now; `None` if something in it is wrong, which is reported.
    pub(crate) fn render(&mut self, text: &Text) -> Option<Rendered> {
        let before = self.problems.len();
        let template = self.early_template(text);
        let mut rendered = Rendered::default();
        for part in &template.parts {
            match part {
                Part::Text(literal) => {
                    rendered.text.push_str(literal);
                    rendered.glob.push_str(literal);
                    rendered.is_wild |= literal.contains(['*', '?', '[', '{']);
                }
                Part::Placeholder(placeholder) => {
                    let value = self.text_of(placeholder, text)?;
                    rendered.glob.extend(value.chars().flat_map(|c| {
                        let special = matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',');
                        special.then_some('\\').into_iter().chain([c])
                    }));
                    rendered.text.push_str(&value);
                }
            }
        }
        (self.problems.len() == before).then_some(rendered)
    }

    /// [`render`](Self::render), as text.
    pub(crate) fn string(&mut self, text: &Text) -> Option<String> {
        self.render(text).map(|rendered| rendered.text)
    }

    /// The values of several strings, sorted, each once.
    pub(crate) fn set<'t>(&mut self, texts: impl IntoIterator<Item = &'t Text>) -> Vec<String> {
        let set: BTreeSet<String> = texts.into_iter().filter_map(|text| self.string(text)).collect();
        set.into_iter().collect()
    }

    /// Globs and `!` globs relative to `base`.
    pub(crate) fn paths(&mut self, texts: &[Text], base: &RelPath) -> PathSet {
        let mut set = PathSet::default();
        for text in texts {
            let Some(rendered) = self.render(text) else { continue };
            let (list, rendered) = match rendered.text.strip_prefix('!') {
                Some(rest) if text.value.starts_with('!') => {
                    let glob = rendered.glob[1..].to_owned();
                    (&mut set.exclude, Rendered { text: rest.to_owned(), glob, is_wild: rendered.is_wild })
                }
                _ => (&mut set.include, rendered),
            };
            match rendered.pattern(base) {
                Ok(pattern) => list.push(pattern.written_at(text.span)),
                Err(error) => self.problems.push(bad_path(&error, text)),
            }
        }
        if set.include.is_empty() && !set.exclude.is_empty() {
            self.problems.push(
                Diagnostic::error("there is nothing to exclude from")
                    .at(texts[0].span, "")
                    .help("name what is meant first: `[\"src/**\", \"!src/gen/**\"]`"),
            );
        }
        set
    }

    /// A parameter's value: a string that is one placeholder keeps its type.
    pub(crate) fn value(&mut self, raw: &Raw) -> Value {
        match raw {
            Raw::Plain(value) => value.clone(),
            Raw::Array(items) => Value::Array(items.iter().map(|item| self.value(item)).collect()),
            Raw::Table(entries) => {
                Value::Table(entries.iter().map(|(key, item)| (key.clone(), self.value(item))).collect())
            }
            Raw::Text(text) => {
                let scope = Self::scope(&self.params, self.pipeline, self.matrix, Some(Refuse::AllButPipeline));
                let template = parse(text, &scope, &mut self.problems);
                self.uses_args |= template.placeholders().any(|placeholder| *placeholder == Placeholder::Args);
                match &*template.parts {
                    [Part::Placeholder(Placeholder::Pipeline(name))] => return self.pipeline[name].clone(),
                    [Part::Placeholder(Placeholder::Matrix(name))] => return self.matrix[name].clone(),
                    _ => {}
                }
                let text_of = |part: &Part| match part {
                    Part::Text(literal) => literal.clone(),
                    Part::Placeholder(Placeholder::Pipeline(name)) => self.pipeline[name].to_text(),
                    Part::Placeholder(Placeholder::Matrix(name)) => self.matrix[name].to_text(),
                    Part::Placeholder(_) => self.args.join(" "),
                };
                Value::String(template.parts.iter().map(text_of).collect())
            }
        }
    }

    /// The text that stands for a placeholder in a string that must be known now.
    fn text_of(&mut self, placeholder: &Placeholder, text: &Text) -> Option<String> {
        let value = match placeholder {
            Placeholder::Param(name) => self.params.get(name)?,
            Placeholder::Pipeline(name) => self.pipeline.get(name)?,
            Placeholder::Matrix(name) => self.matrix.get(name)?,
            Placeholder::Args => return Some(self.args.join(" ")),
            Placeholder::Input(_) | Placeholder::Output(_) => return None,
        };
        if matches!(value, Value::Array(_) | Value::Table(_)) {
            self.problems.push(
                Diagnostic::error(format!("`{placeholder}` is {} {}", article(value.type_name()), value.type_name()))
                    .at(text.span, "here it must be a single value"),
            );
            return None;
        }
        Some(value.to_text())
    }

    /// The words that a template stands for, as far as they are known now; `None` for a word that is not.
    pub(crate) fn words(&self, template: &Template) -> Vec<Option<String>> {
        if let [Part::Placeholder(Placeholder::Args)] = &*template.parts {
            return self.args.iter().cloned().map(Some).collect();
        }
        let text_of = |part: &Part| match part {
            Part::Text(literal) => Some(literal.clone()),
            Part::Placeholder(Placeholder::Param(name)) => self.params.get(name).map(Value::to_text),
            Part::Placeholder(Placeholder::Pipeline(name)) => self.pipeline.get(name).map(Value::to_text),
            Part::Placeholder(Placeholder::Matrix(name)) => self.matrix.get(name).map(Value::to_text),
            Part::Placeholder(Placeholder::Args) => Some(self.args.join(" ")),
            Part::Placeholder(Placeholder::Input(_) | Placeholder::Output(_)) => None,
        };
        vec![template.parts.iter().map(text_of).collect()]
    }
}

/// `a` or `an`
pub(crate) fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The error for a path or glob that is none.
pub(crate) fn bad_path(error: &PatternError, text: &Text) -> Diagnostic {
    let problem = if text.value.trim_start_matches('!').is_empty() {
        Diagnostic::error("a path cannot be empty").at(text.span, "")
    } else {
        Diagnostic::error(error.to_string()).at(text.span, "")
    };
    match error {
        PatternError::Outside(_) => problem.help("what a step names lies within the workspace"),
        PatternError::Syntax { .. } => problem
            .help("in a glob `*`, `?`, `[` and `{` have a meaning; for the character itself write `[*]`, `[[]` …"),
        _ => problem,
    }
}
