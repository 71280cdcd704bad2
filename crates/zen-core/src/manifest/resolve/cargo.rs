//! What cargo commands read of the workspace, and which packages names mean. Runs no cargo.

use std::collections::BTreeSet;

use globset::GlobBuilder;

use crate::diag::{Diagnostic, Span};
use crate::layout::{Layout, Package, TargetKind};
use crate::suggest;

/// The members that `spec` names, as cargo's `-p` takes it: a name, a glob, with or without a version.
pub(crate) fn members<'l>(layout: &'l Layout, spec: &str) -> Vec<&'l str> {
    let spec = spec.rsplit_once('#').map_or(spec, |(_, name)| name);
    let name = spec.split(['@', ':']).next().unwrap_or(spec);
    let all = layout.packages.iter().map(|package| package.name.as_str());
    if name == "*" {
        return all.collect();
    }
    if !name.contains(['*', '?', '[', '{']) {
        return layout.package(name).map(|package| package.name.as_str()).into_iter().collect();
    }
    let Ok(glob) = GlobBuilder::new(name).build() else { return Vec::new() };
    let matcher = glob.compile_matcher();
    all.filter(|name| matcher.is_match(name)).collect()
}

/// The package with the binary or example `target`: `wanted`, else the table's own, else the only one.
pub(crate) fn owner<'l>(
    layout: &'l Layout,
    kind: TargetKind,
    target: (&str, Span),
    wanted: Option<(&str, Span)>,
    own: Option<&str>,
) -> Result<&'l str, Diagnostic> {
    let (name, span) = target;
    let word = if kind == TargetKind::Example { "example" } else { "bin" };
    let targets = |package: &'l Package| package.targets.iter().filter(|target| target.kind == kind);
    let has = |package: &&'l Package| targets(package).any(|target| target.name == name);
    if let Some((wanted, wanted_span)) = wanted {
        let package = member(layout, wanted, wanted_span)?;
        return if has(&package) {
            Ok(&package.name)
        } else {
            let names = targets(package).map(|target| target.name.as_str());
            Err(Diagnostic::error(format!("package `{wanted}` has no {word} `{name}`"))
                .at(span, "")
                .help(suggest::help(name, names, &format!("its {word}s"))))
        };
    }
    let owners: Vec<&str> = layout.packages.iter().filter(has).map(|package| package.name.as_str()).collect();
    match &*owners {
        [only] => Ok(only),
        owners if owners.iter().any(|owner| Some(*owner) == own) => {
            Ok(owners.iter().find(|owner| Some(**owner) == own).expect("the guard found it"))
        }
        [] => {
            let names = layout.packages.iter().flat_map(targets).map(|target| target.name.as_str());
            Err(Diagnostic::error(format!("no package of the workspace has a {word} `{name}`"))
                .at(span, "")
                .help(suggest::help(name, names, &format!("{word}s"))))
        }
        owners => Err(Diagnostic::error(format!("{} packages have a {word} `{name}`", owners.len()))
            .at(span, "")
            .help(format!("name one with `run.package`: {}", suggest::quoted(owners)))),
    }
}

/// The member called `name`.
pub(crate) fn member<'l>(layout: &'l Layout, name: &str, span: Span) -> Result<&'l Package, Diagnostic> {
    layout.package(name).ok_or_else(|| {
        let names = layout.packages.iter().map(|package| package.name.as_str());
        Diagnostic::error(format!("the workspace has no package `{name}`"))
            .at(span, "")
            .help(suggest::help(name, names, "packages"))
    })
}

/// What a cargo command reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Members, sorted.
    pub(crate) packages: BTreeSet<String>,
    /// Tests, benches, examples and dev-dependencies too.
    pub(crate) with_dev: bool,
}

/// `words` follow the word `cargo`; `None` is one that is known only later. `own`: the package whose table it stands in.
pub(crate) fn reads(layout: &Layout, words: &[Option<String>], own: Option<&str>) -> Reads {
    const PLAIN: [&str; 10] = ["build", "b", "check", "c", "run", "r", "rustc", "doc", "d", "rustdoc"];
    const WITH_DEV: [&str; 7] =
        ["--tests", "--all-targets", "--benches", "--examples", "--test", "--example", "--bench"];
    let words = words.split(|word| word.as_deref() == Some("--")).next().unwrap_or_default();
    let mut named = BTreeSet::new();
    let (mut all, mut unknown) = (false, false);
    let mut subcommand: Option<&str> = None;
    let mut with_dev_flag = false;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let Some(word) = word.as_deref() else {
            unknown |= subcommand.is_some();
            continue;
        };
        let (flag, value) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
        let short = word.strip_prefix("-p").filter(|rest| !rest.is_empty() && !word.starts_with("--"));
        if flag == "--package" || flag == "-p" || short.is_some() {
            let spec = value.or(short).map(str::to_owned).or_else(|| rest.next().cloned().flatten());
            match spec {
                Some(spec) => {
                    named.extend(members(layout, spec.trim_start_matches('=')).into_iter().map(str::to_owned))
                }
                None => unknown = true,
            }
        } else if word == "--workspace" || word == "--all" {
            all = true;
        } else if subcommand.is_none() && matches!(flag, "--color" | "--config" | "-C" | "-Z") {
            if value.is_none() {
                rest.next();
            }
        } else if subcommand.is_none() && !word.starts_with(['-', '+']) {
            subcommand = Some(word);
        }
        with_dev_flag |= WITH_DEV.contains(&flag);
    }
    let packages = if all || unknown {
        layout.packages.iter().map(|package| package.name.clone()).collect()
    } else if !named.is_empty() {
        named
    } else if let Some(own) = own {
        [own.to_owned()].into()
    } else {
        layout.packages.iter().map(|package| package.name.clone()).collect()
    };
    let plain = subcommand.is_some_and(|subcommand| PLAIN.contains(&subcommand));
    Reads { packages, with_dev: !plain || with_dev_flag }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RelPath;

    fn layout() -> Layout {
        let package = |name: &str| {
            let dir = RelPath::new(name).unwrap();
            Package {
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
                manifest: dir.child(b"Cargo.toml"),
                dir,
                path_dependencies: Vec::new(),
                dev_path_dependencies: Vec::new(),
                targets: Vec::new(),
            }
        };
        let target = RelPath::new("target").unwrap();
        Layout {
            zen_dir: target.child(b"zen"),
            target_dir: target,
            packages: ["api", "app", "tool"].map(package).to_vec(),
        }
    }

    fn of(command: &str, own: Option<&str>) -> (String, bool) {
        let words: Vec<_> = command.split(' ').map(|word| (word != "?").then(|| word.to_owned())).collect();
        let Reads { packages, with_dev } = reads(&layout(), &words, own);
        (packages.into_iter().collect::<Vec<_>>().join(" "), with_dev)
    }

    #[test]
    fn a_cargo_command_reads_the_packages_that_it_names() {
        let case = |command, own, packages: &str, with_dev| {
            assert_eq!(of(command, own), (packages.to_owned(), with_dev), "cargo {command}");
        };
        case("build -p api", None, "api", false);
        case("build -papi --package=tool", None, "api tool", false);
        case("build --package a*", None, "api app", false);
        case("build -p api@1.0.0", None, "api", false);
        case("build", Some("app"), "app", false);
        case("build", None, "api app tool", false);
        case("build --workspace", Some("app"), "api app tool", false);
        case("+nightly --color always test -p api", None, "api", true);
        case("check --all-targets", Some("api"), "api", true);
        case("clippy -p api -- -p tool", None, "api", true);
        case("run -p ?", Some("api"), "api app tool", false);
        case("run -p elsewhere", Some("api"), "api", false);
        case("build --test x", Some("api"), "api", true);
    }
}
