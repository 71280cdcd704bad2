//! Small real workspaces in temporary folders, and a count of what was run. Nothing here touches the network.

#![expect(clippy::disallowed_methods, reason = "tests make workspaces on disk")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tools::counting::Counting;
use super::{CargoFlags, Environment, Workspace, WorkspaceError};

pub(super) struct Ws {
    folder: tempfile::TempDir,
    name: String,
    pub(super) env: Environment,
    pub(super) tools: Arc<Counting>,
}

impl Ws {
    /// An empty folder called `name`, with a home of its own.
    pub(super) fn empty(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let passed = std::env::vars_os()
            .filter(|(key, _)| key.to_str().is_some_and(|key| !key.starts_with("CARGO") && !key.starts_with("RUST")));
        let mut env: Environment = passed.collect();
        // The real compiler without rustup: which would look for toolchains in the home that we replace.
        let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let bin = Path::new(String::from_utf8(sysroot.stdout).unwrap().trim()).join("bin");
        let folders = std::iter::once(bin).chain(std::env::split_paths(&env["PATH".as_ref() as &std::ffi::OsStr]));
        env.insert("PATH".into(), std::env::join_paths(folders).unwrap());
        let ws = Self { folder, name: name.to_owned(), env, tools: Arc::default() };
        fs::create_dir_all(ws.root()).unwrap();
        let mut ws = ws;
        let home = ws.path("home");
        ws.env.insert("HOME".into(), home.clone().into());
        ws.env.insert("CARGO_HOME".into(), home.join(".cargo").into());
        ws.env.insert("RUSTUP_HOME".into(), home.join(".rustup").into());
        ws
    }

    /// One package `pkg` and no workspace table.
    pub(super) fn lone(name: &str) -> Self {
        let ws = Self::empty(name);
        ws.write("Cargo.toml", "[package]\nname = \"pkg\"\nedition = \"2024\"\n");
        ws.write("src/lib.rs", "");
        ws
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(&self.name)
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(super) fn path_folders(&self) -> Vec<PathBuf> {
        std::env::split_paths(&self.env["PATH".as_ref() as &std::ffi::OsStr]).collect()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A library package `name` in `dir`, with `more` at the end of its manifest.
    pub(super) fn package(&self, dir: &str, name: &str, more: &str) {
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}");
        self.write(&format!("{dir}/Cargo.toml"), &manifest);
        self.write(&format!("{dir}/src/lib.rs"), "");
    }

    pub(super) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub(super) fn discover(&self) -> Workspace {
        self.discover_in("").unwrap()
    }

    pub(super) fn discover_in(&self, start: &str) -> Result<Workspace, WorkspaceError> {
        let flags = CargoFlags { locked: false, offline: true };
        Workspace::discover_with(self.tools.clone(), &self.path(start), None, &self.env, flags)
    }

    /// What was run since the last call: the first argument of each call.
    pub(super) fn ran(&self) -> Vec<String> {
        self.tools.take()
    }
}
