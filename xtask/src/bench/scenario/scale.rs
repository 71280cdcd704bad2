//! The scenarios of plans that grow: what a step costs in a plan of ten times as many steps.

use std::io;
use std::time::Duration;

use super::super::report::{Floor, Row, Target, Unit};
use super::super::workspace::{Shape, Size};
use super::{Bench, Outcome};

const FEW: Size = Size { packages: 20, steps: 100, files: 1 };
const MANY: Size = Size { packages: 200, steps: 100, files: 1 };

/// All read the first step.
pub(super) fn wide(bench: &Bench<'_>) -> io::Result<Outcome> {
    scale(bench, "scale-wide", Shape::Wide)
}

/// One chain.
pub(super) fn deep(bench: &Bench<'_>) -> io::Result<Outcome> {
    scale(bench, "scale-deep", Shape::Deep)
}

/// In each package the steps fan out and in again.
pub(super) fn diamond(bench: &Bench<'_>) -> io::Result<Outcome> {
    scale(bench, "scale-diamond", Shape::Diamond)
}

fn scale(bench: &Bench<'_>, name: &str, shape: Shape) -> io::Result<Outcome> {
    let few = bench.settled("few", FEW, shape)?;
    let many = bench.settled("many", MANY, shape)?;
    let [of_many, of_few] = bench.in_turn(|_| Ok([bench.zen.status(&many.root)?, bench.zen.status(&few.root)?]))?;
    let (steps_of_many, steps_of_few) = (many.plan.size.all_steps(), few.plan.size.all_steps());
    let floor = Floor { what: format!("{steps_of_few} steps"), samples: per_step(&of_few, steps_of_few) };
    Ok(Outcome::Rows(vec![Row {
        name: format!("{name}: {steps_of_many} steps"),
        unit: Unit::MicrosecondsPerStep,
        zen: per_step(&of_many, steps_of_many),
        floor: Some(floor),
        target: Target::Times(1.3),
    }]))
}

fn per_step(samples: &[Duration], steps: usize) -> Vec<f64> {
    let steps = u32::try_from(steps).expect("plans are small");
    samples.iter().map(|time| time.as_secs_f64() * 1e6 / f64::from(steps)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_its_share() {
        assert_eq!(per_step(&[Duration::from_millis(20)], 2000), [10.0]);
    }
}
