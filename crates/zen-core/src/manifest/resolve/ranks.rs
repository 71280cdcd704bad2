//! What may stand at several places, joined: nearer values win, lists join. Knows not what the settings do.

use std::collections::BTreeMap;

use super::render::Renderer;
use super::{Context, Place};
use crate::manifest::declarations::{Expiry, Level};
use crate::manifest::reader::Text;
use crate::model::{Policy, Rank, SourceItem};
use crate::path::RelPath;

/// The places that cover a step, lowest rank first, each with what its paths are relative to.
pub(crate) struct Levels<'d>(Vec<(&'d Level, &'d RelPath, Rank)>);

impl<'d> Levels<'d> {
    pub(crate) fn of(context: &Context<'d>, place: Place<'d>) -> Self {
        let base = &place.table.base;
        let tables = context.workspace.into_iter().chain(place.table.package.is_some().then_some(place.table));
        let mut levels: Vec<_> = tables.map(|table| (&table.level, &table.base, Rank::Workspace)).collect();
        levels.push((&place.pipeline.level, base, Rank::Pipeline));
        levels.push((&place.step.level, base, Rank::Step));
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
            source_items,
            expires_after: self.nearest(|level| level.policy.expires_after).and_then(|expiry| match expiry {
                Expiry::After(limit) => Some(limit),
                Expiry::Never => None,
            }),
        }
    }
}
