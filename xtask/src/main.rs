//! Chores of this repository, as a program: `cargo xtask <chore>`. Knows which chores there are, not how they are done.

mod bench;
mod pages;
mod product;
mod tidy;
#[cfg(target_os = "linux")]
mod torture;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <chore>

  tidy    check what the compiler does not: headers, lengths, layers, the map in ARCHITECTURE.md
  bench [SCENARIO…] [--peers] [--repeats N] [--json FILE] [--big-mib N] [--divide N]
          measure the release build, with the bare cost of the same work in turn; docs/performance.md says what and how
  counts [--write]
          count the instructions of a small no-op with valgrind, against xtask/instructions.txt
  bench --list
          name the scenarios
  bench --table FILE
          print the Markdown table of the figures in FILE, which --json wrote
  pages   look at the pages that the release build writes, in Chromium, light and dark, on small screens and large ones
  pictures
          draw the pictures of the documentation anew, from the fixtures
  torture [SWEEP…] [--long] [--seed N] [--json FILE] [--where-possible]
          do to the release build whatever can go wrong, on Linux; docs/reliability.md says what and how
  torture --list
          name the sweeps";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["tidy"] => tidy::run(root()),
        ["bench", options @ ..] => bench::run(root(), options),
        ["counts", options @ ..] => bench::counts(root(), options),
        ["pages"] => pages::check(root()),
        ["pictures"] => pages::pictures(root()),
        #[cfg(target_os = "linux")]
        ["torture", options @ ..] => torture::run(root(), options),
        // What the steps of the benchmark run.
        [bench::WORK, words @ ..] => bench::work(words),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace's folder")
}
