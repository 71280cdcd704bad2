//! What a step's environment holds, and what of it enters the key: pure, from the environment that zen was started
//! in. Knows neither processes nor keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;

use globset::{Glob, GlobMatcher};
use serde_json::{Map, json};

use crate::artifact::RunId;
use crate::digest::{Digest, FieldHasher};
use crate::manifest::shell::shell_variables;
use crate::model::{Command, Hook, HookScope, Step};
use crate::path::RelPath;
use crate::value::Value;

/// The environment that zen itself was started in, passed in by whoever started the engine.
pub type Outer = BTreeMap<OsString, OsString>;

/// Handed on to every step, no part of any key.
const HANDED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "TMPDIR",
    "TERM",
    "CI",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_*",
];

/// The same for what Windows programs do not start without.
const HANDED_ON_WINDOWS: &[&str] = &[
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "USERNAME",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "ALLUSERSPROFILE",
    "PROGRAMFILES*",
    "PROGRAMW6432",
    "COMMONPROGRAMFILES*",
    "COMMONPROGRAMW6432",
    "PUBLIC",
    "OS",
    "COMPUTERNAME",
    "NUMBER_OF_PROCESSORS",
    "PROCESSOR_*",
];

/// Handed on to steps that use cargo: where and how loudly cargo works, not what comes out.
const CARGO_HANDED_ON: &[&str] = &[
    "CARGO_TARGET_DIR",
    "CARGO_TERM_*",
    "CARGO_NET_*",
    "CARGO_HTTP_*",
    "CARGO_REGISTRIES_*",
    "CARGO_INCREMENTAL",
    "RUSTC_WRAPPER",
    "SCCACHE_*",
    "ACTIONS_*",
    "RUST_BACKTRACE",
];

/// Handed on to steps that use cargo, and keyed: what changes the code that cargo makes.
const CARGO_KEYED: &[&str] = &[
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_*",
    "CARGO_BUILD_*",
    "CARGO_PROFILE_*",
    "CARGO_TARGET_*_*",
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
];

/// How this run differs from others in what every step gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Does the output go to a terminal that shows colours?
    pub colour: bool,
    /// Is `RUSTUP_TOOLCHAIN` something else than what rustup would choose anyway (`cargo +nightly zen …`)? Only then
    /// do steps that use cargo get it, and their keys.
    pub toolchain_is_chosen: bool,
}

/// The environment of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepEnvironment {
    /// All that the child gets, before the `ZEN_*` variables.
    pub vars: BTreeMap<OsString, OsString>,
    /// What enters the key besides `env`: name → value, or `None` for a tracked name that is unset.
    pub keyed: BTreeMap<String, Option<OsString>>,
}

/// The environment of `step`. `set` is its `env`, rendered: it wins over all, and as it is keyed by itself its names
/// are left out of [`StepEnvironment::keyed`].
pub fn step_environment(
    outer: &Outer,
    step: &Step,
    set: &BTreeMap<String, String>,
    conditions: Conditions,
) -> StepEnvironment {
    environment(outer, (step.uses_cargo, &step.track_env, [&step.pass_env, &step.secret_env]), set, conditions)
}

/// The environment of a hook, by the same rules.
pub fn hook_environment(
    outer: &Outer,
    (hook, scope): (&Hook, &HookScope),
    set: &BTreeMap<String, String>,
    conditions: Conditions,
) -> BTreeMap<OsString, OsString> {
    let uses_cargo = hook.calls_cargo || scope.uses_cargo;
    environment(outer, (uses_cargo, &scope.track_env, [&scope.pass_env, &scope.secret_env]), set, conditions).vars
}

fn environment(
    outer: &Outer,
    (uses_cargo, track_env, passed): (bool, &[String], [&Vec<String>; 2]),
    set: &BTreeMap<String, String>,
    conditions: Conditions,
) -> StepEnvironment {
    let handed = Names::new(HANDED_ON.iter().chain(if cfg!(windows) { HANDED_ON_WINDOWS } else { &[] }));
    let cargo_handed = Names::new(CARGO_HANDED_ON.iter().filter(|_| uses_cargo));
    let cargo_keyed = Names::new(CARGO_KEYED.iter().filter(|_| uses_cargo));
    let tracked = Names::new(track_env);
    let passed = Names::new(passed.into_iter().flatten());

    let mut vars: BTreeMap<OsString, OsString> = BTreeMap::new();
    vars.insert("LC_ALL".into(), "C.UTF-8".into());
    let mut keyed: BTreeMap<String, Option<OsString>> =
        tracked.plain.iter().map(|name| (canonical(name).into_owned(), None)).collect();
    for (name, value) in outer {
        let Some(text) = name.to_str() else { continue };
        // `CARGO_TARGET_DIR` looks like the variable of a triple and is none.
        let cargo_keys = cargo_keyed.has(text) && !cargo_handed.has(text)
            || uses_cargo && conditions.toolchain_is_chosen && text == "RUSTUP_TOOLCHAIN";
        let is_keyed = tracked.has(text) || cargo_keys;
        if is_keyed {
            keyed.insert(canonical(text).into_owned(), Some(value.clone()));
        }
        if is_keyed || handed.has(text) || cargo_handed.has(text) || passed.has(text) {
            vars.insert(name.clone(), value.clone());
        }
    }
    if conditions.colour {
        for (name, value) in [("CARGO_TERM_COLOR", "always"), ("FORCE_COLOR", "1"), ("CLICOLOR_FORCE", "1")] {
            if !tracked.has(name) && !passed.has(name) {
                vars.insert(name.into(), value.into());
            }
        }
    }
    for (name, value) in set {
        vars.retain(|other, _| !same_name(other, name));
        vars.insert(name.into(), value.into());
        keyed.remove(canonical(name).as_ref());
    }
    StepEnvironment { vars, keyed }
}

/// The values that are to be seen nowhere, of all that a step or hook gets.
pub fn secrets<'v>(vars: &'v Outer, secret_env: &[String]) -> impl Iterator<Item = &'v [u8]> + use<'v> {
    let secret = Names::new(secret_env);
    let of = vars.iter().filter(|(name, _)| name.to_str().is_some_and(|name| secret.has(name)));
    of.map(|(_, value)| value.as_encoded_bytes()).collect::<Vec<_>>().into_iter()
}

/// All that keys and warnings of these steps take from outside, and more: while it is the same, so are they.
pub fn outer_environment<'s>(outer: &Outer, steps: impl Iterator<Item = &'s Step>, conditions: Conditions) -> Digest {
    let mut patterns: BTreeSet<&str> = BTreeSet::new();
    let mut named: BTreeSet<String> = BTreeSet::new();
    for step in steps {
        patterns.extend(step.track_env.iter().map(String::as_str));
        if step.uses_cargo {
            patterns.extend(CARGO_KEYED.iter().copied().chain(["RUSTUP_TOOLCHAIN"]));
        }
        if let Command::Shell { script, .. } = &step.command {
            let text = script.text();
            if text.contains('$') {
                named.extend(shell_variables(&text));
            }
        }
    }
    let keyed = Names::new(&patterns);
    let mut hasher = FieldHasher::new("zen outer environment 1");
    hasher.number(u64::from(conditions.toolchain_is_chosen) << 1 | u64::from(conditions.colour));
    for (name, value) in outer.iter().filter(|(name, _)| name.to_str().is_some_and(|name| keyed.has(name))) {
        hasher.field(name.as_encoded_bytes()).field(value.as_encoded_bytes());
    }
    for name in named.iter().filter(|name| outer.contains_key(OsStr::new(name))) {
        hasher.field(name.as_bytes());
    }
    hasher.finish()
}

/// The `$NAME`s of a shell string that are set outside and that the step does not get, sorted: most likely the author
/// forgot to declare them. What stands in single quotes, and what the script or any shell sets itself, does not count.
pub fn undeclared_variables(script: &str, environment: &StepEnvironment, outer: &Outer) -> Vec<String> {
    let is_forgotten = |name: &String| {
        let name = OsStr::new(name);
        // What zen itself sets comes to every step, whatever an outer zen had set.
        let is_ours = name.as_encoded_bytes().starts_with(b"ZEN_");
        let is_the_shells = ["IFS", "OPTIND", "PPID", "PWD"].iter().any(|set| name == *set);
        !is_ours && !is_the_shells && outer.contains_key(name) && !environment.vars.contains_key(name)
    };
    shell_variables(script).into_iter().filter(is_forgotten).collect()
}

/// What a step is told about itself (section 9 of the contract).
#[derive(Debug, Clone)]
pub struct StepContext<'a> {
    /// The pipeline, as it is printed.
    pub pipeline: &'a str,
    /// The step's name.
    pub step: &'a str,
    /// The run; `None` where no history can be written.
    pub run: Option<RunId>,
    /// The workspace root, absolute.
    pub root: &'a Path,
    /// The step's parameters, and the pipeline's that it uses directly.
    pub params: &'a BTreeMap<String, Value>,
    /// What the cell is of a matrix.
    pub matrix: &'a BTreeMap<String, Value>,
    /// What each cell is that the command of a batch works on; empty for a step that is no batch.
    pub batch: &'a [&'a BTreeMap<String, Value>],
    /// Name → paths, sorted.
    pub inputs: &'a BTreeMap<String, Vec<RelPath>>,
    /// Name → place; for a glob its literal prefix.
    pub outputs: &'a BTreeMap<String, RelPath>,
    /// What follows `--`.
    pub args: &'a [String],
}

/// The version of the JSON that `ZEN_CONTEXT` names. It rises when a field changes its meaning.
pub const CONTEXT_VERSION: u32 = 1;

/// Linux starts no program that has one variable of 128 KiB or more. A list of paths that comes near is left out
/// (half a list would be worse); the context file has it.
const LONGEST_VARIABLE: usize = 96 << 10;

/// The `ZEN_*` variables, all but `ZEN_CONTEXT`: paths are absolute, several stand one a line.
pub fn zen_variables(context: &StepContext<'_>) -> BTreeMap<OsString, OsString> {
    let mut vars: BTreeMap<OsString, OsString> = [
        ("ZEN_PIPELINE".into(), context.pipeline.into()),
        ("ZEN_STEP".into(), context.step.into()),
        ("ZEN_WORKSPACE_ROOT".into(), context.root.into()),
    ]
    .into();
    if let Some(run) = context.run {
        vars.insert("ZEN_RUN".into(), run.to_string().into());
    }
    for (name, value) in context.params {
        vars.insert(variable("ZEN_PARAM", name), value.to_text().into());
    }
    for (name, value) in context.matrix.iter().filter(|_| context.batch.is_empty()) {
        vars.insert(variable("ZEN_MATRIX", name), value.to_text().into());
    }
    for (name, values) in batch_values(context) {
        let lines: Vec<String> =
            values.into_iter().map(|value| value.map(Value::to_text).unwrap_or_default()).collect();
        vars.insert(variable("ZEN_MATRIX", name), lines.join("\n").into());
    }
    for (name, paths) in context.inputs {
        let mut lines = OsString::new();
        for (at, path) in paths.iter().enumerate() {
            if at > 0 {
                lines.push("\n");
            }
            lines.push(path.to_path(context.root));
        }
        if lines.len() <= LONGEST_VARIABLE {
            vars.insert(variable("ZEN_INPUT", name), lines);
        }
    }
    for (name, path) in context.outputs {
        vars.insert(variable("ZEN_OUTPUT", name), path.to_path(context.root).into());
    }
    vars.retain(|_, value| value.len() <= LONGEST_VARIABLE);
    vars
}

/// Name → what it is in each cell of a batch, in their order; a field may be missing in some.
fn batch_values<'a>(context: &StepContext<'a>) -> BTreeMap<&'a str, Vec<Option<&'a Value>>> {
    let names = context.batch.iter().flat_map(|cell| cell.keys());
    names.map(|name| (name.as_str(), context.batch.iter().map(|cell| cell.get(name)).collect())).collect()
}

/// The JSON of the file that `ZEN_CONTEXT` names. A path is a string; one that is not UTF-8 is `{"bytes": […]}`.
pub fn zen_context(context: &StepContext<'_>) -> String {
    let path = |path: &RelPath| path_json(&path.to_path(context.root));
    let params: Map<_, _> = context.params.iter().map(|(name, value)| (name.clone(), value_json(value))).collect();
    let of_batch = |values: Vec<Option<&Value>>| -> serde_json::Value {
        values.into_iter().map(|value| value.map_or(serde_json::Value::Null, value_json)).collect()
    };
    let matrix: Map<_, _> = if context.batch.is_empty() {
        context.matrix.iter().map(|(name, value)| (name.clone(), value_json(value))).collect()
    } else {
        batch_values(context).into_iter().map(|(name, values)| (name.to_owned(), of_batch(values))).collect()
    };
    let inputs: Map<_, _> = context
        .inputs
        .iter()
        .map(|(name, paths)| (name.clone(), paths.iter().map(path).collect::<Vec<_>>().into()))
        .collect();
    let outputs: Map<_, _> = context.outputs.iter().map(|(name, place)| (name.clone(), path(place))).collect();
    json!({
        "version": CONTEXT_VERSION,
        "pipeline": context.pipeline,
        "step": context.step,
        "run": context.run.map(|run| run.0),
        "workspace_root": path_json(context.root),
        "params": params,
        "matrix": matrix,
        "inputs": inputs,
        "outputs": outputs,
        "args": context.args,
    })
    .to_string()
}

pub(crate) fn path_json(path: &Path) -> serde_json::Value {
    match path.to_str() {
        Some(text) => text.into(),
        None => json!({ "bytes": path.as_os_str().as_encoded_bytes() }),
    }
}

/// Infinities and NaN have no JSON and become strings, as TOML writes them.
fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) | Value::Datetime(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => {
            serde_json::Number::from_f64(*number).map_or_else(|| value.to_text().into(), serde_json::Value::Number)
        }
        Value::Boolean(flag) => (*flag).into(),
        Value::Array(items) => items.iter().map(value_json).collect::<Vec<_>>().into(),
        Value::Table(entries) => {
            entries.iter().map(|(key, item)| (key.clone(), value_json(item))).collect::<Map<_, _>>().into()
        }
    }
}

fn variable(prefix: &str, name: &str) -> OsString {
    format!("{prefix}_{}", name.to_ascii_uppercase().replace(['-', '.'], "_")).into()
}

/// Names and globs of names of variables.
#[derive(Default)]
struct Names<'a> {
    plain: Vec<&'a str>,
    globs: Vec<GlobMatcher>,
}

impl<'a> Names<'a> {
    /// What is no glob is a plain name: the loader has refused malformed ones with their span.
    fn new(patterns: impl IntoIterator<Item = &'a (impl AsRef<str> + 'a)>) -> Self {
        let mut names = Self::default();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            match Glob::new(pattern) {
                Ok(glob) if pattern.contains(['*', '?', '[', '{']) => names.globs.push(glob.compile_matcher()),
                _ => names.plain.push(pattern),
            }
        }
        names
    }

    fn has(&self, name: &str) -> bool {
        let canonical = canonical(name);
        self.plain.iter().any(|plain| same_name(OsStr::new(plain), name))
            || self.globs.iter().any(|glob| glob.is_match(canonical.as_ref()))
    }
}

/// Windows takes names without regard to case; there the upper-case spelling stands for all.
fn canonical(name: &str) -> std::borrow::Cow<'_, str> {
    if cfg!(windows) { name.to_ascii_uppercase().into() } else { name.into() }
}

fn same_name(one: &OsStr, other: &str) -> bool {
    if cfg!(windows) { one.eq_ignore_ascii_case(other) } else { one == other }
}

#[cfg(test)]
mod tests;
