//! The pictures in `docs/pictures`, all of the iris fixture: what a user sees after having changed one parameter.

use std::path::Path;

use anstyle_svg::Term;

use super::{browser, workspaces};
use crate::product;

/// Columns of the terminal in the pictures.
const COLUMNS: &str = "100";

/// Draws all of them.
pub(super) fn draw(root: &Path, program: &Path) -> Result<(), String> {
    let to = root.join("docs/pictures");
    std::fs::create_dir_all(&to).map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let iris = workspaces::iris_before(root, program, &folder.path().join("iris"))?;
    let write = |name: &str, text: &str| {
        println!("docs/pictures/{name}");
        std::fs::write(to.join(name), text).map_err(|error| error.to_string())
    };
    let set = ["--set", "gamma=0.0001"];
    let graph = [&["graph", "--format", "svg"][..], &set].concat();
    write("graph.svg", &workspaces::zen(program, &iris, &graph, 0)?)?;
    write(
        "graph-files.svg",
        &workspaces::zen(program, &iris, &[&graph[..], &["--artifacts", "--files"]].concat(), 0)?,
    )?;
    let run = printed(program, &iris, &[&["run"][..], &set].concat())?;
    write("progress.svg", &picture(&frame(&run, "svc_trainer\r"), "cargo zen run --set gamma=0.0001"))?;
    for (name, args) in [("runs-show.svg", &["runs", "show"][..]), ("logs.svg", &["logs", "evaluator", "--timestamps"])]
    {
        write(name, &terminal(program, &iris, args)?)?;
    }
    let report = workspaces::zen(program, &iris, &["report"], 0)?;
    let report = format!("file://{}", report.trim_end());
    workspaces::zen(program, &iris, &["run", "--no-cache", "--timings"], 0)?;
    let timings = format!("file://{}", iris.join("target/zen/timings/run-3.html").display());
    for (name, page, scheme, size) in [
        ("report.png", report.clone(), "light", (1200, 1750)),
        ("report-step.png", format!("{report}#step-1"), "light", (1200, 950)),
        ("timings.png", timings, "light", (1200, 700)),
    ] {
        println!("docs/pictures/{name}");
        browser::picture(&page, scheme, size, &to.join(name))?;
    }
    Ok(())
}

/// What a command prints, as a picture of a terminal.
fn terminal(program: &Path, folder: &Path, args: &[&str]) -> Result<String, String> {
    let said = printed(program, folder, args)?;
    Ok(picture(&frame(&said, "\n"), &format!("cargo zen {}", args.join(" "))))
}

/// All that it writes, with colours and the bar.
fn printed(program: &Path, folder: &Path, args: &[&str]) -> Result<String, String> {
    let zen = product::command(program, folder);
    let mut both = std::process::Command::new("sh");
    both.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(zen.get_program());
    product::settle(&mut both, folder);
    both.args(args).env("CARGO_TERM_COLOR", "always").env("COLUMNS", COLUMNS);
    both.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", COLUMNS);
    let output = both.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("cargo zen {}: {said}", args.join(" "))) }
}

/// What stands on the screen after the last `end`: of each line what was written over the rest of it.
fn frame(said: &str, end: &str) -> String {
    let until = said.rfind(end).map_or(said.len(), |at| at + end.len());
    let line = |line: &str| {
        let written = line.rsplit('\r').find(|part| !part.trim().is_empty());
        written.unwrap_or_default().trim_end().to_owned()
    };
    said[..until].split('\n').map(line).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn picture(screen: &str, command: &str) -> String {
    Term::new().render_svg(&format!("\u{1b}[1m$ {command}\u{1b}[0m\n{screen}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_was_written_last() {
        let said = "bar 1\r     \rRan a\nbar 2: b\r      \rRan b\nbar 3\r     \rdone\n";
        assert_eq!(frame(said, "\n"), "Ran a\nRan b\ndone");
        assert_eq!(frame(said, "b\r"), "Ran a\nbar 2: b");
    }
}
