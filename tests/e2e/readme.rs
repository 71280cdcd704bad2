//! What the README shows is what happens: its runs of the iris pipeline, one after the other, compared line by line.

use std::fs;
use std::path::Path;

use crate::harness::Workspace;

const COMMAND: &str = "$ cargo zen run --manifest-path fixtures/iris/Cargo.toml";

/// The arguments and the output of each block of the README that shows a run of iris.
fn shown(readme: &str) -> Vec<(Vec<&str>, String)> {
    let blocks = readme.split("```console\n").skip(1).filter_map(|block| block.split("```").next());
    let runs = blocks.filter_map(|block| {
        let (command, output) = block.split_once('\n')?;
        let args = command.strip_prefix(COMMAND)?;
        Some((args.split_whitespace().collect(), normalized(output)))
    });
    runs.collect()
}

/// Without what differs from run to run: times, ages and the numbers of runs.
pub(crate) fn normalized(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let word = |(at, word): (usize, &&str)| {
            let bare = word.trim_end_matches([',', ')']);
            let is_number = at > 0 && words[at - 1].trim_start_matches('(') == "run";
            let is_age = words.get(at + 1).is_some_and(|next| next.trim_end_matches([',', ')']) == "ago");
            let is_time = bare.strip_suffix(['s', 'm']).is_some_and(|number| number.parse::<f64>().is_ok());
            if is_number || is_age || is_time { word.replace(bare, "_") } else { (*word).to_owned() }
        };
        words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ").replace("_ _", "_")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_runs_that_the_readme_shows_are_real() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).expect("there is a README");
    let shown = shown(&readme);
    assert!(!shown.is_empty(), "the README shows runs of iris: blocks of ```console that begin with `{COMMAND}`");
    assert!(shown[0].0.is_empty(), "the first that it shows is the first that anybody types");
    let workspace = Workspace::built_fixture("iris");
    for (args, output) in shown {
        let real = workspace.zen(&[&["run", "--manifest-path", "Cargo.toml"], args.as_slice()].concat());
        assert_eq!(real.code, Some(0), "{args:?}:\n{}", real.stderr);
        assert_eq!(output, normalized(&real.stderr), "what the README shows for {args:?} must be what it prints");
    }
}

#[test]
fn only_what_differs_from_run_to_run_is_left_out() {
    let text =
        "       Fresh a (run 12, 3h ago, saves 1.2s)\n    Finished p: 1 ran in 1m 02s (saved 42.7s)\nx 0.35 12  run";
    let left = "       Fresh a (run _, _ ago, saves _)\n    Finished p: 1 ran in _ (saved _)\nx 0.35 12  run";
    assert_eq!(normalized(text), left);
}
