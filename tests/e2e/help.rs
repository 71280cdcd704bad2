//! The help of every command, as it stands on the screen.

use insta::assert_snapshot;

use crate::harness::{Outcome, Workspace};

fn help(args: &[&str]) -> String {
    let mut command = Workspace::bare().command(&[args, &["--help"]].concat());
    // Some shells say in it how wide they are.
    let outcome = Outcome::of(command.env_remove("COLUMNS").current_dir("/").output().expect("cargo-zen starts"));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "help was asked for: it is on standard output");
    // Empty lines within a list of values have blanks on them.
    outcome.stdout.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn of_zen() {
    assert_snapshot!(help(&[]), @r#"
    Pipelines in Cargo.toml, cached by content: runs only the steps whose inputs changed

    Usage: cargo zen [OPTIONS] <COMMAND>

    Commands:
      run        Run pipelines: only the steps whose inputs changed
      status     Show what would run, and why
      explain    Show what a step's key is made of, and what changed
      list       List pipelines and their steps
      graph      Draw the steps and what stands between them, with the state of each
      runs       Show earlier runs: what ran and why, parameters and metrics
      report     Write a page about a run: graph, timeline, reasons, parameters, metrics over runs
      logs       Show the captured output of a step
      artifacts  Show and export what steps made, by name and version
      clean      Remove cached results
      verify     Read the whole store against its digests, or run a step again and compare

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Manifest Options:
          --manifest-path <PATH>  Path to Cargo.toml
      -p, --package <SPEC>        Only the steps of this package's table, and cells for it
          --locked                Assert that Cargo.lock will remain unchanged
          --offline               Let cargo run without accessing the network

    Display Options:
      -q, --quiet                 Do not print status messages
      -v, --verbose...            Say more: every fresh step, every reason
          --color <WHEN>          Coloring [possible values: auto, always, never]
          --message-format <FMT>  How to report [default: human] [possible values: human, json]
    "#);
    assert_eq!(help(&["zen"]), help(&[]), "`cargo help zen` asks like this");
}

#[test]
fn of_run() {
    assert_snapshot!(help(&["run"]), @r#"
    Run pipelines: only the steps whose inputs changed

    Usage: cargo zen run [OPTIONS] [PIPELINE[/STEP]]... [-- <ARGS>...]

    Arguments:
      [PIPELINE[/STEP]]...
              Pipelines to select, or single steps as PIPELINE/STEP [default: default-pipeline, or the
              only one]

      [ARGS]...
              Arguments for `{{ args }}`

    Options:
      -s, --step <STEP>
              Select single steps, with all that they need

          --set <[STEP.]NAME=VALUE>
              Set a pipeline's parameter, or a step's as STEP.NAME; read as the declared type

          --config <FILE>
              Put a TOML file with the shape of a pipeline's table over the selected pipelines

          --cache[=<STEP>]
              Turn caching on, for all steps or those named

          --no-cache[=<STEP[+]>]
              Run without looking for earlier results; STEP+ adds what depends on it

              [alias: --force]

      -n, --dry-run
              Show what would run, and why; run nothing

      -j, --jobs <N>
              Number of steps at a time [default: number of cores]

          --keep-going
              After a failure, go on with what does not depend on it

              [alias: --no-fail-fast]

          --kill-on-failure
              After a failure, kill what runs

          --no-wait
              Do not wait for another cargo zen that works on the same places

          --timings
              Write where the time went, as a page and as a trace

          --output <HOW>
              How step output is shown [default: lines]

              Possible values:
              - lines:    Line by line as it comes, with the step's name when several run
              - grouped:  Each step's whole output at its end
              - failures: The output of steps that fail

      -h, --help
              Print help (see a summary with '-h')

    Manifest Options:
          --manifest-path <PATH>
              Path to Cargo.toml

      -p, --package <SPEC>
              Only the steps of this package's table, and cells for it

          --locked
              Assert that Cargo.lock will remain unchanged

          --offline
              Let cargo run without accessing the network

    Display Options:
      -q, --quiet
              Do not print status messages

      -v, --verbose...
              Say more: every fresh step, every reason

          --color <WHEN>
              Coloring

              [possible values: auto, always, never]

          --message-format <FMT>
              How to report

              [default: human]
              [possible values: human, json]
    "#);
}

#[test]
fn of_status() {
    assert_snapshot!(help(&["status"]), @r#"
    Show what would run, and why

    Usage: cargo zen status [OPTIONS] [PIPELINE[/STEP]]... [-- <ARGS>...]

    Arguments:
      [PIPELINE[/STEP]]...  Pipelines to select, or single steps as PIPELINE/STEP [default:
                            default-pipeline, or the only one]
      [ARGS]...             Arguments for `{{ args }}`

    Options:
      -s, --step <STEP>              Select single steps, with all that they need
          --set <[STEP.]NAME=VALUE>  Set a pipeline's parameter, or a step's as STEP.NAME; read as the
                                     declared type
          --config <FILE>            Put a TOML file with the shape of a pipeline's table over the
                                     selected pipelines
          --cache[=<STEP>]           Turn caching on, for all steps or those named
          --no-cache[=<STEP[+]>]     Run without looking for earlier results; STEP+ adds what depends on
                                     it [alias: --force]
          --exit-code                Exit with 5 if anything would run
      -h, --help                     Print help

    Manifest Options:
          --manifest-path <PATH>  Path to Cargo.toml
      -p, --package <SPEC>        Only the steps of this package's table, and cells for it
          --locked                Assert that Cargo.lock will remain unchanged
          --offline               Let cargo run without accessing the network

    Display Options:
      -q, --quiet                 Do not print status messages
      -v, --verbose...            Say more: every fresh step, every reason
          --color <WHEN>          Coloring [possible values: auto, always, never]
          --message-format <FMT>  How to report [default: human] [possible values: human, json]
    "#);
}

#[test]
fn of_list() {
    assert_snapshot!(help(&["list"]), @r#"
    List pipelines and their steps

    Usage: cargo zen list [OPTIONS] [PIPELINE]...

    Arguments:
      [PIPELINE]...  Pipelines to list [default: all]

    Options:
      -h, --help  Print help

    Manifest Options:
          --manifest-path <PATH>  Path to Cargo.toml
      -p, --package <SPEC>        Only the steps of this package's table, and cells for it
          --locked                Assert that Cargo.lock will remain unchanged
          --offline               Let cargo run without accessing the network

    Display Options:
      -q, --quiet                 Do not print status messages
      -v, --verbose...            Say more: every fresh step, every reason
          --color <WHEN>          Coloring [possible values: auto, always, never]
          --message-format <FMT>  How to report [default: human] [possible values: human, json]
    "#);
}

#[test]
fn of_logs() {
    assert_snapshot!(help(&["logs"]), @r#"
    Show the captured output of a step

    Usage: cargo zen logs [OPTIONS] <STEP>

    Arguments:
      <STEP>  The step

    Options:
          --run <ID>    The run: its number, `last`, `last~N` or a git revision [default: the latest in
                        which the step ran]
      -t, --timestamps  Put the time (UTC) at which it began before each line
      -h, --help        Print help

    Manifest Options:
          --manifest-path <PATH>  Path to Cargo.toml
      -p, --package <SPEC>        Only the steps of this package's table, and cells for it
          --locked                Assert that Cargo.lock will remain unchanged
          --offline               Let cargo run without accessing the network

    Display Options:
      -q, --quiet                 Do not print status messages
      -v, --verbose...            Say more: every fresh step, every reason
          --color <WHEN>          Coloring [possible values: auto, always, never]
          --message-format <FMT>  How to report [default: human] [possible values: human, json]
    "#);
}

#[test]
fn of_clean() {
    assert_snapshot!(help(&["clean"]), @r#"
    Remove cached results

    Usage: cargo zen clean [OPTIONS]

    Options:
          --expired              Only what no current policy would accept any more
          --older-than <AGE>     Only what was not used for this long (`14d`)
          --max-size <SIZE>      The least recently used, until the store is no larger (`5GiB`)
          --pipeline <PIPELINE>  Only results of this pipeline
          --step <STEP>          Only results of this step
          --all                  Everything in the store, other workspaces' results too
          --outputs              Remove outputs in the workspace, but not what git tracks; cached
                                 results stay
          --replaced             Remove what was set aside in `replaced/`; cached results stay
      -n, --dry-run              Show what would be removed; remove nothing
      -h, --help                 Print help

    Manifest Options:
          --manifest-path <PATH>  Path to Cargo.toml
      -p, --package <SPEC>        Only the steps of this package's table, and cells for it
          --locked                Assert that Cargo.lock will remain unchanged
          --offline               Let cargo run without accessing the network

    Display Options:
      -q, --quiet                 Do not print status messages
      -v, --verbose...            Say more: every fresh step, every reason
          --color <WHEN>          Coloring [possible values: auto, always, never]
          --message-format <FMT>  How to report [default: human] [possible values: human, json]
    "#);
}

#[test]
fn the_version() {
    let outcome = Workspace::bare().zen(&["--version"]);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.stdout.starts_with("cargo zen ") || outcome.stdout.starts_with("cargo-zen "), "{}", outcome.stdout);
    assert!(outcome.stdout.trim_end().ends_with(env!("CARGO_PKG_VERSION")), "{}", outcome.stdout);
}
