//! What may stand at several places, joined: nearer values win, lists join. Knows not what the settings do.

use std::collections::{BTreeMap, BTreeSet};

use super::render::Renderer;
use super::{Context, Place};
use crate::diag::{Diagnostic, Span};
use crate::manifest::declarations::{Expiry, FunctionDeclaration, Level, PipelineDeclaration, TableDeclaration};
use crate::manifest::reader::Text;
use crate::model::{Policy, Rank, SourceItem, Step};
use crate::path::RelPath;
use crate::suggest;

/// The places that cover a step, lowest rank first, each with what its paths are relative to.
pub(crate) struct Levels<'d>(Vec<(&'d Level, &'d RelPath, Rank)>);

impl<'d> Levels<'d> {
    pub(crate) fn of(context: &Context<'d>, place: Place<'d>) -> Self {
        let Self(mut levels) = Self::of_tables(context, place.table, place.pipeline);
        let base = &place.table.base;
        levels.push((&place.step.level, base, Rank::Step));
        let config = place.pipeline.config.iter().chain(&place.step.config);
        levels.extend(config.map(|overlay| (&overlay.level, base, Rank::Config)));
        Self(levels)
    }

    /// Those that cover a pipeline itself.
    pub(crate) fn of_pipeline(
        context: &Context<'d>,
        table: &'d TableDeclaration,
        pipeline: &'d PipelineDeclaration,
    ) -> Self {
        let Self(mut levels) = Self::of_tables(context, table, pipeline);
        levels.extend(pipeline.config.iter().map(|overlay| (&overlay.level, &table.base, Rank::Config)));
        Self(levels)
    }

    fn of_tables(context: &Context<'d>, table: &'d TableDeclaration, pipeline: &'d PipelineDeclaration) -> Self {
        let tables = context.workspace.into_iter().chain(table.package.is_some().then_some(table));
        let mut levels: Vec<_> = tables.map(|table| (&table.level, &table.base, Rank::Workspace)).collect();
        levels.push((&pipeline.level, &table.base, Rank::Pipeline));
        Self(levels)
    }

    /// The value of the nearest place that has one.
    pub(crate) fn nearest<T>(&self, get: impl Fn(&'d Level) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(|(level, ..)| get(level))
    }

    /// The lists of all places.
    pub(crate) fn joined(&self, get: impl Fn(&'d Level) -> &'d [Text]) -> impl Iterator<Item = &'d Text> {
        self.0.iter().flat_map(move |(level, ..)| get(level))
    }

    /// Caching is on unless disabled, by the nearest place that says something.
    pub(crate) fn enable_cache(&self) -> (bool, Rank) {
        let said = self.0.iter().rev().find_map(|(level, _, rank)| level.enable_cache.map(|on| (on, *rank)));
        said.unwrap_or((true, Rank::Default))
    }

    pub(crate) fn env(&self) -> BTreeMap<&'d str, &'d Text> {
        self.0.iter().flat_map(|(level, ..)| level.env.iter()).map(|(name, text)| (name.as_str(), text)).collect()
    }

    /// The cache functions of all places, sorted by name; of two of one name the nearer.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &'d FunctionDeclaration> {
        let all = self.0.iter().flat_map(|(level, ..)| &level.policy.cache_func);
        let named: BTreeMap<Option<&str>, &FunctionDeclaration> = all.map(|it| (it.name.as_deref(), it)).collect();
        named.into_values()
    }

    pub(crate) fn policy(&self, renderer: &mut Renderer<'_>, source_items: Vec<SourceItem>) -> Policy {
        let flag = |get: fn(&'d Level) -> Option<bool>| self.nearest(get).unwrap_or(true);
        Policy {
            include_step_code: flag(|level| level.policy.include_step_code),
            include_step_parameters: flag(|level| level.policy.include_step_parameters),
            include_artifact_values: flag(|level| level.policy.include_artifact_values),
            include_artifact_ids: flag(|level| level.policy.include_artifact_ids),
            include_platform: flag(|level| level.policy.include_platform),
            file_dependencies: (self.0.iter())
                .map(|(level, base, _)| renderer.paths(&level.policy.file_dependencies, base))
                .filter(|set| !set.is_empty())
                .collect(),
            ignored_inputs: {
                let named: BTreeSet<&str> =
                    self.joined(|level| &level.policy.ignored_inputs).map(|text| text.value.as_str()).collect();
                // Of those that a higher rank names, only its own are any matter of this step.
                named.into_iter().filter(|name| renderer.inputs.contains(*name)).map(str::to_owned).collect()
            },
            source_items,
            expires_after: self.nearest(|level| level.policy.expires_after).and_then(|expiry| match expiry {
                Expiry::After(limit) => Some(limit),
                Expiry::Never => None,
            }),
        }
    }
}

/// `ignored-inputs` that no step has which they are for: a slip of the pen would ignore nothing, without a word.
pub(crate) fn unknown_ignored(context: &Context<'_>, steps: &[Step], problems: &mut Vec<Diagnostic>) {
    let mut named: BTreeMap<Span, (&Text, Rank, BTreeSet<&str>)> = BTreeMap::new();
    for (place, step) in context.steps.iter().zip(steps) {
        for (level, _, rank) in Levels::of(context, *place).0 {
            for text in &level.policy.ignored_inputs {
                let names = step.inputs.iter().map(|input| input.name.as_str());
                named.entry(text.span).or_insert_with(|| (text, rank, BTreeSet::new())).2.extend(names);
            }
        }
    }
    for (span, (text, rank, names)) in named.into_iter().filter(|(_, (text, _, names))| !names.contains(&*text.value)) {
        let name = &text.value;
        let problem = match rank {
            Rank::Step => format!("`ignored-inputs` names `{name}`, and the step has no such input"),
            _ => format!("`ignored-inputs` names `{name}`, and no step that this covers has such an input"),
        };
        problems.push(Diagnostic::error(problem).at(span, "").help(suggest::help(name, names, "inputs")));
    }
}
