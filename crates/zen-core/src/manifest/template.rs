//! Reads `{{ … }}` out of strings. What stands in the braces is checked against a [`Scope`]; knows not what the string
//! is for.

use std::collections::BTreeSet;
use std::ops::Range;

use super::reader::Text;
use crate::diag::Diagnostic;
use crate::model::template::{Part, Placeholder, Template};
use crate::suggest;

/// The names that a placeholder may use where it stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) params: BTreeSet<&'a str>,
    pub(crate) pipeline: BTreeSet<&'a str>,
    pub(crate) matrix: BTreeSet<&'a str>,
    pub(crate) inputs: BTreeSet<&'a str>,
    pub(crate) outputs: BTreeSet<&'a str>,
    /// Why `inputs.x` and `outputs.x` (and, in a parameter, `params.x`) cannot stand here, although they exist.
    pub(crate) refuse: Option<Refuse>,
}

/// What a place cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuse {
    /// Inputs and outputs: the place must be known before anything runs.
    Artifacts,
    /// These, and parameters: the value is one itself.
    AllButPipeline,
    /// These, and arguments: a hook is told of an end, it has no work of its own.
    AllButParams,
}

/// A string cut at its placeholders, with the place of each part in it.
pub(crate) type Cut = Vec<(Segment, Range<usize>)>;

/// A part of a string before its names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Text(String),
    Placeholder(String),
}

/// Cuts `text`; the error's range is the opening that has no end.
pub(crate) fn cut(text: &str) -> Result<Cut, Range<usize>> {
    let mut parts: Cut = Vec::new();
    let mut literal = String::new();
    let (mut start, mut at) = (0, 0);
    while let Some(found) = text[at..].find("{{") {
        let open = at + found;
        literal.push_str(&text[at..open]);
        if text[open..].starts_with("{{{{") {
            literal.push_str("{{");
            at = open + 4;
            continue;
        }
        let Some(length) = text[open..].find("}}") else { return Err(open..open + 2) };
        if !literal.is_empty() {
            parts.push((Segment::Text(std::mem::take(&mut literal)), start..open));
        }
        at = open + length + 2;
        start = at;
        parts.push((Segment::Placeholder(text[open + 2..at - 2].trim().to_owned()), open..at));
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        parts.push((Segment::Text(literal), start..text.len()));
    }
    Ok(parts)
}

/// Reads `text`; unknown names are reported, and left out of the result.
pub(crate) fn parse(text: &Text, scope: &Scope<'_>, problems: &mut Vec<Diagnostic>) -> Template {
    let mut template = Template { parts: Vec::new(), span: text.span };
    let parts = cut(&text.value).unwrap_or_else(|open| {
        problems.push(
            Diagnostic::error("`{{` without `}}`")
                .at(text.part(open), "opened here")
                .help("write `{{{{` for a literal `{{`"),
        );
        Cut::new()
    });
    for (segment, range) in parts {
        match segment {
            Segment::Text(literal) => template.parts.push(Part::Text(literal)),
            Segment::Placeholder(name) => match placeholder(&name, scope) {
                Ok(placeholder) => template.parts.push(Part::Placeholder(placeholder)),
                Err(Unknown { message, label, help }) => {
                    problems.push(Diagnostic::error(message).at(text.part(range), label).help(help));
                }
            },
        }
    }
    template
}

struct Unknown {
    message: String,
    label: &'static str,
    help: String,
}

fn placeholder(name: &str, scope: &Scope<'_>) -> Result<Placeholder, Unknown> {
    const KINDS: [&str; 6] = ["params", "pipeline", "matrix", "inputs", "outputs", "args"];
    if name == "args" && scope.refuse != Some(Refuse::AllButParams) {
        return Ok(Placeholder::Args);
    }
    let (kind, rest) = name.split_once('.').unwrap_or((name, ""));
    let (names, made): (_, fn(String) -> Placeholder) = match kind {
        "params" => (&scope.params, Placeholder::Param),
        "pipeline" => (&scope.pipeline, Placeholder::Pipeline),
        "inputs" => (&scope.inputs, Placeholder::Input),
        "outputs" => (&scope.outputs, Placeholder::Output),
        "args" if rest.is_empty() => (&scope.params, |_| Placeholder::Args),
        "matrix" => (&scope.matrix, Placeholder::Matrix),
        _ => {
            // `{{ gamma }}` is most often a parameter.
            let help = if scope.params.contains(name) {
                format!("did you mean `{{{{ params.{name} }}}}`?")
            } else if scope.pipeline.contains(name) {
                format!("did you mean `{{{{ pipeline.{name} }}}}`?")
            } else if let Some(near) = suggest::nearest(kind, KINDS) {
                let dot = if rest.is_empty() { "" } else { "." };
                format!("did you mean `{{{{ {near}{dot}{rest} }}}}`?")
            } else {
                "placeholders: `params.x`, `pipeline.x`, `inputs.x`, `outputs.x`, `args`; write `{{{{` for a literal `{{`"
                    .to_owned()
            };
            return Err(Unknown { message: format!("unknown placeholder `{{{{ {name} }}}}`"), label: "", help });
        }
    };
    let refused = match (scope.refuse, kind) {
        (Some(Refuse::Artifacts | Refuse::AllButPipeline), "inputs" | "outputs") => {
            Some("use it in `run` or `env`; here only `params.x`, `pipeline.x` and `args` have a value")
        }
        (Some(Refuse::AllButParams), "inputs" | "outputs" | "args") => Some(
            "a hook takes `params.x`, `pipeline.x` and `matrix.x`; what came out is in the JSON on its standard input",
        ),
        (Some(Refuse::AllButPipeline), "params") => Some("a parameter can take `{{ pipeline.x }}` and `{{ args }}`"),
        _ => None,
    };
    if let Some(help) = refused {
        return Err(Unknown {
            message: format!("`{{{{ {name} }}}}` cannot stand here"),
            label: "",
            help: help.to_owned(),
        });
    }
    if !names.contains(rest) {
        let (what, owner) = match kind {
            "params" => ("parameters", "the step"),
            "pipeline" => ("parameters", "the pipeline"),
            "matrix" => ("matrix names", "the step"),
            kind => (kind, "the step"),
        };
        let mut help = suggest::help(rest, names.iter().copied(), &format!("{what} of {owner}"));
        if kind == "params" && scope.pipeline.contains(rest) {
            help = format!("it is a parameter of the pipeline: `params = [{rest:?}]` or `{{{{ pipeline.{rest} }}}}`");
        }
        return Err(Unknown {
            message: format!("`{{{{ {name} }}}}` names nothing: {owner} has no {} `{rest}`", singular(what)),
            label: "",
            help,
        });
    }
    Ok(made(rest.to_owned()))
}

fn singular(what: &str) -> &str {
    what.strip_suffix('s').unwrap_or(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        cut(text)
            .unwrap()
            .into_iter()
            .map(|(segment, range)| match segment {
                Segment::Text(literal) => format!("{literal:?} {range:?}"),
                Segment::Placeholder(name) => format!("<{name}> {range:?}"),
            })
            .collect()
    }

    #[test]
    fn cuts_at_placeholders() {
        assert_eq!(
            shown("a {{ params.x }}b{{args}}"),
            ["\"a \" 0..2", "<params.x> 2..16", "\"b\" 16..17", "<args> 17..25"]
        );
        assert_eq!(shown(""), [] as [&str; 0]);
    }

    #[test]
    fn four_braces_are_two() {
        assert_eq!(shown("a {{{{ b }}"), ["\"a {{ b }}\" 0..11"]);
    }

    #[test]
    fn an_opening_without_an_end_is_an_error() {
        assert_eq!(cut("ab {{ params.x"), Err(3..5));
    }

    proptest::proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in "[a{} ]{0,12}") {
            let escaped = text.replace("{{", "{{{{");
            let back: String = cut(&escaped).unwrap().into_iter().map(|(segment, _)| match segment {
                Segment::Text(literal) => literal,
                Segment::Placeholder(name) => format!("<{name}>"),
            }).collect();
            proptest::prop_assert_eq!(back, text);
        }
    }
}
