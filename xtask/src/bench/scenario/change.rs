//! Scenarios in which something moved: one input, all times, all outputs, and what other tools get wrong.

use std::fs::{self, File};
use std::io;
use std::process::Command;
use std::time::Duration;

use super::super::check;
use super::super::floors;
use super::super::report::{Row, Target};
use super::super::work;
use super::super::workspace::{Shape, Tree, WORK};
use super::{Bench, LARGE, MEDIUM, Outcome, SMALL};

/// One input of a step that nobody reads.
pub(super) fn leaf(bench: &Bench<'_>) -> io::Result<Outcome> {
    let tree = bench.settled("zen", LARGE, Shape::Layered)?;
    let leaf = tree.plan.size.all_steps() - 1;
    let [changed, noop, step] = bench.in_turn(|turn| {
        tree.change(leaf, 0, turn + 1, 0)?;
        let ran = bench.zen.run(&tree.root, &[])?;
        check::steps(&tree, "leaf-large, changed", ran.said, 1)?;
        Ok([ran.time, bench.noop(&tree, "leaf-large, the run after")?, alone(bench, &tree, leaf)?])
    })?;
    check::outputs(&tree, "leaf-large")?;
    let floor: Vec<Duration> = noop.iter().zip(&step).map(|(noop, step)| *noop + *step).collect();
    let row = Row::times("leaf-large", &changed, Target::Above(10.0));
    Ok(Outcome::Rows(vec![row.beside("no-op, and the step's command alone", &floor)]))
}

/// All times are new, and no byte is.
pub(super) fn touch(bench: &Bench<'_>) -> io::Result<Outcome> {
    let tree = bench.settled("zen", MEDIUM, Shape::Layered)?;
    let folders: Vec<_> = (0..tree.plan.size.all_steps()).map(|at| tree.inputs(at)).collect();
    let [touched, hash, after, walk] = bench.in_turn(|_| {
        tree.touch_all()?;
        let touched = bench.noop(&tree, "touch-medium")?;
        let hash = floors::hash(&folders)?;
        Ok([touched, hash, bench.noop(&tree, "touch-medium, the run after")?, bench.walk(&tree)?])
    })?;
    check::outputs(&tree, "touch-medium")?;
    let threads = floors::THREADS;
    Ok(Outcome::Rows(vec![
        Row::times("touch-medium", &touched, Target::Times(1.3))
            .beside(format!("BLAKE3 of all inputs, {threads} threads"), &hash),
        Row::times("touch-medium, the run after", &after, Target::Times(1.5))
            .beside(format!("stat walk, {threads} threads"), &walk),
    ]))
}

/// All outputs are gone.
pub(super) fn restore(bench: &Bench<'_>) -> io::Result<Outcome> {
    let tree = bench.settled("zen", MEDIUM, Shape::Layered)?;
    let [restored, noop] = bench.in_turn(|_| {
        tree.drop_outputs()?;
        let restored = bench.noop(&tree, "restore-medium")?;
        check::outputs(&tree, "restore-medium")?;
        Ok([restored, bench.noop(&tree, "restore-medium, the run after")?])
    })?;
    let row = Row::times("restore-medium", &restored, Target::Most(300.0));
    Ok(Outcome::Rows(vec![row.beside("no-op", &noop)]))
}

/// What is easy to get wrong. Each case starts from a settled workspace and leaves one.
pub(super) fn right(bench: &Bench<'_>) -> io::Result<Outcome> {
    let tree = bench.settled("zen", SMALL, Shape::Layered)?;
    let leaf = tree.plan.size.all_steps() - 1;
    let reached = tree.plan.downstream(0);
    let first = tree.input(0, 0);
    let mut rows = Vec::new();
    let mut case = |name: &str, expected: usize| {
        let name = format!("right: {name}");
        let ran = bench.zen.run(&tree.root, &[])?;
        check::steps(&tree, &name, ran.said, expected)?;
        check::outputs(&tree, &name)?;
        rows.push(Row::times(name, &[ran.time], Target::Right));
        io::Result::Ok(())
    };

    tree.change(0, 0, 0, 1)?;
    case("early cutoff", 1)?;
    tree.change(0, 0, 1, 1)?;
    case("change", reached)?;
    tree.change(0, 0, 0, 1)?;
    case("revert", 0)?;
    tree.drop_outputs()?;
    case("outputs gone", 0)?;

    let (old, old_time) = (fs::read(&first)?, fs::metadata(&first)?.modified()?);
    tree.change(0, 0, 2, 1)?;
    case("another change", reached)?;
    fs::write(&first, old)?;
    File::options().append(true).open(&first)?.set_modified(old_time)?;
    case("old bytes with their old mtime", 0)?;

    let input = tree.input(leaf, 0);
    let before = fs::metadata(&input)?;
    tree.change(leaf, 0, 3, 0)?;
    File::options().append(true).open(&input)?.set_modified(before.modified()?)?;
    let after = fs::metadata(&input)?;
    assert_eq!((before.len(), before.modified()?), (after.len(), after.modified()?), "size and mtime are kept");
    case("new bytes, same size and mtime", 1)?;

    fs::write(tree.output(0), "edited by hand\n")?;
    case("an output edited", 0)?;
    Ok(Outcome::Rows(rows))
}

/// How long the step's command takes when nobody stands between. It leaves what the step leaves.
fn alone(bench: &Bench<'_>, tree: &Tree, at: usize) -> io::Result<Duration> {
    let spare = tree.root.with_extension("spare");
    let upstream: Vec<_> = tree.plan.upstream(at).into_iter().map(|up| tree.output(up)).collect();
    let mut command = Command::new(bench.program);
    command.arg(WORK).args([&tree.log, &spare, &tree.inputs(at)]).args(&upstream);
    let time = floors::time_of(&mut command)?;
    check::take_log(tree)?;
    let upstream = upstream.iter().map(fs::read).collect::<io::Result<Vec<_>>>()?;
    if fs::read_to_string(&spare)? == work::sum(&tree.inputs(at), &upstream)? {
        Ok(time)
    } else {
        Err(check::wrong("the command alone made something else".to_owned()))
    }
}
