//! `cargo zen verify`: is the store what its digests say, and does a step make the same again?

use std::sync::Arc;

use serde_json::{Value, json};
use zen_core::artifact::{Artifact, Key, Record};
use zen_core::engine::again::{Difference, Scratch};
use zen_core::engine::{EngineError, Ran, verify as read_store};
use zen_core::event::{Event, Finished, Listener};
use zen_core::manifest::resolve::Overrides;
use zen_core::model::{Model, StepId};
use zen_core::store::local::{Access, LocalStore};
use zen_core::store::verify::{Found, Verified};

use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat, OutputStyle};
use crate::human::Human;
use crate::json::lines;
use crate::load::{Loaded, Start, report, show};
use crate::run::{Prepared, catch_signals, overrides, put, stopped_by};
use crate::shell::{Shell, Verb};
use crate::words::{Names, count, size};

/// `cargo zen verify`
pub(crate) fn verify(global: &Global, flags: &flags::Verify, shell: &mut Shell) -> ExitCode {
    match &flags.determinism {
        Some(step) => determinism(global, flags, step, shell),
        None => whole_store(global, flags, shell),
    }
}

fn whole_store(global: &Global, flags: &flags::Verify, shell: &mut Shell) -> ExitCode {
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let Loaded { project, definitions, store_dir, .. } = &loaded;
    let verified = match read_store(project, definitions, store_dir.as_deref(), flags.repair) {
        Ok(verified) => verified,
        Err(error) => return report(shell, &error, loaded.sources()),
    };
    if global.message_format == MessageFormat::Json {
        let code = put(shell.stdout(), as_json(&verified, flags.repair).as_bytes(), shell);
        if code != ExitCode::Ok {
            return code;
        }
    }
    say(&verified, flags.repair, shell)
}

fn say(verified: &Verified, repair: bool, shell: &mut Shell) -> ExitCode {
    for Found { object, fault, steps } in &verified.damaged {
        shell.error(&format!("object {object} is damaged: {fault}{}", of(steps)));
    }
    for Found { object, steps, .. } in &verified.missing {
        shell.warning(&format!("object {object} is not in the store{}: made again when it is needed", of(steps)));
    }
    if verified.unreadable > 0 {
        let records = count(verified.unreadable as usize, "record");
        shell.warning(&format!("{records} cannot be read: what they hold runs again"));
    }
    let read = format!(
        "{} ({}) of {}",
        count(verified.objects as usize, "object"),
        size(verified.bytes),
        count(verified.records as usize, "record")
    );
    match (verified.damaged.len(), repair) {
        (0, _) => shell.status(Verb::Verified, &read),
        (damaged, true) => {
            shell.status(Verb::Verified, &read);
            shell.status(Verb::Removed, &format!("{} to quarantine/", count(damaged, "damaged object")));
        }
        (_, false) => {
            shell.help("no step is served what is damaged; `cargo zen verify --repair` moves it to quarantine/");
            return ExitCode::Store;
        }
    }
    ExitCode::Ok
}

fn of(steps: &std::collections::BTreeSet<String>) -> String {
    match steps.iter().map(|step| format!("`{step}`")).collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        [step] => format!(" (of step {step})"),
        steps => format!(" (of steps {})", steps.join(", ")),
    }
}

fn as_json(verified: &Verified, repair: bool) -> String {
    let found = |reason: &str, found: &Found| {
        json!({
            "reason": reason,
            "object": found.object.to_string(),
            "fault": found.fault.to_string(),
            "steps": found.steps,
        })
    };
    let damaged = verified.damaged.iter().map(|it| found("object-damaged", it));
    let missing = verified.missing.iter().map(|it| found("object-missing", it));
    let mut messages: Vec<Value> = damaged.chain(missing).collect();
    messages.push(json!({
        "reason": "verify-finished",
        "success": verified.damaged.is_empty() || repair,
        "objects": verified.objects,
        "bytes": verified.bytes,
        "records": verified.records,
        "unreadable_records": verified.unreadable,
        "damaged": verified.damaged.len(),
        "missing": verified.missing.len(),
        "repaired": repair,
    }));
    lines(&messages)
}

/// Runs a step again in a copy of the workspace. What is recorded stays as it is.
fn determinism(global: &Global, flags: &flags::Verify, step: &str, shell: &mut Shell) -> ExitCode {
    let mut selection = flags::Selection { names: Vec::new(), step: vec![step.to_owned()], how: flags.how.clone() };
    let prepared = match Prepared::new(global, &selection, None, shell) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let (loaded, model) = (&prepared.loaded, &prepared.loaded.definitions.model);
    let recorded = match recorded(&prepared, shell) {
        Ok(recorded) => recorded,
        Err(code) => return code,
    };
    let store_folder = loaded.project.store_folder(model, loaded.store_dir.as_deref());
    let scratch = match Scratch::copy_of(&loaded.project, &store_folder) {
        Ok(scratch) => scratch,
        Err(error) => {
            shell.error(&error.to_string());
            return ExitCode::Output;
        }
    };
    selection.how.config = selection.how.config.map(|config| loaded.here.join(config));
    selection.how.no_cache = recorded.iter().map(|(step, _)| model.step(*step).display_id.clone()).collect();
    let start = Start::in_copy(&scratch.root(), &store_folder);
    let global = &Global { manifest_path: None, ..global.clone() };
    let copied = Loaded::at(start, global, &overrides(&selection), selection.how.config.as_deref(), shell)
        .and_then(|loaded| Prepared::of(loaded, global, &selection, None, shell));
    let again = match copied.and_then(|copied| run_again(&copied, shell)) {
        Ok(again) => again,
        Err(code) => return code,
    };
    let store = match LocalStore::open(&store_folder, Access::Read) {
        Ok(store) => store,
        Err(error) => return report(shell, &EngineError::Store(error), loaded.sources()),
    };
    let mut messages = Vec::new();
    let mut code = ExitCode::Ok;
    for (step, record) in &recorded {
        let definition = model.step(*step);
        let Some(made) = again.iter().find(|made| made.step == definition.display_id) else {
            shell.error(&format!("step `{}` was not run again", definition.display_id));
            return ExitCode::StepFailed;
        };
        if made.key != Some(record.key) {
            shell.warning(&format!(
                "step `{}` has another key in a copy of the workspace: it reads what the copy lacks, or its folder's place",
                definition.display_id
            ));
        }
        let difference = match scratch.first_difference(definition, record, &made.artifacts, &store) {
            Ok(difference) => difference,
            Err(error) => {
                shell.error(&format!("what step `{}` made cannot be compared: {error}", definition.display_id));
                return ExitCode::Store;
            }
        };
        messages.push(json!({
            "reason": "determinism",
            "step": definition.display_id,
            "run": record.run.number(),
            "same": difference.is_none(),
            "output": difference.as_ref().map(|it| &it.output),
            "path": difference.as_ref().map(|it| it.path.to_string()),
            "difference": difference.as_ref().map(|it| it.what.to_string()),
        }));
        match difference {
            None => {
                let outputs = count(record.artifacts.len(), "output");
                let message = format!("{}: {outputs}, byte for byte as in run {}", definition.display_id, record.run);
                shell.status(Verb::Verified, &message);
            }
            Some(Difference { output, path, what }) => {
                code = ExitCode::StepFailed;
                shell.error(&format!(
                    "step `{}` is not deterministic: `{path}` of its output `{output}` differs from run {}: {what}",
                    definition.display_id, record.run
                ));
                shell.help("fix what varies (time, randomness, order, the folder's name), or declare what it reads");
            }
        }
    }
    if global.message_format == MessageFormat::Json {
        let put = put(shell.stdout(), lines(&messages).as_bytes(), shell);
        return if code == ExitCode::Ok { put } else { code };
    }
    code
}

/// The steps that are meant, each with the record that it is cached by now.
fn recorded(prepared: &Prepared, shell: &mut Shell) -> Result<Vec<(StepId, Arc<Record>)>, ExitCode> {
    let (loaded, model) = (&prepared.loaded, &prepared.loaded.definitions.model);
    let mut session = prepared.open(Access::Read, shell)?;
    show(shell, session.warnings(), loaded.sources());
    session.plan();
    let mut recorded = Vec::new();
    for step in &prepared.selection.selected {
        let id = &model.step(*step).display_id;
        let Some(record) = session.record_of(*step) else {
            shell.error(&format!("step `{id}` has no record for what it reads now: there is nothing to compare with"));
            shell.help(&format!("cargo zen run {id}"));
            return Err(ExitCode::Stale);
        };
        recorded.push((*step, record));
    }
    Ok(recorded)
}

/// What a step made in the copy.
struct Made {
    step: String,
    key: Option<Key>,
    artifacts: Arc<[Artifact]>,
}

fn run_again(prepared: &Prepared, shell: &mut Shell) -> Result<Vec<Made>, ExitCode> {
    let (loaded, model) = (&prepared.loaded, &prepared.loaded.definitions.model);
    let mut session = prepared.open(Access::Read, shell)?;
    let (guard, signals) = catch_signals(shell).unzip();
    let names = Names::new(model, &prepared.selection.order);
    let now = session.world.now;
    let (title, jobs) = (prepared.title(), prepared.options.jobs);
    let human = Human::new(shell, &names, loaded.sources(), title, OutputStyle::Lines, now, jobs);
    let mut listener = Watch { human, model, made: Vec::new() };
    let ran = session.run(&mut listener, signals);
    let made = listener.made;
    drop(guard);
    match ran {
        Err(EngineError::Stopped(signal)) | Ok(Ran { stopped: Some(signal), .. }) => Err(stopped_by(signal, shell)),
        Err(error) => Err(report(shell, &error, loaded.sources())),
        Ok(ran) if !ran.summary.success => Err(ExitCode::StepFailed),
        Ok(_) => Ok(made),
    }
}

/// Shows the run, and keeps what it made.
struct Watch<'a> {
    human: Human<'a>,
    model: &'a Model,
    made: Vec<Made>,
}

impl Listener for Watch<'_> {
    fn event(&mut self, event: &Event) {
        if let Event::Finished(finished) = event {
            let Finished { step, key, artifacts, .. } = &**finished;
            self.made.push(Made {
                step: self.model.step(*step).display_id.clone(),
                key: *key,
                artifacts: Arc::clone(artifacts),
            });
        }
        self.human.event(event);
    }
}
