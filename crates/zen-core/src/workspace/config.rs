//! Cargo's configuration files as they apply in a folder: which there are, what they say together. Knows not what is
//! built.

#![expect(clippy::disallowed_methods, reason = "an edge: reads cargo's configuration files")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::environment::{Environment, cargo_home, var};
use crate::closure::Fact;
use crate::digest::FieldHasher;

/// What cannot influence what a build makes, or is a secret: it stays out of keys. Registries and sources only say
/// where a crate is fetched from; its bytes are fixed by the checksum in the lock file.
const NO_INFLUENCE: [&str; 14] = [
    "alias",
    "cache",
    "cargo-new",
    "credential-alias",
    "doc",
    "future-incompat-report",
    "git",
    "http",
    "include",
    "install",
    "net",
    "registries",
    "registry",
    "term",
];
const NO_INFLUENCE_IN_BUILD: [&str; 6] =
    ["build-dir", "dep-info-basedir", "incremental", "jobs", "rustc-wrapper", "target-dir"];

/// The configuration that applies in one folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    /// The files that there are, nearest first, each followed by what it includes.
    pub(super) files: Vec<PathBuf>,
    /// Included files that may be missing, and are.
    pub(super) missing: Vec<PathBuf>,
    /// All of them together: the nearer value wins, lists join.
    pub(super) merged: Table,
    /// The target directory that it or the environment names.
    pub(super) target_dir: Option<PathBuf>,
    /// The compiler that it or the environment names.
    pub(super) rustc: Option<OsString>,
}

/// Why cargo's configuration could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfigError {
    /// Reading failed.
    #[error("cannot read cargo's configuration `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is no TOML.
    #[error("cargo's configuration `{}` is not valid: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
}

impl Config {
    /// Reads what applies in `cwd`: its `.cargo` folder, those of all folders above, and cargo's home.
    ///
    /// # Errors
    /// A file that cannot be read, or is no TOML.
    pub(super) fn load(cwd: &Path, env: &Environment) -> Result<Self, ConfigError> {
        let mut folders: Vec<PathBuf> = cwd.ancestors().map(|folder| folder.join(".cargo")).collect();
        if let Some(home) = cargo_home(env).map(|home| cwd.join(home))
            && !folders.contains(&home)
        {
            folders.push(home);
        }
        let mut config = Self::default();
        for folder in folders {
            // Where both are, cargo takes the one without an ending.
            for name in ["config", "config.toml"] {
                if let Some(table) = config.read(&folder.join(name))? {
                    merge(&mut config.merged, table);
                    break;
                }
            }
        }
        let named = |name| var(env, name).map(|value| cwd.join(value));
        config.target_dir = named("CARGO_TARGET_DIR").or_else(|| named("CARGO_BUILD_TARGET_DIR")).or(config.target_dir);
        let named = |name| var(env, name).map(ToOwned::to_owned);
        config.rustc = named("RUSTC").or_else(|| named("CARGO_BUILD_RUSTC")).or(config.rustc);
        Ok(config)
    }

    /// One file with what it includes below it; `None` if it is not there.
    fn read(&mut self, path: &Path) -> Result<Option<Table>, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(ConfigError::Read { path: path.to_owned(), reason: error.to_string() }),
        };
        let syntax = |reason: String| ConfigError::Syntax { path: path.to_owned(), reason };
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| syntax(error.message().to_owned()))?;
        self.files.push(path.to_owned());
        // Paths in it are relative to the folder that holds `.cargo`.
        let base = path.parent().and_then(Path::parent).unwrap_or(path).to_owned();
        let build = |key| table.get("build").and_then(|build| build.get(key)).and_then(Value::as_str);
        self.target_dir = self.target_dir.take().or_else(|| build("target-dir").map(|dir| base.join(dir)));
        self.rustc = self.rustc.take().or_else(|| {
            build("rustc").map(|rustc| if rustc.contains('/') { base.join(rustc).into() } else { rustc.into() })
        });
        let folder = path.parent().unwrap_or(path);
        let included: Vec<PathBuf> = includes(&table).into_iter().map(|include| folder.join(include)).collect();
        for included in included.into_iter().rev() {
            if self.files.contains(&included) {
                return Err(syntax(format!("it includes `{}` in a circle", included.display())));
            }
            match self.read(&included)? {
                Some(below) => merge(&mut table, below),
                None => self.missing.push(included),
            }
        }
        Ok(Some(table))
    }

    /// What of it can influence what a build makes.
    pub(super) fn fact(&self) -> Fact {
        let mut table = self.merged.clone();
        table.retain(|key, _| key != "source" && !NO_INFLUENCE.contains(&key));
        if let Some(Value::Table(build)) = table.get_mut("build") {
            build.retain(|key, _| !NO_INFLUENCE_IN_BUILD.contains(&key));
            if build.is_empty() {
                table.remove("build");
            }
        }
        let mut hasher = FieldHasher::new("zen cargo config 1");
        hash_toml(&Value::Table(table), &mut hasher);
        Fact { item: "cargo config".to_owned(), digest: hasher.finish(), shown: None }
    }
}

fn includes(table: &Table) -> Vec<&str> {
    match table.get("include") {
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| item.as_str().or_else(|| item.get("path")?.as_str())).collect()
        }
        Some(value) => value.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}

/// Puts `below` under `table`: what is there already wins, tables are merged, lists join with the stronger last.
fn merge(table: &mut Table, below: Table) {
    for (key, value) in below {
        match (table.get_mut(&key), value) {
            (None, value) => {
                table.insert(key, value);
            }
            (Some(Value::Table(own)), Value::Table(below)) => merge(own, below),
            (Some(Value::Array(own)), Value::Array(mut below)) => {
                below.append(own);
                *own = below;
            }
            (Some(_), _) => {}
        }
    }
}

/// Feeds a TOML value to `hasher`: typed, keys sorted, so that layout and comments are nothing.
pub(super) fn hash_toml(value: &Value, hasher: &mut FieldHasher) {
    hasher.field(value.type_str().as_bytes());
    match value {
        Value::Array(items) => {
            hasher.number(items.len() as u64);
            items.iter().for_each(|item| hash_toml(item, hasher));
        }
        Value::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            hasher.number(entries.len() as u64);
            for (key, item) in entries {
                hasher.field(key.as_bytes());
                hash_toml(item, hasher);
            }
        }
        Value::String(text) => {
            hasher.field(text.as_bytes());
        }
        other => {
            hasher.field(other.to_string().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn nearer_files_win_and_lists_join() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "home/config.toml", "build.jobs = 1\nbuild.rustflags = ['-a']\nenv.X = 'far'");
        write(folder.path(), "ws/.cargo/config.toml", "include = 'more.toml'\nbuild.rustflags = ['-c']");
        write(folder.path(), "ws/.cargo/more.toml", "env.X = 'near'\nbuild.rustflags = ['-b']\nbuild.target-dir = 't'");
        let env = Environment::from([("CARGO_HOME".into(), folder.path().join("home").into())]);
        let config = Config::load(&folder.path().join("ws/sub"), &env).unwrap();
        assert_eq!(config.merged["env"]["X"].as_str(), Some("near"));
        let flags: Vec<_> = config.merged["build"]["rustflags"].as_array().unwrap().iter().map(Value::as_str).collect();
        assert_eq!(flags, [Some("-a"), Some("-b"), Some("-c")]);
        assert_eq!(config.target_dir, Some(folder.path().join("ws/t")));
        assert_eq!(config.files.len(), 3);
    }

    #[test]
    fn only_what_can_influence_a_build_counts() {
        let digest = |text: &str| Config { merged: text.parse().unwrap(), ..Config::default() }.fact().digest;
        let empty = digest("");
        for text in ["alias.b = 'build'", "build.jobs = 3", "registry.token = 'secret'", "build.target-dir = 'x'"] {
            assert_eq!(digest(text), empty, "{text} must not count");
        }
        for text in ["build.rustflags = ['-g']", "target.x.linker = 'lld'", "profile.dev.debug = 0", "env.A = '1'"] {
            assert_ne!(digest(text), empty, "{text} must count");
        }
        assert_eq!(digest("env.A = '1'\nenv.B = '2'"), digest("# x\n[env]\nB = \"2\"\nA = \"1\""));
    }

    #[test]
    fn a_circle_of_includes_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), ".cargo/config.toml", "include = ['config.toml']");
        let env = Environment::from([("CARGO_HOME".into(), folder.path().join("home").into())]);
        assert!(matches!(Config::load(folder.path(), &env), Err(ConfigError::Syntax { .. })));
    }
}
