//! `cargo metadata --no-deps`: its answer as a [`Layout`], and the memo of it. Knows not what the tables say.

#![expect(clippy::disallowed_methods, reason = "an edge: reads manifests and lists folders")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use globset::GlobBuilder;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::environment::Environment;
use super::memo::{self, Freshness, Memo, Subject};
use super::tools::Tools;
use super::{Table, WorkspaceError, canonical, create_zen_dir, normalised, zen_dir};
use crate::diag::Sources;
use crate::digest::Digest;
use crate::layout::{Layout, Package, Target, TargetKind};
use crate::path::RelPath;

const MEMO: &str = "metadata-memo";
const DOMAIN: &str = "zen metadata 1";

/// The environment that cargo's answer depends on. `CARGO` is not among it: every cargo reads the same in the same
/// manifests, and it alone tells `cargo zen` from `cargo-zen`.
const VARIABLES: [&str; 5] =
    ["CARGO_BUILD_*", "CARGO_TARGET_DIR", "CARGO_UNSTABLE_*", "RUSTC_BOOTSTRAP", "RUSTUP_TOOLCHAIN"];

/// More folders than this behind one `members` glob are not watched; then there is no memo.
const MOST_FOLDERS: usize = 10_000;

/// What cargo said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Canonical.
    pub(super) root: PathBuf,
    pub(super) target_dir: PathBuf,
    pub(super) layout: Layout,
    /// The configuration files that applied where cargo was asked.
    config_files: Vec<PathBuf>,
    /// Manifests with a zen table: package (`None`: the workspace's table), manifest.
    tables: Vec<(Option<String>, RelPath)>,
}

impl Answer {
    /// The manifests that hold a zen table. Those of which a digest is known are read when somebody wants to see them.
    pub(super) fn tables(&self, known: &HashMap<RelPath, Digest>) -> Result<(Sources, Vec<Table>), WorkspaceError> {
        let mut sources = Sources::default();
        let mut files = BTreeMap::new();
        let mut tables = Vec::new();
        for (package, manifest) in &self.tables {
            let file = match files.get(manifest) {
                Some(file) => *file,
                None => {
                    let path = manifest.to_path(&self.root);
                    let file = match known.get(manifest) {
                        // One that cannot be read any more has nothing to be seen.
                        Some(digest) => sources.add_later(
                            manifest.clone(),
                            *digest,
                            Box::new(move || fs::read_to_string(path).unwrap_or_default()),
                        ),
                        None => sources.add(manifest.clone(), read(&path)?),
                    };
                    files.insert(manifest, file);
                    file
                }
            };
            let base = manifest.parent().unwrap_or_else(RelPath::root);
            tables.push(Table { file, package: package.clone(), base });
        }
        Ok((sources, tables))
    }

    fn owns(&self, manifest: &Path) -> bool {
        manifest == self.root.join("Cargo.toml")
            || self.layout.packages.iter().any(|package| package.manifest.to_path(&self.root) == manifest)
    }
}

/// The answer as remembered, if nothing changed that it depends on; and the digests of the manifests with a zen table.
/// Runs nothing.
///
/// The memo lies in the zen folder, which is found by reading the configuration ourselves. Should cargo see it
/// otherwise, then the memo is not found, or says so; a wrong one is not taken.
pub(super) fn recall(start: &Path, manifest: &Path, env: &Environment) -> Option<(Answer, HashMap<RelPath, Digest>)> {
    let config = Config::load(start, env).ok()?;
    for root in manifest.parent()?.ancestors().filter(|folder| folder.join("Cargo.toml").is_file()) {
        let target_dir = normalised(config.target_dir.as_deref().unwrap_or(&root.join("target")));
        let path = zen_dir(root, &target_dir).join(MEMO);
        let Some(mut memo) = Memo::<Answer>::load(&path, DOMAIN) else { continue };
        let answer = &memo.value;
        if answer.root != root
            || answer.target_dir != target_dir
            || answer.config_files != config.files
            || !answer.owns(manifest)
        {
            continue;
        }
        match memo.check(env) {
            Freshness::Stale => continue,
            Freshness::Moved => {
                // Losing it costs one call of cargo, later.
                let _ = create_zen_dir(root, &target_dir).and_then(|_| memo.save(&path, DOMAIN));
            }
            Freshness::Current => {}
        }
        let contents = memo.contents();
        let digest = |manifest: &RelPath| Some((manifest.clone(), *contents.get(&*manifest.to_path(root))?));
        let known = memo.value.tables.iter().filter_map(|(_, manifest)| digest(manifest)).collect();
        return Some((memo.value, known));
    }
    None
}

/// Asks cargo, and remembers the answer where that is possible.
pub(super) fn ask(
    tools: &dyn Tools,
    cargo: &OsStr,
    start: &Path,
    manifest: &Path,
    env: &Environment,
) -> Result<Answer, WorkspaceError> {
    let mut args: Vec<OsString> =
        ["metadata", "--no-deps", "--format-version", "1", "--manifest-path"].map(OsString::from).into();
    args.push(manifest.into());
    let (answer, memo) = memo::answer(env, || {
        let output = tools
            .output(cargo, &args, start, env)
            .map_err(|error| WorkspaceError::NoCargo { program: cargo.to_owned(), reason: error.to_string() })?;
        if !output.status.success() {
            return Err(WorkspaceError::Metadata(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let metadata = MetadataCommand::parse(text).map_err(|error| WorkspaceError::Answer(error.to_string()))?;
        let config = Config::load(start, env).ok();
        let answer = translate(&metadata, config.as_ref())?;
        let subjects = config.and_then(|config| subjects(&answer, &config));
        Ok((answer, subjects))
    })?;
    if let Some(memo) = memo
        && let Ok(folder) = create_zen_dir(&answer.root, &answer.target_dir)
    {
        // Losing it costs one call of cargo.
        let _ = memo.save(&folder.join(MEMO), DOMAIN);
    }
    Ok(answer)
}

fn translate(metadata: &Metadata, config: Option<&Config>) -> Result<Answer, WorkspaceError> {
    let said_root = metadata.workspace_root.as_std_path();
    let root = canonical(said_root).map_err(|source| WorkspaceError::Read { path: said_root.to_owned(), source })?;
    let relative = |path: &Path| {
        // What lies inside stays as cargo names it; what lies outside is related by its real place.
        let path = match normalised(path).strip_prefix(said_root) {
            Ok(below) => root.join(below),
            Err(_) => real(path),
        };
        RelPath::from_absolute(&root, &path).ok_or(WorkspaceError::Unreachable(path))
    };
    let members: Vec<_> = metadata.workspace_packages();
    let by_folder: BTreeMap<PathBuf, &str> = members
        .iter()
        .filter_map(|member| Some((member.manifest_path.parent()?.as_std_path().to_owned(), member.name.as_str())))
        .collect();
    let mut packages = Vec::new();
    for member in &members {
        let manifest = relative(member.manifest_path.as_std_path())?;
        let dependencies = |dev: bool| -> Vec<String> {
            let names: BTreeSet<&str> = member
                .dependencies
                .iter()
                .filter(|dependency| (dependency.kind == DependencyKind::Development) == dev)
                .filter_map(|dependency| by_folder.get(&normalised(dependency.path.as_ref()?.as_std_path())).copied())
                .filter(|name| *name != member.name.as_str())
                .collect();
            names.into_iter().map(ToOwned::to_owned).collect()
        };
        let mut targets = Vec::new();
        for target in &member.targets {
            let (name, src) = (target.name.clone(), relative(target.src_path.as_std_path())?);
            targets.push(Target { name, kind: kind(target), src });
        }
        targets.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        packages.push(Package {
            name: member.name.to_string(),
            version: member.version.to_string(),
            dir: manifest.parent().unwrap_or_else(RelPath::root),
            manifest,
            targets,
            path_dependencies: dependencies(false),
            dev_path_dependencies: dependencies(true),
        });
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let target_dir = normalised(metadata.target_directory.as_std_path());
    let layout =
        Layout { target_dir: relative(&target_dir)?, zen_dir: relative(&zen_dir(&root, &target_dir))?, packages };
    let config_files = config.map(|config| config.files.clone()).unwrap_or_default();
    let tables = find_tables(&root, &layout)?;
    Ok(Answer { root, target_dir, layout, config_files, tables })
}

/// The path by its real folders, as far as they exist.
fn real(path: &Path) -> PathBuf {
    let path = normalised(path);
    path.ancestors()
        .find_map(|there| Some(canonical(there).ok()?.join(path.strip_prefix(there).ok()?)))
        .map_or(path.clone(), |found| normalised(&found))
}

fn kind(target: &cargo_metadata::Target) -> TargetKind {
    use cargo_metadata::TargetKind as Said;
    match target.kind.first() {
        Some(Said::Bin) => TargetKind::Bin,
        Some(Said::Example) => TargetKind::Example,
        Some(Said::Test) => TargetKind::Test,
        Some(Said::Bench) => TargetKind::Bench,
        Some(Said::CustomBuild) => TargetKind::BuildScript,
        _ => TargetKind::Lib,
    }
}

fn find_tables(root: &Path, layout: &Layout) -> Result<Vec<(Option<String>, RelPath)>, WorkspaceError> {
    let root_manifest = RelPath::root().child(b"Cargo.toml");
    let mut tables = Vec::new();
    let mut look = |owner: &str, package: Option<&str>, manifest: &RelPath| {
        let text = read(&manifest.to_path(root))?;
        // Cargo has just read it: if it is no TOML now, it is being edited, and the next run will tell.
        let table: toml::Table =
            if text.contains("metadata") { text.parse().unwrap_or_default() } else { toml::Table::new() };
        if table.get(owner).and_then(|owner| owner.get("metadata")?.get("zen")).is_some() {
            tables.push((package.map(ToOwned::to_owned), manifest.clone()));
        }
        Ok(())
    };
    look("workspace", None, &root_manifest)?;
    for package in &layout.packages {
        look("package", Some(&package.name), &package.manifest)?;
    }
    Ok(tables)
}

fn read(path: &Path) -> Result<String, WorkspaceError> {
    fs::read_to_string(path).map_err(|source| WorkspaceError::Read { path: path.to_owned(), source })
}

/// All that the answer depends on; `None` if that cannot be told.
fn subjects(answer: &Answer, config: &Config) -> Option<Vec<Subject>> {
    let root = &answer.root;
    let root_manifest = root.join("Cargo.toml");
    let mut out = vec![Subject::File(root_manifest.clone()), Subject::Presence(root.join("Cargo.lock"))];
    out.extend(VARIABLES.map(|name| Subject::Env(name.to_owned())));
    out.extend(config.files.iter().chain(&config.missing).cloned().map(Subject::File));

    let table: toml::Table = fs::read_to_string(&root_manifest).ok()?.parse().ok()?;
    match table.get("workspace") {
        // A lone package may come to belong to a workspace above it.
        None => out.extend(root.ancestors().skip(1).map(|folder| Subject::File(folder.join("Cargo.toml")))),
        Some(workspace) => {
            for pattern in workspace.get("members").and_then(|members| members.as_array()).into_iter().flatten() {
                watch_members(root, pattern.as_str()?, &mut out)?;
            }
        }
    }
    for package in &answer.layout.packages {
        let folder = package.dir.to_path(root);
        out.push(Subject::File(package.manifest.to_path(root)));
        // A manifest between a member and the root could be the root of another workspace.
        let between = folder.ancestors().skip(1).take_while(|above| above.starts_with(root) && above != root);
        out.extend(between.map(|above| Subject::File(above.join("Cargo.toml"))));
        // Targets that cargo finds by itself.
        out.extend(["src/main.rs", "src/lib.rs", "build.rs"].map(|file| Subject::Presence(folder.join(file))));
        out.extend(
            ["src/bin", "examples", "tests", "benches"]
                .map(|dir| Subject::Listing { dir: folder.join(dir), marker: "main.rs".to_owned() }),
        );
    }
    Some(out)
}

/// The folders that `pattern` of `members` lists, level by level.
fn watch_members(root: &Path, pattern: &str, out: &mut Vec<Subject>) -> Option<()> {
    let mut folders = vec![root.to_owned()];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !part.contains(['*', '?', '[']) {
            folders.iter_mut().for_each(|folder| *folder = normalised(&folder.join(part)));
            continue;
        }
        // Braces are plain characters to cargo.
        let escaped = part.replace('{', "[{]").replace('}', "[}]");
        let glob = GlobBuilder::new(&escaped).literal_separator(true).build().ok()?.compile_matcher();
        let mut next = Vec::new();
        let mut todo = folders;
        if part == "**" {
            next.extend(todo.iter().cloned());
        }
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if part == "**" && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    todo.push(entry.path());
                }
                if glob.is_match(entry.file_name()) && entry.path().is_dir() {
                    next.push(entry.path());
                }
            }
            out.push(Subject::Listing { dir: folder, marker: "Cargo.toml".to_owned() });
            if next.len() > MOST_FOLDERS {
                return None;
            }
        }
        folders = next;
    }
    out.extend(folders.into_iter().map(|folder| Subject::Presence(folder.join("Cargo.toml"))));
    Some(())
}
