//! What a request selects, and in which order it runs. Knows no flags; names come as they were typed.

use std::collections::BTreeSet;

use super::Graph;
use super::refuse::{clash_diagnostic, cycle_diagnostic, cycles_among};
use crate::diag::Diagnostic;
use crate::model::{Model, PipelineId, Step, StepId};
use crate::suggest;

/// What is asked for. Any id that zen prints can be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `PIPELINE`, `PIPELINE/STEP`, `package:PIPELINE`, `package:PIPELINE/STEP`.
    pub names: Vec<String>,
    /// `-s`: `STEP` or a step's id; looked up in the named pipelines, without one in all.
    pub steps: Vec<String>,
    /// `-p`: only what stands in this package's table.
    pub package: Option<String>,
}

/// What a run is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Named or implied, for the header. A group stands for its members. Sorted.
    pub pipelines: Vec<PipelineId>,
    /// The steps that were asked for. Sorted.
    pub selected: Vec<StepId>,
    /// Those and all that they need, each after what it waits for; ties by id.
    pub order: Vec<StepId>,
}

/// Why nothing is selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No name, and none that goes without saying.
    #[error("which pipeline? there is no `default-pipeline`")]
    Unnamed {
        /// The pipelines that there are.
        choices: Vec<String>,
    },
    /// There are no pipelines at all (in that package).
    #[error("{}", match .package {
        Some(package) => format!("the table of package `{package}` defines no pipeline"),
        None => "no pipeline is defined".to_owned(),
    })]
    NoPipelines {
        /// `-p`
        package: Option<String>,
        /// The packages that define some.
        choices: Vec<String>,
    },
    /// No pipeline of that name.
    #[error("no pipeline `{name}`")]
    UnknownPipeline {
        /// As typed.
        name: String,
        /// The nearest that there is.
        similar: Option<String>,
        /// Is it a step's name?
        is_step: bool,
        /// The pipelines that there are.
        choices: Vec<String>,
    },
    /// No step of that name where it was looked for.
    #[error("no step `{name}`")]
    UnknownStep {
        /// As typed.
        name: String,
        /// The nearest that there is.
        similar: Option<String>,
        /// The steps that there are.
        choices: Vec<String>,
    },
    /// `-s` with several hits.
    #[error("several steps are called `{name}`")]
    SeveralSteps {
        /// As typed.
        name: String,
        /// Their ids.
        choices: Vec<String>,
    },
    /// What was named has no steps.
    #[error("no step is selected: {names} has none{}", match .package {
        Some(package) => format!(" in the table of package `{package}`"),
        None => String::new(),
    })]
    Empty {
        /// As typed.
        names: String,
        /// `-p`
        package: Option<String>,
    },
    /// Each name is fine, but not all of them in one run.
    #[error("these cannot be part of one run")]
    Conflict(Vec<Diagnostic>),
}

impl SelectError {
    /// As what it is to be shown.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let problem = Diagnostic::error(self.to_string());
        let list = |what: &str, choices: &[String]| format!("{what}: {}", choices.join(", "));
        let maybe = |problem: Diagnostic, similar: &Option<String>| match similar {
            Some(similar) => problem.help(format!("did you mean `{similar}`?")),
            None => problem,
        };
        vec![match self {
            Self::Unnamed { choices } => problem
                .help("name one, or set `default-pipeline` in `[workspace.metadata.zen]`")
                .note(list("pipelines", choices)),
            Self::NoPipelines { choices, .. } if choices.is_empty() => {
                problem.help("define one in `[workspace.metadata.zen.pipelines.NAME]`")
            }
            Self::NoPipelines { package, choices } => {
                let similar = package.as_ref().and_then(|package| similar(package, choices));
                maybe(problem, &similar).note(list("packages that define some", choices))
            }
            Self::UnknownPipeline { name, is_step: true, .. } => problem.help(format!("it is a step: `-s {name}`")),
            Self::UnknownPipeline { similar, choices, .. } => maybe(problem, similar).note(list("pipelines", choices)),
            Self::UnknownStep { similar, choices, .. } => maybe(problem, similar).note(list("steps", choices)),
            Self::SeveralSteps { choices, .. } => problem.help("give the whole id").note(list("steps", choices)),
            Self::Empty { .. } => problem.help("add a step to it, or name another"),
            Self::Conflict(problems) => return problems.clone(),
        }]
    }
}

/// `[package:]pipeline[/step]`, taken apart.
struct Id<'a> {
    package: Option<&'a str>,
    pipeline: &'a str,
    step: Option<&'a str>,
}

impl<'a> Id<'a> {
    fn new(text: &'a str) -> Self {
        // A cell's values may hold anything.
        let (head, cell) = text.split_at(text.find('[').unwrap_or(text.len()));
        let (package, rest) = head.split_once(':').map_or((None, head), |(package, rest)| (Some(package), rest));
        let rest = &text[head.len() - rest.len()..head.len() + cell.len()];
        let at = rest.find('/').filter(|at| *at < rest.len() - cell.len());
        let (pipeline, step) = at.map_or((rest, None), |at| (&rest[..at], Some(&rest[at + 1..])));
        Self { package, pipeline, step }
    }
}

/// `pipelines` with the members of groups, and theirs, sorted. Groups that hold each other do no harm.
pub(crate) fn expand(model: &Model, pipelines: impl IntoIterator<Item = PipelineId>) -> BTreeSet<PipelineId> {
    let mut open: Vec<_> = pipelines.into_iter().collect();
    let mut all: BTreeSet<_> = open.iter().copied().collect();
    while let Some(id) = open.pop() {
        open.extend(model.pipeline(id).members.iter().filter(|member| all.insert(**member)));
    }
    all
}

fn pipeline_ids(model: &Model) -> impl Iterator<Item = PipelineId> + use<> {
    (0..model.pipelines.len() as u32).map(PipelineId)
}

impl Graph {
    /// What `request` selects, with all that it needs.
    ///
    /// # Errors
    /// Unknown and ambiguous names, no name where one is needed, nothing to run; and names that are fine each, but
    /// whose steps overlap or wait for each other.
    pub fn select(&self, model: &Model, request: &Request) -> Result<Selection, SelectError> {
        let (pipelines, selected) = Finder::new(model, request)?.find(request)?;
        let run = self.with_needs(selected.iter().copied());
        let clashes = self.apart.iter().filter(|clash| run.contains(&clash.first.0) && run.contains(&clash.second.0));
        let mut conflicts: Vec<_> = clashes.map(|clash| clash_diagnostic(model, *clash)).collect();
        match self.order(&run) {
            Some(order) if conflicts.is_empty() => Ok(Selection {
                pipelines: pipelines.into_iter().collect(),
                selected: selected.into_iter().collect(),
                order,
            }),
            _ => {
                conflicts.extend(cycles_among(self, &run).iter().map(|cycle| cycle_diagnostic(model, cycle)));
                let apart = |problem: Diagnostic| problem.help("run them one after the other");
                Err(SelectError::Conflict(conflicts.into_iter().map(apart).collect()))
            }
        }
    }
}

/// Looks names up; `-p` leaves only what stands in that package's table.
struct Finder<'a> {
    model: &'a Model,
    /// Those that `-p` leaves.
    pipelines: BTreeSet<PipelineId>,
    /// `-p`
    package: Option<&'a str>,
}

type Found = (BTreeSet<PipelineId>, BTreeSet<StepId>);

impl<'a> Finder<'a> {
    fn new(model: &'a Model, request: &'a Request) -> Result<Self, SelectError> {
        let package = request.package.as_deref();
        let left = |id: &PipelineId| {
            let pipeline = model.pipeline(*id);
            let has_cells = || pipeline.steps.iter().any(|step| is_of(model, *step, package));
            package.is_none() || pipeline.package.as_deref() == package || has_cells()
        };
        let pipelines: BTreeSet<_> = pipeline_ids(model).filter(left).collect();
        if pipelines.is_empty() {
            let choices: BTreeSet<_> = model.pipelines.iter().filter_map(|p| p.package.clone()).collect();
            let choices = choices.into_iter().collect();
            return Err(SelectError::NoPipelines { package: request.package.clone(), choices });
        }
        Ok(Self { model, pipelines, package: request.package.as_deref() })
    }

    fn find(&self, request: &Request) -> Result<Found, SelectError> {
        let mut pipelines = BTreeSet::new();
        let mut selected = BTreeSet::new();
        if request.names.is_empty() && request.steps.is_empty() {
            pipelines = self.implied()?;
        }
        for name in &request.names {
            let id = Id::new(name);
            let named = self.named(name, &id)?;
            match id.step {
                Some(step) => selected.extend(self.named_steps(name, step, &named)?),
                None => pipelines.extend(named),
            }
        }
        pipelines.retain(|id| !self.scope([*id]).is_empty());
        let scope = self.scope(pipelines.iter().copied());
        if request.steps.is_empty() {
            selected.extend(self.steps_of(&scope));
        }
        for name in &request.steps {
            selected.extend(self.one_step(name, if request.names.is_empty() { &self.pipelines } else { &scope })?);
        }
        if selected.is_empty() {
            let id = |id: &PipelineId| format!("`{}`", self.model.pipeline(*id).display_id());
            let mut names: Vec<_> = request.names.iter().map(|name| format!("`{name}`")).collect();
            names.extend(pipelines.iter().filter(|_| request.names.is_empty()).map(id));
            return Err(SelectError::Empty { names: names.join(", "), package: request.package.clone() });
        }
        let implied = selected.iter().map(|step| self.model.step(*step).pipeline).filter(|id| !scope.contains(id));
        pipelines.extend(implied);
        Ok((pipelines, selected))
    }

    /// `pipelines` with the members of groups, as far as `-p` leaves them.
    fn scope(&self, pipelines: impl IntoIterator<Item = PipelineId>) -> BTreeSet<PipelineId> {
        expand(self.model, pipelines).intersection(&self.pipelines).copied().collect()
    }

    /// `default-pipeline`, or the only one there is, by name.
    fn implied(&self) -> Result<BTreeSet<PipelineId>, SelectError> {
        if let Some(name) = &self.model.settings.default_pipeline {
            let found = self.named(name, &Id::new(name))?;
            // With `-p`, a default that has nothing there says nothing.
            if !self.scope(found.iter().copied()).is_empty() {
                return Ok(found);
            }
        }
        let names: BTreeSet<_> = self.pipelines.iter().map(|id| &self.model.pipeline(*id).name).collect();
        if names.len() == 1 {
            return Ok(self.pipelines.clone());
        }
        let choices = self.pipelines.iter().map(|id| self.model.pipeline(*id).display_id()).collect();
        Err(SelectError::Unnamed { choices })
    }

    fn named(&self, text: &str, id: &Id<'_>) -> Result<BTreeSet<PipelineId>, SelectError> {
        let fits = |at: &PipelineId| {
            let pipeline = self.model.pipeline(*at);
            pipeline.name == id.pipeline && (id.package.is_none() || pipeline.package.as_deref() == id.package)
        };
        let found: BTreeSet<_> = pipeline_ids(self.model).filter(fits).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let choices: Vec<_> = self.model.pipelines.iter().map(|pipeline| pipeline.display_id()).collect();
        let wanted = text.split('/').next().unwrap_or(text);
        let is_step = self.steps_of(&self.pipelines).any(|step| is_called(self.model.step(step), text));
        let similar = similar(wanted, &choices);
        Err(SelectError::UnknownPipeline { name: wanted.to_owned(), similar, is_step, choices })
    }

    /// The steps that `PIPELINE/STEP` names: the one whose id it is, else all that fit.
    fn named_steps(&self, text: &str, step: &str, named: &BTreeSet<PipelineId>) -> Result<Vec<StepId>, SelectError> {
        let within = self.scope(named.iter().copied());
        let fits: Vec<_> = self.steps_of(&within).filter(|id| is_called(self.model.step(*id), step)).collect();
        if let Some(exact) = fits.iter().find(|id| self.model.step(**id).display_id == text) {
            return Ok(vec![*exact]);
        }
        if fits.is_empty() { Err(self.unknown_step(text, &within)) } else { Ok(fits) }
    }

    /// The step that `-s` names, or all cells of it.
    fn one_step(&self, text: &str, within: &BTreeSet<PipelineId>) -> Result<Vec<StepId>, SelectError> {
        let id = Id::new(text);
        let fits = |at: &StepId| {
            let step = self.model.step(*at);
            let pipeline = self.model.pipeline(step.pipeline);
            let (name, in_pipeline) = id.step.map_or((id.pipeline, None), |name| (name, Some(id.pipeline)));
            is_called(step, name)
                && in_pipeline.is_none_or(|name| pipeline.name == name)
                && (id.package.is_none() || pipeline.package.as_deref() == id.package)
        };
        let hits: Vec<_> = self.steps_of(within).filter(fits).collect();
        match hits[..] {
            [] => Err(self.unknown_step(text, within)),
            [one] => Ok(vec![one]),
            [first, ..] if hits.iter().all(|hit| self.are_cells(first, *hit)) => Ok(hits),
            _ => hits
                .iter()
                .copied()
                .find(|hit| self.model.step(*hit).display_id == text)
                .map(|hit| vec![hit])
                .ok_or_else(|| SelectError::SeveralSteps { name: text.to_owned(), choices: self.ids(&hits) }),
        }
    }

    fn are_cells(&self, a: StepId, b: StepId) -> bool {
        let (a, b) = (self.model.step(a), self.model.step(b));
        a.pipeline == b.pipeline && a.base_name == b.base_name
    }

    fn unknown_step(&self, text: &str, within: &BTreeSet<PipelineId>) -> SelectError {
        let steps: Vec<_> = self.steps_of(within).collect();
        let choices = self.ids(&steps);
        let similar = similar(text, &choices).or_else(|| {
            let names: Vec<_> = steps.iter().map(|id| self.model.step(*id).name.clone()).collect();
            similar(text, &names)
        });
        SelectError::UnknownStep { name: text.to_owned(), similar, choices }
    }

    fn steps_of(&self, pipelines: &BTreeSet<PipelineId>) -> impl Iterator<Item = StepId> {
        let steps = pipelines.iter().flat_map(|id| self.model.pipeline(*id).steps.iter().copied());
        steps.filter(|step| is_of(self.model, *step, self.package))
    }

    fn ids(&self, steps: &[StepId]) -> Vec<String> {
        steps.iter().map(|id| self.model.step(*id).display_id.clone()).collect()
    }
}

/// Does the step stand in that package's table, or is it a cell for it? Without a package, every step does.
fn is_of(model: &Model, step: StepId, package: Option<&str>) -> bool {
    let Some(package) = package else { return true };
    let step = model.step(step);
    model.pipeline(step.pipeline).package.as_deref() == Some(package)
        || step.cell_packages.iter().any(|cell| cell == package)
}

/// Is `name` the step's, or that of all its cells?
fn is_called(step: &Step, name: &str) -> bool {
    step.name == name || step.base_name == name
}

/// The nearest of `choices`, if it is at most three edits away and less than the name itself is long.
fn similar(name: &str, choices: &[String]) -> Option<String> {
    suggest::nearest(name, choices.iter().map(String::as_str)).map(ToOwned::to_owned)
}
