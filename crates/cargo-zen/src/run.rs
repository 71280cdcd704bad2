//! `run` and `status`: the same selection, the same plan; one of them runs it.

use std::ffi::OsStr;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use zen_core::decide::Decision;
use zen_core::engine::{Caching, EngineError, Failure, Options, Session, select};
use zen_core::environment::Conditions;
use zen_core::event::{Event, Listener, Outcome, Planned};
use zen_core::graph::{Request, Selection};
use zen_core::manifest::resolve::Overrides;
use zen_core::model::Model;
use zen_core::process::signals::{Signal, Signals, reraise};
use zen_core::scan::cores;
use zen_core::store::local::Access;

use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat, OutputStyle};
use crate::github::{self, Summarizer};
use crate::human::{Human, reasons, reused};
use crate::json::Json;
use crate::load::{Loaded, report, show};
use crate::progress::hashing;
use crate::shell::{Shell, Verb, Verbosity};
use crate::timings::Timings;
use crate::words::{Names, count, typed};

/// `cargo zen run`
pub(crate) fn run(global: &Global, flags: &flags::Run, shell: &mut Shell) -> ExitCode {
    let began = Instant::now();
    let prepared = match Prepared::new(global, &flags.selection, Some(flags), shell) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    if flags.dry_run {
        return match prepared.plan(global, shell) {
            Ok(_) => ExitCode::Ok,
            Err(code) => code,
        };
    }
    // The process ends here, and the system takes all memory back at once: it is not taken apart piece by piece before.
    ManuallyDrop::new(prepared).run(global, flags, began, shell)
}

/// `cargo zen status`
pub(crate) fn status(global: &Global, flags: &flags::Status, shell: &mut Shell) -> ExitCode {
    let prepared = match Prepared::new(global, &flags.selection, None, shell) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    match prepared.plan(global, shell) {
        Ok(plan) => {
            let would_run = plan.iter().any(|step| matches!(step.decision, Decision::Run | Decision::Maybe));
            if flags.exit_code && would_run { ExitCode::Stale } else { ExitCode::Ok }
        }
        Err(code) => code,
    }
}

/// Definitions, what is selected of them, and how.
pub(crate) struct Prepared {
    /// The workspace and its definitions.
    pub(crate) loaded: Loaded,
    /// Pipelines and steps.
    pub(crate) selection: Selection,
    /// How the engine is to work.
    pub(crate) options: Options,
}

impl Prepared {
    /// From flags; says what is wrong, if anything is.
    pub(crate) fn new(
        global: &Global,
        flags: &flags::Selection,
        run: Option<&flags::Run>,
        shell: &mut Shell,
    ) -> Result<Self, ExitCode> {
        let loaded = Loaded::with_config(global, &overrides(flags), flags.how.config.as_deref(), shell)?;
        Self::of(loaded, global, flags, run, shell)
    }

    /// From flags and the definitions that they are of.
    pub(crate) fn of(
        loaded: Loaded,
        global: &Global,
        flags: &flags::Selection,
        run: Option<&flags::Run>,
        shell: &mut Shell,
    ) -> Result<Self, ExitCode> {
        let request =
            Request { names: flags.names.clone(), steps: flags.step.clone(), package: global.package.clone() };
        let failed = |shell: &mut Shell, error: EngineError| Err(report(shell, &error, loaded.sources()));
        let selection = match select(&loaded.definitions, &request) {
            Ok(selection) => selection,
            Err(error) => return failed(shell, error),
        };
        let caching = match Caching::new(&loaded.definitions, &selection, &flags.how.cache, &flags.how.no_cache) {
            Ok(caching) => caching,
            Err(error) => return failed(shell, error),
        };
        let cores = || cores() as u32;
        let options = Options {
            caching,
            jobs: run.and_then(|run| run.jobs).map_or_else(cores, NonZeroU32::get),
            failure: match run {
                Some(run) if run.keep_going => Failure::KeepGoing,
                Some(run) if run.kill_on_failure => Failure::Kill,
                _ => Failure::Stop,
            },
            no_wait: run.is_some_and(|run| run.no_wait),
            conditions: Conditions {
                colour: shell.colours(),
                toolchain_is_chosen: loaded.project.workspace.env.contains_key(OsStr::new("RUSTUP_TOOLCHAIN")),
            },
            request: request_text(&loaded.definitions.model, &selection),
            asked: asked_text(&loaded, &selection, flags, global.package.as_deref()),
            store_dir: loaded.store_dir.clone(),
            reading: shell.may_have_bar().then(Arc::default),
        };
        Ok(Self { loaded, selection, options })
    }

    /// Looks at the disk; where there may be a bar, it says how far that has come. Says what is wrong, if anything is.
    pub(crate) fn open(&self, access: Access, shell: &mut Shell) -> Result<Session<'_>, ExitCode> {
        let Loaded { project, definitions, .. } = &self.loaded;
        if let Some(reading) = &self.options.reading {
            let reading = Arc::clone(reading);
            shell.bar(|| Box::new(move |width| hashing(&reading.now(), width)));
        }
        let opened = Session::open(project, definitions, &self.selection, &self.options, access);
        shell.no_bar();
        opened.map_err(|error| report(shell, &error, self.loaded.sources()))
    }

    /// Of what is selected, in words.
    pub(crate) fn title(&self) -> String {
        title(&self.loaded.definitions.model, &self.selection)
    }

    /// Shows what would happen.
    fn plan(&self, global: &Global, shell: &mut Shell) -> Result<Vec<Planned>, ExitCode> {
        let definitions = &self.loaded.definitions;
        let mut session = self.open(Access::Read, shell)?;
        show(shell, session.warnings(), self.loaded.sources());
        session.notes().iter().for_each(|note| shell.note(note));
        let plan = session.plan();
        if let Err(error) = session.save() {
            shell.warning(&format!("the stat cache cannot be written ({error}): files are read again next time"));
        }
        let stdout = shell.stdout();
        if global.message_format == MessageFormat::Json {
            let mut json = Json::new(&definitions.model, stdout);
            json.plan(&plan);
            return written(json.broken, shell).map(|()| plan);
        }
        let names = Names::new(&definitions.model, &self.selection.order);
        let text = plan_text(&plan, &names, session.world.now, shell.verbosity);
        shell.status(Verb::Planning, &format!("{} ({})", self.title(), count(plan.len(), "step")));
        let mut stdout = stdout;
        written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).err(), shell).map(|()| plan)
    }

    fn run(&self, global: &Global, flags: &flags::Run, began: Instant, shell: &mut Shell) -> ExitCode {
        let definitions = &self.loaded.definitions;
        let timings = flags.timings.then(|| Timings::new(began.elapsed()));
        let mut session = match self.open(Access::Write, shell) {
            Ok(session) => ManuallyDrop::new(session),
            Err(code) => return code,
        };
        let (guard, signals) = catch_signals(shell).unzip();
        let names = Names::new(&definitions.model, &self.selection.order);
        // Where nobody watches, what a step printed is read in one piece, if at all.
        let usual = if shell.is_ci { OutputStyle::Grouped } else { OutputStyle::Lines };
        let output = flags.output.unwrap_or(usual);
        let step_summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty());
        let stdout = std::io::stdout();
        let now = session.world.now;
        let human = Human::new(shell, &names, self.loaded.sources(), self.title(), output, now, self.options.jobs);
        let json = (global.message_format == MessageFormat::Json).then(|| Json::new(&definitions.model, stdout.lock()));
        let summarizer = step_summary.is_some().then(Summarizer::default);
        let mut listeners = Listeners { human, json, timings, summarizer, model: &definitions.model };
        let ran = session.run(&mut listeners, signals);
        let Listeners { json, timings, summarizer, .. } = listeners;
        let broken = json.and_then(|json| json.broken);
        drop(guard);
        if let Some(timings) = timings {
            match timings.write(&session.world.zen_dir.join("timings"), &self.title(), &names) {
                Ok(page) => shell.note(&format!("where the time went: {}", page.display())),
                Err(error) => shell.warning(&format!("the timings cannot be written: {error}")),
            }
        }
        if let (Some(summarizer), Some(file)) = (summarizer, step_summary) {
            let order = &self.selection.order;
            if let Err(error) = summarizer.write(file.as_ref(), &self.title(), definitions, order, &names) {
                shell.warning(&format!("the summary for GitHub cannot be written: {error}"));
            }
        }
        let ran = match ran {
            Ok(ran) => ran,
            Err(EngineError::Stopped(signal)) => return stopped_by(signal, shell),
            Err(error) => return report(shell, &error, self.loaded.sources()),
        };
        if let Some(signal) = ran.stopped {
            return stopped_by(signal, shell);
        }
        if !ran.summary.success {
            return ExitCode::StepFailed;
        }
        match written(broken, shell) {
            Ok(()) => ExitCode::Ok,
            Err(code) => code,
        }
    }
}

/// Lets a run end in order when a signal comes; says so if it cannot.
pub(crate) fn catch_signals(shell: &mut Shell) -> Option<(Signals, Receiver<Signal>)> {
    let caught = Signals::install();
    caught
        .inspect_err(|error| shell.warning(&format!("signals cannot be caught ({error}): Ctrl-C ends zen at once")))
        .ok()
}

/// Ends by the signal, so that whoever started zen sees it.
pub(crate) fn stopped_by(signal: Signal, shell: &mut Shell) -> ExitCode {
    if let Err(error) = reraise(signal) {
        shell.warning(&format!("the signal could not be raised again: {error}"));
    }
    ExitCode::StepFailed
}

/// Events for people, and for programs and reports if somebody asked.
struct Listeners<'a, W: Write> {
    human: Human<'a>,
    json: Option<Json<'a, W>>,
    timings: Option<Timings>,
    summarizer: Option<Summarizer>,
    /// What a failed step's id means.
    model: &'a Model,
}

impl<W: Write> Listener for Listeners<'_, W> {
    fn event(&mut self, event: &Event) {
        if let Some(timings) = &mut self.timings {
            timings.event(event);
        }
        if let Some(summarizer) = &mut self.summarizer {
            summarizer.event(event);
        }
        if let Some(json) = &mut self.json {
            json.event(event);
        }
        // What steps print is in the JSON already; on standard error it would be for nobody.
        if self.json.is_none() || !matches!(event, Event::Output { .. } | Event::HookOutput { .. }) {
            self.human.event(event);
        }
        if let Event::Finished(finished) = event
            && finished.outcome == Outcome::Failed
            && let Some(prefix) = &self.human.shell.repository
        {
            let step = self.model.step(finished.step);
            let mark = github::failed(finished, step, self.human.sources, prefix);
            self.human.shell.line(&mark);
        }
    }
}

/// A reader that went away is no failure; any other trouble with standard output is.
pub(crate) fn written(error: Option<std::io::Error>, shell: &mut Shell) -> Result<(), ExitCode> {
    match error {
        None => Ok(()),
        Some(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Some(error) => {
            shell.error(&format!("standard output cannot be written: {error}"));
            Err(ExitCode::Output)
        }
    }
}

/// Writes what was asked for to standard output.
pub(crate) fn put(mut stdout: impl Write, bytes: &[u8], shell: &mut Shell) -> ExitCode {
    match written(stdout.write_all(bytes).and_then(|()| stdout.flush()).err(), shell) {
        Ok(()) => ExitCode::Ok,
        Err(code) => code,
    }
}

/// The pipeline of `[package:]pipeline[/step]`.
pub(crate) fn pipeline_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(pipeline, _)| pipeline)
}

/// What is put over the tables.
pub(crate) fn overrides(flags: &flags::Selection) -> Overrides {
    let pipelines = flags.names.iter().map(|name| pipeline_of(name).to_owned()).collect();
    Overrides { set: flags.how.set.clone(), args: flags.how.args.clone(), pipelines }
}

/// The pipelines of a selection, in words.
fn title(model: &Model, selection: &Selection) -> String {
    let pipelines = || selection.pipelines.iter().map(|id| model.pipeline(*id));
    // One name may stand for a pipeline in each of many packages.
    if let Some(first) = pipelines().nth(1).and(pipelines().next())
        && pipelines().all(|pipeline| pipeline.name == first.name)
    {
        return first.name.clone();
    }
    let names: Vec<String> = pipelines().map(zen_core::model::Pipeline::display_id).collect();
    match names.as_slice() {
        [] => selection.selected.iter().map(|step| model.step(*step).display_id.clone()).collect::<Vec<_>>().join(", "),
        [first, rest @ ..] if rest.len() > 3 => format!("{first} and {} more pipelines", rest.len()),
        _ => names.join(", "),
    }
}

/// What is worked on, and by whom.
fn request_text(model: &Model, selection: &Selection) -> String {
    format!("cargo zen run {} (process {})", title(model, selection), std::process::id())
}

/// What is asked for, as it would be typed. Values of `secret-env` are masked, as in what steps print.
fn asked_text(loaded: &Loaded, selection: &Selection, flags: &flags::Selection, package: Option<&str>) -> String {
    let (model, how) = (&loaded.definitions.model, &flags.how);
    let secrets: Vec<&str> = selection
        .order
        .iter()
        .flat_map(|step| &model.step(*step).secret_env)
        .filter_map(|name| loaded.project.workspace.env.get(OsStr::new(name))?.to_str())
        .filter(|secret| !secret.is_empty())
        .collect();
    let word = |text: &str| typed(&secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***")));
    let mut words: Vec<String> = flags.names.iter().map(|name| word(name)).collect();
    if words.is_empty() && flags.step.is_empty() {
        words.push(title(model, selection));
    }
    let mut flag = |name: &str, value: &str| words.push(format!("{name} {}", word(value)));
    package.into_iter().for_each(|package| flag("-p", package));
    flags.step.iter().for_each(|step| flag("-s", step));
    how.set.iter().for_each(|value| flag("--set", value));
    how.config.iter().for_each(|file| flag("--config", &file.to_string_lossy()));
    for (name, values) in [("--cache", &how.cache), ("--no-cache", &how.no_cache)] {
        let one = |value: &String| if value.is_empty() { name.to_owned() } else { format!("{name}={}", word(value)) };
        words.extend(values.iter().map(one));
    }
    if !how.args.is_empty() {
        words.push("--".to_owned());
        words.extend(how.args.iter().map(|arg| word(arg)));
    }
    words.join(" ")
}

fn plan_text(plan: &[Planned], names: &Names, now: zen_core::artifact::Timestamp, verbosity: Verbosity) -> String {
    let fresh = plan.iter().filter(|step| step.decision == Decision::Fresh).count();
    let fold = fresh > 16 && verbosity < Verbosity::Verbose;
    let mut text = String::new();
    if fold {
        text.push_str(&format!("{}\n", Verb::Fresh.line(&count(fresh, "step"))));
    }
    for step in plan.iter().filter(|step| !fold || step.decision != Decision::Fresh) {
        text.push_str(&plan_line(step, names.of(step.step), now, verbosity));
        text.push('\n');
    }
    text
}

/// One step of a plan.
pub(crate) fn plan_line(
    step: &Planned,
    name: &str,
    now: zen_core::artifact::Timestamp,
    verbosity: Verbosity,
) -> String {
    match step.decision {
        Decision::Fresh => Verb::Fresh.line(&format!("{name}{}", reused(step.reused, now))),
        Decision::Restore => Verb::Restorable.line(&format!("{name}{}", reused(step.reused, now))),
        Decision::Run => Verb::Stale.line(&format!("{name} ({})", reasons(&step.why, verbosity))),
        Decision::Maybe => Verb::Maybe.line(&format!("{name} ({})", reasons(&step.why, verbosity))),
    }
}
