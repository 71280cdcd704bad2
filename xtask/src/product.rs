//! The release build of `cargo-zen`: builds it, and gives its command line. Knows not what it is asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds it, and says where it lies. It is called directly after that: cargo's own start would count otherwise.
///
/// # Errors
/// That it does not build.
pub(crate) fn build(root: &Path) -> io::Result<PathBuf> {
    let built = Command::new("cargo")
        .args(["build", "--release", "--package", "cargo-zen", "--bin", "cargo-zen"])
        .current_dir(root)
        .status()?;
    if !built.success() {
        return Err(io::Error::other("cargo-zen does not build"));
    }
    // This program lies in `<target>/debug`, wherever that target folder is.
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(Path::parent).expect("cargo puts programs two folders deep");
    Ok(target.join("release").join(format!("cargo-zen{}", std::env::consts::EXE_SUFFIX)))
}

/// `cargo-zen zen` in `folder`.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    settle(&mut command, folder);
    command
}

/// The first word, the folder, and nothing of the caller's own settings: they are not what is looked at.
pub(crate) fn settle(command: &mut Command, folder: &Path) {
    command.arg("zen").current_dir(folder).stdin(Stdio::null());
    let foreign = |name: &str| name.starts_with("ZEN_") || name.starts_with("CARGO") || name == "RUSTFLAGS";
    for (name, _) in std::env::vars_os() {
        // Where cargo and its registry lie stays as it is.
        if name.to_str().is_some_and(|name| foreign(name) && name != "CARGO_HOME") {
            command.env_remove(name);
        }
    }
}

/// The short name of the commit that is checked out, with a mark if files differ from it.
pub(crate) fn commit(root: &Path) -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
