//! Cargo as a builder: how it is called, what it made, what that was made from. Spawns nothing.

#![expect(clippy::disallowed_methods, reason = "an edge: reads dep-info files")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use cargo_metadata::Message;
use ignore::WalkBuilder;

use super::{Workspace, normalised};
use crate::model::{BuildTarget, CargoBuild};
use crate::path::RelPath;

/// Something that cargo built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltArtifact {
    /// Cargo's id of the package.
    pub package_id: String,
    /// The manifest of the package.
    pub manifest: PathBuf,
    /// The target's name.
    pub target: String,
    /// The target's kinds: `bin`, `lib`, `cdylib` …
    pub kinds: Vec<String>,
    /// What can be run.
    pub executable: Option<PathBuf>,
    /// All files that were made.
    pub filenames: Vec<PathBuf>,
}

impl BuiltArtifact {
    /// Is it what was asked for by `target`?
    pub fn is(&self, target: &BuildTarget) -> bool {
        let (kind, name) = match target {
            BuildTarget::Bin(name) => ("bin", name),
            BuildTarget::Example(name) => ("example", name),
        };
        self.target == *name && self.kinds.iter().any(|of| of == kind) && self.executable.is_some()
    }
}

/// The arguments for cargo that build `build`. Diagnostics go to standard error as text, messages for
/// [`parse_artifacts`] to standard output. The manifest is named, so that cargo can run in any folder.
pub fn cargo_build_args(workspace: &Workspace, build: &CargoBuild) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["build".into(), "--message-format=json-render-diagnostics".into()];
    args.push("--manifest-path".into());
    args.push(workspace.root.join("Cargo.toml").into());
    let mut option = |name: &str, value: &str| args.extend([name.into(), value.into()]);
    option("--package", &build.package);
    match &build.target {
        Some(BuildTarget::Bin(name)) => option("--bin", name),
        Some(BuildTarget::Example(name)) => option("--example", name),
        None => {}
    }
    if let Some(profile) = &build.profile {
        option("--profile", profile);
    }
    if !build.features.is_empty() {
        option("--features", &build.features.join(","));
    }
    if let Some(triple) = &build.triple {
        option("--target", triple);
    }
    args.extend(workspace.flags.args().map(OsString::from));
    args
}

/// What cargo's messages say was built, in their order. Lines that are no messages are left out.
pub fn parse_artifacts(stdout: &[u8]) -> Vec<BuiltArtifact> {
    let artifact = |message| match message {
        Ok(Message::CompilerArtifact(artifact)) => Some(BuiltArtifact {
            package_id: artifact.package_id.repr,
            manifest: artifact.manifest_path.into(),
            target: artifact.target.name,
            kinds: artifact.target.kind.iter().map(ToString::to_string).collect(),
            executable: artifact.executable.map(Into::into),
            filenames: artifact.filenames.into_iter().map(Into::into).collect(),
        }),
        _ => None,
    };
    Message::parse_stream(stdout).filter_map(artifact).collect()
}

/// The files that an artifact (an executable or a library that cargo built) was made from, by the `.d` file that cargo
/// puts beside it: sources of all path packages in it, included files, what build scripts watch.
///
/// # Errors
/// There is no such file, or it cannot be read.
pub fn dep_info(artifact: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(parse_dep_info(&std::fs::read(artifact.with_extension("d"))?))
}

/// `target: dependency …` lines of a Makefile, spaces in names escaped by a backslash. Windows' own backslashes stand
/// before other characters.
fn parse_dep_info(text: &[u8]) -> Vec<PathBuf> {
    let mut out = BTreeSet::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(colon) = line.windows(2).position(|pair| pair == b": ") else { continue };
        let mut word = Vec::new();
        let mut bytes = line[colon + 2..].iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' if bytes.peek() == Some(&b' ') => word.extend(bytes.next()),
                b' ' | b'\r' => {
                    out.insert(std::mem::take(&mut word));
                }
                byte => word.push(byte),
            }
        }
        out.insert(word);
    }
    out.into_iter().filter(|word| !word.is_empty()).map(|word| crate::path::bytes_path(&word)).collect()
}

/// The files of the workspace among `dep_info` for which `contains` is false, sorted: the key lacks them. What lies
/// below the target directory was made by the build itself. A folder that a build script watches stands for its files,
/// as far as no `.gitignore` leaves them out.
pub fn undeclared(workspace: &Workspace, dep_info: &[PathBuf], contains: &dyn Fn(&RelPath) -> bool) -> Vec<RelPath> {
    let root = &workspace.root;
    let mut out = BTreeSet::new();
    let mut look = |path: &Path| {
        if let Some(path) = RelPath::from_absolute(root, path)
            && !path.is_outside()
            && !path.starts_with(&workspace.layout.target_dir)
            && !contains(&path)
        {
            out.insert(path);
        }
    };
    for path in dep_info {
        let path = normalised(&root.join(path));
        if !path.starts_with(root) {
            continue;
        }
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => {
                let walk = WalkBuilder::new(&path)
                    .standard_filters(false)
                    .parents(true)
                    .git_ignore(true)
                    .require_git(false)
                    .filter_entry(|entry| entry.file_name() != ".git")
                    .build();
                let files = walk.flatten().filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()));
                files.for_each(|entry| look(entry.path()));
            }
            Ok(_) => look(&path),
            // A build script may watch for what is not there; nothing was read.
            Err(_) => {}
        }
    }
    out.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::Tools;
    use super::super::testing::Ws;
    use super::*;

    fn names(paths: &[RelPath]) -> Vec<String> {
        paths.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn dep_info_is_read_with_spaces() {
        let text = b"/t/a: /w/a\\ b.rs /w/c.rs\n\n/w/c.rs:\nC:\\t\\b: C:\\w\\d.rs\n";
        let expected = ["/w/a b.rs", "/w/c.rs", "C:\\w\\d.rs"].map(PathBuf::from);
        assert_eq!(parse_dep_info(text), expected);
    }

    #[test]
    fn arguments_name_all_that_was_asked_for() {
        let ws = Ws::lone("a");
        let mut workspace = ws.discover();
        workspace.flags.locked = true;
        let build = CargoBuild {
            package: "a".into(),
            target: Some(BuildTarget::Example("x".into())),
            profile: Some("release".into()),
            features: vec!["f".into(), "g".into()],
            triple: Some("wasm32-unknown-unknown".into()),
        };
        let args = cargo_build_args(&workspace, &build);
        let args: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
        let manifest = workspace.root.join("Cargo.toml");
        let expected = "build --message-format=json-render-diagnostics --manifest-path M --package a --example x \
            --profile release --features f,g --target wasm32-unknown-unknown --locked --offline";
        assert_eq!(args.join(" "), expected.replace('M', manifest.to_str().unwrap()));
    }

    #[test]
    fn a_build_tells_its_executable_and_what_the_key_lacks() {
        let ws = Ws::lone("a b");
        ws.write("src/main.rs", concat!("fn main() { print", "!(include_str!(\"../data/d 1.txt\")) }"));
        ws.write("data/d 1.txt", "x");
        ws.write("watched/w.txt", "x");
        ws.write("watched/.gitignore", "*.tmp");
        ws.write("watched/x.tmp", "x");
        ws.write("build.rs", concat!("fn main() { println", "!(\"cargo::rerun-if-changed=watched\") }"));
        let workspace = ws.discover();
        let build = CargoBuild {
            package: "pkg".into(),
            target: Some(BuildTarget::Bin("pkg".into())),
            profile: None,
            features: Vec::new(),
            triple: None,
        };
        let args = cargo_build_args(&workspace, &build);
        let output = ws.tools.output("cargo".as_ref(), &args, &workspace.root, &workspace.env).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let artifacts = parse_artifacts(&output.stdout);
        let built: Vec<_> = artifacts.iter().filter(|artifact| artifact.is(build.target.as_ref().unwrap())).collect();
        assert_eq!(built.len(), 1, "{artifacts:?}");
        let executable = built[0].executable.as_ref().unwrap();
        assert!(executable.is_file());
        let info = dep_info(executable).unwrap();
        let lacks = undeclared(&workspace, &info, &|path| path.starts_with(&RelPath::new("src").unwrap()));
        assert_eq!(names(&lacks), ["build.rs", "data/d 1.txt", "watched/.gitignore", "watched/w.txt"]);
        assert_eq!(undeclared(&workspace, &info, &|_| true), []);
    }
}
