//! A package's manifest as its closure needs it: with what it inherits, without what has no influence, and what it
//! depends on by which path. Knows not which of its files there are.

#![expect(clippy::disallowed_methods, reason = "an edge: reads manifests")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::{Table, Value};

use super::closures::ClosureError;
use super::config::hash_toml;
use crate::closure::Fact;
use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;

/// The tables of dependencies, and whether they are dev-dependencies.
const DEPENDENCIES: [(&str, bool); 5] = [
    ("dependencies", false),
    ("build-dependencies", false),
    ("build_dependencies", false),
    ("dev-dependencies", true),
    ("dev_dependencies", true),
];

/// Manifests of path packages, members or not, each read once.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    tables: HashMap<RelPath, Arc<Table>>,
}

/// A package's manifest, and the workspace root that it inherits from.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    /// Its folder.
    pub(super) dir: RelPath,
    pub(super) name: String,
    pub(super) version: String,
    /// As written.
    pub(super) table: Arc<Table>,
    /// Folder and manifest of its workspace's root; its own where it has none.
    root: (RelPath, Arc<Table>),
}

/// One dependency of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The package's name, not what it is renamed to.
    pub(super) package: String,
    pub(super) version: Option<String>,
    /// The folder of a path dependency.
    pub(super) path: Option<RelPath>,
}

impl Manifests {
    /// The manifest of the package in `dir`. For a member of our own workspace `root` is known to be the workspace's;
    /// else the root is looked for as cargo does it.
    pub(super) fn package(&mut self, ws: &Path, dir: &RelPath, is_member: bool) -> Result<Manifest, ClosureError> {
        let table = self.read(ws, dir)?;
        let root_dir = if is_member { RelPath::root() } else { self.root_of(ws, dir, &table)? };
        let root_table = self.read(ws, &root_dir)?;
        let text = |key: &str| {
            let value = table.get("package")?.get(key)?;
            value.as_str().or_else(|| root_table.get("workspace")?.get("package")?.get(key)?.as_str())
        };
        let name = text("name").ok_or_else(|| ClosureError::NoName { dir: dir.clone() })?.to_owned();
        let version = text("version").unwrap_or("0.0.0").to_owned();
        Ok(Manifest { dir: dir.clone(), name, version, root: (root_dir, root_table), table })
    }

    /// The manifest in `dir` as written.
    pub(super) fn read(&mut self, ws: &Path, dir: &RelPath) -> Result<Arc<Table>, ClosureError> {
        if let Some(table) = self.tables.get(dir) {
            return Ok(table.clone());
        }
        let path = dir.child(b"Cargo.toml");
        let error = |reason: String| ClosureError::Manifest { path: path.clone(), reason };
        let text = std::fs::read_to_string(path.to_path(ws)).map_err(|io| error(io.to_string()))?;
        let table: Table = text.parse().map_err(|toml: toml::de::Error| error(toml.message().to_owned()))?;
        let table = Arc::new(table);
        self.tables.insert(dir.clone(), table.clone());
        Ok(table)
    }

    fn root_of(&mut self, ws: &Path, dir: &RelPath, table: &Table) -> Result<RelPath, ClosureError> {
        if table.contains_key("workspace") {
            return Ok(dir.clone());
        }
        if let Some(path) = table.get("package").and_then(|package| package.get("workspace")?.as_str()) {
            return join(ws, dir, path);
        }
        let folder = dir.to_path(ws);
        for above in folder.ancestors().skip(1).map(super::normalised) {
            if above.join("Cargo.toml").is_file()
                && let Some(above) = RelPath::from_absolute(ws, &above)
                && self.read(ws, &above)?.contains_key("workspace")
            {
                return Ok(above);
            }
        }
        Ok(dir.clone())
    }
}

/// `path`, as written in the manifest of `dir`.
pub(super) fn join(ws: &Path, dir: &RelPath, path: &str) -> Result<RelPath, ClosureError> {
    let unreachable = || ClosureError::Path { dir: dir.clone(), path: path.to_owned() };
    if Path::new(path).is_absolute() {
        let path: PathBuf = super::normalised(Path::new(path));
        return RelPath::from_absolute(ws, &path).ok_or_else(unreachable);
    }
    dir.join(path.replace('\\', "/")).map_err(|_| unreachable())
}

impl Manifest {
    /// What it says, without `metadata` and comments, with what it inherits, and with dev-dependencies or without.
    pub(super) fn fact(&self, with_dev: bool) -> Fact {
        let mut hasher = FieldHasher::new("zen cargo manifest 1");
        hash_toml(&Value::Table(self.effective(with_dev)), &mut hasher);
        let dev = if with_dev { " with dev-dependencies" } else { "" };
        Fact { item: format!("manifest of {}{dev}", self.name), digest: hasher.finish(), shown: None }
    }

    fn effective(&self, with_dev: bool) -> Table {
        let mut table = (*self.table).clone();
        // Those of the root are facts of their own, those of a member mean nothing to cargo.
        for key in ["workspace", "profile", "patch", "replace"] {
            table.remove(key);
        }
        let shared = self.root.1.get("workspace");
        if let Some(Value::Table(package)) = table.get_mut("package") {
            package.remove("metadata");
            for (key, value) in package.iter_mut() {
                inherit(value, shared.and_then(|shared| shared.get("package")?.get(key)));
            }
        }
        if let Some(lints) = table.get_mut("lints") {
            inherit(lints, shared.and_then(|shared| shared.get("lints")));
        }
        let shared = shared.and_then(|shared| shared.get("dependencies"));
        inherit_dependencies(&mut table, shared, with_dev);
        if let Some(Value::Table(targets)) = table.get_mut("target") {
            for (_, target) in targets.iter_mut() {
                if let Value::Table(target) = target {
                    inherit_dependencies(target, shared, with_dev);
                }
            }
        }
        table
    }

    /// What it depends on, by whatever table, with dev-dependencies or without.
    pub(super) fn dependencies(&self, ws: &Path, with_dev: bool) -> Result<Vec<Dependency>, ClosureError> {
        let platforms = self.table.get("target").and_then(Value::as_table).into_iter().flat_map(|t| t.values());
        let tables = std::iter::once(&*self.table).chain(platforms.filter_map(Value::as_table));
        let mut out = Vec::new();
        for table in tables {
            for key in DEPENDENCIES.iter().filter(|(_, dev)| with_dev || !dev).map(|(key, _)| key) {
                for (name, value) in table.get(*key).and_then(Value::as_table).into_iter().flatten() {
                    out.push(self.dependency(ws, name, value)?);
                }
            }
        }
        Ok(out)
    }

    fn dependency(&self, ws: &Path, name: &str, value: &Value) -> Result<Dependency, ClosureError> {
        let (root, table) = &self.root;
        let (dir, value) = if value.get("workspace").and_then(Value::as_bool) == Some(true) {
            let shared = table.get("workspace").and_then(|workspace| workspace.get("dependencies")?.get(name));
            (root, shared.unwrap_or(value))
        } else {
            (&self.dir, value)
        };
        let text = |key| value.get(key).and_then(Value::as_str);
        Ok(Dependency {
            package: text("package").unwrap_or(name).to_owned(),
            version: value.as_str().or_else(|| text("version")).map(ToOwned::to_owned),
            path: text("path").map(|path| join(ws, dir, path)).transpose()?,
        })
    }
}

/// Puts what the workspace says in the place of `workspace = true`; what stands beside it stays.
fn inherit(value: &mut Value, shared: Option<&Value>) {
    if let (Value::Table(own), Some(shared)) = (value, shared)
        && let Some(place @ Value::Boolean(true)) = own.get_mut("workspace")
    {
        *place = shared.clone();
    }
}

fn inherit_dependencies(table: &mut Table, shared: Option<&Value>, with_dev: bool) {
    for (key, dev) in DEPENDENCIES {
        if dev && !with_dev {
            table.remove(key);
        } else if let Some(Value::Table(dependencies)) = table.get_mut(key) {
            for (name, value) in dependencies.iter_mut() {
                inherit(value, shared.and_then(|shared| shared.get(name)));
            }
        }
    }
}

/// What the root's manifest says for all packages: `profile`, `patch`, `replace`, `resolver`.
pub(super) fn root_facts(root: &Table) -> Vec<Fact> {
    let digest = |value: &Value| -> Digest {
        let mut hasher = FieldHasher::new("zen cargo root 1");
        hash_toml(value, &mut hasher);
        hasher.finish()
    };
    let said = ["profile", "patch", "replace"].into_iter().filter_map(|key| {
        let digest = digest(root.get(key)?);
        Some(Fact { item: format!("root {key}"), digest, shown: None })
    });
    said.chain([Fact::shown("root resolver", resolver(root))]).collect()
}

/// The resolver's version: what the root says, else what its edition implies.
pub(super) fn resolver(root: &Table) -> &str {
    let package = root.get("package");
    let explicit = root
        .get("workspace")
        .and_then(|workspace| workspace.get("resolver"))
        .or(package.and_then(|p| p.get("resolver")));
    let edition = package.and_then(|package| {
        let edition = package.get("edition")?;
        edition.as_str().or_else(|| root.get("workspace")?.get("package")?.get("edition")?.as_str())
    });
    explicit.and_then(Value::as_str).unwrap_or(match edition {
        None | Some("2015" | "2018") => "1",
        Some("2021") => "2",
        Some(_) => "3",
    })
}
