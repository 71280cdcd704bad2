//! The command line as it is typed. What it means is worked out by each command.

use std::path::PathBuf;

use clap::builder::{Resettable, ValueParser};
use clap::{ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Pipelines in Cargo.toml, cached by content.
#[derive(Debug, Parser)]
#[command(
    name = "cargo zen",
    bin_name = "cargo zen",
    version,
    about = "Pipelines in Cargo.toml, cached by content: runs only the steps whose inputs changed",
    styles = clap_cargo::style::CLAP_STYLING,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH", global = true, help_heading = "Manifest Options")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Only the steps of this package's table, and cells for it
    #[arg(short, long, value_name = "SPEC", global = true, help_heading = "Manifest Options")]
    pub(crate) package: Option<String>,
    /// Assert that Cargo.lock will remain unchanged
    #[arg(long, global = true, help_heading = "Manifest Options")]
    pub(crate) locked: bool,
    /// Let cargo run without accessing the network
    #[arg(long, global = true, help_heading = "Manifest Options")]
    pub(crate) offline: bool,
    /// Do not print status messages
    #[arg(short, long, global = true, help_heading = "Display Options")]
    pub(crate) quiet: bool,
    /// Say more: every fresh step, every reason
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet", help_heading = "Display Options")]
    pub(crate) verbose: u8,
    /// Coloring
    #[arg(long, value_name = "WHEN", global = true, value_enum, help_heading = "Display Options")]
    pub(crate) color: Option<ColorWhen>,
    /// How to report
    #[arg(
        long,
        value_name = "FMT",
        global = true,
        value_enum,
        default_value = "human",
        help_heading = "Display Options"
    )]
    pub(crate) message_format: MessageFormat,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// `--message-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessageFormat {
    Human,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run pipelines: only the steps whose inputs changed
    Run(Later<Run>),
    /// Show what would run, and why
    Status(Later<Status>),
    /// Show what a step's key is made of, and what changed
    Explain(Later<Explain>),
    /// List pipelines and their steps
    List(Later<List>),
    /// Draw the steps and what stands between them, with the state of each
    Graph(Later<Graph>),
    /// Show earlier runs: what ran and why, parameters and metrics
    Runs(Later<Runs>),
    /// Write a page about a run: graph, timeline, reasons, parameters, metrics over runs
    Report(Later<Report>),
    /// Show the captured output of a step
    Logs(Later<Logs>),
    /// Show and export what steps made, by name and version
    Artifacts(Later<Artifacts>),
    /// Remove cached results
    Clean(Later<Clean>),
    /// Read the whole store against its digests, or run a step again and compare
    Verify(Later<Verify>),
}

/// The flags of a command, which are defined only when it is the one that was typed: defining those of all takes longer than
/// deciding that there is nothing to do.
#[derive(Debug)]
pub(crate) struct Later<A>(pub(crate) A);

impl<A: Args> Args for Later<A> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.defer(|command| {
            // What the command is for stands with its name.
            let (about, long) = (command.get_about().cloned(), command.get_long_about().cloned());
            A::augment_args(command).about(Resettable::from(about)).long_about(Resettable::from(long))
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<A: FromArgMatches> FromArgMatches for Later<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        A::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// What to run, and how its cache is used: common to `run` and `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
    /// Pipelines to select, or single steps as PIPELINE/STEP [default: default-pipeline, or the only one]
    #[arg(value_name = "PIPELINE[/STEP]")]
    pub(crate) names: Vec<String>,
    /// Select single steps, with all that they need
    #[arg(short, long, value_name = "STEP")]
    pub(crate) step: Vec<String>,
    /// How the tables are taken.
    #[command(flatten)]
    pub(crate) how: How,
}

/// What is put over the tables: common to all commands that decide about steps.
#[derive(Debug, Clone, Args)]
pub(crate) struct How {
    /// Set a pipeline's parameter, or a step's as STEP.NAME; read as the declared type
    #[arg(long, value_name = "[STEP.]NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Put a TOML file with the shape of a pipeline's table over the selected pipelines
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Turn caching on, for all steps or those named
    #[arg(long, value_name = "STEP", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = ValueParser::string())]
    pub(crate) cache: Vec<String>,
    /// Run without looking for earlier results; STEP+ adds what depends on it
    #[arg(long, visible_alias = "force", value_name = "STEP[+]", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = ValueParser::string())]
    pub(crate) no_cache: Vec<String>,
    /// Arguments for `{{ args }}`
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
}

/// `cargo zen run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What to run.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Show what would run, and why; run nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Number of steps at a time [default: number of cores]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroU32>,
    /// After a failure, go on with what does not depend on it
    #[arg(long, visible_alias = "no-fail-fast")]
    pub(crate) keep_going: bool,
    /// After a failure, kill what runs
    #[arg(long, conflicts_with = "keep_going")]
    pub(crate) kill_on_failure: bool,
    /// Do not wait for another cargo zen that works on the same places
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Write where the time went, as a page and as a trace
    #[arg(long)]
    pub(crate) timings: bool,
    /// How step output is shown [default: lines]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) output: Option<OutputStyle>,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputStyle {
    /// Line by line as it comes, with the step's name when several run.
    Lines,
    /// Each step's whole output at its end.
    Grouped,
    /// The output of steps that fail.
    Failures,
}

/// `cargo zen status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// What to look at.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Exit with 5 if anything would run
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// `cargo zen verify`
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Move damaged objects to quarantine/: what needs them is made again
    #[arg(long, conflicts_with = "determinism")]
    pub(crate) repair: bool,
    /// Run this step again, in a copy of the workspace, and compare what it makes byte by byte
    #[arg(long, value_name = "STEP")]
    pub(crate) determinism: Option<String>,
    /// How the tables are taken.
    #[command(flatten)]
    pub(crate) how: How,
}

/// `cargo zen explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The step
    #[arg(value_name = "STEP")]
    pub(crate) step: String,
    /// Compare with this run: its number, `last`, `last~N` or a git revision [default: the nearest earlier record]
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// How the tables are taken.
    #[command(flatten)]
    pub(crate) how: How,
}

/// `cargo zen list`
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Pipelines to list [default: all]
    #[arg(value_name = "PIPELINE")]
    pub(crate) names: Vec<String>,
}

/// `cargo zen graph`
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// What to draw.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How to draw it [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<GraphFormat>,
    /// Draw what steps make, too
    #[arg(long)]
    pub(crate) artifacts: bool,
    /// Draw the files that steps read, too
    #[arg(long)]
    pub(crate) files: bool,
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For a terminal.
    Text,
    /// For Graphviz.
    Dot,
    /// For Markdown on GitHub.
    Mermaid,
    /// A picture.
    Svg,
    /// For programs.
    Json,
}

/// `cargo zen runs`
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Which of them [default: all, in a line each]
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
    /// How many, counted from the last [default: 20]
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// Which runs. RUN is a number, `last`, `last~2` for two before that, or a git revision: its latest run.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Show one run: its steps, their parameters and metrics
    Show {
        /// The run
        #[arg(value_name = "RUN", default_value = "last")]
        run: String,
    },
    /// Show what is different in a second run
    Diff {
        /// The first
        #[arg(value_name = "RUN", default_value = "last~1")]
        a: String,
        /// The second
        #[arg(value_name = "RUN", default_value = "last")]
        b: String,
    },
}

/// `cargo zen report`
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run: its number, `last`, `last~N` or a git revision
    #[arg(value_name = "RUN", default_value = "last")]
    pub(crate) run: String,
    /// Compare with this run [default: the one before it that was asked for the same pipelines]
    #[arg(long, value_name = "RUN")]
    pub(crate) compare: Option<String>,
    /// Where to write it; `-` is standard output [default: reports/run-N.html in the zen folder]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `cargo zen logs`
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The step
    #[arg(value_name = "STEP")]
    pub(crate) step: String,
    /// The run: its number, `last`, `last~N` or a git revision [default: the latest in which the step ran]
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Put the time (UTC) at which it began before each line
    #[arg(short, long)]
    pub(crate) timestamps: bool,
}

/// `cargo zen artifacts`
#[derive(Debug, Args)]
pub(crate) struct Artifacts {
    /// What to do with them [default: list]
    #[command(subcommand)]
    pub(crate) command: Option<ArtifactsCommand>,
}

/// What to do with artifacts. NAME is `output`, `step.output` or `pipeline/step.output`; `NAME@3` is its version 3.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsCommand {
    /// List artifacts, each with its version in place, else its newest
    List {
        /// Only these
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Show an artifact's versions, and the files of one
    Show {
        /// The artifact
        #[arg(value_name = "NAME[@VERSION]")]
        name: String,
    },
    /// Write a file of an artifact to standard output
    Cat {
        /// The artifact
        #[arg(value_name = "NAME[@VERSION]")]
        name: String,
        /// Which of its files
        #[arg(value_name = "PATH")]
        path: Option<String>,
    },
    /// Print where a version lies in the workspace
    Path {
        /// The artifact
        #[arg(value_name = "NAME[@VERSION]")]
        name: String,
    },
    /// Write a version to another place
    Export {
        /// The artifact
        #[arg(value_name = "NAME[@VERSION]")]
        name: String,
        /// Where to; nothing may be there
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
}

/// `cargo zen clean`
#[derive(Debug, Args)]
pub(crate) struct Clean {
    /// Only what no current policy would accept any more
    #[arg(long)]
    pub(crate) expired: bool,
    /// Only what was not used for this long (`14d`)
    #[arg(long, value_name = "AGE")]
    pub(crate) older_than: Option<String>,
    /// The least recently used, until the store is no larger (`5GiB`)
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["expired", "older_than"])]
    pub(crate) max_size: Option<String>,
    /// Only results of this pipeline
    #[arg(long, value_name = "PIPELINE")]
    pub(crate) pipeline: Option<String>,
    /// Only results of this step
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Everything in the store, other workspaces' results too
    #[arg(long, conflicts_with_all = ["expired", "older_than", "max_size", "pipeline", "step"])]
    pub(crate) all: bool,
    /// Remove outputs in the workspace, but not what git tracks; cached results stay
    #[arg(long)]
    pub(crate) outputs: bool,
    /// Remove what was set aside in `replaced/`; cached results stay
    #[arg(long)]
    pub(crate) replaced: bool,
    /// Show what would be removed; remove nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}
