//! Problems as data: what is wrong, where, and what to do next. Knows no terminal; `cargo-zen` draws them.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::path::RelPath;

/// A manifest that definitions were read from.
#[derive(Clone)]
pub struct SourceFile {
    /// Where it lies.
    pub path: RelPath,
    /// Of its text.
    pub digest: Digest,
    text: Arc<LazyLock<String, Later>>,
}

/// Brings a text when it is first asked for.
type Later = Box<dyn FnOnce() -> String + Send>;

impl SourceFile {
    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.path, self.digest)
    }
}

/// Index into [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// The manifests that spans point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Addressed by [`FileId`].
    pub files: Vec<SourceFile>,
}

impl Sources {
    /// Adds a file and gives its id.
    pub fn add(&mut self, path: RelPath, text: impl Into<String>) -> FileId {
        let text = text.into();
        let digest = Digest::of(text.as_bytes());
        self.add_later(path, digest, Box::new(|| text))
    }

    /// Adds a file of which the digest is known, and whose text is read only if somebody asks for it. What has another
    /// digest by then is not what spans point into: it is taken for empty.
    pub fn add_later(&mut self, path: RelPath, digest: Digest, read: Later) -> FileId {
        let read: Later = Box::new(move || {
            let text = read();
            if Digest::of(text.as_bytes()) == digest { text } else { String::new() }
        });
        self.files.push(SourceFile { path, digest, text: Arc::new(LazyLock::new(read)) });
        FileId(self.files.len() as u32 - 1)
    }

    /// The file of a span.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// The 1-based line on which `span` starts.
    pub fn line(&self, span: Span) -> usize {
        let text = self.file(span.file).text();
        1 + text.as_bytes()[..span.start.min(text.len())].iter().filter(|b| **b == b'\n').count()
    }
}

/// A byte range in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Which manifest.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// `range` in `file`.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end }
    }
}

/// A value, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, written at `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// Said once; the run goes on.
    Warning,
}

/// A place that a diagnostic points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What stands there, as seen from the problem; may be empty.
    pub text: String,
    /// Carets (`^^^`) for the primary place, dashes for the others.
    pub primary: bool,
}

/// One problem. Messages are lower-case and without a full stop, as rustc's are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where; the first primary label gives file and line.
    pub labels: Vec<Label>,
    /// What to do next.
    pub helps: Vec<String>,
    /// What else to know.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error with nothing but a message; add places and help.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            helps: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A warning with nothing but a message.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Points at the culprit.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: true });
        self
    }

    /// Points at the other party.
    #[must_use]
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Says what else to know.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }
}
