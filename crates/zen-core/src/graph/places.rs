//! Which outputs lie near a path? An index by literal prefix, so that nobody compares all with all. Knows no edges.

use serde::{Deserialize, Serialize};

use crate::glob::{PathSet, Pattern, fold_case, matches_ignoring_case, overlap, overlap_ignoring_case};
use crate::model::{Model, Place, StepId};
use crate::path::RelPath;

/// An output, and the paths that it owns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Owned {
    pub(super) step: StepId,
    /// Index into the step's outputs.
    pub(super) output: usize,
    pub(super) pattern: Pattern,
    /// Is it a path whose name has an extension? Nothing is known of what a step makes before it ran, but if every
    /// `model.json` might be a folder with anything in it, `**/*.rs` would cover it. So it is taken for a file by
    /// whoever does not look below it; if it is a folder after all, the run reveals it.
    like_file: bool,
}

impl Owned {
    /// May `read` mean some of it?
    pub(super) fn covered_by(&self, read: &Pattern) -> bool {
        let path = self.pattern.prefix();
        if self.like_file && !read.prefix().starts_with(path) {
            read.matches(path)
        } else {
            overlap(read, &self.pattern)
        }
    }

    /// Does `set`, of which `include` covers it, leave it out again?
    pub(super) fn left_out_by(&self, set: &PathSet, include: &Pattern) -> bool {
        let path = self.pattern.prefix();
        let as_file = self.like_file && path.starts_with(include.prefix());
        set.leaves_out(include, &self.pattern) || (as_file && set.exclude.iter().any(|gone| gone.matches(path)))
    }

    /// May both own the same path, on a file system that folds case?
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        let (a, b) = (&self.pattern, &other.pattern);
        let deeper = |a: &Pattern, b: &Pattern| fold_case(a.prefix()).len() >= fold_case(b.prefix()).len();
        if self.like_file && !b.is_plain() && !deeper(b, a) {
            matches_ignoring_case(b, a.prefix())
        } else if other.like_file && !a.is_plain() && !deeper(a, b) {
            matches_ignoring_case(a, b.prefix())
        } else {
            overlap_ignoring_case(a, b)
        }
    }
}

/// All outputs, sorted by the prefix below which they lie, in one case: what is near in another case is near.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Places {
    pub(super) all: Vec<Owned>,
    by_prefix: Vec<(Vec<u8>, usize)>,
}

impl Places {
    pub(super) fn new(model: &Model) -> Self {
        let all: Vec<Owned> = model
            .step_ids()
            .flat_map(|step| {
                let outputs = model.step(step).outputs.iter().enumerate();
                outputs.map(move |(output, it)| owned(step, output, &it.place))
            })
            .collect();
        let mut by_prefix: Vec<_> =
            all.iter().enumerate().map(|(at, owned)| (fold_case(owned.pattern.prefix()), at)).collect();
        by_prefix.sort();
        Self { all, by_prefix }
    }

    /// Those whose prefix is `path`, a folder above it, or something below it. Indices into `all`.
    pub(super) fn near(&self, path: &RelPath) -> impl Iterator<Item = usize> {
        let key = fold_case(path);
        let below = if key.is_empty() {
            &self.by_prefix[self.first(&[0])..]
        } else {
            let from = [&key[..], b"/"].concat();
            let to = [&key[..], &[b'/' + 1]].concat();
            &self.by_prefix[self.first(&from)..self.first(&to)]
        };
        self.covering(&key).into_iter().chain(below.iter().map(|(_, at)| *at))
    }

    /// Those whose prefix is `path` or a folder above it. Indices into `all`.
    pub(super) fn around(&self, path: &RelPath) -> Vec<usize> {
        self.covering(&fold_case(path))
    }

    fn covering(&self, key: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut rest = &self.by_prefix[..];
        let ends = key.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let whole = (!key.is_empty()).then_some(key.len());
        for end in std::iter::once(0).chain(ends).chain(whole) {
            let folder = &key[..end];
            rest = &rest[rest.partition_point(|(prefix, _)| &prefix[..] < folder)..];
            if !rest.first().is_some_and(|(prefix, _)| prefix.starts_with(folder)) {
                // Nothing lies there, so nothing lies deeper.
                break;
            }
            found.extend(rest.iter().take_while(|(prefix, _)| prefix == folder).map(|(_, at)| *at));
        }
        found
    }

    fn first(&self, key: &[u8]) -> usize {
        self.by_prefix.partition_point(|(prefix, _)| &prefix[..] < key)
    }
}

fn owned(step: StepId, output: usize, place: &Place) -> Owned {
    // A dot in front hides, it starts no extension.
    let dotted = |path: &RelPath| path.file_name().is_some_and(|name| name.iter().skip(1).any(|byte| *byte == b'.'));
    let like_file = matches!(place, Place::Path { path, folder: false } if dotted(path));
    Owned { step, output, pattern: place.pattern(), like_file }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tables;
    use super::*;

    #[test]
    fn near_is_above_and_below_and_nothing_beside() {
        let mut tables = Tables::new();
        let step = tables.step("p", "s");
        for place in ["a", "a-b", "a/x", "a/x/y", "A/X/z", "b/**/*.rs", "a0", "**/*.c"] {
            tables.output(step, place, place);
        }
        let (model, _) = tables.finish();
        let places = Places::new(&model);
        let names = |found: Vec<usize>| {
            let mut names: Vec<_> = found.iter().map(|at| places.all[*at].pattern.to_string()).collect();
            names.sort();
            names
        };
        let near = |path: &str| names(places.near(&RelPath::new(path).unwrap()).collect());
        assert_eq!(near("a/x"), ["**/*.c", "A/X/z", "a", "a/x", "a/x/y"]);
        assert_eq!(near("b/q"), ["**/*.c", "b/**/*.rs"]);
        assert_eq!(near(".").len(), 8);
        assert_eq!(names(places.around(&RelPath::new("a/x").unwrap())), ["**/*.c", "a", "a/x"]);
    }
}
