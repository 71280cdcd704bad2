//! Draws diagnostics as rustc does: message, file, line, carets, help.

use std::ops::Range;

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
        let spans: Vec<_> = diagnostic
            .labels
            .iter()
            .filter(|label| label.span.file == file)
            .map(|label| (label, visible(label.span, source.text())))
            .collect();
        // The renderer reads all that it is given, and a file may have as many problems as lines.
        let (lines, first) = lines_of(source.text(), spans.iter().map(|(_, span)| span));
        let annotations = spans.into_iter().map(|(label, span)| {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(span.start - lines.start..span.end - lines.start);
            if label.text.is_empty() { annotation } else { annotation.label(&label.text) }
        });
        let snippet = Snippet::source(&source.text()[lines.clone()]).line_start(first).path(source.path.to_string());
        group = group.element(snippet.annotations(annotations));
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
fn visible(span: Span, text: &str) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    // A table's span may run over many lines; its first says where it is.
    let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
    start..line_end
}

/// The whole lines of all spans and what lies between them, and the number of the first.
fn lines_of<'s>(text: &str, spans: impl Iterator<Item = &'s Range<usize>> + Clone) -> (Range<usize>, usize) {
    let start = spans.clone().map(|span| span.start).min().unwrap_or(0);
    let end = spans.map(|span| span.end).max().unwrap_or(start);
    let start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[end..].find('\n').map_or(text.len(), |at| end + at + 1);
    (start..end, 1 + text[..start].matches('\n').count())
}
