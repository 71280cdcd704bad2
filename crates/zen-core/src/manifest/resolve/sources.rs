//! `source-dependencies`: which packages and which Rust items they name. Knows no sources; whether an item exists is
//! found out when they are read.

use super::Context;
use super::command::whole;
use super::render::Renderer;
use crate::diag::Diagnostic;
use crate::manifest::reader::Text;
use crate::model::{ClosureRequest, SourceItem};
use crate::path::RelPath;
use crate::suggest;

/// What the texts of all places name.
pub(crate) struct Sources {
    /// Closures of whole packages.
    pub(crate) packages: Vec<ClosureRequest>,
    /// Items, sorted.
    pub(crate) items: Vec<SourceItem>,
}

/// Reads `"package"`, `"package::module"` and `"package::module::item"`.
pub(crate) fn sources<'t>(
    context: &Context<'_>,
    renderer: &mut Renderer<'_>,
    texts: impl Iterator<Item = &'t Text>,
    cwd: &RelPath,
) -> Sources {
    let mut sources = Sources { packages: Vec::new(), items: Vec::new() };
    for text in texts {
        let Some(written) = renderer.string(text) else { continue };
        let mut names = written.split("::").map(str::trim);
        let crate_name = names.next().unwrap_or_default();
        let path: Vec<String> = names.map(|name| name.strip_prefix("r#").unwrap_or(name).to_owned()).collect();
        let Some(package) = package(context, crate_name) else {
            renderer.problems.push(unknown(context, crate_name, &written, text));
            continue;
        };
        if let Some(bad) = path.iter().find(|name| !is_identifier(name)) {
            let message = if bad.is_empty() {
                format!("a name in `{}` is empty", written.escape_debug())
            } else {
                format!("`{}` in `{}` cannot be the name of an item", bad.escape_debug(), written.escape_debug())
            };
            renderer.problems.push(
                Diagnostic::error(message)
                    .at(text.span, "")
                    .help("`package`, `package::module` or `package::module::item`; the names as they are declared, without arguments"),
            );
        } else if path.is_empty() {
            sources.packages.push(whole(package, true, cwd));
        } else {
            sources.items.push(SourceItem { package: package.to_owned(), path, span: text.span });
        }
    }
    sources.items.sort();
    sources.items.dedup();
    sources
}

/// The member of that name; in Rust `-` is written `_`.
fn package<'d>(context: &Context<'d>, name: &str) -> Option<&'d str> {
    let layout = context.layout;
    let as_written = layout.package(name);
    let as_crate = || layout.packages.iter().find(|package| package.name.replace('-', "_") == name.replace('-', "_"));
    as_written.or_else(as_crate).map(|package| package.name.as_str())
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

fn unknown(context: &Context<'_>, name: &str, written: &str, text: &Text) -> Diagnostic {
    let names = context.layout.packages.iter().map(|package| package.name.as_str());
    let problem = Diagnostic::error(format!("the workspace has no package `{name}`")).at(text.span, "");
    if written.contains('/') || written.ends_with(".rs") {
        return problem.help("`source-dependencies` takes packages and Rust items, `package::module::item`; for files there is `file-dependencies`");
    }
    problem.help(suggest::help(name, names, "packages"))
}
