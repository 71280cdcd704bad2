//! From the text of manifests to a run in which nothing is to be done: load, resolve, graph, selection, schedule. The
//! steps lie in packages of a hundred, each a chain.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::ItemsCount;
use zen_core::diag::{Severity, Sources};
use zen_core::event::Outcome;
use zen_core::graph::{Graph, Request, Selection};
use zen_core::layout::{Layout, Package};
use zen_core::manifest::resolve::{Overrides, resolve};
use zen_core::manifest::{Table, load};
use zen_core::model::Model;
use zen_core::path::RelPath;
use zen_core::schedule::Schedule;

/// Packages; each has [`STEPS`] steps.
const PACKAGES: [usize; 2] = [20, 200];
const STEPS: usize = 100;

/// A model of one package with one step, for other benches.
pub(crate) fn small_model() -> Model {
    let (sources, tables, layout) = manifests(1, 1);
    model(&sources, &tables, &layout)
}

fn manifests(packages: usize, steps: usize) -> (Sources, Vec<Table>, Layout) {
    let (mut sources, mut tables, mut members) = (Sources::default(), Vec::new(), Vec::new());
    for package in 0..packages {
        let name = format!("p{package:04}");
        let dir = path(&format!("packages/{name}"));
        let manifest = dir.child(b"Cargo.toml");
        let mut text = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
        for step in 0..steps {
            let input = step.checked_sub(1).map(|up| format!("d0 = \"s{up}.sum\"")).unwrap_or_default();
            let _ = write!(
                text,
                "\n[package.metadata.zen.pipelines.bench.steps.s{step}]\n\
                 run = [\"work\", \"in/s{step}\", \"{{{{ outputs.sum }}}}\"]\n\
                 files = [\"in/s{step}/**\"]\ninputs = {{ {input} }}\noutputs.sum = \"out/s{step}.txt\"\n"
            );
        }
        let file = sources.add(manifest.clone(), text);
        tables.push(Table { file, package: Some(name.clone()), base: dir.clone() });
        members.push(Package {
            name,
            version: "0.1.0".to_owned(),
            dir,
            manifest,
            targets: Vec::new(),
            path_dependencies: Vec::new(),
            dev_path_dependencies: Vec::new(),
        });
    }
    (sources, tables, Layout { target_dir: path("target"), zen_dir: path("target/zen"), packages: members })
}

fn model(sources: &Sources, tables: &[Table], layout: &Layout) -> Model {
    let (declarations, mut problems) = load(sources, tables);
    let (model, more) = resolve(&declarations, layout, &Overrides::default(), &|_| Vec::new());
    problems.extend(more);
    assert!(
        !problems.iter().any(|problem| problem.severity == Severity::Error),
        "the manifests are good: {problems:?}"
    );
    model
}

fn selection(graph: &Graph, model: &Model) -> Selection {
    let request = Request { names: vec!["bench".to_owned()], ..Request::default() };
    graph.select(model, &request).expect("the pipeline is there")
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("the path is a plain one")
}

#[divan::bench(args = PACKAGES)]
fn load_and_resolve(bencher: Bencher<'_, '_>, packages: usize) {
    let (sources, tables, layout) = manifests(packages, STEPS);
    bencher.counter(ItemsCount::new(packages * STEPS)).bench(|| model(&sources, &tables, &layout));
}

#[divan::bench(args = PACKAGES)]
fn graph(bencher: Bencher<'_, '_>, packages: usize) {
    let (sources, tables, layout) = manifests(packages, STEPS);
    let model = model(&sources, &tables, &layout);
    bencher.counter(ItemsCount::new(packages * STEPS)).bench(|| Graph::build(&model, &layout));
}

#[divan::bench(args = PACKAGES)]
fn select(bencher: Bencher<'_, '_>, packages: usize) {
    let (sources, tables, layout) = manifests(packages, STEPS);
    let model = model(&sources, &tables, &layout);
    let (graph, _) = Graph::build(&model, &layout);
    bencher.counter(ItemsCount::new(packages * STEPS)).bench(|| selection(&graph, &model));
}

#[divan::bench(args = PACKAGES)]
fn schedule(bencher: Bencher<'_, '_>, packages: usize) {
    let (sources, tables, layout) = manifests(packages, STEPS);
    let model = model(&sources, &tables, &layout);
    let (graph, _) = Graph::build(&model, &layout);
    let order = selection(&graph, &model).order;
    bencher.counter(ItemsCount::new(packages * STEPS)).bench(|| {
        let upstream = |step| graph.upstream(step).iter().map(|edge| edge.from).collect();
        let mut schedule = Schedule::new(&order, upstream, |_| 5, 2, &BTreeMap::new());
        let mut due = schedule.all_due();
        while let Some(step) = due.pop() {
            schedule.done(step, Outcome::Fresh);
            due.extend(schedule.settle(step));
        }
        assert!(schedule.is_finished(), "all steps are done");
    });
}
