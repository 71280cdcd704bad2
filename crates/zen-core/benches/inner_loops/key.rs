//! One step's key: the traversal, with the sink that hashes.

use std::hint::black_box;

use divan::Bencher;
use zen_core::digest::Digest;
use zen_core::key::{Explanation, KeySink, Observed, visit};
use zen_core::path::RelPath;

use crate::plan::small_model;

/// Files of the step.
const FILES: [usize; 2] = [100, 1000];

fn observed(files: usize) -> Observed {
    let file = |at: usize| {
        let path = RelPath::new(format!("packages/p0000/in/s0/f{at:04}.txt")).expect("the path is a plain one");
        (path, Digest::of(&at.to_le_bytes()))
    };
    Observed { files: (0..files).map(file).collect(), ..Observed::default() }
}

#[divan::bench(args = FILES)]
fn key(bencher: Bencher<'_, '_>, files: usize) {
    let (model, observed) = (small_model(), observed(files));
    bencher.bench(|| {
        let mut sink = KeySink::default();
        visit(&model.steps[0], black_box(&observed), &mut sink).expect("the step has a key");
        sink.finish()
    });
}

#[divan::bench(args = FILES)]
fn explanation(bencher: Bencher<'_, '_>, files: usize) {
    let (model, observed) = (small_model(), observed(files));
    bencher.bench(|| {
        let mut sink = Explanation::default();
        visit(&model.steps[0], black_box(&observed), &mut sink).expect("the step has a key");
        sink
    });
}
