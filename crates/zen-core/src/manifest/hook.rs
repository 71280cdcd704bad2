//! Reads `on-success`, `on-failure` and `on-end` of a step or a pipeline. Knows not what their placeholders lead to.

use super::declarations::{HookCommand, HookDeclaration};
use super::reader::{Fields, Key, Node, Reader};
use crate::diag::Diagnostic;
use crate::model::HookTime;

use Key::Known;

/// The keys of hooks, in the order in which they are run.
pub(crate) const HOOK_KEYS: &[Key] = &[Known("on-success"), Known("on-failure"), Known("on-end")];

const TABLE_KEYS: &[Key] = &[Known("run"), Known("on-cached")];

/// Reads the [`HOOK_KEYS`] of a table.
pub(crate) fn hooks(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<HookDeclaration> {
    let times = [HookTime::Success, HookTime::Failure, HookTime::End];
    times.into_iter().filter_map(|time| hook(reader, time, fields.get(time.key())?)).collect()
}

fn hook(reader: &mut Reader<'_>, time: HookTime, node: &Node<'_>) -> Option<HookDeclaration> {
    let key = time.key();
    let span = reader.span(node.span());
    if !node.get_ref().is_table() {
        return Some(HookDeclaration { time, command: command(reader, node, key)?, on_cached: false, span });
    }
    let fields = reader.fields(node, &format!("`{key}`"), TABLE_KEYS, |key| match key {
        "env" | "cwd" | "shell" | "pass-env" | "secret-env" | "track-env" => {
            Some(format!("a hook has the `{key}` of the table that it stands in"))
        }
        "timeout" => Some("a hook has 30 seconds".to_owned()),
        "command" | "cmd" | "script" => Some("the command is called `run`".to_owned()),
        _ => None,
    });
    let on_cached = fields.get("on-cached").and_then(|node| reader.boolean(node, &format!("{key}.on-cached")));
    let Some(run) = fields.get("run") else {
        reader.report(
            Diagnostic::error(format!("`{key}` has no `run`"))
                .at(span, "what is it to do?")
                .help(format!("`{key} = {{ run = \"a shell command\", on-cached = true }}`")),
        );
        return None;
    };
    let command = command(reader, run, &format!("{key}.run"))?;
    Some(HookDeclaration { time, command, on_cached: on_cached.unwrap_or(false), span })
}

fn command(reader: &mut Reader<'_>, node: &Node<'_>, key: &str) -> Option<HookCommand> {
    let before = reader.diagnostics.len();
    let span = reader.span(node.span());
    let (command, is_empty) = if let Some(script) = reader.as_text(node) {
        let is_empty = script.value.trim().is_empty();
        (HookCommand::Shell(script), is_empty)
    } else if node.get_ref().is_array() {
        let words = reader.strings(node, key);
        let is_empty = words.first().is_none_or(|program| program.value.trim().is_empty());
        (HookCommand::Argv(words), is_empty)
    } else {
        reader.wrong_type(node, key, "a string, an array of words, or a table with `run`");
        return None;
    };
    if is_empty && reader.diagnostics.len() == before {
        reader.report(Diagnostic::error(format!("`{key}` is empty")).at(span, "no command"));
    }
    (reader.diagnostics.len() == before).then_some(command)
}
