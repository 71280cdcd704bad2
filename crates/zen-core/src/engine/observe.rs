//! From definitions to what is looked at, and from what was seen to what a key takes. Looks at nothing itself but
//! through the scanner.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::functions::Named;
use super::items::Items;
use crate::closure::Fact;
use crate::diag::{Diagnostic, Span};
use crate::digest::Digest;
use crate::glob::Pattern;
use crate::graph::words;
use crate::key::{self, Files, SourceFile};
use crate::model::{Command, InputSource, Place, Step};
use crate::path::RelPath;
use crate::scan::stamp::Stamp;
use crate::scan::walk::{Kind, Request, Seen, SetSpec};
use crate::scan::{Content, Observation, Observed, Scanner, Unusable};

/// What a set of a step stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Use {
    /// Files that words of the command name.
    Command,
    /// The files of a named input, by its index.
    Input(usize),
    /// `files` or `file-dependencies`.
    Files,
    /// The sources of a package.
    Sources(String),
}

/// The sets of one step, and what each stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct StepSets {
    /// In the order in which they are looked at.
    pub(super) sets: Vec<(Use, Arc<SetSpec>)>,
    /// What its package closures hold beside files.
    pub(super) facts: Vec<Fact>,
    /// What its cache functions printed, by name.
    pub(super) cache_funcs: Named,
    /// Why a part of its key is not known: the step is uncacheable then.
    pub(super) unknown: Option<String>,
}

impl StepSets {
    /// Those of a step, without what its package closures and cache functions say.
    pub(super) fn of(step: &Step) -> Self {
        let mut sets = Vec::new();
        if step.policy.include_step_code {
            let named = named_files(step);
            if !named.is_empty() {
                sets.push((Use::Command, Arc::new(SetSpec::Files(named))));
            }
        }
        for (at, input) in step.inputs.iter().enumerate() {
            if let InputSource::Files(files) = &input.source {
                sets.push((Use::Input(at), Arc::new(SetSpec::Paths(files.clone()))));
            }
        }
        let files = std::iter::once(&step.files).chain(&step.policy.file_dependencies);
        sets.extend(files.filter(|set| !set.is_empty()).map(|set| (Use::Files, Arc::new(SetSpec::Paths(set.clone())))));
        Self { sets, ..Self::default() }
    }
}

/// What was seen of one step's sets: of the scan of all, or of a later look at this step alone.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// The scan.
    pub(super) seen: Arc<Observation>,
    /// For each of the step's sets, its index in the scan.
    pub(super) sets: Vec<usize>,
    /// What its source items hold.
    pub(super) items: Arc<Items>,
    /// The index of the set of [`Items::files`]. What those hold beside the items is no part of the key, but must hold
    /// still.
    pub(super) watched: Option<usize>,
}

impl View {
    /// Everything that the key rests on.
    fn all(&self) -> impl Iterator<Item = &Observed> {
        self.sets.iter().chain(&self.watched).flat_map(|set| self.seen.members(*set))
    }
}

/// Outputs whose paths never enter a step's key from disk: its own, and those of upstream steps in this run.
#[derive(Debug, Default)]
pub(super) struct Owned<'a> {
    /// Its own places.
    pub(super) own: Vec<&'a Place>,
    /// Places of upstream steps, with the files and links that their records hold, by path in the workspace.
    pub(super) upstream: Vec<(&'a Place, Files)>,
}

impl Owned<'_> {
    /// Does some output hold `path`?
    fn has(&self, path: &RelPath) -> bool {
        self.own.iter().any(|place| place.owns(path)) || self.upstream.iter().any(|(place, _)| place.owns(path))
    }

    /// The ones that a set could meet at all.
    fn near<'b>(&'b self, spec: &SetSpec) -> Owned<'b> {
        Owned {
            own: self.own.iter().copied().filter(|place| spec.is_near(place.root())).collect(),
            upstream: self
                .upstream
                .iter()
                .filter(|(place, _)| spec.is_near(place.root()))
                .map(|(place, files)| (*place, files.clone()))
                .collect(),
        }
    }
}

/// Fills the parts of a key that come from files.
///
/// # Errors
/// Why the key cannot be computed now.
pub(super) fn files_of(sets: &StepSets, view: &View, owned: &Owned<'_>) -> Result<key::Observed, String> {
    if let Some(why) = &sets.unknown {
        return Err(why.clone());
    }
    let mut facts = sets.facts.clone();
    facts.extend(view.items.facts.clone()?);
    facts.sort_unstable();
    let mut observed = key::Observed { facts, cache_funcs: sets.cache_funcs.clone(), ..key::Observed::default() };
    let mut files: BTreeMap<RelPath, Digest> = BTreeMap::new();
    for ((used, spec), local) in sets.sets.iter().zip(&view.sets) {
        let found = members(spec, view, *local, owned)?;
        match used {
            Use::Command => observed.named_in_command = found,
            Use::Input(at) => {
                observed.input_files.insert(*at, found);
            }
            Use::Files => files.extend(found),
            Use::Sources(package) => observed.sources.extend(found.into_iter().map(|(path, digest)| SourceFile {
                package: package.clone(),
                path,
                digest,
            })),
        }
    }
    // A file that is declared as well would be said to have changed twice.
    let declared = |path: &RelPath| {
        files.contains_key(path) || observed.input_files.values().flatten().any(|(known, _)| known == path)
    };
    let named = std::mem::take(&mut observed.named_in_command);
    let named = named.into_iter().filter(|(path, _)| !declared(path)).collect();
    observed.named_in_command = named;
    observed.files = files.into_iter().collect();
    observed.sources.sort_unstable();
    observed.sources.dedup();
    Ok(observed)
}

fn members(spec: &SetSpec, view: &View, set: usize, owned: &Owned<'_>) -> Result<Files, String> {
    let owned = owned.near(spec);
    let mut found = Vec::with_capacity(view.seen.sets[set].members.len());
    for seen in view.seen.members(set) {
        if owned.has(&seen.path) {
            continue;
        }
        let digest = match (&seen.content, spec) {
            // A word of the command that leads out, as `.venv/bin/python` does: no file of the workspace, but a choice.
            (Content::Unusable(Unusable::Outside { target, .. }), SetSpec::Files(_)) => Digest::of(target.as_bytes()),
            (content, _) => content.digest().map_err(|why| why.to_string())?,
        };
        found.push((seen.path.clone(), digest));
    }
    for (place, files) in &owned.upstream {
        found.extend(files.iter().filter(|(path, _)| spec.means_output(path, place)).cloned());
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The paths and stamps that a step's key rests on, sorted: equal before and after means nothing changed meanwhile.
///
/// A link's own stamp says nothing of what it leads to: that is compared by content.
pub(super) type Stamps = Vec<(RelPath, Stamp, Option<Digest>)>;

/// As the view has them, but for what lies at the places of outputs.
pub(super) fn stamps_of_view(view: &View, outputs: &[Place]) -> Stamps {
    tidy(view.all().map(|seen| (seen.path.clone(), seen.stamp, linked(&seen.content))), outputs)
}

/// As the disk has them now: everything is stated, and the folders that globs listed are listed again.
pub(super) fn stamps_of_disk(scanner: &Scanner, request: Request<'_>, outputs: &[Place]) -> Stamps {
    let seen = scanner.restate(request).seen.into_iter();
    let with_content = |seen: Seen| {
        let content = (seen.kind == Kind::Link).then(|| linked(&scanner.follow(&seen.path, request.left_out)));
        (seen.path, seen.stamp, content.flatten())
    };
    tidy(seen.map(with_content), outputs)
}

fn linked(content: &Content) -> Option<Digest> {
    match content {
        Content::Link { content, .. } => *content,
        Content::File { .. } | Content::Unusable(_) => None,
    }
}

fn tidy(stamps: impl Iterator<Item = (RelPath, Stamp, Option<Digest>)>, outputs: &[Place]) -> Stamps {
    let is_output = |path: &RelPath| outputs.iter().any(|place| place.owns(path));
    let mut stamps: Stamps = stamps.filter(|(path, ..)| !is_output(path)).collect();
    stamps.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    stamps.dedup();
    stamps
}

/// Do two views of the same sets hold the same contents, but for what lies at the places of outputs?
pub(super) fn same_content(a: &View, b: &View, outputs: &[Place]) -> bool {
    let contents = |view: &View| {
        let inputs = view.all().filter(|seen| !outputs.iter().any(|place| place.owns(&seen.path)));
        inputs.map(|seen| (seen.path.clone(), seen.content.clone())).collect::<BTreeMap<_, _>>()
    };
    contents(a) == contents(b)
}

/// The first path of two lists that is not the same in both.
pub(super) fn first_difference(before: &Stamps, after: &Stamps) -> Option<RelPath> {
    let different = before.iter().zip(after).find(|(a, b)| a != b);
    match different {
        Some((a, b)) => Some(if a.0 <= b.0 { a.0.clone() } else { b.0.clone() }),
        None if before.len() < after.len() => Some(after[before.len()].0.clone()),
        None => before.get(after.len()).map(|rest| rest.0.clone()),
    }
}

/// What a step reads that can be no input, whatever the run does.
pub(super) fn unusable(sets: &StepSets, view: &View, outputs: &[Place]) -> Vec<Unusable> {
    let sets = sets.sets.iter().zip(&view.sets);
    let seen = sets.flat_map(|((used, _), set)| view.seen.members(*set).map(move |seen| (used, seen)));
    let found = seen.filter_map(|(used, seen)| match &seen.content {
        Content::Unusable(Unusable::Outside { .. }) if *used == Use::Command => None,
        Content::Unusable(why @ (Unusable::Special(_) | Unusable::Outside { .. })) => Some((&seen.path, why)),
        _ => None,
    });
    found.filter(|(path, _)| !outputs.iter().any(|place| place.owns(path))).map(|(_, why)| why.clone()).collect()
}

/// A step that nothing but its own definition could make run again.
pub(super) fn never_again(step: &Step, sets: &StepSets, view: &View) -> Option<Diagnostic> {
    let names_files = || {
        let mut sets = sets.sets.iter().zip(&view.sets);
        sets.any(|((used, _), set)| *used == Use::Command && view.seen.members(*set).next().is_some())
    };
    let is_told = !step.files.is_empty()
        || !step.inputs.is_empty()
        || !step.closures.is_empty()
        || !step.depends.is_empty()
        || !step.track_env.is_empty()
        || !step.policy.file_dependencies.is_empty()
        || !step.cache_funcs.is_empty()
        || !step.policy.source_items.is_empty()
        || step.policy.expires_after.is_some()
        || names_files();
    (step.enable_cache.0 && !is_told).then(|| {
        Diagnostic::warning(format!("step `{}` reads nothing that it declares", step.display_id))
            .at(step.span, "once it succeeded, only its own definition makes it run again")
            .help("say what it reads: `files = [\"src/**\"]`, `inputs`, `packages`, `track-env`")
            .help("or, if it is to run every time: `enable-cache = false`")
    })
}

/// What the disk makes wrong with a step's patterns: plain paths where nothing is, globs that match nothing.
/// `is_output` says whether a declared output of any step lies at, above or below a path.
pub(super) fn unmatched(
    step: &Step,
    sets: &StepSets,
    view: &View,
    is_output: &dyn Fn(&RelPath) -> bool,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for ((used, spec), local) in sets.sets.iter().zip(&view.sets) {
        let SetSpec::Paths(paths) = &**spec else { continue };
        let span = match used {
            Use::Input(at) => step.inputs[*at].span,
            _ => step.span,
        };
        for at in &view.seen.sets[*local].unmatched {
            let pattern = &paths.include[*at];
            let span = written(step, pattern).unwrap_or(span);
            if is_output(pattern.prefix()) {
                continue;
            }
            problems.push(if pattern.is_plain() {
                missing_path(step, span, pattern.prefix())
            } else {
                Diagnostic::warning(format!("`{pattern}` matches nothing"))
                    .at(span, format!("in step `{}`", step.display_id))
                    .help("a glob matches files; if you mean all files of some folders, end it with `/**`")
            });
        }
    }
    problems
}

/// Where this step writes the pattern; another step that has it too may have brought the set in.
fn written(step: &Step, pattern: &Pattern) -> Option<Span> {
    let inputs = step.inputs.iter().filter_map(|input| match &input.source {
        InputSource::Files(set) => Some(set),
        InputSource::Artifact { .. } => None,
    });
    let sets = inputs.chain([&step.files]).chain(&step.policy.file_dependencies);
    sets.flat_map(|set| &set.include).find(|own| *own == pattern)?.span()
}

fn missing_path(step: &Step, span: Span, path: &RelPath) -> Diagnostic {
    Diagnostic::error(format!("`{path}` does not exist"))
        .at(span, format!("step `{}` reads it, and no step makes it", step.display_id))
        .help("create it, correct the path (it is relative to the folder of the table's Cargo.toml), or use a glob if it may be absent")
}

/// Patterns whose literal prefix lies in what no glob looks into, and that are no declared output.
pub(super) fn left_out(
    step: &Step,
    sets: &StepSets,
    left_out: &[RelPath],
    is_output: &dyn Fn(&RelPath) -> bool,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (_, spec) in &sets.sets {
        let SetSpec::Paths(paths) = &**spec else { continue };
        for pattern in &paths.include {
            let prefix = pattern.prefix();
            let in_git = prefix.components().any(|name| name == b".git");
            let hidden = left_out.iter().find(|folder| prefix.starts_with(folder));
            if (in_git || hidden.is_some()) && !is_output(prefix) {
                let what = hidden.map_or_else(|| ".git".to_owned(), ToString::to_string);
                problems.push(
                    Diagnostic::error(format!("`{pattern}` lies in `{what}`, which no glob looks into"))
                        .at(written(step, pattern).unwrap_or(step.span), format!("in step `{}`", step.display_id))
                        .help("declare what is there as the output of the step that makes it, and refer to that"),
                );
            }
        }
    }
    problems
}

/// The paths that words of the command name, if files are there: looked up from `cwd`.
fn named_files(step: &Step) -> Vec<RelPath> {
    // A shell may be a script of the workspace.
    let shell: &[String] = match &step.command {
        Command::Shell { shell: Some(shell), .. } => shell,
        _ => &[],
    };
    let texts = words(step).into_iter().map(|word| word.text).chain(shell.iter().cloned());
    let paths = texts.filter_map(|text| step.cwd.join(text).ok());
    let mut files: Vec<RelPath> = paths.filter(|path| !path.is_root() && !path.is_outside()).collect();
    files.sort_unstable();
    files.dedup();
    files
}

/// Policies that leave out what most people take for granted: legal, and said once for each kind.
pub(super) fn blind_spots<'m>(steps: impl Iterator<Item = &'m Step> + Clone) -> Vec<String> {
    let takes_artifacts = |step: &Step| {
        let counts = |name: &String| step.policy.ignored_inputs.binary_search(name).is_err();
        let mut inputs = step.inputs.iter().filter(|input| counts(&input.name));
        inputs.any(|input| matches!(input.source, InputSource::Artifact { .. }))
    };
    let is_blind = |step: &&Step| {
        let policy = &step.policy;
        !policy.include_artifact_values && !policy.include_artifact_ids && takes_artifacts(step)
    };
    let upstream: Vec<&str> = steps.clone().filter(is_blind).map(|step| &*step.display_id).collect();
    let code: Vec<&str> = steps.filter(|step| !step.policy.include_step_code).map(|step| &*step.display_id).collect();
    let kinds = [
        (upstream, "what upstream steps write (`include-artifact-values` and `include-artifact-ids` are off)"),
        (code, "changes of the command and its code (`include-step-code` is off)"),
    ];
    let with_steps = kinds.into_iter().filter(|(steps, _)| !steps.is_empty());
    with_steps.map(|(steps, what)| format!("the cache policy of {} leaves out {what}", listed(&steps))).collect()
}

/// The first names, and how many there are beside.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = crate::suggest::quoted(&names[..names.len().min(SHOWN)]);
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// A step that writes into the sources of its own package: said once.
pub(super) fn own_output_in_closure(step: &Step, sets: &StepSets) -> Option<String> {
    let trees: Vec<&SetSpec> =
        sets.sets.iter().map(|(_, spec)| &**spec).filter(|s| matches!(s, SetSpec::Tree(_))).collect();
    let inside = |place: &&Place| trees.iter().any(|tree| tree.means_output(place.root(), place));
    let place = step.outputs.iter().map(|output| &output.place).find(inside)?;
    let root = place.root();
    Some(format!(
        "`{root}` is made by step `{}` and lies in the sources that it reads: it is no part of its key",
        step.display_id
    ))
}
