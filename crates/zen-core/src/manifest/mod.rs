//! From the tables in Cargo.toml to the [model](crate::model): [`load`] reads them, [`resolve::resolve`] makes
//! references, placeholders and ranks good. All problems at once, each with its place. Knows no disk.

mod declarations;
mod hook;
mod level;
mod overlay;
pub mod platform;
pub mod quantity;
mod reader;
pub mod resolve;
pub mod shell;
mod step;
mod table;
mod template;

#[cfg(test)]
mod tests;

use toml::de::{DeTable, DeValue};

pub use declarations::Declarations;
use reader::Reader;

use crate::diag::{Diagnostic, FileId, Sources, Span};
use crate::path::RelPath;

/// A place where definitions may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The manifest.
    pub file: FileId,
    /// Whose `[package.metadata.zen]`; `None`: the `[workspace.metadata.zen]`.
    pub package: Option<String>,
    /// What its paths are relative to: the folder of the manifest.
    pub base: RelPath,
}

/// Reads the tables out of the manifests that they point into. A manifest without a table of zen's is no problem.
///
/// The root's settings (`default-pipeline`, `pools`, `store` …) belong to the workspace table; where no manifest has a
/// `[workspace]`, the lone package's table takes them.
pub fn load(sources: &Sources, tables: &[Table]) -> (Declarations, Vec<Diagnostic>) {
    let mut declarations = Declarations::default();
    let mut diagnostics = Vec::new();
    let mut files: Vec<FileId> = tables.iter().map(|table| table.file).collect();
    files.sort_unstable();
    files.dedup();
    let mut documents = Vec::new();
    for id in files {
        let (document, errors) = DeTable::parse_recoverable(sources.file(id).text());
        if errors.is_empty() {
            documents.push((id, document));
        }
        diagnostics.extend(errors.iter().map(|error| syntax_error(id, error)));
    }
    let document = |id| documents.iter().find(|(file, _)| *file == id).map(|(_, document)| document.get_ref());
    let has_workspace = tables.iter().any(|table| {
        table.package.is_none() && document(table.file).is_some_and(|document| document.contains_key("workspace"))
    });
    for table in tables {
        let Some(document) = document(table.file) else { continue };
        let owner = if table.package.is_some() { "package" } else { "workspace" };
        let zen = ["metadata", "zen"].iter().fold(document.get(owner), |node, key| {
            node.and_then(|node| node.get_ref().as_table()).and_then(|table| table.get(*key))
        });
        let Some(zen) = zen else { continue };
        let mut reader = Reader::new(table.file, sources.file(table.file).text());
        let takes_settings = table.package.is_none() || (!has_workspace && table.base.is_root());
        declarations.tables.push(table::read(&mut reader, zen, table, takes_settings));
        diagnostics.append(&mut reader.diagnostics);
    }
    declarations.tables.sort_by(|a, b| a.package.cmp(&b.package));
    (declarations, in_order(diagnostics))
}

/// Reads a `--config` file over the tables: it has the shape of one pipeline's table.
pub fn load_config(declarations: &mut Declarations, sources: &Sources, file: FileId) -> Vec<Diagnostic> {
    let (document, errors) = DeTable::parse_recoverable(sources.file(file).text());
    if !errors.is_empty() {
        return in_order(errors.iter().map(|error| syntax_error(file, error)).collect());
    }
    let mut reader = Reader::new(file, sources.file(file).text());
    let node = toml::Spanned::new(document.span(), DeValue::Table(document.into_inner()));
    declarations.config = Some(table::config(&mut reader, &node));
    in_order(reader.diagnostics)
}

fn syntax_error(file: FileId, error: &toml::de::Error) -> Diagnostic {
    let span = Span::new(file, error.span().unwrap_or_default());
    Diagnostic::error(error.message().to_owned()).at(span, "this is not TOML")
}

/// As they stand in the files, each once.
fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_cached_key(|problem| {
        let place = problem.labels.iter().find(|label| label.primary).map(|label| label.span);
        (place, problem.severity, problem.message.clone())
    });
    diagnostics.dedup();
    diagnostics
}
