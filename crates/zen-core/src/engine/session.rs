//! One command's work on one selection: what it holds open, and the first look at the disk.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::history::History;
use super::known_items::KnownItems;
use super::ledger::Ledger;
use super::observe::{self, Owned, StepSets, View};
use super::standing::Standing;
use super::{Definitions, EngineError, Options, Project, functions};
use super::{hooks, items};
use crate::artifact::{Artifact, Key, Node, Production, Record, Timestamp};
use crate::decide::{Decision, Why};
use crate::diag::{Diagnostic, Severity, Span};
use crate::digest::{Digest, FieldHasher};
use crate::environment::{StepEnvironment, step_environment, undeclared_variables};
use crate::event::{Part, Reused, Spent};
use crate::graph::{EdgeKind, Selection};
use crate::model::{Command, Place, StepId, StepMap, StepSet};
use crate::path::RelPath;
use crate::place::Places;
use crate::rust_source::Library;
use crate::scan::Scanner;
use crate::scan::cache::StatCache;
use crate::scan::stamp::Stamp;
use crate::scan::walk::{Request, SetSpec};
use crate::store::local::{Access, LocalStore};
use crate::store::series::Series;
use crate::workspace::{Closures, Toolchains};

/// What a step leaves: known from its record, or because it ran.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    /// In the order of the definition.
    pub(super) artifacts: Arc<[Artifact]>,
    /// Which production.
    pub(super) production: Production,
    /// Its key, if it could be computed.
    pub(super) key: Option<Key>,
    /// The record, where one stands behind it.
    pub(super) record: Option<Arc<Record>>,
    /// Are the outputs on disk, as far as is known?
    pub(super) in_place: bool,
}

/// What was decided for a step.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) decision: Decision,
    pub(super) why: Vec<Why>,
    /// Its key, or why there is none.
    pub(super) key: Result<Key, String>,
    pub(super) record: Option<Arc<Record>>,
    /// Do the outputs on disk match the record?
    pub(super) on_disk: bool,
}

impl Decided {
    pub(super) fn reused(&self) -> Option<Reused> {
        self.record.as_deref().filter(|_| matches!(self.decision, Decision::Fresh | Decision::Restore)).map(reused)
    }
}

/// The production of a record, as events have it.
pub(super) fn reused(record: &Record) -> Reused {
    let saved = Duration::from_millis(record.duration_ms);
    Reused { run: record.run, ended: record.ended, saved }
}

/// Does a step use cargo; its `track-env`, `pass-env` and `secret-env`, and the names of its `env`.
type Asked = (bool, [Vec<String>; 3], Vec<String>);

/// What does not change while a command works: workers share it.
#[derive(Debug)]
pub struct World<'p> {
    pub(super) project: &'p Project,
    /// What it works with.
    pub definitions: &'p Definitions,
    /// What it works on.
    pub selection: &'p Selection,
    pub(super) options: &'p Options,
    /// The zen folder.
    pub zen_dir: PathBuf,
    /// The store.
    pub store: LocalStore,
    pub(super) key_locks: Series,
    pub(super) scanner: Scanner,
    /// What zen left where.
    pub(super) ledger: Ledger,
    /// The time that ages are judged by.
    pub now: Timestamp,
    /// When the command began to look.
    pub(super) begun: Instant,
    pub(super) platform: String,
    /// What the workspace's own compiler calls itself.
    pub(super) toolchain: Option<String>,
    pub(super) outputs: Vec<Place>,
    pub(super) left_out: Vec<RelPath>,
    /// By step; filled when first asked for.
    step_sets: Vec<OnceLock<StepSets>>,
    /// What steps take from outside, by what says so: most steps say the same.
    environments: Mutex<HashMap<Asked, Arc<StepEnvironment>>>,
    /// By step: is it part of the selection?
    in_run: Vec<bool>,
    /// The source files that were taken apart.
    pub(super) library: Mutex<Library>,
    /// What earlier runs found in them.
    pub(super) known_items: KnownItems,
}

/// What is known of the steps so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) views: StepMap<View>,
    pub(super) settled: StepMap<Arc<Settled>>,
    pub(super) decided: StepMap<Decided>,
    /// What stood at the end of an earlier run.
    pub(super) standing: Option<Standing>,
    /// The steps that were fresh by that alone.
    pub(super) stood: StepSet,
    /// Steps of which something was said.
    pub(super) with_problems: StepSet,
}

/// Everything that one command holds open.
#[derive(Debug)]
pub struct Session<'p> {
    /// What does not change.
    pub world: World<'p>,
    pub(super) progress: Progress,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) notes: Vec<String>,
    /// Where time went before there was anybody to tell.
    pub(super) spent: Vec<Spent>,
}

impl<'p> Session<'p> {
    /// Opens what a command on `selection` needs, and looks at the disk: one walk for all.
    ///
    /// # Errors
    /// The zen folder or the store cannot be used; or what is on disk makes a definition wrong.
    pub fn open(
        project: &'p Project,
        definitions: &'p Definitions,
        selection: &'p Selection,
        options: &'p Options,
        access: Access,
    ) -> Result<Self, EngineError> {
        let workspace = &project.workspace;
        let zen_dir = project.create_zen_dir()?;
        let store_folder = project.store_folder(&definitions.model, options.store_dir.as_deref());
        let store = LocalStore::open(&store_folder, access)?;
        let mut left_out = vec![workspace.layout.target_dir.clone(), workspace.layout.zen_dir.clone()];
        // The store that is used, and the one that the tables name where `ZEN_STORE_DIR` names another.
        for folder in [&store_folder, &project.store_folder(&definitions.model, None)] {
            if *folder != zen_dir {
                left_out.extend(RelPath::from_absolute(&workspace.root, folder));
            }
        }
        let scanner = Scanner::new(&workspace.root, StatCache::open(&zen_dir.join("stat-cache")));
        let scanner = scanner.watched(options.reading.clone());
        let known_items = KnownItems::open(&zen_dir.join("source-items"));
        let world = World {
            project,
            definitions,
            selection,
            options,
            ledger: Ledger::open(&zen_dir.join("places.log")),
            zen_dir,
            scanner,
            now: super::now(),
            begun: Instant::now(),
            platform: String::new(),
            toolchain: None,
            outputs: definitions.model.steps.iter().flat_map(|s| &s.outputs).map(|o| o.place.clone()).collect(),
            left_out,
            step_sets: definitions.model.step_ids().map(|_| OnceLock::new()).collect(),
            environments: Mutex::default(),
            in_run: in_run(definitions, selection),
            library: Mutex::default(),
            known_items,
            key_locks: Series::open(store.folder().join("locks")),
            store,
        };
        let mut warnings: Vec<Diagnostic> = definitions
            .warnings
            .iter()
            .filter(|warning| !is_elsewhere(warning, definitions, selection))
            .cloned()
            .collect();
        warnings.extend(world.store.warning().map(|text| {
            Diagnostic::warning(text).help(
                "see that its folder can be written and that its disk has space, or name another in ZEN_STORE_DIR",
            )
        }));
        let mut session = Self { world, progress: Progress::default(), warnings, notes: Vec::new(), spent: Vec::new() };
        session.look()?;
        Ok(session)
    }

    /// Writes what was learnt of the disk, for the next run.
    ///
    /// # Errors
    /// What writing met; losing it costs time alone.
    pub fn save(&mut self) -> std::io::Result<()> {
        self.world.known_items.save(&items::all_names(&self.world))?;
        let standing = &self.progress.standing;
        self.world.scanner.cache.save(|used| standing.iter().for_each(|standing| standing.stamps(used)))
    }

    /// What is to be said before anything is done.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// What else is to be said, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn look(&mut self) -> Result<(), EngineError> {
        let world = &mut self.world;
        let model = &world.definitions.model;
        let toolchains = Toolchains::new(&world.project.workspace);
        let closures = Closures::new(&world.project.workspace, &toolchains);
        world.platform = toolchains.host_triple();
        world.toolchain = toolchains.release();
        let (values, problems) = functions::values(world);
        if !problems.is_empty() {
            return Err(EngineError::Definitions(problems));
        }
        for id in &world.selection.order {
            let step = model.step(*id);
            if step.closures.is_empty() && step.cache_funcs.is_empty() {
                continue;
            }
            let mut sets = StepSets::of(step);
            for request in &step.closures {
                match closures.closure(request) {
                    Ok(closure) => {
                        for tree in &closure.trees {
                            let used = observe::Use::Sources(tree.package.clone());
                            sets.sets.push((used, Arc::new(SetSpec::Tree(tree.clone()))));
                        }
                        sets.facts.extend(closure.facts.iter().cloned());
                    }
                    Err(why) => sets.unknown = Some(why.to_string()),
                }
            }
            sets.facts.sort_unstable();
            sets.facts.dedup();
            match values.get(id) {
                Some(values) => sets.cache_funcs.clone_from(values),
                None if step.cache_funcs.is_empty() => {}
                None => sets.unknown = Some("its cache functions are not asked while its caching is off".to_owned()),
            }
            world.step_sets[id.0 as usize] = OnceLock::from(sets);
        }
        let world = &self.world;
        let from = world.begun.elapsed();
        let standing = Standing::open(world);
        self.spent.push(world.spent(None, Part::Stand, from));
        let open: Vec<StepId> = world.selection.order.iter().copied().filter(|id| !standing.has(*id)).collect();
        self.progress.standing = Some(standing);
        let from = world.begun.elapsed();
        self.progress.views.extend(items::look(world, &self.progress.settled, &open));
        if let Some(view) = open.first().and_then(|step| self.progress.views.get(step)) {
            let (walk, hash) = view.seen.took;
            self.spent.push(Spent { step: None, part: Part::Walk, from, took: walk });
            self.spent.push(Spent { step: None, part: Part::Hash, from: from + walk, took: hash });
        }
        self.judge(&open)
    }

    /// What the disk says against the definitions of steps that were looked at. Against those that stand nothing was
    /// said, or they would not have been noted.
    fn judge(&mut self, looked_at: &[StepId]) -> Result<(), EngineError> {
        let world = &self.world;
        let model = &world.definitions.model;
        let is_output =
            |path: &RelPath| world.outputs.iter().any(|place| place.owns(path) || place.root().starts_with(path));
        let mut all: Vec<Diagnostic> = Vec::new();
        for id in looked_at {
            let step = model.step(*id);
            let mut problems = Vec::new();
            let (sets, view) = (world.sets(*id), &self.progress.views[id]);
            problems.extend(observe::left_out(step, sets, &world.left_out, &is_output));
            // One that stands at the pipeline or the workspace is said once.
            let wrong = view.items.diagnostics().filter(|problem| !all.contains(problem));
            problems.extend(wrong);
            problems.extend(observe::never_again(step, sets, view));
            problems.extend(observe::unmatched(step, sets, view, &is_output));
            for why in observe::unusable(sets, view, &self.progress.owned_places(world, *id)) {
                problems.push(
                    Diagnostic::error(why.to_string())
                        .at(step.span, "this step reads it")
                        .help("leave it out with `!`, or make it a plain file or a link within the workspace"),
                );
            }
            if let Command::Shell { script, .. } = &step.command {
                let text = script.text();
                let environment = world.environment(*id);
                for name in undeclared_variables(&text, &environment, &world.project.workspace.env) {
                    problems.push(
                        Diagnostic::warning(format!("`${name}` is set outside, but step `{}` does not get it", step.display_id))
                            .at(step.command_span, "used here")
                            .help(format!(
                                "hand it on: `track-env = [\"{name}\"]` if it changes the result, else `pass-env = [\"{name}\"]`"
                            )),
                    );
                }
            }
            if !problems.is_empty() || view.items.diagnostics().next().is_some() {
                self.progress.with_problems.insert(*id);
            }
            // What is wrong with all cells of a step alike is said once.
            if let Some(id) = step.base_id() {
                let of_all = |text: &str| text.replace(&step.display_id, id);
                for problem in &mut problems {
                    problem.message = of_all(&problem.message);
                    problem.labels.iter_mut().for_each(|label| label.text = of_all(&label.text));
                }
                problems.retain(|problem| !all.contains(problem));
            }
            all.extend(problems);
        }
        let mut problems = all;
        problems.extend(hooks::undeclared(world));
        let with_closure = world.selection.order.iter().filter(|id| !model.step(**id).closures.is_empty());
        for id in with_closure {
            self.notes.extend(observe::own_output_in_closure(model.step(*id), world.sets(*id)));
        }
        self.notes.extend(observe::blind_spots(world.selection.order.iter().map(|id| model.step(*id))));
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            let warnings = std::mem::take(&mut self.warnings);
            return Err(EngineError::Definitions(warnings.into_iter().chain(problems).collect()));
        }
        self.warnings.extend(problems);
        Ok(())
    }
}

impl World<'_> {
    /// What was done from `from` (since [`World::begun`]) until now.
    pub(super) fn spent(&self, step: Option<StepId>, part: Part, from: Duration) -> Spent {
        Spent { step, part, from, took: self.begun.elapsed().saturating_sub(from) }
    }

    /// A path as people write it: below the workspace root if it lies there.
    pub(super) fn shown(&self, path: &Path) -> String {
        let root = &self.project.workspace.root;
        RelPath::from_absolute(root, path).map_or_else(|| path.display().to_string(), |path| path.to_string())
    }

    /// A scan of some sets, by the rules of this workspace.
    pub(super) fn request<'a>(&'a self, sets: &'a [Arc<SetSpec>]) -> Request<'a> {
        Request { sets, outputs: &self.outputs, left_out: &self.left_out }
    }

    /// What one step reads.
    pub(super) fn sets(&self, step: StepId) -> &StepSets {
        self.step_sets[step.0 as usize].get_or_init(|| StepSets::of(self.definitions.model.step(step)))
    }

    /// The specs of one step's sets, in its own order.
    pub(super) fn specs_of(&self, step: StepId) -> Vec<Arc<SetSpec>> {
        self.sets(step).sets.iter().map(|(_, spec)| Arc::clone(spec)).collect()
    }

    /// Is the step part of the selection?
    pub(super) fn is_in_run(&self, step: StepId) -> bool {
        self.in_run[step.0 as usize]
    }

    /// What says of a stamp that was met after `began` whether it will tell the same thing again.
    pub(super) fn trusts(&self, began: i64) -> impl Fn(&Stamp) -> bool + use<> {
        self.scanner.cache.trusts(&[&self.project.workspace.root, &self.zen_dir], began)
    }

    /// Outputs of steps of this run that this step waits for.
    fn upstream_outputs(&self, step: StepId) -> Vec<(StepId, usize)> {
        let model = &self.definitions.model;
        let mut found: Vec<(StepId, usize)> = Vec::new();
        for edge in self.definitions.graph.upstream(step) {
            if !self.is_in_run(edge.from) {
                continue;
            }
            match edge.kind {
                EdgeKind::Path { output, .. } => found.push((edge.from, output)),
                EdgeKind::Input(at) => {
                    let artifacts = model.step(step).inputs[at].artifacts().iter();
                    found.extend(artifacts.filter(|it| it.step == edge.from).map(|it| (it.step, it.output)));
                }
                EdgeKind::After | EdgeKind::Depends => {
                    found.extend((0..model.step(edge.from).outputs.len()).map(|output| (edge.from, output)));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The steps of this run that a step waits for.
    pub(super) fn upstream(&self, step: StepId) -> Vec<StepId> {
        let edges = self.definitions.graph.upstream(step).iter();
        let mut found: Vec<StepId> = edges.map(|edge| edge.from).filter(|from| self.is_in_run(*from)).collect();
        found.dedup();
        found
    }

    /// Outputs on disk.
    pub(super) fn places(&self) -> Places<'_> {
        let layout = &self.project.workspace.layout;
        Places {
            root: &self.project.workspace.root,
            zen: &layout.zen_dir,
            target: &layout.target_dir,
            digests: &self.scanner,
        }
    }

    /// Was the step asked for, and not merely needed?
    pub(super) fn is_selected(&self, step: StepId) -> bool {
        self.selection.selected.binary_search(&step).is_ok()
    }

    /// Are these bytes zen's own: left there by it, most likely for `step`, or an object of the store that verifies?
    pub(super) fn is_own(&self, step: Option<&str>, path: &RelPath, node: &Node) -> bool {
        self.ledger.is_own(step, path, node) || self.is_stored(node)
    }

    /// Is it an object of the store that verifies?
    pub(super) fn is_stored(&self, node: &Node) -> bool {
        matches!(node, Node::File { digest, size, .. } if self.store.holds(*digest, *size))
    }

    /// The declared outputs that somebody reads who follows the link at `path`: what it leads to, and what lies below.
    pub(super) fn owners_behind(&self, path: &RelPath) -> Vec<(StepId, usize)> {
        let root = &self.project.workspace.root;
        let target = path.to_path(root).canonicalize().ok().and_then(|to| RelPath::from_absolute(root, &to));
        let Some(target) = target else { return Vec::new() };
        let mut owners = self.definitions.graph.owners(&target);
        let model = &self.definitions.model;
        for step in &self.selection.order {
            let below = |(at, output): (usize, &crate::model::Output)| {
                output.place.root().starts_with(&target).then_some((*step, at))
            };
            owners.extend(model.step(*step).outputs.iter().enumerate().filter_map(below));
        }
        owners
    }

    /// What ran when.
    pub fn history(&self) -> History {
        History::new(&self.zen_dir.join("runs"))
    }

    /// What a step takes from outside, and what of it is keyed.
    pub(super) fn environment(&self, step: StepId) -> Arc<StepEnvironment> {
        let step = self.definitions.model.step(step);
        let names = || step.env.keys().cloned();
        let lists = [&step.track_env, &step.pass_env, &step.secret_env].map(Clone::clone);
        let asked = (step.uses_cargo, lists, names().collect::<Vec<_>>());
        let mut known = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        let made = known.entry(asked).or_insert_with(|| {
            // Names are all that matters here: values may hold what is not settled yet.
            let set: BTreeMap<String, String> = names().map(|name| (name, String::new())).collect();
            Arc::new(step_environment(&self.project.workspace.env, step, &set, self.options.conditions))
        });
        Arc::clone(made)
    }
}

impl Progress {
    /// The places whose paths never enter this step's key from disk.
    pub(super) fn owned_places(&self, world: &World<'_>, step: StepId) -> Vec<Place> {
        let owned = self.owned(world, step, false);
        owned.own.into_iter().chain(owned.upstream.into_iter().map(|(place, _)| place)).cloned().collect()
    }

    /// The step's inputs as they were when they were looked at.
    pub(super) fn stamps(&self, world: &World<'_>, step: StepId) -> observe::Stamps {
        observe::stamps_of_view(&self.views[&step], &self.owned_places(world, step))
    }

    /// The outputs that never enter this step's key from disk. With `settled`, those of upstream steps come with what
    /// their records hold; all upstream must be settled then.
    pub(super) fn owned<'a>(&'a self, world: &'a World<'_>, step: StepId, settled: bool) -> Owned<'a> {
        let model = &world.definitions.model;
        let mut owned =
            Owned { own: model.step(step).outputs.iter().map(|o| &o.place).collect(), upstream: Vec::new() };
        for (from, output) in world.upstream_outputs(step) {
            let place = &model.step(from).outputs[output].place;
            let files = if settled {
                self.settled
                    .get(&from)
                    .map(|settled| files_at(world, place, &settled.artifacts[output]))
                    .unwrap_or_default()
            } else {
                Vec::new()
            };
            owned.upstream.push((place, files));
        }
        owned
    }
}

fn in_run(definitions: &Definitions, selection: &Selection) -> Vec<bool> {
    let mut in_run = vec![false; definitions.model.steps.len()];
    selection.order.iter().for_each(|step| in_run[step.0 as usize] = true);
    in_run
}

/// Is a warning about a step that this run has nothing to do with?
fn is_elsewhere(warning: &Diagnostic, definitions: &Definitions, selection: &Selection) -> bool {
    let model = &definitions.model;
    let is_at = |span: Span, place: Span| span.file == place.file && place.start <= span.start && span.end <= place.end;
    let concerns = |step: &crate::model::Step| {
        warning.labels.iter().any(|label| is_at(label.span, step.span) || is_at(label.span, step.command_span))
    };
    let mut concerned = model.step_ids().filter(|step| concerns(model.step(*step))).peekable();
    concerned.peek().is_some() && concerned.all(|step| !selection.order.contains(&step))
}

/// An artifact's files and links as a key of a step that reads their paths takes them.
fn files_at(world: &World<'_>, place: &Place, artifact: &Artifact) -> Vec<(RelPath, Digest)> {
    let linked: HashMap<RelPath, Option<Digest>> = linked(world, place, artifact).into_iter().collect();
    let entries = artifact.entries.iter().filter(|entry| !matches!(entry.node, Node::Folder));
    let digests = entries.map(|entry| {
        let path = place.root().under(&entry.path);
        let digest = match linked.get(&path) {
            Some(content) => with_linked(entry.node.digest(), [content]),
            None => entry.node.digest(),
        };
        (path, digest)
    });
    digests.collect()
}

/// What links of an artifact lead to in the workspace, where that is not part of the artifact itself.
pub(super) fn linked(world: &World<'_>, place: &Place, artifact: &Artifact) -> Vec<(RelPath, Option<Digest>)> {
    let outward = artifact.entries.iter().filter_map(|entry| {
        let Node::Link { target } = &entry.node else { return None };
        let path = place.root().under(&entry.path);
        let to = path.parent()?.join(target).ok()?;
        let is_within = artifact.entries.iter().any(|other| place.root().under(&other.path) == to);
        (!is_within).then_some((path, to))
    });
    outward.map(|(path, to)| (path, world.scanner.content_behind(&to, &world.left_out))).collect()
}

/// A digest together with those of what links lead to.
pub(super) fn with_linked<'d>(digest: Digest, linked: impl IntoIterator<Item = &'d Option<Digest>>) -> Digest {
    let mut hasher = FieldHasher::new("zen with links 1");
    hasher.field(&digest.0);
    for content in linked {
        hasher.field(content.as_ref().map_or(&[][..], |content| &content.0));
    }
    hasher.finish()
}
