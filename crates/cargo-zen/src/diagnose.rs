//! Draws diagnostics as rustc does: message, file, line, carets, help.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use zen_core::diag::{Diagnostic, Severity, Sources, Span};

/// The diagnostic as text, with colours; `anstream` takes them away where they do not belong.
pub(crate) fn render(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&diagnostic.message));
    let mut files: Vec<_> = diagnostic.labels.iter().map(|label| (!label.primary, label.span.file)).collect();
    files.sort_unstable();
    let mut seen = Vec::new();
    for (_, file) in files {
        if seen.contains(&file) {
            continue;
        }
        seen.push(file);
        let source = sources.file(file);
        let labels = diagnostic.labels.iter().filter(|label| label.span.file == file);
        let annotations = labels.map(|label| {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(visible(label.span, source.text()));
            if label.text.is_empty() { annotation } else { annotation.label(&label.text) }
        });
        group = group.element(Snippet::source(source.text()).path(source.path.to_string()).annotations(annotations));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note));
    }
    for help in &diagnostic.helps {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::styled().render(&[group])
}

/// A span that stays on the text, and shows one character at least.
fn visible(span: Span, text: &str) -> std::ops::Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    // A table's span may run over many lines; its first says where it is.
    let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
    start..line_end
}
