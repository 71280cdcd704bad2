//! Scenarios in which nothing is to be done: how much it costs to find that out.

use std::io;
use std::process::Command;

use super::super::check;
use super::super::floors;
use super::super::report::{Row, Target};
use super::super::workspace::{Shape, Size};
use super::{Bench, LARGE, MEDIUM, Outcome, SMALL};

/// MiB that a run of the large workspace may hold at once.
const PEAK_MIB: f64 = 80.0;

/// The start of the program and its end.
pub(super) fn start(bench: &Bench<'_>) -> io::Result<Outcome> {
    let [zen, floor] =
        bench.in_turn(|_| Ok([bench.zen.version(&bench.folder)?, floors::time_of(&mut Command::new("true"))?]))?;
    Ok(Outcome::Rows(vec![Row::times("start", &zen, Target::Most(5.0)).beside("starting `true`", &floor)]))
}

pub(super) fn small(bench: &Bench<'_>) -> io::Result<Outcome> {
    noop(
        bench,
        "noop-small",
        SMALL,
        Target::None,
        |peer| if peer == "ninja" { Target::Times(1.5) } else { Target::None },
    )
}

pub(super) fn medium(bench: &Bench<'_>) -> io::Result<Outcome> {
    noop(bench, "noop-medium", MEDIUM, Target::Times(1.5), |_| Target::None)
}

pub(super) fn large(bench: &Bench<'_>) -> io::Result<Outcome> {
    noop(bench, "noop-large", LARGE, Target::Times(1.5), |_| Target::Times(1.0))
}

fn noop(
    bench: &Bench<'_>,
    name: &str,
    size: Size,
    target: Target,
    peer_target: fn(&str) -> Target,
) -> io::Result<Outcome> {
    let tree = bench.settled("zen", size, Shape::Layered)?;
    let peers = bench.peers(size, Shape::Layered)?;
    let mut beside = vec![Vec::new(); peers.len()];
    let measure = |_| {
        let both = [bench.noop(&tree, name)?, bench.walk(&tree)?];
        for (peer, samples) in peers.iter().zip(&mut beside) {
            samples.push(peer.run(0)?);
        }
        Ok(both)
    };
    let [zen, walk] = if size == SMALL { bench.in_many_turns(measure) } else { bench.in_turn(measure) }?;
    check::outputs(&tree, name)?;

    let what = format!("stat walk, {} threads", floors::THREADS);
    let mut rows = vec![Row::times(name, &zen, target).beside(what, &walk)];
    for (peer, samples) in peers.iter().zip(&beside) {
        let name = format!("{name} / {}", peer.name);
        rows.push(Row::times(name, &zen, peer_target(peer.name)).beside(format!("{}, no-op", peer.name), samples));
    }
    if let Some((mib, said)) = bench.zen.peak_mib(&tree.root)? {
        check::steps(&tree, name, said, 0)?;
        let target = if size == LARGE { Target::Most(PEAK_MIB) } else { Target::None };
        rows.push(Row::mebibytes(format!("{name}, peak memory"), mib, target));
    }
    Ok(Outcome::Rows(rows))
}
