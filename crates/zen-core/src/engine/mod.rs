//! The one place where the stages meet: load → observe → decide → run → commit. Events go out of the side; flags,
//! colours and exit codes are not known here.
#![expect(clippy::disallowed_methods, reason = "an edge: reads the clock, and what the other edges left")]

pub mod again;
pub mod artifacts;
mod attempt;
mod batch;
mod build;
mod clean;
mod commit;
mod context;
mod definitions;
mod explain;
mod finish;
mod functions;
mod git;
pub mod history;
mod hooks;
mod items;
mod job;
mod known_items;
mod ledger;
mod locks;
mod looping;
mod metrics;
mod observe;
pub mod past;
mod recording;
mod run;
mod session;
mod settle;
mod standing;
mod upstream;
mod versions;
mod workers;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use clean::{CleanRequest, Cleaned, clean};
pub use explain::Explained;
pub use run::{Failure, Ran};
pub use session::Session;

use crate::artifact::Timestamp;
use crate::diag::{Diagnostic, Severity};
use crate::digest::Digest;
use crate::environment::Conditions;
use crate::glob::PathSet;
use crate::graph::{Graph, Request, SelectError, Selection};
use crate::manifest::platform::Host;
use crate::manifest::resolve::{Overrides, resolve};
use crate::manifest::{self, Declarations};
use crate::model::{Model, StepId};
use crate::path::RelPath;
use crate::process::Signal;
use crate::scan::reading::Reading;
use crate::scan::walk::{self, Kind, SetSpec};
use crate::store::local::{Access, LocalStore};
use crate::store::place::{StoreError, mark};
use crate::store::verify::Verified;
use crate::workspace::{Toolchains, Workspace, WorkspaceError};

/// A workspace, and its tables as they are written.
#[derive(Debug)]
pub struct Project {
    /// The cargo workspace.
    pub workspace: Workspace,
    /// What its tables say.
    pub declarations: Declarations,
}

/// The definitions that a command works with: after `--set`.
#[derive(Debug)]
pub struct Definitions {
    /// Pipelines and steps.
    pub model: Model,
    /// What waits for what.
    pub graph: Graph,
    /// What to say before anything is done.
    pub warnings: Vec<Diagnostic>,
    /// Of all that they were made from.
    pub digest: Digest,
}

/// Something that nothing can be run with.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Exit code 102.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Exit code 96: all problems, warnings among them.
    #[error("the definitions are invalid")]
    Definitions(Vec<Diagnostic>),
    /// Exit code 4.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Exit code 103.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Exit code 103: the zen folder.
    #[error("the zen folder `{}` cannot be used; check its permissions and the space on its disk", folder.display())]
    ZenFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Exit code 103, with `--no-wait`, or because waiting would never end.
    #[error("{0}")]
    Locked(String),
    /// A signal came before anything had started; it is to be raised again.
    #[error("stopped")]
    Stopped(Signal),
    /// Exit code 2: a flag names what does not exist.
    #[error("{0}")]
    Usage(String),
}

impl Project {
    /// What an earlier command made of the same tables, if that can be told without reading them.
    pub fn recall(workspace: &Workspace, overrides: &Overrides) -> Option<Definitions> {
        definitions::recall(workspace, overrides)
    }

    /// The workspace of recalled definitions: nothing can be put over its tables, they were not read.
    pub fn unread(workspace: Workspace) -> Self {
        Self { workspace, declarations: Declarations::default() }
    }

    /// Reads the tables of a workspace.
    ///
    /// # Errors
    /// The workspace cannot be found, or the tables are no tables of zen's: all problems at once.
    pub fn load(workspace: Workspace) -> (Self, Vec<Diagnostic>) {
        let tables: Vec<manifest::Table> = workspace
            .tables
            .iter()
            .map(|table| manifest::Table { file: table.file, package: table.package.clone(), base: table.base.clone() })
            .collect();
        let (mut declarations, problems) = manifest::load(&workspace.sources, &tables);
        if declarations.have_platforms() {
            declarations.leave_out_absent(&Host::new(Toolchains::new(&workspace).host_triple()));
        }
        (Self { workspace, declarations }, problems)
    }

    /// Puts a `--config` file over the tables. `path` is absolute; it is only for messages.
    ///
    /// # Errors
    /// It is no such file as it should be: all problems at once.
    pub fn overlay(&mut self, path: &Path, text: String) -> Vec<Diagnostic> {
        let name = || RelPath::root().child(path.file_name().unwrap_or_default().as_encoded_bytes());
        let shown = RelPath::from_absolute(&self.workspace.root, path).unwrap_or_else(name);
        let file = self.workspace.sources.add(shown, text);
        manifest::load_config(&mut self.declarations, &self.workspace.sources, file)
    }

    /// Resolves every reference and default. `problems` are those of [`Project::load`].
    ///
    /// # Errors
    /// All problems at once, if one of them is an error.
    pub fn define(&self, problems: Vec<Diagnostic>, overrides: &Overrides) -> Result<Definitions, EngineError> {
        let layout = &self.workspace.layout;
        let looked = Cell::new(false);
        let files = |set: &PathSet| {
            looked.set(true);
            self.files(set)
        };
        let (model, more) = resolve(&self.declarations, layout, overrides, &files);
        let mut problems: Vec<Diagnostic> = problems.into_iter().chain(more).collect();
        // A graph of definitions that are wrong already would only repeat what is wrong with them.
        let is_wrong = |problems: &[Diagnostic]| problems.iter().any(|problem| problem.severity == Severity::Error);
        if is_wrong(&problems) {
            return Err(EngineError::Definitions(problems));
        }
        let (graph, more) = Graph::build(&model, layout);
        problems.extend(more);
        if is_wrong(&problems) {
            return Err(EngineError::Definitions(problems));
        }
        let digest = definitions::digest(&self.workspace, &model, overrides);
        let definitions = Definitions { model, graph, warnings: problems, digest };
        // What cells there are is asked of the disk, and what steps there are of the platform.
        if !looked.get() && !self.declarations.have_platforms() {
            definitions::remember(&self.workspace, &definitions, overrides);
        }
        Ok(definitions)
    }

    /// The files that a set of globs means, for the cells of a matrix.
    fn files(&self, set: &PathSet) -> Vec<RelPath> {
        let layout = &self.workspace.layout;
        let left_out = [layout.target_dir.clone(), layout.zen_dir.clone()];
        let request =
            walk::Request { sets: &[Arc::new(SetSpec::Paths(set.clone()))], outputs: &[], left_out: &left_out };
        let found = walk::walk(&self.workspace.root, request).seen.into_iter();
        let is_file = |seen: &walk::Seen| match seen.kind {
            Kind::File { .. } => true,
            Kind::Link => seen.path.to_path(&self.workspace.root).is_file(),
            Kind::Special | Kind::Unreadable(_) => false,
        };
        found.filter(is_file).map(|seen| seen.path).collect()
    }

    /// Makes the zen folder and marks it as zen's own, whatever lies in it already: memos of the workspace.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create_zen_dir(&self) -> Result<PathBuf, EngineError> {
        let zen_dir = self.workspace.zen_dir();
        let mut tries = 100;
        let made = loop {
            match self.workspace.create_zen_dir().and_then(|folder| mark(&folder)) {
                // It was removed in between; whoever does that does not do so for ever.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
                made => break made,
            }
        };
        made.map_err(|source| EngineError::ZenFolder { folder: zen_dir.clone(), source })?;
        Ok(zen_dir)
    }

    /// Where the store lies: `outer` (from `ZEN_STORE_DIR`), else `store.dir`, else the zen folder.
    pub fn store_folder(&self, model: &Model, outer: Option<&Path>) -> PathBuf {
        match (outer, &model.settings.store_dir) {
            (Some(folder), _) => self.workspace.root.join(folder),
            (None, Some(folder)) => self.workspace.root.join(folder),
            (None, None) => self.workspace.zen_dir(),
        }
    }
}

/// Reads a workspace's store whole, against its digests; with `repair`, moves what is damaged out of the way.
///
/// # Errors
/// The store cannot be read, or not be written with `repair`.
pub fn verify(
    project: &Project,
    definitions: &Definitions,
    store_dir: Option<&Path>,
    repair: bool,
) -> Result<Verified, EngineError> {
    project.create_zen_dir()?;
    let folder = project.store_folder(&definitions.model, store_dir);
    if !folder.exists() {
        return Ok(Verified::default());
    }
    let store = LocalStore::open(&folder, if repair { Access::Write } else { Access::Read })?;
    Ok(store.verify(repair)?)
}

/// How the caches are used, beyond what the definitions say.
#[derive(Debug, Clone, Default)]
pub struct Caching {
    /// `--cache`: `Some(true)` for all steps.
    pub enable_all: bool,
    /// `--cache=STEP`
    pub enable: BTreeSet<StepId>,
    /// `--no-cache`
    pub force_all: bool,
    /// `--no-cache=STEP`, and with `+` its dependents.
    pub force: BTreeSet<StepId>,
    /// Steps that `--cache=STEP` names, though `--no-cache` names all.
    pub not_forced: BTreeSet<StepId>,
}

impl Caching {
    /// Reads the values of `--cache` and `--no-cache`; an empty one means all steps.
    ///
    /// # Errors
    /// A step that the run does not have.
    pub fn new(
        definitions: &Definitions,
        selection: &Selection,
        cache: &[String],
        no_cache: &[String],
    ) -> Result<Self, EngineError> {
        let mut caching = Self::default();
        for name in cache {
            if name.is_empty() {
                caching.enable_all = true;
            }
            for name in listed(name) {
                caching.enable.extend(named(definitions, selection, name)?);
            }
        }
        for name in no_cache {
            if name.is_empty() {
                caching.force_all = true;
            }
            for name in listed(name) {
                let steps = named(definitions, selection, name.trim_end_matches('+'))?;
                caching.force.extend(&steps);
                if name.ends_with('+') {
                    caching.force.extend(dependents(definitions, &steps));
                }
            }
        }
        // A form that names a step beats one that does not.
        caching.not_forced = caching.enable.difference(&caching.force).copied().collect();
        Ok(caching)
    }

    /// Is the look-up of this step left out?
    pub fn is_forced(&self, step: StepId) -> bool {
        self.force.contains(&step) || self.force_all && !self.not_forced.contains(&step)
    }

    /// Is the step cached, whatever the definitions say?
    pub fn is_enabled(&self, step: StepId) -> bool {
        self.enable_all || self.enable.contains(&step)
    }
}

fn named(definitions: &Definitions, selection: &Selection, name: &str) -> Result<Vec<StepId>, EngineError> {
    let model = &definitions.model;
    let is = |step: &&StepId| {
        let step = model.step(**step);
        step.name == name || step.display_id == name || step.base_name == name || is_cell_of(model, step, name)
    };
    let found: Vec<StepId> = selection.order.iter().filter(is).copied().collect();
    if found.is_empty() {
        let steps: Vec<&str> = selection.order.iter().map(|step| model.step(*step).display_id.as_str()).collect();
        return Err(EngineError::Usage(format!("this run has no step `{name}`; its steps are: {}", steps.join(", "))));
    }
    Ok(found)
}

/// Is `name` the id of the step that this is a cell of?
fn is_cell_of(model: &Model, step: &crate::model::Step, name: &str) -> bool {
    let pipeline = model.pipeline(step.pipeline).display_id();
    name.strip_prefix(&pipeline).and_then(|rest| rest.strip_prefix('/')) == Some(&step.base_name)
}

/// The names in `a,b[x=1,y=2]`: a comma within brackets belongs to a cell.
fn listed(text: &str) -> Vec<&str> {
    let (mut names, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                names.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(&text[start..]);
    names.retain(|name| !name.is_empty());
    names
}

fn dependents(definitions: &Definitions, steps: &[StepId]) -> BTreeSet<StepId> {
    let mut found = BTreeSet::new();
    let mut open = steps.to_vec();
    while let Some(step) = open.pop() {
        let next = definitions.graph.downstream(step).iter().filter(|edge| edge.kind.is_need());
        open.extend(next.map(|edge| edge.to).filter(|step| found.insert(*step)));
    }
    found
}

/// What a command wants of the engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the caches are used.
    pub caching: Caching,
    /// `-j`
    pub jobs: u32,
    /// What happens after a failure.
    pub failure: Failure,
    /// `--no-wait`
    pub no_wait: bool,
    /// What steps are told of the terminal and the toolchain.
    pub conditions: Conditions,
    /// For whoever waits for this run, which may be somebody else: what it works on.
    pub request: String,
    /// For history: the command line, without secrets.
    pub asked: String,
    /// `ZEN_STORE_DIR`
    pub store_dir: Option<PathBuf>,
    /// Where somebody watches how far reading files has come.
    pub reading: Option<Arc<Reading>>,
}

/// Selects, with everything that can go wrong about names.
///
/// # Errors
/// Nothing, or too much, is selected; or what is selected cannot be run together.
pub fn select(definitions: &Definitions, request: &Request) -> Result<Selection, EngineError> {
    definitions.graph.select(&definitions.model, request).map_err(|error| match error {
        SelectError::Conflict(problems) => EngineError::Definitions(problems),
        error => EngineError::Select(error),
    })
}

/// The wall clock, in milliseconds since the epoch.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
