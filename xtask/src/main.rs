//! Chores of this repository, as a program: `cargo xtask <chore>`. Knows which chores there are, not how they are done.

mod bench;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <chore>

  tidy    check what the compiler does not: headers, lengths, layers, the map in ARCHITECTURE.md
  bench [--packages N] [--steps N] [--files N]
          time the release build on a generated workspace (100 × 5 × 100 files unless told otherwise)";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["tidy"] => tidy::run(root()),
        ["bench", options @ ..] => bench::Size::parse(options).and_then(|size| bench::run(root(), size)),
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
