//! Reads `[workspace.metadata.zen]` and `[package.metadata.zen]`, and the pipelines in them. Knows not what their steps
//! hold.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};

use super::Table;
use super::declarations::{Param, PipelineDeclaration, SettingsDeclaration, StepDeclaration, TableDeclaration};
use super::hook::{self, HOOK_KEYS};
use super::level::{Alike, LEVEL_KEYS, level, named};
use super::reader::{Fields, Key, Name, Node, Reader};
use super::step::{self, STEP_KEYS};
use crate::diag::Diagnostic;

use Key::{Known, NotYet};

const SETTINGS_KEYS: &[Key] =
    &[Known("default-pipeline"), Known("required-version"), Known("pools"), Known("store"), NotYet("remote")];

const PIPELINE_KEYS: &[Key] = &[Known("description"), Known("params"), Known("pipelines"), Known("steps")];

/// Reads the table of zen's at `node`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node<'_>, table: &Table, takes_settings: bool) -> TableDeclaration {
    let owner = if table.package.is_some() { "package" } else { "workspace" };
    let settings_keys = if takes_settings { SETTINGS_KEYS } else { &[] };
    let keys = [settings_keys, LEVEL_KEYS, &[Known("pipelines")]].concat();
    let fields = reader.fields(node, &format!("`{owner}.metadata.zen`"), &keys, |key| {
        if has(SETTINGS_KEYS, key) {
            return Some(format!("it belongs in `[workspace.metadata.zen]` of the root manifest: `{key}`"));
        }
        let home = if has(PIPELINE_KEYS, key) || has(HOOK_KEYS, key) {
            "pipelines.NAME"
        } else if has(STEP_KEYS, key) {
            "pipelines.NAME.steps.NAME"
        } else {
            return None;
        };
        Some(format!("it belongs in `[{owner}.metadata.zen.{home}]`"))
    });
    TableDeclaration {
        package: table.package.clone(),
        base: table.base.clone(),
        level: level(reader, &fields),
        settings: settings(reader, &fields),
        pipelines: pipelines(reader, &fields),
    }
}

fn has(keys: &[Key], key: &str) -> bool {
    keys.iter().any(|known| known.name() == key)
}

fn settings(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> SettingsDeclaration {
    if let Some(node) = fields.get("required-version") {
        required_version(reader, node);
    }
    let mut pools = BTreeMap::new();
    let table = fields.get("pools").and_then(|node| reader.table(node, "pools"));
    for (name, node) in table.map(|table| named(reader, table, "a pool", Alike::Case)).unwrap_or_default() {
        if let Some(count) = reader.count(node, &format!("pools.{}", name.value), 1) {
            pools.insert(name.value, count);
        }
    }
    let (mut store_dir, mut store_max_size) = (None, None);
    if let Some(node) = fields.get("store") {
        let store = reader.fields(node, "`store`", &[Known("dir"), Known("max-size")], |_| None);
        store_dir = store.get("dir").and_then(|node| reader.string(node, "store.dir"));
        store_max_size = store.get("max-size").and_then(|node| reader.size(node, "store.max-size"));
    }
    SettingsDeclaration {
        default_pipeline: fields.get("default-pipeline").and_then(|node| reader.string(node, "default-pipeline")),
        pools,
        store_dir,
        store_max_size,
    }
}

fn required_version(reader: &mut Reader<'_>, node: &Node<'_>) {
    let Some(text) = reader.string(node, "required-version") else { return };
    let here = env!("CARGO_PKG_VERSION");
    let problem = match (VersionReq::parse(&text.value), Version::parse(here)) {
        (Err(error), _) => Diagnostic::error(format!("`{}` is no version requirement: {error}", text.value))
            .at(text.span, "")
            .help("write it as cargo does: `\">=0.1\"`"),
        (Ok(required), Ok(version)) if !required.matches(&version) => {
            Diagnostic::error(format!("these definitions require cargo zen {required}, and this is {here}"))
                .at(text.span, "required here")
                .help("`cargo install cargo-zen`")
        }
        _ => return,
    };
    reader.report(problem);
}

fn pipelines(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<PipelineDeclaration> {
    let table = fields.get("pipelines").and_then(|node| reader.table(node, "pipelines"));
    let entries = table.map(|table| named(reader, table, "a pipeline", Alike::Case)).unwrap_or_default();
    entries.into_iter().map(|(name, node)| pipeline(reader, name, node)).collect()
}

fn pipeline(reader: &mut Reader<'_>, name: Name, node: &Node<'_>) -> PipelineDeclaration {
    let keys = [PIPELINE_KEYS, LEVEL_KEYS, HOOK_KEYS].concat();
    let fields = reader.fields(node, &format!("pipeline `{}`", name.value), &keys, |key| {
        if has(STEP_KEYS, key) {
            return Some(format!("it belongs in a step: `[….pipelines.{}.steps.NAME]`", name.value));
        }
        if has(SETTINGS_KEYS, key) {
            return Some("it belongs in `[workspace.metadata.zen]`".to_owned());
        }
        let value =
            node.get_ref().as_table().and_then(|table| table.get(key)).and_then(|node| node.get_ref().as_table());
        let is_step = value.is_some_and(|table| table.contains_key("run"));
        is_step.then(|| format!("a step stands in `steps`: `[….pipelines.{}.steps.{key}]`", name.value))
    });
    let declaration = body(reader, name, &fields, step::read);
    if fields.get("steps").is_none() && fields.get("pipelines").is_none() {
        let name = &declaration.name;
        reader.report(
            Diagnostic::warning(format!("pipeline `{}` has no steps", name.value))
                .at(name.span, "")
                .help(format!("add one: `[….pipelines.{}.steps.NAME]` with `run = \"…\"`", name.value)),
        );
    }
    declaration
}

/// Reads a `--config` file: a pipeline's table by its shape, but it says only what is other than there.
pub(crate) fn config(reader: &mut Reader<'_>, node: &Node<'_>) -> PipelineDeclaration {
    let keys: Vec<Key> = [PIPELINE_KEYS, LEVEL_KEYS, HOOK_KEYS].concat();
    let keys: Vec<Key> = keys.into_iter().filter(|key| key.name() != "pipelines").collect();
    let fields = reader.fields(node, "the config file", &keys, |key| match key {
        "pipelines" => {
            Some("the file is one pipeline's table itself; `--config` goes over the selected pipelines".to_owned())
        }
        key if has(STEP_KEYS, key) => Some(format!("it belongs in a step: `steps.NAME.{key}`")),
        key if has(SETTINGS_KEYS, key) => Some("it belongs in `[workspace.metadata.zen]`".to_owned()),
        _ => None,
    });
    let name = Name { value: "config".to_owned(), span: reader.span(0..0) };
    body(reader, name, &fields, step::read_part)
}

type ReadStep = fn(&mut Reader<'_>, Name, &Node<'_>) -> StepDeclaration;

fn body(reader: &mut Reader<'_>, name: Name, fields: &Fields<'_, '_>, read_step: ReadStep) -> PipelineDeclaration {
    let table = fields.get("steps").and_then(|node| reader.table(node, "steps"));
    let steps = table.map(|table| named(reader, table, "a step", Alike::Case)).unwrap_or_default();
    PipelineDeclaration {
        description: fields.get("description").and_then(|node| reader.string(node, "description")),
        params: fields.get("params").map(|node| params(reader, node)).unwrap_or_default(),
        members: fields.get("pipelines").map(|node| reader.strings(node, "pipelines")).unwrap_or_default(),
        level: level(reader, fields),
        hooks: hook::hooks(reader, fields),
        config: None,
        steps: steps.into_iter().map(|(name, node)| read_step(reader, name, node)).collect(),
        absent: Vec::new(),
        name,
    }
}

/// `params` as a table.
pub(crate) fn params(reader: &mut Reader<'_>, node: &Node<'_>) -> BTreeMap<String, Param> {
    let Some(table) = reader.table(node, "params") else { return BTreeMap::new() };
    let entries = named(reader, table, "a parameter", Alike::Variable);
    entries.into_iter().map(|(name, node)| (name.value, Param { span: name.span, value: reader.raw(node) })).collect()
}
