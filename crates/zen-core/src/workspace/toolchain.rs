//! Which rustc a folder gets, in full: `rustc -vV`, and the memo of it. Knows not what is compiled.

use std::collections::HashMap;
use std::env::consts::{ARCH, EXE_SUFFIX, OS};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::config::{Config, ConfigError};
use super::environment::{Environment, rustup_home};
use super::memo::{self, Freshness, Memo, Subject};
use super::tools::find_program;
use super::{Workspace, canonical};
use crate::digest::Digest;
use crate::path::RelPath;

const DOMAIN: &str = "zen toolchain 1";

/// The toolchains of a workspace's folders, each asked for once.
#[derive(Debug)]
pub struct Toolchains<'w> {
    workspace: &'w Workspace,
    known: Mutex<HashMap<RelPath, Result<String, ToolchainError>>>,
}

/// Why a folder's toolchain is not known. What depends on it cannot be cached in this run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ToolchainError {
    /// It could not be started.
    #[error("cannot run `{} -vV` in `{cwd}`: {reason}; is Rust installed and on PATH?", program.display())]
    NoRustc {
        /// The program.
        program: OsString,
        /// Where.
        cwd: RelPath,
        /// What the system says.
        reason: String,
    },
    /// It said no; this is its standard error.
    #[error("`rustc -vV` failed in `{cwd}`\n{stderr}")]
    Failed {
        /// Where.
        cwd: RelPath,
        /// What it said.
        stderr: String,
    },
    /// Cargo's configuration may name the compiler, and cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl<'w> Toolchains<'w> {
    /// Those of `workspace`.
    pub fn new(workspace: &'w Workspace) -> Self {
        Self { workspace, known: Mutex::default() }
    }

    /// What `rustc -vV` prints in `cwd`, as cargo would call it there. Runs rustc only if something changed that
    /// decides which one it is: variables, toolchain files, rustup's settings, the program itself.
    ///
    /// # Errors
    /// There is no rustc, or it fails.
    pub fn toolchain(&self, cwd: &RelPath) -> Result<String, ToolchainError> {
        let mut known = self.known.lock().expect("nobody panics with the lock held");
        if let Some(answer) = known.get(cwd) {
            return answer.clone();
        }
        let answer = self.find(cwd);
        known.insert(cwd.clone(), answer.clone());
        answer
    }

    /// The triple of the host: that of the workspace's own rustc, which knows the C library that steps link against
    /// better than a zen that came from elsewhere. Where there is no rustc, that which zen was built for.
    pub fn host_triple(&self) -> String {
        let said = self.toolchain(&RelPath::root()).ok();
        let host = said.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("host: ")));
        host.map_or_else(built_for, ToOwned::to_owned)
    }

    /// What the workspace's own rustc calls itself: `rustc 1.95.0 (…)`. `None` where there is none.
    pub fn release(&self) -> Option<String> {
        let said = self.toolchain(&RelPath::root()).ok()?;
        said.lines().next().map(ToOwned::to_owned)
    }

    fn find(&self, cwd: &RelPath) -> Result<String, ToolchainError> {
        let Workspace { root, env, .. } = self.workspace;
        let folder = cwd.to_path(root);
        let config = Config::load(&folder, env)?;
        let rustc = config.rustc.clone().unwrap_or_else(|| "rustc".into());
        let name = format!("toolchain-memo-{}", &Digest::of(cwd.as_bytes()).to_string()[..16]);
        let path = self.workspace.zen_dir().join(name);
        // Which program that is, is looked up anew: PATH may change and lead to the same one.
        let found = find_program(&rustc, &folder, env);
        if let (Some(found), Some(mut memo)) = (&found, Memo::<(PathBuf, String)>::load(&path, DOMAIN))
            && memo.value.0 == *found
        {
            match memo.check(env) {
                Freshness::Stale => {}
                Freshness::Moved => {
                    // Losing it costs one call of rustc, later.
                    let _ = memo.save(&path, DOMAIN);
                    return Ok(memo.value.1);
                }
                Freshness::Current => return Ok(memo.value.1),
            }
        }
        let found = found.unwrap_or_else(|| rustc.clone().into());
        let ((_, text), memo) = memo::answer(env, || {
            // Each takes tens of milliseconds, most of them rustup's.
            let (text, sysroot) = std::thread::scope(|scope| {
                let sysroot = scope.spawn(|| self.ask(&rustc, &["--print", "sysroot"], cwd));
                (self.ask(&rustc, &["-vV"], cwd), sysroot.join().expect("asking does not panic"))
            });
            let (text, sysroot) = (text?, sysroot?);
            let subjects = subjects(&found, &folder, Path::new(sysroot.trim()), env);
            Ok::<_, ToolchainError>(((found.clone(), text), subjects))
        })?;
        if let Some(memo) = memo
            && self.workspace.create_zen_dir().is_ok()
        {
            // Losing it costs one call of rustc.
            let _ = memo.save(&path, DOMAIN);
        }
        Ok(text)
    }

    fn ask(&self, rustc: &OsStr, args: &[&str], cwd: &RelPath) -> Result<String, ToolchainError> {
        let Workspace { root, env, tools, .. } = self.workspace;
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let output = tools.output(rustc, &args, &cwd.to_path(root), env).map_err(|error| ToolchainError::NoRustc {
            program: rustc.to_owned(),
            cwd: cwd.clone(),
            reason: error.to_string(),
        })?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            return Err(ToolchainError::Failed { cwd: cwd.clone(), stderr });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What decides which compiler answers for the program `found`. That is known of a compiler that lies in its own
/// sysroot, and of rustup's proxies; of anyone else's (asdf, mise, a script) nothing is, so `None`: ask it each time.
fn subjects(found: &Path, folder: &Path, sysroot: &Path, env: &Environment) -> Option<Vec<Subject>> {
    let real = canonical(found).ok()?;
    let is_rustups = real.file_stem()? == "rustup" || found.with_file_name(format!("rustup{EXE_SUFFIX}")).is_file();
    if !is_rustups && !real.starts_with(canonical(sysroot).ok()?) {
        return None;
    }
    let compiler = sysroot.join("bin").join(format!("rustc{EXE_SUFFIX}"));
    let mut out = vec![Subject::Program(found.to_owned()), Subject::Program(compiler)];
    out.push(Subject::Env("RUSTUP_TOOLCHAIN".to_owned()));
    if let Some(home) = rustup_home(env) {
        out.push(Subject::File(home.join("settings.toml")));
        // `rustup toolchain link` can lead a name elsewhere.
        out.push(Subject::Listing { dir: home.join("toolchains"), marker: "bin".to_owned() });
    }
    let files = folder.ancestors().flat_map(|above| ["rust-toolchain", "rust-toolchain.toml"].map(|f| above.join(f)));
    out.extend(files.map(Subject::File));
    Some(out)
}

/// The target that this zen was compiled for, as far as the compiler tells.
fn built_for() -> String {
    let os = match OS {
        "linux" => "unknown-linux",
        "macos" => "apple-darwin",
        "windows" => "pc-windows",
        other => other,
    };
    let env = if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "msvc") {
        "-msvc"
    } else {
        ""
    };
    format!("{}-{os}{env}", ARCH)
}

/// The release that `rustc -vV` names, for people.
pub(super) fn release(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("rustc ").unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::Ws;
    use super::*;

    fn ask(ws: &Ws, cwd: &str) -> String {
        let workspace = ws.discover();
        Toolchains::new(&workspace).toolchain(&RelPath::new(cwd).unwrap()).unwrap()
    }

    #[test]
    fn rustc_is_asked_once() {
        let ws = Ws::lone("a");
        let text = ask(&ws, "");
        assert!(text.starts_with("rustc ") && text.contains("\nhost: "), "{text}");
        assert!(ws.ran().contains(&"-vV".to_owned()));
        assert_eq!(ask(&ws, ""), text);
        assert_eq!(ws.ran(), [""; 0], "the second time the memo answers");
        let workspace = ws.discover();
        assert!(text.contains(&format!("host: {}\n", Toolchains::new(&workspace).host_triple())));
        assert_eq!(ws.ran(), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn f_20_what_decides_about_the_toolchain_is_seen() {
        use std::os::unix::fs::PermissionsExt;
        let mut ws = Ws::lone("a");
        let script = |ws: &Ws, path: &str, text: &str| {
            let sysroot = ws.path("sys");
            let body =
                format!("#!/bin/sh\ncase $1 in -vV) echo 'rustc {text}';; *) echo '{}';; esac\n", sysroot.display());
            ws.write(path, &body);
            fs::set_permissions(ws.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        };
        // Folders with proxies of rustup's.
        ws.write("bin1/rustup", "");
        ws.write("bin2/rustup", "");
        script(&ws, "bin2/rustc", "one");
        let path =
            std::env::join_paths([ws.path("bin1"), ws.path("bin2")].into_iter().chain(ws.path_folders())).unwrap();
        ws.env.insert("PATH".into(), path);
        assert_eq!(ask(&ws, ""), "rustc one\n");
        ws.ran();
        assert_eq!(ask(&ws, ""), "rustc one\n");
        assert_eq!(ws.ran(), [""; 0]);

        script(&ws, "bin2/rustc", "two!");
        assert_eq!(ask(&ws, ""), "rustc two!\n", "the program changed");
        script(&ws, "bin1/rustc", "three");
        assert_eq!(ask(&ws, ""), "rustc three\n", "another is found first");
        let seen = |ws: &Ws, what: &str| {
            ws.ran();
            ask(ws, "");
            assert!(ws.ran().contains(&"-vV".to_owned()), "rustc must be asked after a change of {what}");
        };
        ws.write("rust-toolchain.toml", "[toolchain]\nchannel = '1.95.0'\n");
        seen(&ws, "rust-toolchain.toml");
        ws.write("home/.rustup/settings.toml", "version = '12'");
        seen(&ws, "rustup's settings");
        ws.write("sys/bin/rustc", "");
        seen(&ws, "the rustc behind a proxy");
        ws.env.insert("RUSTUP_TOOLCHAIN".into(), "x".into());
        seen(&ws, "RUSTUP_TOOLCHAIN");
        script(&ws, "other", "four");
        ws.write(".cargo/config.toml", &format!("build.rustc = '{}'", ws.path("other").display()));
        assert_eq!(ask(&ws, ""), "rustc four\n", "cargo's configuration names it");
    }

    #[cfg(unix)]
    #[test]
    fn a_compiler_behind_a_shim_of_someone_else_is_asked_each_time() {
        use std::os::unix::fs::PermissionsExt;
        let mut ws = Ws::lone("a");
        ws.write("shims/rustc", "#!/bin/sh\ncase $1 in -vV) cat version;; *) echo $PWD/sysroot;; esac\n");
        fs::set_permissions(ws.path("shims/rustc"), fs::Permissions::from_mode(0o755)).unwrap();
        ws.write("sysroot/bin/rustc", "");
        let folders = std::iter::once(ws.path("shims")).chain(ws.path_folders());
        ws.env.insert("PATH".into(), std::env::join_paths(folders).unwrap());
        ws.write("version", "rustc one");
        assert_eq!(ask(&ws, ""), "rustc one");
        ws.write("version", "rustc two");
        assert_eq!(ask(&ws, ""), "rustc two");
    }

    #[test]
    fn a_missing_rustc_is_an_error_and_the_triple_stays_known() {
        let mut ws = Ws::lone("a");
        ws.env.insert("RUSTC".into(), ws.path("none").into());
        let workspace = ws.discover();
        let toolchains = Toolchains::new(&workspace);
        assert!(matches!(toolchains.toolchain(&RelPath::root()), Err(ToolchainError::NoRustc { .. })));
        assert_eq!(toolchains.host_triple(), built_for());
    }
}
