//! What the tables say, as written: names unresolved, placeholders unread, a span for everything. Knows no TOML.

use std::collections::BTreeMap;
use std::time::Duration;

use super::platform::Platform;
use super::reader::{Name, Raw, Text};
use crate::diag::{Span, Spanned};
use crate::model::HookTime;
use crate::path::RelPath;

/// All tables of a workspace.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    pub(crate) tables: Vec<TableDeclaration>,
    /// The `--config` file, which has the shape of a pipeline.
    pub(crate) config: Option<PipelineDeclaration>,
}

/// `[workspace.metadata.zen]` or `[package.metadata.zen]`
#[derive(Debug, Clone)]
pub(crate) struct TableDeclaration {
    pub(crate) package: Option<String>,
    pub(crate) base: RelPath,
    pub(crate) level: Level,
    pub(crate) settings: SettingsDeclaration,
    pub(crate) pipelines: Vec<PipelineDeclaration>,
}

/// What only the root table says.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettingsDeclaration {
    pub(crate) default_pipeline: Option<Text>,
    pub(crate) pools: BTreeMap<String, u32>,
    pub(crate) store_dir: Option<Text>,
    pub(crate) store_max_size: Option<u64>,
}

/// What may stand at the workspace, the pipeline and the step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level {
    pub(crate) enable_cache: Option<bool>,
    pub(crate) policy: PolicyDeclaration,
    pub(crate) env: BTreeMap<String, Text>,
    pub(crate) track_env: Vec<Text>,
    pub(crate) pass_env: Vec<Text>,
    pub(crate) secret_env: Vec<Text>,
    pub(crate) shell: Option<Vec<Text>>,
    pub(crate) packages: Vec<Text>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
}

/// `cache-policy` of one place.
#[derive(Debug, Clone, Default)]
pub(crate) struct PolicyDeclaration {
    pub(crate) include_step_code: Option<bool>,
    pub(crate) include_step_parameters: Option<bool>,
    pub(crate) include_artifact_values: Option<bool>,
    pub(crate) include_artifact_ids: Option<bool>,
    pub(crate) include_platform: Option<bool>,
    pub(crate) file_dependencies: Vec<Text>,
    pub(crate) ignored_inputs: Vec<Text>,
    pub(crate) cache_func: Vec<FunctionDeclaration>,
    pub(crate) source_dependencies: Vec<Text>,
    pub(crate) expires_after: Option<Expiry>,
}

/// `cache-func`, or one of it
#[derive(Debug, Clone)]
pub(crate) struct FunctionDeclaration {
    /// Its name, where it is one of a table.
    pub(crate) name: Option<String>,
    /// Where the name stands, or the command.
    pub(crate) span: Span,
    /// A shell string or a list of words.
    pub(crate) run: Run,
}

/// `expires-after`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    After(Duration),
    Never,
}

/// `pipelines.NAME`
#[derive(Debug, Clone)]
pub(crate) struct PipelineDeclaration {
    pub(crate) name: Name,
    pub(crate) description: Option<Text>,
    pub(crate) params: BTreeMap<String, Param>,
    pub(crate) members: Vec<Text>,
    pub(crate) level: Level,
    /// What the `--config` file says of it: above the step's own rank.
    pub(crate) config: Option<Overlay>,
    pub(crate) steps: Vec<StepDeclaration>,
    pub(crate) hooks: Vec<HookDeclaration>,
    /// Those that are not there on this host.
    pub(crate) absent: Vec<AbsentStep>,
}

/// A step that is not there on this host.
#[derive(Debug, Clone)]
pub(crate) struct AbsentStep {
    pub(crate) name: Name,
    /// Where its `platform` is written.
    pub(crate) platform: Span,
}

/// What the `--config` file puts over a pipeline or a step, where that is a matter of rank. (All else of it takes the
/// place of what the table says.)
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    pub(crate) level: Level,
    /// New values of declared parameters.
    pub(crate) params: BTreeMap<String, Param>,
}

/// `params.NAME`
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub(crate) span: Span,
    pub(crate) value: Raw,
}

/// `steps.NAME`
#[derive(Debug, Clone)]
pub(crate) struct StepDeclaration {
    pub(crate) name: Name,
    pub(crate) description: Option<Text>,
    pub(crate) run: Option<Spanned<Run>>,
    pub(crate) level: Level,
    /// What the `--config` file says of it.
    pub(crate) config: Option<Overlay>,
    pub(crate) inputs: Vec<InputDeclaration>,
    pub(crate) files: Vec<Text>,
    pub(crate) params: Params,
    pub(crate) outputs: Vec<OutputDeclaration>,
    pub(crate) after: Vec<Text>,
    pub(crate) depends: Vec<Text>,
    pub(crate) cwd: Option<Text>,
    pub(crate) pool: Option<Text>,
    pub(crate) threads: Option<Threads>,
    pub(crate) retry_delay: Option<Duration>,
    /// Where it says `batch = true`.
    pub(crate) batch: Option<Span>,
    /// Sorted by name.
    pub(crate) matrix: Vec<MatrixDeclaration>,
    pub(crate) platform: Option<Spanned<Platform>>,
    pub(crate) interactive: bool,
    pub(crate) hooks: Vec<HookDeclaration>,
}

/// `on-success`, `on-failure` or `on-end`
#[derive(Debug, Clone)]
pub(crate) struct HookDeclaration {
    pub(crate) time: HookTime,
    pub(crate) command: HookCommand,
    pub(crate) on_cached: bool,
    pub(crate) span: Span,
}

/// What a hook does.
#[derive(Debug, Clone)]
pub(crate) enum HookCommand {
    Shell(Text),
    Argv(Vec<Text>),
}

/// `matrix.NAME`
#[derive(Debug, Clone)]
pub(crate) struct MatrixDeclaration {
    pub(crate) name: Name,
    pub(crate) source: MatrixSource,
}

/// Where the values of a matrix name come from.
#[derive(Debug, Clone)]
pub(crate) enum MatrixSource {
    /// A list of values, or of tables with `name`.
    Values(Vec<Raw>),
    /// `"{{ pipeline.list }}"`
    Pipeline(Text),
    /// `{ glob = … }`
    Glob(Vec<Text>),
    /// `{ packages = … }`
    Packages(Vec<Text>),
}

/// `threads-required`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    Count(u32),
    All,
}

/// `run`
#[derive(Debug, Clone)]
pub(crate) enum Run {
    Shell(Text),
    Argv(Vec<Text>),
    Target {
        kind: TargetKey,
        name: Text,
        package: Option<Text>,
        args: Vec<Text>,
        options: BuildOptions,
    },
    Build {
        package: Text,
        options: BuildOptions,
    },
    /// Reported already.
    Broken,
}

/// `bin` or `example`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetKey {
    Bin,
    Example,
}

/// What cargo is told besides.
#[derive(Debug, Clone, Default)]
pub(crate) struct BuildOptions {
    pub(crate) profile: Option<Text>,
    pub(crate) features: Vec<Text>,
    pub(crate) triple: Option<Text>,
}

/// One of `inputs`
#[derive(Debug, Clone)]
pub(crate) enum InputDeclaration {
    /// An element of an array of references.
    Reference(Text),
    /// `name = "step.output"`
    Named(Name, Text),
    /// `name = { files = … }`
    Files(Name, Vec<Text>),
}

/// `params` of a step
#[derive(Debug, Clone)]
pub(crate) enum Params {
    /// name → value
    Table(BTreeMap<String, Param>),
    /// Names of the pipeline's.
    Names(Vec<Text>),
}

/// One of `outputs`
#[derive(Debug, Clone)]
pub(crate) enum OutputDeclaration {
    /// An element of an array of file names.
    FileName(Text),
    /// `name = "path"` or `name = { path = … }`
    Path { name: Name, path: Option<Text>, metric: bool, content_hash: bool, optional: bool },
}

impl Run {
    /// Does cargo build it first?
    pub(crate) fn is_built(&self) -> bool {
        matches!(self, Self::Target { .. } | Self::Build { .. })
    }
}
