//! The cargo workspace as it is on disk: where it lies, its shape, its tables, its toolchain, what a package reads.
//! Knows neither pipelines nor keys.
//!
//! What cargo and rustc answer is kept in memos, so that nothing is spawned when nothing changed.

#![expect(clippy::disallowed_methods, reason = "an edge: looks for manifests and reads them")]

mod build;
#[cfg(test)]
mod closure_tests;
mod closures;
mod config;
mod environment;
mod lockfile;
mod manifests;
mod memo;
mod metadata;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod toolchain;
mod tools;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub use build::{BuiltArtifact, cargo_build_args, dep_info, parse_artifacts, undeclared};
pub use closures::{ClosureError, Closures};
pub use config::ConfigError;
pub use environment::{Environment, user_environment};
pub use toolchain::{ToolchainError, Toolchains};
pub use tools::{System, Tools};

use crate::diag::{FileId, Sources};
use crate::digest::Digest;
use crate::layout::Layout;
use crate::path::RelPath;

/// What of the command line is passed on to cargo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CargoFlags {
    /// `--locked`: Cargo.lock must not change.
    pub locked: bool,
    /// `--offline`: no network.
    pub offline: bool,
}

impl CargoFlags {
    fn args(self) -> impl Iterator<Item = &'static str> {
        [(self.locked, "--locked"), (self.offline, "--offline")].into_iter().filter_map(|(on, flag)| on.then_some(flag))
    }
}

/// A cargo workspace, or a lone package.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its root: absolute, without symlinks.
    pub root: PathBuf,
    /// Cargo's target directory, absolute.
    pub target_dir: PathBuf,
    /// Packages, targets and places.
    pub layout: Layout,
    /// The manifests that hold a zen table.
    pub sources: Sources,
    /// The zen tables: the workspace's first, then by package name.
    pub tables: Vec<Table>,
    /// The environment without what cargo set for `cargo zen` itself.
    pub env: Environment,
    /// What is passed on to cargo.
    pub flags: CargoFlags,
    /// The cargo to run.
    cargo: OsString,
    tools: Arc<dyn Tools>,
}

/// A manifest's `[workspace.metadata.zen]` or `[package.metadata.zen]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The manifest, in [`Workspace::sources`].
    pub file: FileId,
    /// The package whose table it is; `None`: the workspace's.
    pub package: Option<String>,
    /// The folder that its paths are relative to.
    pub base: RelPath,
}

/// Why there is no workspace to work with. Exit code 102.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// No manifest here or above.
    #[error(
        "no Cargo.toml in `{}` or any folder above it; run this inside a cargo workspace, or name its manifest with \
         --manifest-path",
        _0.display()
    )]
    NoManifest(PathBuf),
    /// `--manifest-path` names nothing.
    #[error("there is no manifest at `{}`; --manifest-path takes the path of a Cargo.toml", _0.display())]
    NoSuchManifest(PathBuf),
    /// Cargo could not be started.
    #[error("cannot run `{} metadata`: {reason}; is cargo installed and on PATH?", program.display())]
    NoCargo {
        /// The program.
        program: OsString,
        /// What the system says.
        reason: String,
    },
    /// Cargo said no; this is its standard error.
    #[error("cargo metadata failed\n{0}")]
    Metadata(String),
    /// Cargo's answer is not understood.
    #[error("cannot read what cargo metadata printed: {0}; is this cargo newer than cargo zen?")]
    Answer(String),
    /// Something that must be readable is not.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder shares no root with the workspace (another drive).
    #[error("`{}` cannot be reached from the workspace by a relative path; move it to the same drive", _0.display())]
    Unreachable(PathBuf),
}

impl Workspace {
    /// Finds the workspace of the folder `start` (absolute), or of the manifest that the command line names, as cargo
    /// would. `env` is the process's environment as it is.
    ///
    /// # Errors
    /// There is no manifest, or cargo refuses it.
    pub fn discover(
        start: &Path,
        manifest_path: Option<&Path>,
        env: &Environment,
        flags: CargoFlags,
    ) -> Result<Self, WorkspaceError> {
        Self::discover_with(Arc::new(System), start, manifest_path, env, flags)
    }

    /// As [`Workspace::discover`], running cargo and rustc through `tools`.
    ///
    /// # Errors
    /// As [`Workspace::discover`].
    pub fn discover_with(
        tools: Arc<dyn Tools>,
        start: &Path,
        manifest_path: Option<&Path>,
        env: &Environment,
        flags: CargoFlags,
    ) -> Result<Self, WorkspaceError> {
        let start = canonical(start).map_err(|source| WorkspaceError::Read { path: start.to_owned(), source })?;
        let manifest = match manifest_path {
            Some(path) => {
                let path = start.join(path);
                let real = || Some(canonical(path.parent()?).ok()?.join(path.file_name()?));
                real().filter(|real| real.is_file()).ok_or(WorkspaceError::NoSuchManifest(path))?
            }
            None => start
                .ancestors()
                .map(|folder| folder.join("Cargo.toml"))
                .find(|path| path.is_file())
                .ok_or_else(|| WorkspaceError::NoManifest(start.clone()))?,
        };
        let cargo = environment::var(env, "CARGO").map_or_else(|| "cargo".into(), ToOwned::to_owned);
        let env = user_environment(env);
        let (answer, known) = match metadata::recall(&start, &manifest, &env) {
            Some(recalled) => recalled,
            None => (metadata::ask(&*tools, &cargo, &start, &manifest, &env)?, HashMap::new()),
        };
        let (sources, tables) = answer.tables(&known)?;
        let metadata::Answer { root, target_dir, layout, .. } = answer;
        Ok(Self { root, target_dir, layout, sources, tables, env, flags, cargo, tools })
    }

    /// The zen folder, absolute.
    pub fn zen_dir(&self) -> PathBuf {
        zen_dir(&self.root, &self.target_dir)
    }

    /// Makes the zen folder. A target directory that this makes gets the tag that cargo would have given it, so that
    /// backups leave it out.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create_zen_dir(&self) -> io::Result<PathBuf> {
        create_zen_dir(&self.root, &self.target_dir)
    }
}

/// `<target>/zen`; one folder for each workspace where the target directory lies outside and may be shared (F-18).
fn zen_dir(root: &Path, target_dir: &Path) -> PathBuf {
    let real = canonical(target_dir).unwrap_or_else(|_| target_dir.to_owned());
    let zen = target_dir.join("zen");
    if real.starts_with(root) {
        return zen;
    }
    zen.join(&Digest::of(root.as_os_str().as_encoded_bytes()).to_string()[..16])
}

/// What lies behind a link is not zen's: nothing is written, moved or removed there.
fn refuse_links(zen: &Path) -> io::Result<()> {
    let below = ["aside", "context", "failed", "locks", "out", "replaced", "reports", "runs", "standing", "timings"];
    for path in std::iter::once(zen.to_owned()).chain(below.map(|name| zen.join(name))) {
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(io::Error::other(format!("`{}` is a symlink; remove it", path.display())));
        }
    }
    Ok(())
}

fn create_zen_dir(root: &Path, target_dir: &Path) -> io::Result<PathBuf> {
    if !target_dir.exists() {
        std::fs::create_dir_all(target_dir)?;
        let tag = "Signature: 8a477f597d28d172789f06886806bc55\n\
            # This file is a cache directory tag created by cargo.\n\
            # For information about cache directory tags see https://bford.info/cachedir/\n";
        std::fs::write(target_dir.join("CACHEDIR.TAG"), tag)?;
    }
    let zen = zen_dir(root, target_dir);
    std::fs::create_dir_all(&zen)?;
    refuse_links(&zen)?;
    Ok(zen)
}

/// Absolute and without symlinks; on Windows without the `\\?\` that many programs cannot read.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    let path = path.canonicalize()?;
    Ok(match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(plain) if cfg!(windows) && !plain.starts_with("UNC") => PathBuf::from(plain),
        _ => path,
    })
}

/// Without `.` and `..`, lexically, as cargo does it.
fn normalised(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
