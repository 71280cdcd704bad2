//! `cargo zen`: flags in, status lines, diagnostics, JSON and exit codes out. The only crate that prints.

mod artifacts;
mod clean;
mod diagnose;
mod exit;
mod explain;
mod flags;
mod github;
mod graph;
mod human;
mod json;
mod list;
mod load;
mod logs;
mod progress;
mod report;
mod run;
mod runs;
mod screen;
mod shell;
mod tame;
mod timings;
mod verify;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use zen_core::process::guard;

use crate::exit::ExitCode as Exit;
use crate::flags::{Cli, Command, Later};
use crate::load::Loaded;
use crate::shell::Shell;

fn main() -> ExitCode {
    if guard::is_asked(std::env::args_os()) {
        guard::watch(std::env::args_os());
        return ExitCode::SUCCESS;
    }
    guard::enable();
    let code = checked();
    guard::release();
    code
}

fn checked() -> ExitCode {
    // The panic's own message, with its place, is on standard error by then.
    std::panic::catch_unwind(command_line).unwrap_or_else(|_| {
        let mut shell = Shell::plain();
        shell.error("internal error: this is a bug in cargo zen");
        shell.help("report it with the lines above; what was recorded before stays right");
        Exit::Internal.into()
    })
}

fn command_line() -> ExitCode {
    let args = without_subcommand_name(std::env::args_os());
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &args),
    };
    let mut shell = Shell::new(&cli.global);
    let done = match &cli.command {
        Command::Run(Later(run)) => run::run(&cli.global, run, &mut shell),
        Command::Status(Later(status)) => run::status(&cli.global, status, &mut shell),
        Command::Explain(Later(explain)) => explain::explain(&cli.global, explain, &mut shell),
        Command::List(Later(list)) => list::list(&cli.global, list, &mut shell),
        Command::Graph(Later(graph)) => graph::graph(&cli.global, graph, &mut shell),
        Command::Runs(Later(runs)) => runs::runs(&cli.global, runs, &mut shell),
        Command::Report(Later(report)) => report::report(&cli.global, report, &mut shell),
        Command::Logs(Later(logs)) => logs::logs(&cli.global, logs, &mut shell),
        Command::Artifacts(Later(artifacts)) => artifacts::artifacts(&cli.global, artifacts, &mut shell),
        Command::Clean(Later(clean)) => clean::clean(&cli.global, clean, &mut shell),
        Command::Verify(Later(verify)) => verify::verify(&cli.global, verify, &mut shell),
    };
    done.into()
}

/// Commands that are to come.
const NOT_YET: [&str; 4] = ["audit", "completions", "init", "schema"];

/// `cargo zen run` starts `cargo-zen zen run`.
fn without_subcommand_name(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    if args.get(1).is_some_and(|arg| arg == "zen") {
        args.remove(1);
    }
    args
}

/// `--manifest-path`, of a command line that does not parse as a whole.
fn manifest_path(args: &[OsString]) -> Option<PathBuf> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--manifest-path" {
            return args.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--manifest-path=")) {
            return Some(PathBuf::from(path));
        }
    }
    None
}

/// Says what is wrong with the command line; a pipeline's name in the place of a command gets the right one shown.
fn usage(error: &clap::Error, args: &[OsString]) -> ExitCode {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand)
        && Cli::command().find_subcommand(name).is_none()
        && Loaded::has_pipeline(name, manifest_path(args).as_deref())
    {
        let mut shell = Shell::plain();
        shell.error(&format!("no such command: `{name}`; it is a pipeline"));
        shell.help(&format!("cargo zen run {name}"));
        return Exit::Usage.into();
    }
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand)
        && NOT_YET.contains(&name.as_str())
    {
        // The nearest command that there is would be a dangerous hint: `clean` for `verify`.
        Shell::plain().error(&format!("`cargo zen {name}` is not supported yet"));
        return Exit::Usage.into();
    }
    // Nobody may be there to read it.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok.into(),
        _ => Exit::Usage.into(),
    }
}
