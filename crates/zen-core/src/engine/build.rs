//! The part of a step that cargo does: builds a target, says where it is and what it was made from. Knows not how the
//! key is made.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::attempt::Attempt;
use super::job::chain;
use crate::environment::Outer;
use crate::model::{CargoBuild, Command, Place, Step};
use crate::path::RelPath;
use crate::process::Stdout;
use crate::workspace::{BuiltArtifact, Workspace, cargo_build_args, dep_info, parse_artifacts, undeclared};

/// What cargo built for a step.
pub(super) struct Built {
    /// The one target that was asked for, or all of the package.
    artifacts: Vec<BuiltArtifact>,
    is_package: bool,
}

/// Builds what the command needs; `None` if it needs nothing. The pool `cargo` is held meanwhile. The step's timeout is
/// for its command: how long a build takes depends on what is built already.
pub(super) fn build(attempt: &mut Attempt<'_, '_>, environment: &Outer) -> Result<Option<Built>, String> {
    let build: &CargoBuild = match &attempt.step.command {
        Command::Target { build, .. } | Command::Build(build) => build,
        Command::Shell { .. } | Command::Argv(_) => return Ok(None),
    };
    let workspace = &attempt.work.world.project.workspace;
    // What zen tells a step would make cargo build again what it built for the user's own shell, or differ each time.
    let mut environment = environment.clone();
    environment.retain(|name, _| !name.as_encoded_bytes().starts_with(b"ZEN_"));
    if nobody_says_how_loud(&environment) {
        environment.insert("CARGO_TERM_QUIET".into(), "true".into());
    }
    let args = cargo_build_args(workspace, build);
    let spec = attempt.spec("cargo".into(), args, environment, Stdout::Captured);
    let exit = attempt.spawn(&spec)?;
    if !exit.success() {
        return Err(format!("cargo could not build it: {}", exit.describe()));
    }
    attempt.exit_code = None;
    let all = parse_artifacts(&exit.stdout);
    let manifest = workspace.layout.package(&build.package).map(|p| p.manifest.to_path(&workspace.root));
    let artifacts: Vec<BuiltArtifact> = match &build.target {
        Some(target) => all.into_iter().filter(|artifact| artifact.is(target)).collect(),
        None => all.into_iter().filter(|artifact| Some(&artifact.manifest) == manifest.as_ref()).collect(),
    };
    if artifacts.is_empty() {
        return Err(format!("cargo said nothing of what it built for `{}`", build.package));
    }
    Ok(Some(Built { artifacts, is_package: build.target.is_none() }))
}

/// Nobody asked cargo to be loud: what it says of a build that had nothing to do is noise in a step's log.
fn nobody_says_how_loud(environment: &Outer) -> bool {
    ["CARGO_TERM_QUIET", "CARGO_TERM_VERBOSE"].iter().all(|name| !environment.contains_key(OsStr::new(name)))
}

impl Built {
    /// What is to be executed.
    pub(super) fn executable(&self) -> Option<&Path> {
        if self.is_package {
            return None;
        }
        self.artifacts.iter().find_map(|artifact| artifact.executable.as_deref())
    }

    /// Workspace files that cargo read and that `known` says the key lacks.
    pub(super) fn undeclared(&self, workspace: &Workspace, known: &dyn Fn(&RelPath) -> bool) -> Vec<RelPath> {
        let mut found: Vec<RelPath> = Vec::new();
        for artifact in &self.artifacts {
            for file in artifact.filenames.iter().chain(&artifact.executable) {
                // Metadata files (`.rmeta`, `.dwp`) have no dep-info beside them; the artifact that they belong to has.
                if let Ok(read) = dep_info(file) {
                    found.extend(undeclared(workspace, &read, known));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Copies what was built to the outputs: each takes the file of its own stem.
    pub(super) fn deliver(&self, step: &Step, root: &Path) -> Result<(), String> {
        for output in &step.outputs {
            let Place::Path { path, folder: false } = &output.place else {
                return Err(format!("output `{}` of `{{ build = … }}` must be a file", output.name));
            };
            let to = path.to_path(root);
            let from = self.file_for(&to).ok_or_else(|| {
                let made: Vec<String> = self.files().map(|file| file.display().to_string()).collect();
                format!("cargo built nothing that `{}` is called after; it built: {}", output.name, made.join(", "))
            })?;
            std::fs::copy(from, &to).map_err(|error| format!("`{path}` could not be written: {}", chain(&error)))?;
        }
        Ok(())
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.artifacts.iter().flat_map(|artifact| artifact.filenames.iter().chain(&artifact.executable))
    }

    /// The built file of that name, or of that stem (`-` and `_` alike, `lib` before it or not) and extension.
    fn file_for(&self, output: &Path) -> Option<&PathBuf> {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = |path: &Path| {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().replace('-', "_")).unwrap_or_default();
            stem.strip_prefix("lib").map_or(stem.clone(), ToOwned::to_owned)
        };
        let same_kind = |file: &&PathBuf| stem(file) == stem(output) && file.extension() == output.extension();
        self.files()
            .find(|file| name(file) == name(output))
            .or_else(|| self.files().find(same_kind))
            .or_else(|| self.files().find(|file| stem(file) == stem(output)))
    }
}
