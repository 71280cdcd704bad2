//! Which of 10,000 paths a path set means.

use divan::Bencher;
use divan::counter::ItemsCount;
use zen_core::glob::{PathSet, Pattern};
use zen_core::path::RelPath;

const PATHS: usize = 10_000;

#[divan::bench(args = ["in/s0/**", "in/s*/*.txt", "**/f00??.txt", "in/s0/f0000.txt"])]
fn include(bencher: Bencher<'_, '_>, text: &str) {
    matches(bencher, &[text], &[]);
}

#[divan::bench]
fn include_and_exclude(bencher: Bencher<'_, '_>) {
    matches(bencher, &["in/**", "src/**"], &["in/s3/**", "**/*.tmp"]);
}

fn matches(bencher: Bencher<'_, '_>, include: &[&str], exclude: &[&str]) {
    let base = path("packages/p0000");
    let patterns = |texts: &[&str]| -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::new(&base, text).expect("the pattern is a good one")).collect()
    };
    let set = PathSet { include: patterns(include), exclude: patterns(exclude) };
    let paths: Vec<RelPath> =
        (0..PATHS).map(|at| path(&format!("packages/p0000/in/s{}/f{:04}.txt", at % 10, at / 10))).collect();
    bencher.counter(ItemsCount::new(PATHS)).bench(|| paths.iter().filter(|path| set.matches(path)).count());
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("the path is a plain one")
}
