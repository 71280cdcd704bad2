//! `cargo zen explain`: what a step's key is made of, and how it differs from an earlier one.

use serde_json::{Value, json};
use zen_core::artifact::{Key, Timestamp};
use zen_core::decide::Why;
use zen_core::engine::Explained;
use zen_core::key::{Component, Item};
use zen_core::model::{Model, Step};
use zen_core::path::RelPath;
use zen_core::store::local::Access;

use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat};
use crate::human::age;
use crate::json::{decision, lines, reasons};
use crate::load::{report, show};
use crate::run::{Prepared, plan_line, put};
use crate::runs::find;
use crate::shell::{Shell, Verbosity};
use crate::words::{count, one_line};

/// Items of a component, and differences, that are shown without `-v`.
const SHOWN: usize = 10;

/// `cargo zen explain`
pub(crate) fn explain(global: &Global, flags: &flags::Explain, shell: &mut Shell) -> ExitCode {
    let selection = flags::Selection { names: Vec::new(), step: vec![flags.step.clone()], how: flags.how.clone() };
    let prepared = match Prepared::new(global, &selection, None, shell) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let (loaded, model) = (&prepared.loaded, &prepared.loaded.definitions.model);
    let &[step] = &*prepared.selection.selected else {
        let ids: Vec<&str> = prepared.selection.selected.iter().map(|step| &*model.step(*step).display_id).collect();
        shell.error(&format!("`{}` is more than one step", flags.step));
        shell.help(&format!("name one of them: {}", ids.join(", ")));
        return ExitCode::NothingSelected;
    };
    let mut session = match prepared.open(Access::Read, shell) {
        Ok(session) => session,
        Err(code) => return code,
    };
    show(shell, session.warnings(), loaded.sources());
    let run = match flags.run.as_deref().map(|name| find(&loaded.project, name)).transpose() {
        Ok(run) => run,
        Err(missing) => return missing.say(shell),
    };
    let explained = match session.explain(step, run.as_ref()) {
        Ok(explained) => explained,
        Err(error) => return report(shell, &error, loaded.sources()),
    };
    if let Err(error) = session.save() {
        shell.warning(&format!("the stat cache cannot be written ({error}): files are read again next time"));
    }
    let text = if global.message_format == MessageFormat::Json {
        as_json(&explained, model.step(step))
    } else {
        as_text(&explained, model, model.step(step), session.world.now, shell.verbosity)
    };
    put(shell.stdout(), text.as_bytes(), shell)
}

fn as_text(explained: &Explained, model: &Model, step: &Step, now: Timestamp, verbosity: Verbosity) -> String {
    let all = verbosity >= Verbosity::Verbose;
    let shown = |number: usize| if all { number } else { number.min(SHOWN) };
    let more = |number: usize| match number - shown(number) {
        0 => String::new(),
        rest => format!("    … and {rest} more (`-v` shows them)\n"),
    };
    let mut text = plan_line(&explained.planned, &step.display_id, now, verbosity);
    text.push('\n');
    let (is_cached, by) = explained.caching;
    text.push_str(&format!("caching: {}, by {by}\n", if is_cached { "on" } else { "off" }));
    match &explained.key {
        Ok(key) => text.push_str(&format!("key: {key}\n")),
        Err(why) => text.push_str(&format!("key: none, {why}\n")),
    }
    for (component, digest, items) in explained.explanation.components() {
        text.push_str(&format!("  {:<12}{}  ({})\n", component.name(), digest.short(), count(items.len(), "item")));
        let whole = |item: &Item| label(item) + &maker(item.component, &item.name, model, step);
        let labels: Vec<String> = items[..shown(items.len())].iter().map(whole).collect();
        let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).min(48);
        for (item, label) in items.iter().zip(&labels) {
            let value = item.shown.as_ref().map(|value| format!("  {}", one_line(value))).unwrap_or_default();
            text.push_str(&format!("    {label:<width$}  {}{value}\n", item.digest.short()));
        }
        text.push_str(&more(items.len()));
    }
    if let Some(record) = &explained.compared {
        let which = format!("run {} ({} ago, key {})", record.run, age(record.ended, now), record.key.0.short());
        if explained.changes.is_empty() {
            text.push_str(&format!("the same as in {which}\n"));
        } else {
            text.push_str(&format!("different from {which}:\n"));
        }
        for change in &explained.changes[..shown(explained.changes.len())] {
            text.push_str(&format!("    {change}{}\n", maker(change.component, &change.item, model, step)));
        }
        text.push_str(&more(explained.changes.len()));
    } else if explained.key.is_ok() {
        text.push_str("no earlier record of this step has another key\n");
    }
    text
}

/// What an item is called.
pub(crate) fn label(item: &Item) -> String {
    match (&item.path, item.name.is_empty()) {
        (Some(path), true) => path.to_string(),
        (Some(path), false) if item.component == Component::Code => path.to_string(),
        (Some(path), false) => format!("{}: {path}", item.name),
        (None, _) => item.name.clone(),
    }
}

/// Whose output an input is.
fn maker(component: Component, name: &str, model: &Model, step: &Step) -> String {
    let input = step.inputs.iter().find(|input| component == Component::Inputs && input.name == name);
    match input.and_then(|input| input.artifacts().first()) {
        Some(artifact) => format!(" (of `{}`)", model.step(artifact.step).display_id),
        None => String::new(),
    }
}

fn as_json(explained: &Explained, step: &Step) -> String {
    let components: Vec<Value> = explained
        .explanation
        .components()
        .into_iter()
        .map(|(component, digest, items)| {
            let items: Vec<Value> = items.iter().map(item_json).collect();
            json!({ "component": component.name(), "digest": digest.to_string(), "items": items })
        })
        .collect();
    let compared = explained
        .compared
        .as_ref()
        .map(|record| json!({ "run": record.run.number(), "key": record.key.to_string(), "ended_ms": record.ended.0 }));
    let changes: Vec<Why> = explained.changes.iter().cloned().map(Why::Changed).collect();
    let planned = &explained.planned;
    lines(&[json!({
        "reason": "explain",
        "step": step.display_id,
        "decision": decision(planned.decision),
        "why": reasons(&planned.why),
        "key": explained.key.as_ref().ok().map(Key::to_string),
        "uncacheable": explained.key.as_ref().err(),
        "caching": { "enabled": explained.caching.0, "by": explained.caching.1 },
        "reused_run": planned.reused.and_then(|reused| reused.run.number()),
        "components": components,
        "compared_with": compared,
        "differences": reasons(&changes),
    })])
}

fn item_json(item: &Item) -> Value {
    json!({
        "item": if item.name.is_empty() { item.path.as_ref().map(RelPath::to_string) } else { Some(item.name.clone()) },
        "path": item.path.as_ref().map(RelPath::to_string),
        "digest": item.digest.to_string(),
        "value": item.shown,
    })
}
