//! From flags to definitions: the environment is read here and nowhere else. Prints what is wrong with them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use zen_core::diag::{Diagnostic, Severity, Sources};
use zen_core::engine::{Definitions, EngineError, Project};
use zen_core::manifest::resolve::Overrides;
use zen_core::model::Pipeline;
use zen_core::workspace::{CargoFlags, Workspace};

use crate::diagnose;
use crate::exit::ExitCode;
use crate::flags::Global;
use crate::github;
use crate::shell::Shell;

/// Where a workspace is looked for, and in which environment.
pub(crate) struct Start {
    /// The folder to start from.
    pub(crate) here: PathBuf,
    /// `--manifest-path`
    pub(crate) manifest_path: Option<PathBuf>,
    /// As the process has it.
    pub(crate) env: BTreeMap<OsString, OsString>,
}

impl Start {
    /// In a copy of a workspace, with the store of the workspace itself.
    pub(crate) fn in_copy(root: &Path, store: &Path) -> Self {
        let mut env = environment();
        env.insert("CARGO_TARGET_DIR".into(), root.join("target").into());
        env.insert("ZEN_STORE_DIR".into(), store.into());
        Self { here: root.to_owned(), manifest_path: None, env }
    }
}

/// A workspace with its definitions.
pub(crate) struct Loaded {
    /// The workspace and its tables.
    pub(crate) project: Project,
    /// Pipelines and steps.
    pub(crate) definitions: Definitions,
    /// `ZEN_STORE_DIR`, relative to where zen was started.
    pub(crate) store_dir: Option<PathBuf>,
    /// The folder that zen was started in.
    pub(crate) here: PathBuf,
}

impl Loaded {
    /// Loads what the flags name; says what is wrong, if anything is.
    pub(crate) fn new(global: &Global, overrides: &Overrides, shell: &mut Shell) -> Result<Self, ExitCode> {
        Self::with_config(global, overrides, None, shell)
    }

    /// The same with a `--config` file over the tables.
    pub(crate) fn with_config(
        global: &Global,
        overrides: &Overrides,
        config: Option<&Path>,
        shell: &mut Shell,
    ) -> Result<Self, ExitCode> {
        let here = match std::env::current_dir() {
            Ok(here) => here,
            Err(error) => {
                shell.error(&format!("the current folder cannot be read: {error}"));
                return Err(ExitCode::Metadata);
            }
        };
        Self::at(
            Start { here, manifest_path: global.manifest_path.clone(), env: environment() },
            global,
            overrides,
            config,
            shell,
        )
    }

    /// The same from another place, in another environment.
    pub(crate) fn at(
        start: Start,
        global: &Global,
        overrides: &Overrides,
        config: Option<&Path>,
        shell: &mut Shell,
    ) -> Result<Self, ExitCode> {
        let Start { here, manifest_path, env } = start;
        let store_dir =
            env.get(&OsString::from("ZEN_STORE_DIR")).filter(|dir| !dir.is_empty()).map(|dir| here.join(dir));
        let flags = CargoFlags { locked: global.locked, offline: global.offline };
        let workspace = match Workspace::discover(&here, manifest_path.as_deref(), &env, flags) {
            Ok(workspace) => workspace,
            Err(error) => return Err(report(shell, &error.into(), &Sources::default())),
        };
        shell.is_at(&workspace.root);
        // What is put over the tables needs them.
        if let Some(definitions) = config.is_none().then(|| Project::recall(&workspace, overrides)).flatten() {
            return Ok(Self { project: Project::unread(workspace), definitions, store_dir, here });
        }
        let (mut project, mut problems) = Project::load(workspace);
        if let Some(config) = config {
            let path = here.join(config);
            match read_config(&path) {
                Ok(text) => problems.extend(project.overlay(&path, text)),
                Err(error) => {
                    shell.error(&format!("`--config {}` cannot be read: {error}", config.display()));
                    shell.help("name a TOML file; its path is relative to the current folder");
                    return Err(ExitCode::Usage);
                }
            }
        }
        match project.define(problems.clone(), overrides) {
            Ok(definitions) => Ok(Self { project, definitions, store_dir, here }),
            Err(error) => {
                let code = report(shell, &error, &project.workspace.sources);
                // Tables that are right without `--set` are not what is wrong.
                let is_usage = !overrides.set.is_empty()
                    && code == ExitCode::Definitions
                    && project.define(problems, &Overrides { set: Vec::new(), ..overrides.clone() }).is_ok();
                Err(if is_usage { ExitCode::Usage } else { code })
            }
        }
    }

    /// What spans point into.
    pub(crate) fn sources(&self) -> &Sources {
        &self.project.workspace.sources
    }

    /// Is `name` a pipeline's name or id, here or where `manifest_path` says, if the tables there can be read?
    pub(crate) fn has_pipeline(name: &str, manifest_path: Option<&Path>) -> bool {
        let names = || {
            let here = std::env::current_dir().ok()?;
            let workspace = Workspace::discover(&here, manifest_path, &environment(), CargoFlags::default()).ok()?;
            let (project, problems) = Project::load(workspace);
            let definitions = project.define(problems, &Overrides::default()).ok()?;
            let is_it = |pipeline: &Pipeline| pipeline.name == name || pipeline.display_id() == name;
            Some(definitions.model.pipelines.iter().any(is_it))
        };
        names().unwrap_or(false)
    }
}

/// The environment that zen was started in.
fn environment() -> BTreeMap<OsString, OsString> {
    std::env::vars_os().collect()
}

/// Says what is wrong, and with which code that ends.
pub(crate) fn report(shell: &mut Shell, error: &EngineError, sources: &Sources) -> ExitCode {
    match error {
        EngineError::Definitions(problems) => {
            // Warnings about what is wrong anyway would only be in the way; they come again when it is mended.
            let errors: Vec<Diagnostic> =
                problems.iter().filter(|problem| problem.severity == Severity::Error).cloned().collect();
            show(shell, &errors, sources);
            if errors.len() > 1 {
                shell.error(&format!("{} problems in the definitions", errors.len()));
            }
            ExitCode::Definitions
        }
        EngineError::Select(error) => {
            show(shell, &error.diagnostics(), sources);
            ExitCode::NothingSelected
        }
        EngineError::Workspace(error) => {
            shell.error(&chain(error));
            ExitCode::Metadata
        }
        EngineError::Usage(text) => {
            shell.error(text);
            ExitCode::Usage
        }
        EngineError::Stopped(_) | EngineError::Store(_) | EngineError::ZenFolder { .. } | EngineError::Locked(_) => {
            shell.error(&chain(error));
            ExitCode::Store
        }
    }
}

/// Draws problems, each with a blank line after it.
pub(crate) fn show(shell: &mut Shell, problems: &[Diagnostic], sources: &Sources) {
    for problem in problems {
        shell.line(&diagnose::render(problem, sources));
        shell.line("");
        if let Some(prefix) = shell.repository.as_deref().filter(|_| problem.severity == Severity::Error)
            && let Some(mark) = github::wrong(problem, sources, prefix)
        {
            shell.line(&mark);
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        if !text.contains(&cause.to_string()) {
            text.push_str(&format!(": {cause}"));
        }
        next = cause.source();
    }
    text
}

/// The text of a file, or of what a shell puts in its place (`<(…)` is open when zen starts).
fn read_config(path: &Path) -> io::Result<String> {
    let metadata = path.metadata()?;
    if !metadata.is_file() && !path.starts_with("/dev/fd") && !path.starts_with("/proc") {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    std::fs::read_to_string(path)
}
