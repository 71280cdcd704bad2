//! Whether a result is right, found without `cargo zen`: the outputs are computed again from the inputs, and the lines
//! that steps left in a log are counted. Knows no times.

use std::fs;
use std::io;

use super::work;
use super::workspace::Tree;
use super::zen::Said;

/// A result that is not what it should be.
pub(crate) fn wrong(what: String) -> io::Error {
    io::Error::other(what)
}

/// How many steps ran since the last look: the lines in the log, which is empty then.
///
/// # Errors
/// What the disk says.
pub(crate) fn take_log(tree: &Tree) -> io::Result<usize> {
    let lines = fs::read_to_string(&tree.log)?.lines().count();
    fs::write(&tree.log, "")?;
    Ok(lines)
}

/// Compares what a run said, and what its steps left in the log, with what was to be expected.
///
/// # Errors
/// That another number of steps ran.
pub(crate) fn steps(tree: &Tree, when: &str, said: Said, expected: usize) -> io::Result<()> {
    let logged = take_log(tree)?;
    compare(when, said, logged, expected, tree.plan.size.all_steps()).map_err(wrong)
}

fn compare(when: &str, said: Said, logged: usize, expected: usize, all: usize) -> Result<(), String> {
    if logged != expected {
        return Err(format!("{when}: {logged} steps ran, not {expected}"));
    }
    if said.ran != expected || said.ran + said.cached != all {
        return Err(format!("{when}: {expected} of {all} steps ran, and it said {said:?}"));
    }
    Ok(())
}

/// Compares all outputs with what the inputs give.
///
/// # Errors
/// How many outputs are wrong or missing, and one of them.
pub(crate) fn outputs(tree: &Tree, when: &str) -> io::Result<()> {
    let mut sums: Vec<Vec<u8>> = Vec::new();
    let mut bad = Vec::new();
    for at in 0..tree.plan.size.all_steps() {
        let upstream: Vec<Vec<u8>> = tree.plan.upstream(at).into_iter().map(|up| sums[up].clone()).collect();
        let sum = work::sum(&tree.inputs(at), &upstream)?.into_bytes();
        if fs::read(tree.output(at)).ok().as_ref() != Some(&sum) {
            bad.push(at);
        }
        sums.push(sum);
    }
    match bad.first() {
        None => Ok(()),
        Some(first) => {
            let first = tree.output(*first);
            Err(wrong(format!("{when}: {} outputs are wrong or missing, {} first", bad.len(), first.display())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::workspace::{Plan, Shape, Size};
    use super::*;

    #[test]
    fn what_ran_is_compared_with_what_was_said() {
        let said = Said { ran: 2, cached: 3 };
        assert_eq!(compare("now", said, 2, 2, 5), Ok(()));
        assert!(compare("now", said, 3, 2, 5).is_err(), "the log has another number");
        assert!(compare("now", said, 3, 3, 5).is_err(), "the run said another number");
        assert!(compare("now", said, 2, 2, 6).is_err(), "a step is missing");
    }

    #[test]
    fn a_wrong_output_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan { size: Size { packages: 2, steps: 2, files: 1 }, shape: Shape::Deep };
        let tree = Tree::write(folder.path().join("tree"), plan, "work".as_ref()).unwrap();
        assert!(outputs(&tree, "now").unwrap_err().to_string().starts_with("now: 4 outputs"));

        let words = |at: usize| {
            let text = |path: std::path::PathBuf| path.display().to_string();
            let mut words = vec![text(tree.log.clone()), text(tree.output(at)), text(tree.inputs(at))];
            words.extend(plan.upstream(at).into_iter().map(|up| text(tree.output(up))));
            words
        };
        for at in 0..4 {
            work::run(&words(at).iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        }
        outputs(&tree, "now").unwrap();
        assert_eq!((take_log(&tree).unwrap(), take_log(&tree).unwrap()), (4, 0));
        tree.change(0, 0, 0, 1).unwrap();
        outputs(&tree, "now").expect("a comment changes no output");
        tree.change(0, 0, 1, 0).unwrap();
        assert!(outputs(&tree, "now").unwrap_err().to_string().starts_with("now: 4 outputs"));
    }
}
