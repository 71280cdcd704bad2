//! Texts of manifests: whatever they say, reading them ends, and what is wrong with them has a place in them. Knows no
//! disk.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zen_core::diag::{Diagnostic, Sources};
use zen_core::layout::Layout;
use zen_core::manifest::resolve::{Overrides, resolve};
use zen_core::manifest::{Table, load, load_config};
use zen_core::path::RelPath;

fuzz_target!(|text: &str| {
    // A NUL parts the manifest from the configuration file over it.
    let (manifest, config) = text.split_once('\0').map_or((text, None), |(text, config)| (text, Some(config)));
    let said = read(manifest, config);
    assert_eq!(said, read(manifest, config), "the same text says the same");
});

fn read(manifest: &str, config: Option<&str>) -> String {
    let mut sources = Sources::default();
    let Ok(path) = RelPath::new("Cargo.toml") else { return String::new() };
    let file = sources.add(path.clone(), manifest);
    let tables = [
        Table { file, package: None, base: RelPath::root() },
        Table { file, package: Some("lone".to_owned()), base: RelPath::root() },
    ];
    let (mut declarations, mut problems) = load(&sources, &tables);
    if let Some(config) = config {
        let file = sources.add(path, config);
        problems.extend(load_config(&mut declarations, &sources, file));
    }
    let target_dir = RelPath::root().child(b"target");
    let layout = Layout { zen_dir: target_dir.child(b"zen"), target_dir, packages: Vec::new() };
    let overrides = Overrides { set: vec!["gamma=1".to_owned()], ..Overrides::default() };
    let files = [RelPath::root().child(b"a.csv"), RelPath::root().child(b"b.csv")];
    let matching = |set: &zen_core::glob::PathSet| files.iter().filter(|path| set.matches(path)).cloned().collect();
    let (model, more) = resolve(&declarations, &layout, &overrides, &matching);
    problems.extend(more);
    problems.iter().for_each(|problem| has_place(problem, &sources));
    format!("{problems:?} {model:?}")
}

fn has_place(problem: &Diagnostic, sources: &Sources) {
    for label in &problem.labels {
        let text = sources.file(label.span.file).text();
        assert!(text.get(label.span.start..label.span.end).is_some(), "{problem:?} points nowhere");
    }
}
