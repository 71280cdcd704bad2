//! Scenarios in which nothing is recorded: what it costs to run steps and to keep what they leave.

use std::fmt::Write as _;
use std::fs;
use std::io;

use super::super::check::{self, wrong};
use super::super::floors;
use super::super::report::{Row, Target};
use super::super::workspace::{self, Shape, Size};
use super::super::zen::Said;
use super::{Bench, MEDIUM, Outcome, SMALL};

/// Packages and steps of the trivial workspace.
const TRIVIAL: Size = Size { packages: 10, steps: 1000, files: 0 };

pub(super) fn small(bench: &Bench<'_>) -> io::Result<Outcome> {
    cold(bench, "cold-small", SMALL)
}

pub(super) fn medium(bench: &Bench<'_>) -> io::Result<Outcome> {
    cold(bench, "cold-medium", MEDIUM)
}

fn cold(bench: &Bench<'_>, name: &str, size: Size) -> io::Result<Outcome> {
    let tree = bench.settled("zen", size, Shape::Layered)?;
    let peers = bench.peers(size, Shape::Layered)?;
    let all = tree.plan.size.all_steps();
    let mut beside = vec![Vec::new(); peers.len()];
    let [zen] = bench.in_turn(|_| {
        tree.make_cold(&["target"])?;
        let ran = bench.zen.run(&tree.root, &[])?;
        check::steps(&tree, name, ran.said, all)?;
        check::outputs(&tree, name)?;
        for (peer, samples) in peers.iter().zip(&mut beside) {
            peer.make_cold()?;
            samples.push(peer.run(all)?);
        }
        Ok([ran.time])
    })?;
    let mut rows = vec![Row::times(name, &zen, Target::None)];
    for (peer, samples) in peers.iter().zip(&beside) {
        let target = if peer.name == "n2" { Target::Times(1.5) } else { Target::None };
        let name = format!("{name} / {}", peer.name);
        rows.push(Row::times(name, &zen, target).beside(format!("{}, cold", peer.name), samples));
    }
    Ok(Outcome::Rows(rows))
}

/// Steps that do nothing: what a process costs, and what is put around it.
pub(super) fn trivial(bench: &Bench<'_>) -> io::Result<Outcome> {
    let Size { packages, steps, .. } = bench.divided(TRIVIAL);
    let root = bench.folder.join("zen");
    fs::create_dir_all(&root)?;
    fs::write(root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"packages/*\"]\n")?;
    for package in 0..packages {
        let mut manifest = workspace::crate_manifest(package);
        for step in 0..steps {
            let _ = write!(
                manifest,
                "\n[package.metadata.zen.pipelines.bench.steps.s{step}]\n\
                 run = [\"true\", \"{}\"]\nfiles = [\"src/lib.rs\"]\n",
                package * steps + step
            );
        }
        workspace::write_crate(&root, package, &manifest)?;
    }
    let all = packages * steps;
    let expect = |said: Said, ran: usize| {
        let right = said == Said { ran, cached: all - ran };
        if right { Ok(()) } else { Err(wrong(format!("trivial-10000: {ran} of {all} were to run; {said:?}"))) }
    };
    let mut times = 0;
    let [zen, floor] = bench.in_turn(|_| {
        if root.join("target").exists() {
            // Moved, as in `Tree::make_cold`.
            fs::rename(root.join("target"), bench.folder.join(format!("away-{times}")))?;
            times += 1;
        }
        let ran = bench.zen.run(&root, &[])?;
        expect(ran.said, all)?;
        Ok([ran.time, floors::spawn_true(all)?])
    })?;
    expect(bench.zen.run(&root, &[])?.said, 0)?;
    let row = Row::times("trivial-10000", &zen, Target::Times(1.5));
    Ok(Outcome::Rows(vec![row.beside(format!("{all} × `true`, {} threads", floors::THREADS), &floor)]))
}
