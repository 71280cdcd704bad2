//! `cargo xtask tidy`: the rules of the house that no compiler knows. Reads the files once and asks each rule; the rules
//! themselves (`text`, `shape`) see text alone.

mod shape;
mod text;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// The files that the rules look at: path from the root with `/`, and text. Sorted by path.
pub(crate) type Files = Vec<(String, String)>;

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 0 for the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

const RULES: &[fn(&Files) -> Vec<Finding>] = &[
    text::headers,
    text::lengths,
    text::forbidden_words,
    text::only_cargo_zen_prints,
    shape::core_dependencies,
    shape::module_order,
    shape::architecture_names_everything,
];

/// Checks the repository at `root`.
///
/// # Errors
/// Every breach of every rule, a line each.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let findings = check(root).map_err(|e| format!("error: cannot read {}: {e}", root.display()))?;
    if findings.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    lines.push(format!("error: {} untidy places", findings.len()));
    Err(lines.join("\n"))
}

fn check(root: &Path) -> io::Result<Vec<Finding>> {
    let mut files = Files::new();
    read(root, "", &mut files)?;
    files.sort();
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&files)).collect();
    findings.sort();
    Ok(findings)
}

/// Adds the sources, manifests, locks and documents below `folder`, but not what is built or hidden.
fn read(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if name != "target" && !name.starts_with('.') {
                read(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if [".rs", ".toml", ".lock", ".md"].iter().any(|end| name.ends_with(end)) {
            files.push((path, fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

/// The lines of a source, from 1, without those that are comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The text of the file at `path`, or nothing.
fn text_of<'a>(files: &'a Files, path: &str) -> Option<&'a str> {
    files.iter().find(|(p, _)| p == path).map(|(_, text)| text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files out of paths and texts, for the tests of the rules.
    pub(super) fn files(pairs: &[(&str, &str)]) -> Files {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn this_repository_is_tidy() {
        if let Err(findings) = run(crate::root()) {
            panic!("`cargo xtask tidy` found:\n{findings}");
        }
    }

    #[test]
    fn the_walk_finds_sources_and_leaves_out_what_is_built() {
        let mut files = Files::new();
        read(crate::root(), "", &mut files).unwrap();
        assert!(text_of(&files, "xtask/src/tidy/mod.rs").is_some(), "sources are read");
        assert!(text_of(&files, "Cargo.toml").is_some(), "manifests are read");
        assert!(!files.iter().any(|(path, _)| path.contains("target/")), "nothing below target is read");
    }

    #[test]
    fn a_finding_names_its_place() {
        assert_eq!(Finding::new("a.rs", 3, "too long").to_string(), "a.rs:3: too long");
        assert_eq!(Finding::new("a.rs", 0, "too long").to_string(), "a.rs: too long");
    }
}
