//! What a package reads: its folder and those of the path packages that it reaches, its slice of the lock file, the
//! manifests, the toolchain, cargo's configuration. Knows not the files below the folders; that is the scan's.

#![expect(clippy::disallowed_methods, reason = "an edge: reads Cargo.lock")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};

use semver::{Version, VersionReq};
use toml::{Table, Value};

use super::Workspace;
use super::config::{Config, ConfigError};
use super::lockfile::Lock;
use super::manifests::{Dependency, Manifest, Manifests, join, resolver, root_facts};
use super::toolchain::{ToolchainError, Toolchains, release};
use crate::closure::{Closure, Fact, PackageTree};
use crate::layout::{Package, TargetKind};
use crate::model::{BuildTarget, ClosureRequest};
use crate::path::RelPath;

/// The closures of a workspace's packages. What several requests share is read once.
#[derive(Debug)]
pub struct Closures<'w> {
    workspace: &'w Workspace,
    toolchains: &'w Toolchains<'w>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    manifests: Manifests,
    /// By folder, and whether dev-dependencies count.
    pieces: HashMap<(RelPath, bool), Arc<Piece>>,
    lock: Option<Result<Arc<Lock>, ClosureError>>,
    /// Was cargo asked to bring the lock file up to date?
    synced: bool,
    configs: HashMap<RelPath, Result<(Fact, Option<Table>), ConfigError>>,
    closures: HashMap<ClosureRequest, Result<Arc<Closure>, ClosureError>>,
}

/// Why a closure is not known. What depends on it cannot be cached in this run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClosureError {
    /// The workspace has no such member.
    #[error("the workspace has no package `{0}`")]
    NoPackage(String),
    /// A manifest cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Manifest {
        /// The manifest.
        path: RelPath,
        /// What the system or the parser says.
        reason: String,
    },
    /// A path dependency's manifest is none of a package.
    #[error("the Cargo.toml in `{dir}` is a dependency's and has no package name")]
    NoName {
        /// Its folder.
        dir: RelPath,
    },
    /// A path in a manifest cannot be followed.
    #[error("the Cargo.toml in `{dir}` names `{path}`, which cannot be reached from the workspace")]
    Path {
        /// The manifest's folder.
        dir: RelPath,
        /// As written.
        path: String,
    },
    /// Cargo could not make or complete the lock file; this is its standard error.
    #[error("cargo could not bring Cargo.lock up to date\n{0}")]
    Lock(String),
    /// The lock file is no TOML.
    #[error("cannot read Cargo.lock: {0}")]
    LockSyntax(String),
    /// The lock file lacks what a manifest asks for.
    #[error("Cargo.lock has no `{dependency}`, which `{package}` depends on; run `cargo update --workspace`")]
    NotLocked {
        /// Whose manifest.
        package: String,
        /// What it asks for.
        dependency: String,
    },
    /// A package that lies somewhere on disk, but nothing says where.
    #[error("Cargo.lock has `{0}` without a source, and neither a member nor a `[patch]` says where it lies")]
    Unlocated(String),
    /// The toolchain is not known.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Cargo's configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What one package brings to every closure that reaches it.
#[derive(Debug)]
struct Piece {
    manifest: Manifest,
    is_member: bool,
    fact: Fact,
    dependencies: Vec<Dependency>,
    /// The part of its folder that counts when it is only depended on.
    tree: PackageTree,
}

/// What of the requested package itself counts.
#[derive(Clone, Copy)]
struct Scope<'r> {
    target: Option<&'r BuildTarget>,
    with_dev: bool,
}

impl<'w> Closures<'w> {
    /// Those of `workspace`.
    pub fn new(workspace: &'w Workspace, toolchains: &'w Toolchains<'w>) -> Self {
        Self { workspace, toolchains, known: Mutex::default() }
    }

    /// What `request` reaches. Runs cargo only where Cargo.lock is missing or lacks what a member's manifest asks for.
    ///
    /// For one target, `tests/` and `benches/` never count. Dev-dependencies do for an example, as cargo has it, and
    /// under resolver 1, where they take part in choosing features.
    ///
    /// # Errors
    /// Something of it cannot be read; then nothing that needs it can be cached.
    pub fn closure(&self, request: &ClosureRequest) -> Result<Arc<Closure>, ClosureError> {
        let mut known = self.known.lock().expect("nobody panics with the lock held");
        if let Some(closure) = known.closures.get(request) {
            return closure.clone();
        }
        let mut closure = self.compute(&mut known, request);
        if let Err(ClosureError::NotLocked { .. }) = closure
            && !known.synced
        {
            known.synced = true;
            closure = match self.run_cargo(&["update", "--workspace"]) {
                Ok(()) => {
                    known.lock = None;
                    self.compute(&mut known, request)
                }
                Err(error) => Err(error),
            };
        }
        let closure = closure.map(Arc::new);
        known.closures.insert(request.clone(), closure.clone());
        closure
    }

    fn compute(&self, known: &mut Known, request: &ClosureRequest) -> Result<Closure, ClosureError> {
        let Workspace { root: ws, layout, .. } = self.workspace;
        let asked = layout.package(&request.package).ok_or_else(|| ClosureError::NoPackage(request.package.clone()))?;
        let root = known.manifests.read(ws, &RelPath::root())?;
        let (config_fact, config_patch) = self.config(known, &request.cwd)?;
        let lock = self.lock(known)?;

        let dev = request.with_dev || matches!(request.target, Some(BuildTarget::Example(_))) || resolver(&root) == "1";
        let mut facts = root_facts(&root);
        facts.push(config_fact);
        let toolchain = self.toolchains.toolchain(&request.cwd)?;
        facts.push(Fact { shown: Some(release(&toolchain).to_owned()), ..Fact::shown("rustc", toolchain.clone()) });
        let of = |what: &str| format!("{what} of {}", asked.name);
        if !request.features.is_empty() {
            facts.push(Fact::shown(of("features"), request.features.join(",")));
        }
        facts.extend(request.profile.iter().map(|profile| Fact::shown(of("profile"), profile)));
        facts.extend(request.triple.iter().map(|triple| Fact::shown(of("target"), triple)));

        let mut trees = BTreeMap::new();
        let mut locked = BTreeSet::new();
        let mut todo = vec![asked.dir.clone()];
        while let Some(dir) = todo.pop() {
            if trees.contains_key(&dir) {
                continue;
            }
            let is_asked = dir == asked.dir;
            let piece = self.piece(known, &dir, is_asked && dev)?;
            let manifest = &piece.manifest;
            let tree = if is_asked {
                let scope = Scope { target: request.target.as_ref(), with_dev: request.with_dev };
                self.tree(manifest, Some(asked), Some(scope))
            } else {
                piece.tree.clone()
            };
            // Targets may have their sources elsewhere: `path = "../../tests/main.rs"`.
            for elsewhere in tree.source_roots.iter().filter(|source| !source.starts_with(&tree.root)) {
                let (package, root) = (tree.package.clone(), elsewhere.clone());
                let source_roots = vec![elsewhere.clone()];
                trees.insert(elsewhere.clone(), PackageTree { package, root, exclude: Vec::new(), source_roots });
            }
            trees.insert(dir, tree);
            facts.push(piece.fact.clone());

            let at = lock.path_package(&manifest.name, &manifest.version);
            let entries: Vec<usize> = at.map(|at| lock.dependencies(at).collect()).unwrap_or_default();
            for dependency in &piece.dependencies {
                if let Some(path) = &dependency.path {
                    todo.push(path.clone());
                    continue;
                }
                let named: Vec<usize> =
                    entries.iter().copied().filter(|at| lock.entry(*at).name == dependency.package).collect();
                // Cargo locks all that its members name, and of other path packages only what is switched on.
                if named.is_empty() && piece.is_member {
                    let (package, dependency) = (manifest.name.clone(), dependency.package.clone());
                    return Err(ClosureError::NotLocked { package, dependency });
                }
                locked.extend(meant(&lock, named, dependency.version.as_deref()));
            }
            // All that those reach; what of it lies on disk is a path package like any other.
            let mut reached: Vec<usize> = locked.iter().copied().collect();
            let mut seen = locked.clone();
            while let Some(at) = reached.pop() {
                if lock.entry(at).source.is_none() {
                    seen.remove(&at);
                    todo.push(self.locate(&root, config_patch.as_ref(), &lock.entry(at).name)?);
                    continue;
                }
                reached.extend(lock.dependencies(at).filter(|next| seen.insert(*next)));
            }
            locked = seen.into_iter().filter(|at| lock.entry(*at).source.is_some()).collect();
        }
        facts.extend(lock.facts(&locked));
        facts.sort();
        Ok(Closure { trees: trees.into_values().collect(), facts })
    }

    fn piece(&self, known: &mut Known, dir: &RelPath, dev: bool) -> Result<Arc<Piece>, ClosureError> {
        let at = (dir.clone(), dev);
        if let Some(piece) = known.pieces.get(&at) {
            return Ok(piece.clone());
        }
        let Workspace { root: ws, layout, .. } = self.workspace;
        let member = layout.packages.iter().find(|package| package.dir == *dir);
        let manifest = known.manifests.package(ws, dir, member.is_some())?;
        let piece = Arc::new(Piece {
            is_member: member.is_some(),
            fact: manifest.fact(dev),
            dependencies: manifest.dependencies(ws, dev)?,
            tree: self.tree(&manifest, member, None),
            manifest,
        });
        known.pieces.insert(at, piece.clone());
        Ok(piece)
    }

    /// Where a path package lies that no manifest names by path: it is a member, or a patch puts it in place.
    fn locate(&self, root: &Table, config: Option<&Table>, name: &str) -> Result<RelPath, ClosureError> {
        let Workspace { root: ws, layout, .. } = self.workspace;
        if let Some(member) = layout.package(name) {
            return Ok(member.dir.clone());
        }
        let registries = |table: &'_ Table| table.get("patch").and_then(Value::as_table).cloned().unwrap_or_default();
        let patches = [Some(root), config].into_iter().flatten().flat_map(|table| registries(table).into_iter());
        let mut tables: Vec<Value> = patches.map(|(_, patches)| patches).collect();
        tables.extend(root.get("replace").cloned());
        for (key, patch) in tables.iter().filter_map(Value::as_table).flatten() {
            let package = patch.get("package").and_then(Value::as_str).unwrap_or(key.split(':').next().unwrap_or(key));
            if let (true, Some(path)) = (package == name, patch.get("path").and_then(Value::as_str)) {
                return join(ws, &RelPath::root(), path);
            }
        }
        Err(ClosureError::Unlocated(name.to_owned()))
    }

    fn config(&self, known: &mut Known, cwd: &RelPath) -> Result<(Fact, Option<Table>), ConfigError> {
        if let Some(config) = known.configs.get(cwd) {
            return config.clone();
        }
        let Workspace { root, env, .. } = self.workspace;
        let config = Config::load(&cwd.to_path(root), env).map(|config| {
            let patch = config.merged.contains_key("patch").then(|| config.merged.clone());
            (config.fact(), patch)
        });
        known.configs.insert(cwd.clone(), config.clone());
        config
    }

    fn lock(&self, known: &mut Known) -> Result<Arc<Lock>, ClosureError> {
        known.lock.get_or_insert_with(|| self.read_lock().map(Arc::new)).clone()
    }

    fn read_lock(&self) -> Result<Lock, ClosureError> {
        let path = self.workspace.root.join("Cargo.lock");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.run_cargo(&["generate-lockfile"])?;
                std::fs::read_to_string(&path)
            }
            other => other,
        };
        let text = text.map_err(|error| ClosureError::LockSyntax(error.to_string()))?;
        Lock::parse(&text).map_err(|error| ClosureError::LockSyntax(error.message().to_owned()))
    }

    fn run_cargo(&self, words: &[&'static str]) -> Result<(), ClosureError> {
        let Workspace { root, env, flags, cargo, tools, .. } = self.workspace;
        let mut args: Vec<OsString> = words.iter().copied().chain(flags.args()).map(OsString::from).collect();
        args.push("--manifest-path".into());
        args.push(root.join("Cargo.toml").into());
        let output = tools.output(cargo, &args, root, env).map_err(|error| ClosureError::Lock(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ClosureError::Lock(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()))
    }

    /// The part of a package's folder that counts. `scope` is `None` for what is only depended on: its tests,
    /// benchmarks and examples are of no interest then.
    fn tree(&self, manifest: &Manifest, member: Option<&Package>, scope: Option<Scope<'_>>) -> PackageTree {
        let layout = &self.workspace.layout;
        let root = &manifest.dir;
        let below = |name: &str| root.child(name.as_bytes());
        let mut exclude: BTreeSet<RelPath> = layout
            .packages
            .iter()
            .map(|other| &other.dir)
            .filter(|dir| *dir != root && dir.starts_with(root))
            .cloned()
            .collect();
        // These enter as facts, parsed.
        exclude.insert(below("Cargo.toml"));
        exclude.extend([".cargo/config.toml", ".cargo/config"].map(below));
        if root.is_root() || member.is_none() {
            exclude.insert(below("Cargo.lock"));
        }
        if root.is_outside() {
            exclude.insert(below("target"));
        }

        let counts = |kind: TargetKind, name: &str| match (kind, scope) {
            (TargetKind::Lib | TargetKind::BuildScript, _) => true,
            (TargetKind::Bin, None) => true,
            (TargetKind::Bin, Some(Scope { target, .. })) => {
                target.is_none_or(|target| *target == BuildTarget::Bin(name.to_owned()))
            }
            (TargetKind::Example, Some(Scope { target: Some(target), .. })) => {
                *target == BuildTarget::Example(name.to_owned())
            }
            (_, scope) => scope.is_some_and(|scope| scope.with_dev && scope.target.is_none()),
        };
        let targets: Vec<(TargetKind, RelPath, bool)> = match member {
            Some(member) => member
                .targets
                .iter()
                .map(|target| (target.kind, target.src.clone(), counts(target.kind, &target.name)))
                .collect(),
            None => foreign_targets(manifest),
        };
        let counted: Vec<&RelPath> = targets.iter().filter(|(.., counts)| *counts).map(|(_, src, _)| src).collect();
        let needed = |folder: &RelPath| counted.iter().any(|src| src.starts_with(folder));
        let with_dev = scope.is_some_and(|scope| scope.with_dev && scope.target.is_none());
        if !with_dev {
            exclude.extend(["tests", "benches", "examples"].map(below).into_iter().filter(|folder| !needed(folder)));
        }
        for (_, src, _) in targets.iter().filter(|(.., counts)| !counts) {
            // A target in a folder of its own goes with its modules.
            let folder = src.parent().filter(|folder| {
                src.file_name() == Some(b"main.rs") && folder != root && folder.starts_with(root) && !needed(folder)
            });
            let whole = folder.unwrap_or_else(|| src.clone());
            if !needed(&whole) {
                exclude.insert(whole);
            }
        }
        let source_roots: BTreeSet<RelPath> = targets
            .iter()
            .filter(|(.., counts)| *counts)
            .map(|(kind, src, _)| {
                let folder = src.parent().unwrap_or_else(RelPath::root);
                let is_alone = *kind == TargetKind::BuildScript && folder == *root;
                // A root file beside or above the package's folder does not make all that lies there the package's.
                let is_above = folder != *root && root.starts_with(&folder);
                if is_alone || is_above { src.clone() } else { folder }
            })
            .collect();
        PackageTree {
            package: manifest.name.clone(),
            root: root.clone(),
            exclude: outermost(exclude),
            source_roots: outermost(source_roots),
        }
    }
}

/// Those of the entries of one name that a requirement means; all if that cannot be told.
fn meant(lock: &Lock, named: Vec<usize>, version: Option<&str>) -> Vec<usize> {
    let requirement = version.and_then(|version| VersionReq::parse(version).ok());
    let fits = |at: &usize| {
        let version = Version::parse(&lock.entry(*at).version).ok();
        requirement.as_ref().zip(version).is_some_and(|(requirement, version)| requirement.matches(&version))
    };
    let fitting: Vec<usize> = named.iter().copied().filter(fits).collect();
    if fitting.is_empty() { named } else { fitting }
}

/// Library and build script of a package that cargo was not asked about.
fn foreign_targets(manifest: &Manifest) -> Vec<(TargetKind, RelPath, bool)> {
    let text = |table: &str, key: &str| manifest.table.get(table)?.get(key)?.as_str();
    let place = |path: &str| manifest.dir.join(path).unwrap_or_else(|_| manifest.dir.clone());
    vec![
        (TargetKind::Lib, place(text("lib", "path").unwrap_or("src/lib.rs")), true),
        (TargetKind::BuildScript, place(text("package", "build").unwrap_or("build.rs")), true),
    ]
}

/// Without what lies below another one.
fn outermost(paths: BTreeSet<RelPath>) -> Vec<RelPath> {
    let all: Vec<RelPath> = paths.into_iter().collect();
    let covered = |path: &RelPath| all.iter().any(|other| other != path && path.starts_with(other));
    all.iter().filter(|path| !covered(path)).cloned().collect()
}
