//! `cargo zen report`: one file of HTML about a run. It needs no network, and runs no script but its own.

mod facts;
mod page;
mod plots;
mod timeline;

use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use zen_core::engine::history::RunEntry;
use zen_core::engine::past::Past;
use zen_core::manifest::resolve::Overrides;
use zen_core::scan::own;

use self::page::{MARKER, Page};
use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat};
use crate::graph::past::names;
use crate::json::lines;
use crate::load::{self, Loaded};
use crate::run::put;
use crate::runs::{Difference, Missing, Whole, find};
use crate::shell::Shell;

/// `cargo zen report`
pub(crate) fn report(global: &Global, flags: &flags::Report, shell: &mut Shell) -> ExitCode {
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let past = match Past::open(&loaded.project, &loaded.definitions, loaded.store_dir.as_deref()) {
        Ok(past) => past,
        Err(error) => return load::report(shell, &error, loaded.sources()),
    };
    let (run, html) = match find(&loaded.project, &flags.run).and_then(|run| about(&past, &loaded, flags, run)) {
        Ok(made) => made,
        Err(missing) => return missing.say(shell),
    };
    if flags.output.as_deref() == Some(Path::new("-")) {
        return put(shell.stdout(), html.as_bytes(), shell);
    }
    let path = match write(&loaded, flags.output.as_deref(), run, &html) {
        Ok(path) => path,
        Err((path, error)) => {
            shell.error(&format!("the report cannot be written to `{}`: {error}", path.display()));
            if error.kind() == ErrorKind::AlreadyExists {
                shell.help("what is there is no report of cargo zen: name another file");
            }
            return ExitCode::Output;
        }
    };
    let said = match global.message_format {
        MessageFormat::Human => format!("{}\n", path.display()),
        MessageFormat::Json => lines(&[json!({ "reason": "report", "run": run, "path": path.to_string_lossy() })]),
    };
    put(shell.stdout(), said.as_bytes(), shell)
}

/// The number of the run, and the page about it.
fn about(past: &Past<'_>, loaded: &Loaded, flags: &flags::Report, run: RunEntry) -> Result<(u64, String), Missing> {
    let before = match &flags.compare {
        Some(name) => Some(find(&loaded.project, name)?),
        None => {
            past.newest_first().map_err(Missing::Unreadable)?.find(|other| other.id < run.id && is_alike(other, &run))
        }
    };
    let plots = plots::collect(past, &run).map_err(Missing::Unreadable)?;
    let (id, whole) = (run.id.0, Whole::new(past, run));
    let difference = before.map(|before| Difference::new(past, &Whole::new(past, before), &whole));
    let names = names(&whole.run);
    let facts = facts::collect(past, &whole, &names);
    let page = Page { whole: &whole, names: &names, facts: &facts, plots: &plots, difference: difference.as_ref() };
    Ok((id, page.html()))
}

/// Were both asked for the same pipelines?
fn is_alike(a: &RunEntry, b: &RunEntry) -> bool {
    let pipelines = |run: &RunEntry| run.request.split(" --").next().map(str::to_owned);
    pipelines(a) == pipelines(b)
}

fn write(loaded: &Loaded, to: Option<&Path>, run: u64, html: &str) -> Result<PathBuf, (PathBuf, io::Error)> {
    let Some(file) = to else {
        let zen_dir = loaded.project.workspace.zen_dir();
        let path = zen_dir.join("reports").join(format!("run-{run}.html"));
        let folder = own::make_folder(&zen_dir, Path::new("reports"));
        let written = folder.and_then(|_| own::write(&path, html.as_bytes()));
        return written.map(|()| path.clone()).map_err(|error| (path, error));
    };
    let path = loaded.here.join(file);
    let written = is_free(&path).and_then(|is_free| match is_free {
        true => own::write(&path, html.as_bytes()),
        false => Err(io::Error::new(ErrorKind::AlreadyExists, "there is something else")),
    });
    written.map(|()| path.clone()).map_err(|error| (path, error))
}

/// Is nothing there, or an older report, or an empty file?
fn is_free(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_file() => return Ok(false),
        // Made by `mktemp`, or left by a disk that was full.
        Ok(metadata) if metadata.len() == 0 => return Ok(true),
        Ok(_) => {}
    }
    let mut start = String::new();
    let read = std::fs::File::open(path)?.take(MARKER.len() as u64).read_to_string(&mut start);
    Ok(read.is_ok() && start == MARKER)
}
