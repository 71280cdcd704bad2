//! Every definition error, as plain text: what a user would read.

mod definitions;
mod hooks;
mod model;
mod platform;
mod references;
mod scripts;

use super::resolve::{Overrides, resolve};
use super::{Table, load};
use crate::diag::{Diagnostic, Severity, Sources, Span};
use crate::layout::{Layout, Package, Target, TargetKind};
use crate::model::Model;
use crate::path::RelPath;

/// Two members: `api` (bins `server`, `tool`, example `demo`) and `cli` (bins `cli`, `tool`).
fn layout() -> Layout {
    let package = |name: &str, targets: &[(&str, TargetKind)]| {
        let dir = RelPath::new(format!("crates/{name}")).unwrap();
        let target = |(name, kind): &(&str, TargetKind)| Target {
            name: (*name).to_owned(),
            kind: *kind,
            src: dir.child(b"src").child(b"main.rs"),
        };
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            manifest: dir.child(b"Cargo.toml"),
            path_dependencies: Vec::new(),
            dev_path_dependencies: Vec::new(),
            targets: targets.iter().map(target).collect(),
            dir,
        }
    };
    let target_dir = RelPath::new("target").unwrap();
    Layout {
        zen_dir: target_dir.child(b"zen"),
        target_dir,
        packages: vec![
            package("api", &[("server", TargetKind::Bin), ("tool", TargetKind::Bin), ("demo", TargetKind::Example)]),
            package("cli", &[("cli", TargetKind::Bin), ("tool", TargetKind::Bin)]),
        ],
    }
}

/// `root`, and for each of `packages` the manifest of that member.
fn load_all(root: &str, packages: &[(&str, &str)], overrides: &Overrides) -> (Model, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let file = sources.add(RelPath::new("Cargo.toml").unwrap(), root);
    let mut tables = vec![Table { file, package: None, base: RelPath::root() }];
    for (name, text) in packages {
        let base = RelPath::new(format!("crates/{name}")).unwrap();
        let file = sources.add(base.child(b"Cargo.toml"), *text);
        tables.push(Table { file, package: Some((*name).to_owned()), base });
    }
    let (declarations, mut problems) = load(&sources, &tables);
    let (model, more) = resolve(&declarations, &layout(), overrides, &|_| Vec::new());
    problems.extend(more);
    (model, problems, sources)
}

fn render(problems: &[Diagnostic], sources: &Sources) -> String {
    let place = |span: Span| {
        let file = sources.file(span.file);
        let start = file.text()[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let shown = file.text()[span.start..span.end].lines().next().unwrap_or_default();
        format!("{}:{}:{} `{shown}`", file.path, sources.line(span), span.start - start + 1)
    };
    let mut out = String::new();
    for problem in problems {
        let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
        out.push_str(&format!("{severity}: {}\n", problem.message));
        for label in &problem.labels {
            let arrow = if label.primary { "-->" } else { "and" };
            let text = if label.text.is_empty() { String::new() } else { format!(" {}", label.text) };
            out.push_str(&format!("  {arrow} {}{text}\n", place(label.span)));
        }
        problem.notes.iter().for_each(|note| out.push_str(&format!("  note: {note}\n")));
        problem.helps.iter().for_each(|help| out.push_str(&format!("  help: {help}\n")));
    }
    out
}

/// What is wrong with a root manifest.
fn problems(root: &str) -> String {
    let (_, problems, sources) = load_all(root, &[], &Overrides::default());
    render(&problems, &sources)
}

const BEFORE: &str = "[workspace.metadata.zen]\nenable-cache = false\n[workspace.metadata.zen.pipelines.p]\n\
    params.gamma = 0.5\n[workspace.metadata.zen.pipelines.p.steps.make]\nrun = \"true\"\noutputs = [\"a.csv\", \"b.csv\"]\n\
    [workspace.metadata.zen.pipelines.p.steps.s]\n";

/// What is wrong with the step `s` of `p`, whose lines start at line 9. Beside it stands `make` with outputs `a`, `b`.
fn step(lines: &str) -> String {
    problems(&format!("{BEFORE}{lines}\n"))
}

/// The step `s` of a table without problems.
fn good_step(lines: &str) -> crate::model::Step {
    good_step_with(lines, &Overrides::default())
}

fn good_step_with(lines: &str, overrides: &Overrides) -> crate::model::Step {
    let (model, problems, sources) = load_all(&format!("{BEFORE}{lines}\n"), &[], overrides);
    assert_eq!(render(&problems, &sources), "", "this table has nothing wrong");
    model.steps.into_iter().find(|step| step.name == "s").unwrap()
}
