//! Where the sources of a package closure lie, as far as outputs may belong to them. Knows no steps and no disk.

use std::collections::BTreeSet;

use crate::glob::{Pattern, overlap};
use crate::layout::{Layout, Package, TargetKind};
use crate::model::{BuildTarget, ClosureRequest, SourceItem};
use crate::path::RelPath;

/// The source roots of one package: the folders of its targets' root files, and the build script itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRoots {
    /// The package.
    pub package: String,
    /// Folders and files, sorted.
    pub roots: Vec<RelPath>,
    /// What lies below those, but belongs to targets that were not asked for. Sorted.
    pub except: Vec<RelPath>,
}

impl SourceRoots {
    /// Does an output at `place` belong to the sources, all or in part?
    pub fn hold(&self, place: &Pattern) -> bool {
        self.roots.iter().any(|root| overlap(&Pattern::tree(root), place))
            && !self.except.iter().any(|gone| place.prefix().starts_with(gone))
    }
}

/// The source roots of the package asked for and of each member that it reaches; members that do not exist have none.
pub fn source_roots(layout: &Layout, request: &ClosureRequest) -> Vec<SourceRoots> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    if let Some(package) = layout.package(&request.package) {
        seen.insert(package.name.as_str());
        found.push(roots_of(package, request.target.as_ref(), request.with_dev));
        open.extend(package.path_dependencies.iter().map(String::as_str));
        if request.with_dev {
            open.extend(package.dev_path_dependencies.iter().map(String::as_str));
        }
    }
    while let Some(name) = open.pop() {
        let Some(package) = layout.package(name).filter(|_| seen.insert(name)) else { continue };
        found.push(roots_of(package, None, false));
        open.extend(package.path_dependencies.iter().map(String::as_str));
    }
    found.sort_by(|a, b| a.package.cmp(&b.package));
    found
}

/// The files and folders in which a source item lies by its name, unless the crate says otherwise by `#[path]`.
pub(super) fn item_files(layout: &Layout, item: &SourceItem) -> Vec<RelPath> {
    let targets = layout.package(&item.package).map(|package| &*package.targets).unwrap_or_default();
    let roots = targets.iter().filter(|target| matches!(target.kind, TargetKind::Lib | TargetKind::Bin));
    let mut files = BTreeSet::new();
    for root in roots.map(|target| &target.src) {
        files.insert(root.clone());
        if let (Some(folder), Some(first)) = (root.parent(), item.path.first()) {
            files.insert(folder.child(format!("{first}.rs").as_bytes()));
            files.insert(folder.child(first.as_bytes()));
        }
    }
    files.into_iter().collect()
}

fn roots_of(package: &Package, only: Option<&BuildTarget>, with_dev: bool) -> SourceRoots {
    let (counted, others): (Vec<_>, Vec<_>) = package.targets.iter().partition(|target| match (target.kind, only) {
        (TargetKind::Lib | TargetKind::BuildScript, _) => true,
        (TargetKind::Bin, Some(only)) => matches!(only, BuildTarget::Bin(name) if *name == target.name),
        (TargetKind::Example, Some(only)) => matches!(only, BuildTarget::Example(name) if *name == target.name),
        (TargetKind::Bin, None) => true,
        (TargetKind::Example | TargetKind::Test | TargetKind::Bench, _) => with_dev,
    });
    let folder = |src: &RelPath| src.parent().unwrap_or_else(RelPath::root);
    let roots = counted
        .iter()
        .map(|target| if target.kind == TargetKind::BuildScript { target.src.clone() } else { folder(&target.src) });
    let roots: BTreeSet<_> = roots.collect();
    let except: BTreeSet<_> = others
        .iter()
        .map(|target| {
            let folder = folder(&target.src);
            let shared = counted.iter().any(|other| other.src.starts_with(&folder));
            if shared || package.dir.starts_with(&folder) { target.src.clone() } else { folder }
        })
        .collect();
    SourceRoots {
        package: package.name.clone(),
        roots: roots.into_iter().collect(),
        except: except.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{closure, package};
    use super::*;

    fn layout(packages: Vec<Package>) -> Layout {
        let target_dir = RelPath::new("target").unwrap();
        Layout { zen_dir: target_dir.child(b"zen"), target_dir, packages }
    }

    fn holds(layout: &Layout, request: &ClosureRequest, place: &str) -> bool {
        let place = Pattern::tree(&RelPath::new(place).unwrap());
        source_roots(layout, request).iter().any(|roots| roots.hold(&place))
    }

    #[test]
    fn outputs_belong_by_source_root_and_not_by_package_folder() {
        let layout = layout(vec![package("api", &["lib src/lib.rs", "build build.rs", "test tests/t.rs"])]);
        let request = closure("api");
        assert!(holds(&layout, &request, "api/src/gen.rs"));
        assert!(holds(&layout, &request, "api/build.rs"));
        assert!(holds(&layout, &request, "api"), "an output that holds the sources");
        assert!(!holds(&layout, &request, "api/data/gen.json"));
        assert!(!holds(&layout, &request, "api/tests/gen.rs"));
        assert!(holds(&layout, &ClosureRequest { with_dev: true, ..request }, "api/tests/gen.rs"));
    }

    #[test]
    fn one_bin_leaves_out_the_others() {
        let targets = [
            "lib src/lib.rs",
            "bin api src/main.rs",
            "bin a src/bin/a/main.rs",
            "bin b src/bin/b.rs",
            "example e examples/e.rs",
        ];
        let layout = layout(vec![package("api", &targets)]);
        let a = ClosureRequest { target: Some(BuildTarget::Bin("a".to_owned())), ..closure("api") };
        let b = ClosureRequest { target: Some(BuildTarget::Bin("b".to_owned())), ..closure("api") };
        for (request, place, expected) in [
            (&a, "api/src/gen.rs", true),
            (&a, "api/src/bin/a/gen.rs", true),
            (&a, "api/src/main.rs", false),
            (&a, "api/src/bin/b.rs", false),
            (&a, "api/examples/gen.rs", false),
            (&b, "api/src/bin/a/gen.rs", false),
            (&b, "api/src/bin/b.rs", true),
        ] {
            assert_eq!(holds(&layout, request, place), expected, "{place} for {:?}", request.target);
        }
    }

    #[test]
    fn path_dependencies_are_followed_and_those_for_development_only_from_the_first() {
        let mut api = package("api", &["lib src/lib.rs"]);
        let mut base = package("base", &["lib src/lib.rs"]);
        api.path_dependencies = vec!["base".to_owned()];
        api.dev_path_dependencies = vec!["helper".to_owned()];
        base.path_dependencies = vec!["deep".to_owned()];
        base.dev_path_dependencies = vec!["fake".to_owned()];
        let rest = ["deep", "fake", "helper"].map(|name| package(name, &["lib src/lib.rs"]));
        let layout = layout([api, base].into_iter().chain(rest).collect());
        let reached = |request: &ClosureRequest| {
            source_roots(&layout, request).into_iter().map(|roots| roots.package).collect::<Vec<_>>()
        };
        assert_eq!(reached(&closure("api")), ["api", "base", "deep"]);
        assert_eq!(reached(&ClosureRequest { with_dev: true, ..closure("api") }), ["api", "base", "deep", "helper"]);
    }
}
