//! The definitions as the engine works with them: every reference resolved, every default filled in, every path
//! relative to the workspace root. Knows neither TOML nor the disk.

mod hooks;
pub mod template;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use hooks::{Hook, HookScope, HookTime, Hooks};

use serde::{Deserialize, Serialize};

use crate::diag::Span;
use crate::glob::{PathSet, Pattern};
use crate::path::RelPath;
use crate::value::Value;
use rustc_hash::{FxHashMap, FxHashSet};
use template::Template;

/// Index into [`Model::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId(pub u32);

/// Something for each of some steps.
pub type StepMap<T> = FxHashMap<StepId, T>;

/// Some steps.
pub type StepSet = FxHashSet<StepId>;

/// Index into [`Model::pipelines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PipelineId(pub u32);

/// All definitions of a workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Model {
    /// What the workspace table sets for the tool itself.
    pub settings: Settings,
    /// Sorted by package (the workspace's first), then name.
    pub pipelines: Vec<Pipeline>,
    /// Sorted by pipeline, then name.
    pub steps: Vec<Step>,
}

impl Model {
    /// The step of an id.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.0 as usize]
    }

    /// The pipeline of an id.
    pub fn pipeline(&self, id: PipelineId) -> &Pipeline {
        &self.pipelines[id.0 as usize]
    }

    /// All ids, in order.
    pub fn step_ids(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..self.steps.len() as u32).map(StepId)
    }
}

/// Workspace-wide settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What `run` without a name means.
    pub default_pipeline: Option<String>,
    /// Pool → how many of its steps run at a time. `cargo` is 1 unless set.
    pub pools: BTreeMap<String, u32>,
    /// `store.dir`: where the store lies instead of in the zen folder, as written.
    pub store_dir: Option<String>,
    /// `store.max-size` in bytes.
    pub store_max_size: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_pipeline: None,
            pools: [("cargo".to_owned(), 1)].into(),
            store_dir: None,
            store_max_size: 10 << 30,
        }
    }
}

/// A pipeline, or a group of pipelines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pipeline {
    /// The package in whose table it stands; `None`: the workspace's.
    pub package: Option<String>,
    /// Its name.
    pub name: String,
    /// Where the name is written.
    pub span: Span,
    /// `description`
    pub description: Option<String>,
    /// Its own steps, sorted by name.
    pub steps: Vec<StepId>,
    /// `pipelines`: the pipelines that selecting this one selects as well.
    pub members: Vec<PipelineId>,
    /// `params`, after `--set`.
    pub params: BTreeMap<String, Value>,
    /// `on-success`, `on-failure`, `on-end`
    pub hooks: Hooks,
}

impl Pipeline {
    /// `pipeline` or `package:pipeline`.
    pub fn display_id(&self) -> String {
        match &self.package {
            Some(package) => format!("{package}:{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// One command with declared inputs and outputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// The pipeline that it stands in.
    pub pipeline: PipelineId,
    /// Its name; of a cell with its values, `train[gamma=0.1]`.
    pub name: String,
    /// Its name in the table: that of all its cells.
    pub base_name: String,
    /// What the cell is of a matrix: `x`, and of a table `x.field`, → value. Empty for a step without `matrix`.
    pub matrix: BTreeMap<String, Value>,
    /// The packages that it is a cell for.
    pub cell_packages: Vec<String>,
    /// `batch`: are all cells that must run given to one command?
    pub batch: bool,
    /// `pipeline/step` or `package:pipeline/step`.
    pub display_id: String,
    /// Where the name is written.
    pub span: Span,
    /// `description`
    pub description: Option<String>,
    /// The folder that the table's paths are relative to: the root, or the package's.
    pub base: RelPath,
    /// Where the command runs.
    pub cwd: RelPath,
    /// `run`
    pub command: Command,
    /// Where `run` is written.
    pub command_span: Span,
    /// `inputs`, sorted by name.
    pub inputs: Vec<Input>,
    /// `files`
    pub files: PathSet,
    /// `outputs`, sorted by name.
    pub outputs: Vec<Output>,
    /// `params`: the values that this step has, sorted by name.
    pub params: BTreeMap<String, Value>,
    /// The pipeline's parameters that it uses directly by `{{ pipeline.x }}`.
    pub pipeline_params: BTreeMap<String, Value>,
    /// `{{ args }}`: what follows `--`; `None` if the step does not use it.
    pub args: Option<Vec<String>>,
    /// `after`: to finish first, no part of the key.
    pub after: Vec<StepRef>,
    /// `depends`: to finish first, their keys are part of this one's.
    pub depends: Vec<StepRef>,
    /// `packages`, `bin`, `example`, `build`, and cargo commands: what it reads of packages.
    pub closures: Vec<ClosureRequest>,
    /// Is it a step that has a package closure or calls cargo? Then cargo's variables are handed on.
    pub uses_cargo: bool,
    /// Does its command itself run cargo (and so hold the pool `cargo`)?
    pub calls_cargo: bool,
    /// `env`: set, and part of the key.
    pub env: BTreeMap<String, Template>,
    /// `track-env`: globs of names that are read from outside and keyed. Sorted.
    pub track_env: Vec<String>,
    /// `pass-env`: globs of names that are read from outside, not keyed. Sorted.
    pub pass_env: Vec<String>,
    /// `secret-env`: globs of names that are handed on as `pass-env` is, and whose values are masked in what the step
    /// prints. Sorted.
    pub secret_env: Vec<String>,
    /// `pool`
    pub pool: Option<String>,
    /// `threads-required`; `None`: all of `-j`.
    pub threads: Option<u32>,
    /// `timeout`
    pub timeout: Option<Duration>,
    /// `retries`
    pub retries: u32,
    /// `retry-delay`, doubled after each try.
    pub retry_delay: Duration,
    /// `interactive`: it has the terminal, and the machine, to itself; it is never cached.
    pub interactive: bool,
    /// Is it cached, and which place says so?
    pub enable_cache: (bool, Rank),
    /// `cache-policy`, all ranks joined.
    pub policy: Policy,
    /// `cache-policy.cache-func`, those of all ranks, sorted by name; the one without a name first.
    pub cache_funcs: Vec<CacheFunc>,
    /// `on-success`, `on-failure`, `on-end`: no part of the key.
    pub hooks: Hooks,
}

/// A command whose standard output enters the key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CacheFunc {
    /// Its name; empty for one that is no member of a table.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// A [`Command::Shell`] or [`Command::Argv`], without inputs and outputs.
    pub command: Command,
}

impl Step {
    /// `pipeline/train` of a cell `pipeline/train[gamma=0.1]`; `None` for a step that is no cell.
    pub fn base_id(&self) -> Option<&str> {
        let cell = self.name.len() - self.base_name.len();
        (cell > 0).then(|| &self.display_id[..self.display_id.len() - cell])
    }

    /// `gamma=0.1`: which cell of its matrix it is; empty for a step without one.
    pub fn cell_label(&self) -> &str {
        self.name[self.base_name.len()..].strip_prefix('[').and_then(|cell| cell.strip_suffix(']')).unwrap_or_default()
    }
}

/// The place that decided a setting, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rank {
    /// Nothing set it.
    Default,
    /// `[workspace.metadata.zen]` or `[package.metadata.zen]`
    Workspace,
    /// The pipeline's table.
    Pipeline,
    /// The step's table.
    Step,
    /// `--config` file.
    Config,
    /// The command line.
    CommandLine,
}

/// `run`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// A string for a shell: `sh -e -c` (`cmd /C` on Windows) unless `shell` names another.
    Shell {
        /// The string; values are quoted where they are put in.
        script: Template,
        /// `shell`
        shell: Option<Vec<String>>,
    },
    /// One program and its arguments, no shell.
    Argv(Vec<Template>),
    /// Cargo builds a `bin` or `example`, then it is executed.
    Target {
        /// What to build.
        build: CargoBuild,
        /// `args`
        args: Vec<Template>,
    },
    /// Cargo builds a package; each output takes the artifact of that file stem.
    Build(CargoBuild),
}

/// What cargo is asked to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CargoBuild {
    /// The workspace member.
    pub package: String,
    /// Which target of it; `None`: the package (`{ build = … }`).
    pub target: Option<BuildTarget>,
    /// `profile`
    pub profile: Option<String>,
    /// `features`, sorted.
    pub features: Vec<String>,
    /// `target`: the triple.
    pub triple: Option<String>,
}

/// A target that can be executed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BuildTarget {
    /// `bin = "name"`
    Bin(String),
    /// `example = "name"`
    Example(String),
}

/// A reference to another step, and where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRef {
    /// The step.
    pub step: StepId,
    /// Where the reference is written.
    pub span: Span,
}

/// A named input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub source: InputSource,
}

/// What a named input is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum InputSource {
    /// An output of another step, or of several of its cells, in their order.
    Artifact(Vec<ArtifactRef>),
    /// Files of the workspace.
    Files(PathSet),
}

/// An output of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// The step.
    pub step: StepId,
    /// Index into its outputs.
    pub output: usize,
}

impl Input {
    /// The artifacts that it is; none if it is files.
    pub fn artifacts(&self) -> &[ArtifactRef] {
        match &self.source {
            InputSource::Artifact(artifacts) => artifacts,
            InputSource::Files(_) => &[],
        }
    }
}

/// `pipeline/step` in two: a cell's values may hold `/` as well.
pub fn split_id(display_id: &str) -> Option<(&str, &str)> {
    let (pipeline, _) = display_id.split_once('/')?;
    Some((pipeline, &display_id[pipeline.len() + 1..]))
}

/// A named output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// Where it comes to lie.
    pub place: Place,
    /// Did the table give a name alone? Then the place is zen's, and no part of the key.
    pub place_is_ours: bool,
    /// `metric`
    pub metric: bool,
    /// `content-hash`
    pub content_hash: bool,
    /// `optional`
    pub optional: bool,
}

impl Output {
    /// The place as keys of steps that read it have it: its path in the workspace, or the file name where it is zen's.
    pub fn place_in_keys(&self) -> &[u8] {
        let root = self.place.root();
        if self.place_is_ours { root.file_name().unwrap_or_default() } else { root.as_bytes() }
    }
}

/// Where an output lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// A file or a directory, whichever the step makes there. `folder` if written with a `/` at its end: the folder
    /// is then made before the step starts.
    Path {
        /// The place.
        path: RelPath,
        /// Must it be a folder?
        folder: bool,
    },
    /// The files that match.
    Glob(Pattern),
}

impl Place {
    /// The path itself, or the glob's literal prefix: what [entries](crate::artifact::Entry) are relative to.
    pub fn root(&self) -> &RelPath {
        match self {
            Self::Path { path, .. } => path,
            Self::Glob(pattern) => pattern.prefix(),
        }
    }

    /// The paths that it owns.
    pub fn pattern(&self) -> Pattern {
        match self {
            Self::Path { path, .. } => Pattern::tree(path),
            Self::Glob(pattern) => pattern.clone(),
        }
    }

    /// Does `path` belong to it?
    pub fn owns(&self, path: &RelPath) -> bool {
        match self {
            Self::Path { path: place, .. } => path.starts_with(place),
            Self::Glob(pattern) => pattern.matches(path),
        }
    }
}

/// `cache-policy`, effective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `include-step-code`
    pub include_step_code: bool,
    /// `include-step-parameters`
    pub include_step_parameters: bool,
    /// `include-artifact-values`
    pub include_artifact_values: bool,
    /// `include-artifact-ids`
    pub include_artifact_ids: bool,
    /// `include-platform`
    pub include_platform: bool,
    /// `file-dependencies`, one set for each place that has some.
    pub file_dependencies: Vec<PathSet>,
    /// `ignored-inputs`: those of the step's inputs that its key leaves out. Sorted.
    pub ignored_inputs: Vec<String>,
    /// `source-dependencies` that are items, sorted; packages among them are [`Step::closures`].
    pub source_items: Vec<SourceItem>,
    /// `expires-after`
    pub expires_after: Option<Duration>,
}

/// A Rust item that counts by its tokens. Two are equal wherever they are written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceItem {
    /// The workspace member.
    pub package: String,
    /// The names from the crate root on: modules, then the item.
    pub path: Vec<String>,
    /// Where it is written.
    pub span: Span,
}

impl SourceItem {
    fn identity(&self) -> (&str, &[String]) {
        (&self.package, &self.path)
    }
}

impl fmt::Display for SourceItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.package, self.path.join("::"))
    }
}

impl PartialEq for SourceItem {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for SourceItem {}

impl PartialOrd for SourceItem {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SourceItem {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            include_step_code: true,
            include_step_parameters: true,
            include_artifact_values: true,
            include_artifact_ids: true,
            include_platform: true,
            file_dependencies: Vec::new(),
            ignored_inputs: Vec::new(),
            source_items: Vec::new(),
            expires_after: None,
        }
    }
}

/// Ask for the closure of one package: its sources, its path dependencies, its slice of the lock file, the toolchain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClosureRequest {
    /// The workspace member.
    pub package: String,
    /// The one target that is meant; `None`: all of the package.
    pub target: Option<BuildTarget>,
    /// Do `tests/`, `benches/`, `examples/` and dev-dependencies count?
    pub with_dev: bool,
    /// Features asked for, sorted.
    pub features: Vec<String>,
    /// The profile asked for.
    pub profile: Option<String>,
    /// The target triple asked for.
    pub triple: Option<String>,
    /// Where the toolchain is resolved.
    pub cwd: RelPath,
}
