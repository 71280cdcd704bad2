//! Standard error, in cargo's look: a bold verb in 12 columns. The only place that writes status lines.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use clap_cargo::style;

use crate::flags::{ColorWhen, Global};
use crate::github::in_repository;
use crate::screen::{Draw, Screen, may_have_bar, progress_width};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors and warnings alone.
    Quiet,
    /// Status lines.
    Normal,
    /// Everything.
    Verbose,
}

/// Where status goes.
pub(crate) struct Shell {
    screen: Screen,
    choice: ColorChoice,
    /// How much is said.
    pub(crate) verbosity: Verbosity,
    /// Is this a job of GitHub Actions, whose runner reads commands in what is printed?
    pub(crate) is_github: bool,
    /// If so: where the workspace lies in the repository.
    pub(crate) repository: Option<PathBuf>,
    /// Does nobody watch?
    pub(crate) is_ci: bool,
    /// May there be a bar at the bottom?
    has_bar: bool,
}

impl Shell {
    /// As the flags and cargo's variables ask for.
    pub(crate) fn new(global: &Global) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let choice = match global.color {
            Some(ColorWhen::Always) => ColorChoice::Always,
            Some(ColorWhen::Never) => ColorChoice::Never,
            Some(ColorWhen::Auto) => AutoStream::choice(&std::io::stderr()),
            None => match variable("CARGO_TERM_COLOR").as_str() {
                "always" => ColorChoice::Always,
                "never" => ColorChoice::Never,
                _ => AutoStream::choice(&std::io::stderr()),
            },
        };
        let verbosity = if global.quiet {
            Verbosity::Quiet
        } else if global.verbose > 0 {
            Verbosity::Verbose
        } else {
            match (variable("CARGO_TERM_QUIET").as_str(), variable("CARGO_TERM_VERBOSE").as_str()) {
                ("true", _) => Verbosity::Quiet,
                (_, "true") => Verbosity::Verbose,
                _ => Verbosity::Normal,
            }
        };
        let is_ci = std::env::var_os("CI").is_some();
        let has_bar = verbosity > Verbosity::Quiet && may_have_bar(is_ci);
        let is_github = variable("GITHUB_ACTIONS") == "true";
        let screen = Screen::new(choice, progress_width());
        Self { screen, choice, verbosity, is_github, repository: None, is_ci, has_bar }
    }

    /// Before there are flags.
    pub(crate) fn plain() -> Self {
        let choice = AutoStream::choice(&std::io::stderr());
        let screen = Screen::new(choice, None);
        let verbosity = Verbosity::Normal;
        Self { screen, choice, verbosity, is_github: false, repository: None, is_ci: false, has_bar: false }
    }

    /// The workspace is known.
    pub(crate) fn is_at(&mut self, root: &Path) {
        self.repository = self.is_github.then(|| in_repository(root));
    }

    /// Should steps colour their output? Only if we do, on a terminal or because it was asked for.
    pub(crate) fn colours(&self) -> bool {
        match self.choice {
            ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => std::io::stderr().is_terminal(),
        }
    }

    /// Standard output, coloured by the same choice.
    pub(crate) fn stdout(&self) -> AutoStream<std::io::Stdout> {
        let choice = match self.choice {
            ColorChoice::Auto => AutoStream::choice(&std::io::stdout()),
            choice if std::io::stdout().is_terminal() || choice == ColorChoice::Always => choice,
            _ => ColorChoice::Never,
        };
        AutoStream::new(std::io::stdout(), choice)
    }

    /// Columns of standard output; of what is no terminal, as many as anybody may want.
    pub(crate) fn width(&self) -> usize {
        terminal_size::terminal_size_of(std::io::stdout()).map_or(usize::MAX, |(width, _)| width.0.into())
    }

    /// `   Finished training: …`, not with `--quiet`.
    pub(crate) fn status(&mut self, verb: Verb, message: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.line(&verb.line(message));
        }
    }

    /// A status line that `--quiet` does not silence: a failure.
    pub(crate) fn status_always(&mut self, verb: Verb, message: &str) {
        self.line(&verb.line(message));
    }

    /// `error: …`
    pub(crate) fn error(&mut self, message: &str) {
        self.line(&format!("{0}error{0:#}{1}:{1:#} {message}", style::ERROR, Style::new().bold()));
    }

    /// `warning: …`
    pub(crate) fn warning(&mut self, message: &str) {
        self.line(&format!("{0}warning{0:#}{1}:{1:#} {message}", style::WARN, Style::new().bold()));
    }

    /// `help: …`
    pub(crate) fn help(&mut self, message: &str) {
        self.line(&format!("{0}help{0:#}: {message}", style::TRANSIENT));
    }

    /// `note: …`, not with `--quiet`.
    pub(crate) fn note(&mut self, message: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.line(&format!("{0}note{0:#}: {message}", style::NOTE));
        }
    }

    /// A whole line.
    pub(crate) fn line(&mut self, line: &str) {
        self.screen.write(format!("{line}\n").as_bytes());
    }

    /// Bytes as a step wrote them.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.screen.write(bytes);
    }

    /// May there be a bar?
    pub(crate) fn may_have_bar(&self) -> bool {
        self.has_bar
    }

    /// Shows a bar below the lines, where there may be one.
    pub(crate) fn bar(&mut self, draw: impl FnOnce() -> Draw) {
        if self.has_bar {
            self.screen.bar(Some(draw()));
        }
    }

    /// Takes the bar away.
    pub(crate) fn no_bar(&mut self) {
        if self.has_bar {
            self.screen.bar(None);
        }
    }
}

/// The verbs of status lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// What is about to be looked at.
    Planning,
    /// A record exists and the outputs match it.
    Fresh,
    /// Its outputs were put back.
    Restored,
    /// Its outputs would be put back.
    Restorable,
    /// A command starts.
    Running,
    /// It ended well.
    Ran,
    /// What it measured.
    Metric,
    /// It would run.
    Stale,
    /// It may have to run.
    Maybe,
    /// It did not end well.
    Failed,
    /// It was not started.
    Skipped,
    /// Another try follows.
    Retrying,
    /// Somebody else holds a lock.
    Blocking,
    /// Something was removed.
    Removed,
    /// It is what it should be.
    Verified,
    /// All is done.
    Finished,
}

impl Verb {
    /// The verb, padded and styled, and the message.
    pub(crate) fn line(self, message: &str) -> String {
        let style = match self {
            Self::Fresh | Self::Restored | Self::Restorable | Self::Ran | Self::Finished | Self::Verified => {
                style::GOOD
            }
            Self::Planning | Self::Running | Self::Removed => style::HEADER,
            Self::Stale | Self::Maybe | Self::Skipped | Self::Retrying => style::WARN,
            Self::Failed => style::ERROR,
            Self::Blocking | Self::Metric => style::TRANSIENT,
        };
        format!("{style}{:>12}{style:#} {message}", format!("{self:?}"))
    }
}
