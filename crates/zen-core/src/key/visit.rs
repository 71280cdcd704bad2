//! The traversal: everything that a step depends on, each part once, in one order. Both sinks are fed by it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::{Component, Part, Sink};
use crate::artifact::{Key, Production};
use crate::closure::Fact;

use crate::digest::{Digest, FieldHasher};
use crate::model::template::Template;
use crate::model::{CargoBuild, Command, InputSource, Place, Policy, Step};
use crate::path::RelPath;

/// Files with the digests that a key holds, sorted.
pub type Files = Vec<(RelPath, Digest)>;

/// What was observed of a step's dependencies.
#[derive(Debug, Default)]
pub struct Observed {
    /// Files that words of the command name.
    pub named_in_command: Files,
    /// For each input of the step, in order: its artifact, or those of several cells …
    pub artifacts: BTreeMap<usize, Vec<ArtifactInput>>,
    /// … or its files.
    pub input_files: BTreeMap<usize, Files>,
    /// `files` and `file-dependencies`.
    pub files: Files,
    /// The files of the package closures, sorted.
    pub sources: Vec<SourceFile>,
    /// The other facts of the package closures, sorted.
    pub facts: Vec<Fact>,
    /// The keys of the steps that `depends` names, by display id.
    pub depends: Vec<(String, Key)>,
    /// Variables read from outside: unset is not empty.
    pub env: BTreeMap<String, Option<OsString>>,
    /// What the cache functions printed, by name, sorted.
    pub cache_funcs: Vec<(String, String)>,
    /// The host's target triple.
    pub platform: String,
}

/// An input artifact.
#[derive(Debug, Clone)]
pub struct ArtifactInput {
    /// Which cell made it; empty for a step that has none.
    pub cell: String,
    /// Of its content.
    pub digest: Digest,
    /// Which production; `None` where the upstream is not cached and left no identity.
    pub production: Production,
    /// Does the output say `content-hash = false`?
    pub by_identity: bool,
    /// The place as its path in the workspace, or the file name where the place is zen's.
    pub place: Vec<u8>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// The package.
    pub package: String,
    /// The file.
    pub path: RelPath,
    /// Of its content.
    pub digest: Digest,
}

impl dyn Sink + '_ {
    fn item(
        &mut self,
        component: Component,
        name: &str,
        path: Option<&RelPath>,
        digest: Digest,
        shown: &dyn Fn() -> Option<String>,
    ) {
        self.take(Part { component, name, path, digest, shown });
    }
}

/// Feeds everything that `step` depends on to `sink`.
///
/// # Errors
/// A part of the key that cannot be computed, in words: the step then runs, and is not recorded.
pub fn visit(step: &Step, observed: &Observed, sink: &mut dyn Sink) -> Result<(), String> {
    code(step, observed, sink);
    params(step, sink);
    inputs(step, observed, sink)?;
    for (path, digest) in &observed.files {
        sink.item(Component::Files, "", Some(path), *digest, &|| None);
    }
    // Where the code does not count, the closures here are those that `packages` names.
    for file in &observed.sources {
        sink.item(Component::Sources, &file.package, Some(&file.path), file.digest, &|| None);
    }
    for fact in &observed.facts {
        sink.item(Component::Sources, &fact.item, None, fact.digest, &|| fact.shown.clone());
    }
    env(step, observed, sink);
    for (name, value) in &observed.cache_funcs {
        sink.item(Component::CacheFunc, name, None, text(value), &|| Some(in_one_line(value)));
    }
    outputs(step, sink);
    if step.policy.include_platform {
        let platform = &observed.platform;
        sink.item(Component::Platform, "target", None, text(platform), &|| Some(platform.clone()));
    }
    Ok(())
}

fn code(step: &Step, observed: &Observed, sink: &mut dyn Sink) {
    let mut item = |name: &str, path: Option<&RelPath>, digest: Digest, shown: Option<String>| {
        sink.item(Component::Code, name, path, digest, &|| shown.clone());
    };
    if step.policy.include_step_code {
        let (digest, shown) = command(&step.command);
        item("command", None, digest, Some(shown));
        if let Command::Shell { shell: Some(shell), .. } = &step.command {
            item("shell", None, words("zen shell 1", shell.iter().map(String::as_bytes)), Some(shell.join(" ")));
        }
        for (path, digest) in &observed.named_in_command {
            item("file", Some(path), *digest, None);
        }
    }
    item("cwd", None, Digest::of(step.cwd.as_bytes()), Some(step.cwd.to_string()));
}

fn command(command: &Command) -> (Digest, String) {
    let templates = |kind: &str, parts: &[Template]| {
        let parts: Vec<String> = parts.iter().map(Template::canonical).collect();
        (words(&format!("zen {kind} 1"), parts.iter().map(String::as_bytes)), parts.join(" "))
    };
    match command {
        Command::Shell { script, .. } => templates("script", std::slice::from_ref(script)),
        Command::Argv(argv) => templates("argv", argv),
        Command::Target { build, args } => {
            let (args, shown) = templates("args", args);
            let (build, target) = cargo_build(build);
            let mut hasher = FieldHasher::new("zen target 1");
            hasher.field(&build.0).field(&args.0);
            (hasher.finish(), format!("{target} {shown}").trim_end().to_owned())
        }
        Command::Build(build) => cargo_build(build),
    }
}

fn cargo_build(build: &CargoBuild) -> (Digest, String) {
    let target = match &build.target {
        None => format!("build {}", build.package),
        Some(crate::model::BuildTarget::Bin(name)) => format!("bin {name} of {}", build.package),
        Some(crate::model::BuildTarget::Example(name)) => format!("example {name} of {}", build.package),
    };
    let mut hasher = FieldHasher::new("zen build 1");
    hasher.field(target.as_bytes()).number(build.features.len() as u64);
    build.features.iter().for_each(|feature| {
        hasher.field(feature.as_bytes());
    });
    for setting in [&build.profile, &build.triple] {
        hasher.number(u64::from(setting.is_some())).field(setting.as_deref().unwrap_or_default().as_bytes());
    }
    (hasher.finish(), target)
}

fn params(step: &Step, sink: &mut dyn Sink) {
    if step.policy.include_step_parameters {
        let mut named: BTreeMap<String, &crate::value::Value> =
            step.params.iter().map(|(name, value)| (name.clone(), value)).collect();
        for (name, value) in &step.pipeline_params {
            // `{{ pipeline.x }}` beside a parameter `x` of the step that has another value.
            let name = if named.get(name).is_some_and(|other| *other != value) {
                format!("pipeline.{name}")
            } else {
                name.clone()
            };
            named.insert(name, value);
        }
        for (name, value) in named {
            let mut hasher = FieldHasher::new("zen param 1");
            value.hash_into(&mut hasher);
            sink.item(Component::Params, &name, None, hasher.finish(), &|| Some(value.to_string()));
        }
    }
    // They say which cell it is: no policy leaves them out. No parameter can be called so, names hold no dot.
    for (name, value) in &step.matrix {
        let mut hasher = FieldHasher::new("zen matrix 1");
        value.hash_into(&mut hasher);
        sink.item(Component::Params, &format!("matrix.{name}"), None, hasher.finish(), &|| Some(value.to_string()));
    }
    if let Some(args) = &step.args {
        let digest = words("zen arguments 1", args.iter().map(String::as_bytes));
        // No parameter can be called so: names hold no space.
        let shown = || Some(if args.is_empty() { "none".to_owned() } else { args.join(" ") });
        sink.item(Component::Params, "-- args", None, digest, &shown);
    }
}

fn inputs(step: &Step, observed: &Observed, sink: &mut dyn Sink) -> Result<(), String> {
    let policy = &step.policy;
    let counts = |name: &String| policy.ignored_inputs.binary_search(name).is_err();
    for (at, input) in step.inputs.iter().enumerate().filter(|(_, input)| counts(&input.name)) {
        if let InputSource::Files(_) = input.source {
            for (path, digest) in observed.input_files.get(&at).into_iter().flatten() {
                sink.item(Component::Inputs, &input.name, Some(path), *digest, &|| None);
            }
            continue;
        }
        let Some(artifacts) = observed.artifacts.get(&at) else {
            return Err(format!("input `{}` is not known", input.name));
        };
        for artifact in artifacts {
            let name =
                if artifacts.len() > 1 { format!("{}[{}]", input.name, artifact.cell) } else { input.name.clone() };
            let digest = input_digest(policy, artifact, &input.name)?;
            sink.item(Component::Inputs, &name, None, digest, &|| None);
        }
    }
    for (step, key) in &observed.depends {
        sink.item(Component::Inputs, &format!("depends {step}"), None, key.0, &|| None);
    }
    Ok(())
}

/// What a key holds for an input artifact that counts by its content: `place` as [`ArtifactInput`] has it.
pub fn content_input(place: &[u8], content: Digest) -> Digest {
    let mut hasher = FieldHasher::new("zen input 1");
    hasher.field(place).field(b"content").field(&content.0);
    hasher.finish()
}

fn input_digest(policy: &Policy, artifact: &ArtifactInput, name: &str) -> Result<Digest, String> {
    if policy.include_artifact_values && !artifact.by_identity {
        return Ok(content_input(&artifact.place, artifact.digest));
    }
    let mut hasher = FieldHasher::new("zen input 1");
    hasher.field(&artifact.place);
    if policy.include_artifact_ids {
        hasher.field(b"production").field(&artifact.production.0);
    } else if policy.include_artifact_values {
        return Err(format!(
            "input `{name}` comes from an output with `content-hash = false`, and `include-artifact-ids` is off"
        ));
    }
    Ok(hasher.finish())
}

fn env(step: &Step, observed: &Observed, sink: &mut dyn Sink) {
    let mut named: BTreeMap<&str, (Digest, Option<String>)> = BTreeMap::new();
    for (name, value) in &observed.env {
        let mut hasher = FieldHasher::new("zen tracked variable 1");
        match value {
            Some(value) => hasher.field(b"set").field(value.as_encoded_bytes()),
            None => hasher.field(b"unset"),
        };
        named.insert(name, (hasher.finish(), None));
    }
    for (name, template) in &step.env {
        let canonical = template.canonical();
        let digest = words("zen set variable 1", [canonical.as_bytes()]);
        named.insert(name, (digest, Some(canonical)));
    }
    for (name, (digest, shown)) in named {
        sink.item(Component::Env, name, None, digest, &|| shown.clone());
    }
}

fn outputs(step: &Step, sink: &mut dyn Sink) {
    for output in &step.outputs {
        let shown = if output.place_is_ours {
            crate::path::escape(output.place.root().file_name().unwrap_or_default())
        } else {
            match &output.place {
                Place::Path { path, folder: false } => path.to_string(),
                Place::Path { path, folder: true } => format!("{path}/"),
                Place::Glob(pattern) => pattern.to_string(),
            }
        };
        let mut hasher = FieldHasher::new("zen output 1");
        hasher.number(u64::from(output.place_is_ours)).number(u64::from(output.optional)).field(shown.as_bytes());
        sink.item(Component::Outputs, &output.name, None, hasher.finish(), &|| Some(shown.clone()));
    }
}

/// What a function printed, for people: on one line, and what is long by its beginning and its digest.
fn in_one_line(value: &str) -> String {
    const LONGEST: usize = 80;
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let line: String = value.trim_end().chars().map(plain).collect();
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((end, _)) => format!("{}… ({})", &line[..end], text(value).short()),
    }
}

fn text(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn words<'a>(domain: &str, words: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let words: Vec<&[u8]> = words.into_iter().collect();
    let mut hasher = FieldHasher::new(domain);
    hasher.number(words.len() as u64);
    words.iter().for_each(|word| {
        hasher.field(word);
    });
    hasher.finish()
}
