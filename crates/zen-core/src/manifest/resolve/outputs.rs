//! Outputs: names, places, and the places that no output may have. Knows not whether outputs of different steps overlap.

use super::render::{Rendered, Renderer, bad_path};
use super::{Context, Place as Origin};
use crate::diag::{Diagnostic, Span};
use crate::digest::Digest;
use crate::glob::PatternError;
use crate::manifest::declarations::OutputDeclaration;
use crate::manifest::level::{Alike, bad_name, check_alike, is_name};
use crate::manifest::reader::Text;
use crate::model::{Output, Place};
use crate::path::RelPath;

/// The outputs of a step, sorted by name. Where a place is wrong the output gets one of zen's, so that references to it
/// are not wrong as well.
pub(crate) fn outputs(context: &Context<'_>, origin: Origin<'_>, renderer: &mut Renderer<'_>) -> Vec<Output> {
    let mut outputs = Vec::new();
    for declared in &origin.step.outputs {
        outputs.extend(match declared {
            OutputDeclaration::FileName(text) => file_name(context, origin, renderer, text),
            OutputDeclaration::Path { name, path, metric, content_hash, optional } => {
                let place = path.as_ref().and_then(|text| declared_place(context, origin, renderer, text));
                Some(Output {
                    name: name.value.clone(),
                    span: path.as_ref().map_or(name.span, |text| text.span),
                    place_is_ours: place.is_none(),
                    place: place.unwrap_or_else(|| our_place(context, origin, name.value.as_bytes())),
                    metric: *metric,
                    content_hash: *content_hash,
                    optional: *optional,
                })
            }
        });
    }
    let is_array = origin.step.outputs.iter().any(|output| matches!(output, OutputDeclaration::FileName(_)));
    if is_array {
        let names = outputs.iter().map(|output| (output.name.as_str(), output.span));
        check_alike(&mut renderer.problems, names, "an output", Alike::Variable);
    }
    outputs.sort_by(|a, b| a.name.cmp(&b.name));
    outputs.dedup_by(|a, b| a.name == b.name);
    outputs
}

fn our_place(context: &Context<'_>, origin: Origin<'_>, file: &[u8]) -> Place {
    let mut path = context.layout.zen_dir.child(b"out");
    let package = origin.table.package.as_deref();
    for name in package.into_iter().chain([&*origin.pipeline.name.value, &*origin.step.name.value]) {
        path = path.child(name.as_bytes());
    }
    if let Some(cell) = origin.cell {
        path = path.child(folder_name(&cell.label).as_bytes());
    }
    Place::Path { path: path.child(file), folder: false }
}

/// A cell's values as the name of a folder: no two have the same.
fn folder_name(label: &str) -> String {
    const LONGEST: usize = 120;
    let mut name = String::new();
    for byte in label.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.=,+".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST);
        name.push_str(&format!("%{}", Digest::of(label.as_bytes()).short()));
    }
    name
}

fn file_name(context: &Context<'_>, origin: Origin<'_>, renderer: &mut Renderer<'_>, text: &Text) -> Option<Output> {
    let file = renderer.string(text)?;
    let name = file.split('.').next().unwrap_or_default().to_owned();
    if file.contains(['/', '\\']) {
        let last = file.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
        let name = last.split('.').next().filter(|name| is_name(name)).unwrap_or("name");
        renderer.problems.push(
            Diagnostic::error(format!("`{file}` is a path, and an array of outputs holds file names"))
                .at(text.span, "zen gives these a place of its own")
                .help(format!("for a place of your own: `outputs.{name} = {file:?}`")),
        );
        return None;
    }
    if !is_name(&name) {
        renderer.problems.push(
            bad_name(&name, text.span, "an output")
                .note("the output is called by what stands before the first dot")
                .help(format!("give it a name: `outputs.NAME = {file:?}`")),
        );
        return None;
    }
    Some(Output {
        name,
        span: text.span,
        place: our_place(context, origin, file.as_bytes()),
        place_is_ours: true,
        metric: false,
        content_hash: true,
        optional: false,
    })
}

fn declared_place(
    context: &Context<'_>,
    origin: Origin<'_>,
    renderer: &mut Renderer<'_>,
    text: &Text,
) -> Option<Place> {
    let rendered = renderer.render(text)?;
    let place = match place(&rendered, &origin.table.base) {
        Ok(place) => place,
        Err(error) => {
            renderer.problems.push(bad_path(&error, text));
            return None;
        }
    };
    if let Some(problem) = refused(context, &place, text.span) {
        renderer.problems.push(problem);
        return None;
    }
    Some(place)
}

fn place(rendered: &Rendered, base: &RelPath) -> Result<Place, PatternError> {
    if rendered.text.is_empty() {
        return Err(PatternError::Syntax { text: String::new(), reason: "it is empty".to_owned() });
    }
    if rendered.is_wild {
        return rendered.pattern(base).map(Place::Glob);
    }
    Ok(Place::Path { path: rendered.path(base)?, folder: rendered.text.ends_with('/') })
}

/// F-9: what no step may own.
fn refused(context: &Context<'_>, place: &Place, span: Span) -> Option<Diagnostic> {
    let layout = context.layout;
    let root = place.root();
    let is_whole_tree = match place {
        Place::Path { .. } => true,
        Place::Glob(pattern) => pattern.is_whole_tree(),
    };
    let refuse = |what: String, help: &str| Some(Diagnostic::error(what).at(span, "").help(help));
    if root.is_root() && is_whole_tree {
        return refuse("an output cannot be the workspace root".to_owned(), "name a file or a folder below it");
    }
    let is_git = |name: &[u8]| name.eq_ignore_ascii_case(b".git");
    if root.components().any(is_git) {
        return refuse(format!("`{root}`: an output cannot lie in `.git`"), "name another folder");
    }
    let prefix = root.child(b"");
    let from = context.manifests.partition_point(|manifest| manifest.as_bytes() < prefix.as_bytes());
    let below =
        context.manifests[from..].iter().take_while(|manifest| manifest.as_bytes().starts_with(prefix.as_bytes()));
    let itself = context.manifests.binary_search(root).ok().map(|at| &context.manifests[at]);
    if let Some(manifest) = itself.into_iter().chain(below).find(|manifest| place.owns(manifest)) {
        return refuse(
            format!("an output cannot be or hold the manifest `{manifest}`"),
            "name the files that the step makes, or a folder of their own",
        );
    }
    let store = context.settings.store_dir.as_deref().and_then(|dir| RelPath::new(dir).ok());
    for (own, what) in [(Some(&layout.zen_dir), "the zen folder"), (store.as_ref(), "the store")] {
        let Some(own) = own.filter(|own| !own.is_outside()) else { continue };
        if root.starts_with(own) || (is_whole_tree && own.starts_with(root)) {
            return refuse(
                format!("an output cannot be, hold or lie in {what}, `{own}`"),
                "a file name alone gets a place there: `outputs = [\"name.txt\"]`",
            );
        }
    }
    None
}
