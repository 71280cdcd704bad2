//! Strings with `{{ … }}` placeholders, already parsed. Knows not where values come from.

use serde::{Deserialize, Serialize};

use crate::diag::Span;

/// A string of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Text and placeholders, in order. A literal `{{` is text.
    pub parts: Vec<Part>,
    /// Where the string is written.
    pub span: Span,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Taken as it is.
    Text(String),
    /// Replaced by a value.
    Placeholder(Placeholder),
}

/// What a placeholder names. The names are known to exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Placeholder {
    /// `{{ params.x }}`
    Param(String),
    /// `{{ pipeline.x }}`
    Pipeline(String),
    /// `{{ matrix.x }}`, `{{ matrix.x.field }}`
    Matrix(String),
    /// `{{ inputs.x }}`: its paths, relative to `cwd`, sorted.
    Input(String),
    /// `{{ outputs.x }}`: its path, relative to `cwd`.
    Output(String),
    /// `{{ args }}`: as many words as there are.
    Args,
}

impl Template {
    /// The template as it was written, with placeholders in one spelling: what a key holds.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(&text.replace("{{", "{{{{")),
                Part::Placeholder(placeholder) => out.push_str(&placeholder.to_string()),
            }
        }
        out
    }

    /// The text with `_` in the place of each placeholder: what can be looked through for words.
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "_" }).collect()
    }

    /// The placeholders, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(placeholder) => Some(placeholder),
            Part::Text(_) => None,
        })
    }
}

impl std::fmt::Display for Placeholder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Param(name) => write!(f, "{{{{ params.{name} }}}}"),
            Self::Pipeline(name) => write!(f, "{{{{ pipeline.{name} }}}}"),
            Self::Matrix(name) => write!(f, "{{{{ matrix.{name} }}}}"),
            Self::Input(name) => write!(f, "{{{{ inputs.{name} }}}}"),
            Self::Output(name) => write!(f, "{{{{ outputs.{name} }}}}"),
            Self::Args => f.write_str("{{ args }}"),
        }
    }
}
