//! Environment variables as a value, and what of them is the user's own. Reads none from the process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Name → value, as read once at the start of the program.
pub type Environment = BTreeMap<OsString, OsString>;

/// What cargo sets for a subcommand or under `cargo run`, or rustup for what runs below a proxy.
const NOT_THE_USERS: [&str; 6] =
    ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PRIMARY_PACKAGE", "OUT_DIR", "RUST_RECURSION_COUNT"];

/// The environment as the user's shell has it: without what cargo set for `cargo zen` itself, and without a
/// `RUSTUP_TOOLCHAIN` that is only what rustup chose for the folder that cargo was called in. So `cargo zen` and
/// `cargo-zen` do the same, and a folder with a `rust-toolchain.toml` of its own gets that toolchain.
pub fn user_environment(env: &Environment) -> Environment {
    let chosen_by_rustup = var(env, "RUSTUP_TOOLCHAIN_SOURCE").is_some_and(|source| source != "env" && source != "cli");
    let keeps = |name: &str| {
        let rustups = name == "RUSTUP_TOOLCHAIN_SOURCE" || (name == "RUSTUP_TOOLCHAIN" && chosen_by_rustup);
        !rustups && !NOT_THE_USERS.contains(&name) && !name.starts_with("CARGO_PKG_")
    };
    env.iter()
        .filter(|(name, _)| name.to_str().is_none_or(keeps))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The variable `name`, if it is set and not empty.
pub(super) fn var<'e>(env: &'e Environment, name: &str) -> Option<&'e OsStr> {
    let value = if cfg!(windows) {
        env.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    } else {
        env.get(OsStr::new(name))
    };
    value.map(OsString::as_os_str).filter(|value| !value.is_empty())
}

fn home(env: &Environment) -> Option<PathBuf> {
    var(env, if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from)
}

/// `CARGO_HOME`, or where it is when unset.
pub(super) fn cargo_home(env: &Environment) -> Option<PathBuf> {
    var(env, "CARGO_HOME").map(PathBuf::from).or_else(|| Some(home(env)?.join(".cargo")))
}

/// `RUSTUP_HOME`, or where it is when unset.
pub(super) fn rustup_home(env: &Environment) -> Option<PathBuf> {
    var(env, "RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(home(env)?.join(".rustup")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_19_what_cargo_and_rustup_set_does_not_leak() {
        let given = |source: &str| -> Environment {
            let pairs = [
                ("CARGO", "/x/cargo"),
                ("CARGO_PKG_NAME", "zen"),
                ("CARGO_TARGET_DIR", "/t"),
                ("RUSTUP_TOOLCHAIN", "stable"),
                ("RUSTUP_TOOLCHAIN_SOURCE", source),
            ];
            pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let names = |env: Environment| env.into_keys().map(|name| name.into_string().unwrap()).collect::<Vec<_>>();
        assert_eq!(names(user_environment(&given("default"))), ["CARGO_TARGET_DIR"]);
        assert_eq!(names(user_environment(&given("toolchain-file"))), ["CARGO_TARGET_DIR"]);
        assert_eq!(names(user_environment(&given("env"))), ["CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"]);
        assert_eq!(names(user_environment(&given("cli"))), ["CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"]);
    }
}
