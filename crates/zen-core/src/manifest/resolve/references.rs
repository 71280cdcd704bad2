//! `step.output`, `pipeline/step`, `package:pipeline/step.output`: from the words to the step. Knows not what the
//! reference is for.

use std::collections::BTreeSet;

use super::{Context, Place, display_id};
use crate::diag::{Diagnostic, Span};
use crate::manifest::declarations::{PipelineDeclaration, TableDeclaration};
use crate::model::{PipelineId, StepId};
use crate::suggest;

/// A reference taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'t> {
    package: Option<&'t str>,
    pipeline: Option<&'t str>,
    step: &'t str,
    /// What stands after the dot.
    pub(crate) output: Option<&'t str>,
}

impl<'t> Reference<'t> {
    pub(crate) fn read(text: &'t str) -> Self {
        // A cell's values may hold anything but `]`.
        let open = text.find('[').unwrap_or(text.len());
        let cell_end = text[open..].find(']').map_or(open, |close| open + close + 1);
        let head = &text[..open];
        let (package, head) = head.split_once(':').map_or((None, head), |(package, rest)| (Some(package), rest));
        let (pipeline, head) = head.split_once('/').map_or((None, head), |(pipeline, rest)| (Some(pipeline), rest));
        let start = open - head.len();
        let dot = text[start..open].find('.').map(|at| start + at).filter(|_| cell_end == open);
        let dot = dot.or_else(|| text[cell_end..].find('.').map(|at| cell_end + at));
        let (step, output) = match dot {
            Some(dot) => (&text[start..dot], Some(&text[dot + 1..])),
            None => (&text[start..], None),
        };
        Self { package, pipeline, step, output }
    }

    /// The step's name in the table: without the values of a cell.
    pub(crate) fn base(&self) -> &'t str {
        self.step.split('[').next().unwrap_or(self.step)
    }
}

impl Context<'_> {
    /// The step that `reference`, written in `from`, means: of a matrix step the cells that agree with it.
    pub(crate) fn find_steps(
        &self,
        from: Place<'_>,
        text: &str,
        reference: Reference<'_>,
        span: Span,
    ) -> Result<Vec<StepId>, Diagnostic> {
        let pipeline = self.find_pipeline(from, text, reference, span)?;
        let steps = &self.steps_of[pipeline.0 as usize];
        let name_of = |id: &StepId| self.steps[id.0 as usize].step.name.value.as_str();
        let (table, declaration) = self.pipelines[pipeline.0 as usize];
        let first = steps.partition_point(|id| name_of(id) < reference.base());
        let called = &steps[first..];
        let called = &called[..called.partition_point(|id| name_of(id) == reference.base())];
        if reference.step != reference.base() {
            let is_it = |id: &&StepId| self.steps[id.0 as usize].name() == reference.step;
            if let Some(cell) = called.iter().find(is_it) {
                return Ok(vec![*cell]);
            }
        } else if !called.is_empty() {
            let agreeing = self.agreeing(from, called);
            return match (agreeing.is_empty(), from.cell) {
                (true, Some(cell)) => {
                    Err(Diagnostic::error(format!("no cell of step `{}` agrees with `{}`", reference.step, cell.label))
                        .at(span, format!("asked for by step `{}`", from.name()))
                        .help("give both the same values, or other matrix names"))
                }
                _ => Ok(agreeing),
            };
        } else if declaration.steps.iter().any(|step| step.name.value == reference.step && !step.matrix.is_empty()) {
            return Ok(Vec::new());
        }
        if let Some(absent) = declaration.absent.iter().find(|absent| absent.name.value == reference.step) {
            let id = format!("{}/{}", display_id(table, declaration), reference.step);
            return Err(Diagnostic::error(format!("step `{id}` is not there on this platform"))
                .at(span, "")
                .and(absent.platform, "only there")
                .help(
                    "a step of other platforms can be needed by such steps alone: give this one the same `platform`",
                ));
        }
        let problem = Diagnostic::error(format!(
            "pipeline `{}` has no step `{}`",
            display_id(table, declaration),
            reference.step
        ))
        .at(span, "");
        let names = steps.iter().map(name_of).filter(|name| *name != from.step.name.value);
        let elsewhere = self.steps.iter().find(|place| place.step.name.value == reference.step);
        Err(match elsewhere {
            Some(place) if reference.pipeline.is_none() => {
                let output = reference.output.map(|output| format!(".{output}")).unwrap_or_default();
                let pipeline = display_id(place.table, place.pipeline);
                problem.help(format!("a step of another pipeline: `{pipeline}/{}{output}`", reference.step))
            }
            _ => problem.help(suggest::help(reference.step, names, "steps")),
        })
    }

    fn find_pipeline(
        &self,
        from: Place<'_>,
        text: &str,
        reference: Reference<'_>,
        span: Span,
    ) -> Result<PipelineId, Diagnostic> {
        let Some(name) = reference.pipeline else {
            return match reference.package {
                None => Ok(from.pipeline_id),
                Some(package) => Err(Diagnostic::error(format!("`{text}` names a package and no pipeline"))
                    .at(span, "")
                    .help(format!("`{package}:pipeline/{}`", reference.step))),
            };
        };
        let of = |package: Option<&str>| {
            let order = |(table, pipeline): &(&TableDeclaration, &PipelineDeclaration)| {
                (table.package.as_deref(), &*pipeline.name.value).cmp(&(package, name))
            };
            self.pipelines.binary_search_by(order).ok().map(|at| PipelineId(at as u32))
        };
        let found = match reference.package {
            Some(package) => of(Some(package)),
            None => of(from.table.package.as_deref()).or_else(|| of(None)),
        };
        found.ok_or_else(|| {
            let packages: BTreeSet<&str> =
                self.pipelines.iter().filter_map(|(table, _)| table.package.as_deref()).collect();
            if let Some(package) = reference.package.filter(|package| !packages.contains(package)) {
                return Diagnostic::error(format!("no package `{package}` has pipelines"))
                    .at(span, "")
                    .help(suggest::help(package, packages, "packages with pipelines"));
            }
            let shown = reference.package.map_or_else(|| name.to_owned(), |package| format!("{package}:{name}"));
            Diagnostic::error(format!("there is no pipeline `{shown}`"))
                .at(span, "")
                .help(self.unknown_pipeline_help(name))
        })
    }

    /// The output that a reference to an artifact means.
    pub(crate) fn find_output(&self, step: StepId, reference: Reference<'_>, span: Span) -> Result<usize, Diagnostic> {
        let outputs = &self.outputs[step.0 as usize];
        let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        let place = self.steps[step.0 as usize];
        let shown = place.id();
        let declared = place.step.name.span;
        match (reference.output, &*names) {
            (None, [_]) => Ok(0),
            (_, []) => Err(Diagnostic::error(format!("step `{shown}` has no outputs"))
                .at(span, "")
                .and(declared, "this step")
                .help("`after` waits for a step, `depends` also runs again when it does")),
            (None, names) => {
                let all: Vec<String> = names.iter().map(|name| format!("{}.{name}", reference.step)).collect();
                Err(Diagnostic::error(format!("step `{shown}` has {} outputs; which one?", names.len()))
                    .at(span, "")
                    .help(format!("one of {}", suggest::quoted(&all))))
            }
            (Some(wanted), names) => {
                names.iter().position(|name| *name == wanted).ok_or_else(|| {
                    Diagnostic::error(format!("step `{shown}` has no output `{wanted}`"))
                        .at(span, "")
                        .help(suggest::help(wanted, names.iter().copied(), "its outputs"))
                })
            }
        }
    }
}

/// Does this look like a file rather than a reference?
pub(crate) fn looks_like_path(text: &str) -> bool {
    !text.contains(':') && text.contains(['*', '?', '[', '{', '\\', '/', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_references_apart() {
        let read = |text| {
            let Reference { package, pipeline, step, output } = Reference::read(text);
            (package, pipeline, step, output)
        };
        assert_eq!(read("a"), (None, None, "a", None));
        assert_eq!(read("a.b"), (None, None, "a", Some("b")));
        assert_eq!(read("p/a.b"), (None, Some("p"), "a", Some("b")));
        assert_eq!(read("k:p/a.b"), (Some("k"), Some("p"), "a", Some("b")));
        assert_eq!(read("k:p/a"), (Some("k"), Some("p"), "a", None));
    }
}
