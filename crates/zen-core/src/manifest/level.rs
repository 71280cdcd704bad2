//! Reads what may stand at the workspace, the pipeline and the step alike, and checks names. Knows not which of the
//! three it reads.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::declarations::{Expiry, FunctionDeclaration, Level, PolicyDeclaration, Run};
use super::reader::{Fields, Key, Name, Node, Reader, Text};
use crate::diag::{Diagnostic, Span};

use Key::Known;

/// The keys of every level.
pub(crate) const LEVEL_KEYS: &[Key] = &[
    Known("enable-cache"),
    Known("cache-policy"),
    Known("env"),
    Known("track-env"),
    Known("pass-env"),
    Known("secret-env"),
    Known("shell"),
    Known("packages"),
    Known("timeout"),
    Known("retries"),
];

const POLICY_KEYS: &[Key] = &[
    Known("include-step-code"),
    Known("include-step-parameters"),
    Known("include-artifact-values"),
    Known("include-artifact-ids"),
    Known("include-platform"),
    Known("file-dependencies"),
    Known("source-dependencies"),
    Known("expires-after"),
    Known("ignored-inputs"),
    Known("cache-func"),
];

/// Which names are too much alike to stand side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    /// Differ by case alone.
    Case,
    /// Make the same environment variable (`ZEN_PARAM_X`): differ by case, or by `-` and `_`.
    Variable,
}

/// Reads the [`LEVEL_KEYS`] of a table.
pub(crate) fn level(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Level {
    let strings =
        |reader: &mut Reader<'_>, key| fields.get(key).map(|node| reader.strings(node, key)).unwrap_or_default();
    Level {
        enable_cache: fields.get("enable-cache").and_then(|node| reader.boolean(node, "enable-cache")),
        policy: fields.get("cache-policy").map(|node| policy(reader, node)).unwrap_or_default(),
        env: fields.get("env").map(|node| env(reader, node)).unwrap_or_default(),
        track_env: strings(reader, "track-env"),
        pass_env: strings(reader, "pass-env"),
        secret_env: strings(reader, "secret-env"),
        shell: fields.get("shell").and_then(|node| shell(reader, node)),
        packages: fields.get("packages").map(|node| reader.string_or_strings(node, "packages")).unwrap_or_default(),
        timeout: fields.get("timeout").and_then(|node| {
            let timeout = reader.duration(node, "timeout")?;
            if timeout.is_zero() {
                reader.report(
                    Diagnostic::error("`timeout` must be longer than nothing")
                        .at(reader.span(node.span()), "no step could end in time"),
                );
            }
            Some(timeout)
        }),
        retries: fields.get("retries").and_then(|node| reader.count(node, "retries", 0)),
    }
}

fn policy(reader: &mut Reader<'_>, node: &Node<'_>) -> PolicyDeclaration {
    let fields = reader.fields(node, "`cache-policy`", POLICY_KEYS, |_| None);
    let flag = |reader: &mut Reader<'_>, key| fields.get(key).and_then(|node| reader.boolean(node, key));
    PolicyDeclaration {
        include_step_code: flag(reader, "include-step-code"),
        include_step_parameters: flag(reader, "include-step-parameters"),
        include_artifact_values: flag(reader, "include-artifact-values"),
        include_artifact_ids: flag(reader, "include-artifact-ids"),
        include_platform: flag(reader, "include-platform"),
        file_dependencies: fields
            .get("file-dependencies")
            .map(|node| reader.string_or_strings(node, "file-dependencies"))
            .unwrap_or_default(),
        ignored_inputs: fields
            .get("ignored-inputs")
            .map(|node| reader.string_or_strings(node, "ignored-inputs"))
            .unwrap_or_default(),
        cache_func: fields.get("cache-func").map(|node| functions(reader, node)).unwrap_or_default(),
        source_dependencies: fields
            .get("source-dependencies")
            .map(|node| reader.string_or_strings(node, "source-dependencies"))
            .unwrap_or_default(),
        expires_after: fields.get("expires-after").and_then(|node| {
            if node.get_ref().as_str() == Some("never") {
                return Some(Expiry::Never);
            }
            reader.duration(node, "expires-after").map(Expiry::After)
        }),
    }
}

/// `cache-func`: one command, or a table of named ones.
fn functions(reader: &mut Reader<'_>, node: &Node<'_>) -> Vec<FunctionDeclaration> {
    let Some(table) = node.get_ref().as_table() else {
        let span = reader.span(node.span());
        return function(reader, node, "cache-func", None, span).into_iter().collect();
    };
    let named = named(reader, table, "a cache function", Alike::Case);
    let read = |(name, node): (Name, &Node<'_>)| {
        let key = format!("cache-func.{}", name.value);
        function(reader, node, &key, Some(name.value), name.span)
    };
    named.into_iter().filter_map(read).collect()
}

fn function(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    key: &str,
    name: Option<String>,
    span: Span,
) -> Option<FunctionDeclaration> {
    let is_empty = |words: &[Text]| words.first().is_none_or(|word| word.value.trim().is_empty());
    let (words, run) = if let Some(script) = reader.as_text(node) {
        (vec![script.clone()], Run::Shell(script))
    } else if node.get_ref().is_array() {
        let words = reader.strings(node, key);
        (words.clone(), Run::Argv(words))
    } else {
        reader.wrong_type(node, key, "a command: a string or an array of words");
        return None;
    };
    if is_empty(&words) {
        let help = format!("`{key} = \"protoc --version\"`: what it prints is part of the key");
        let at = reader.span(node.span());
        reader.report(Diagnostic::error(format!("`{key}` is empty")).at(at, "no command").help(help));
        return None;
    }
    Some(FunctionDeclaration { name, span, run })
}

fn env(reader: &mut Reader<'_>, node: &Node<'_>) -> BTreeMap<String, Text> {
    let mut env = BTreeMap::new();
    for (name, value) in reader.table(node, "env").into_iter().flatten() {
        let name = reader.name(name);
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            reader.report(
                Diagnostic::error(format!("`{}` cannot be the name of a variable", name.value.escape_debug()))
                    .at(name.span, "empty, or with `=`"),
            );
        } else if let Some(text) = reader.as_text(value) {
            if text.value.contains('\0') {
                let problem = Diagnostic::error(format!("the value of `{}` holds a NUL", name.value));
                reader.report(problem.at(text.span, "no variable can have that"));
                continue;
            }
            env.insert(name.value, text);
        } else {
            let shown = super::reader::value(value.get_ref());
            let problem = reader.wrong_type(value, &format!("env.{}", name.value), "a string");
            if !value.get_ref().is_table() && !value.get_ref().is_array() {
                problem.helps.push(format!("`env.{} = \"{shown}\"`", name.value));
            }
        }
    }
    env
}

fn shell(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Vec<Text>> {
    let words = reader.strings(node, "shell");
    if node.get_ref().as_array().is_some_and(|words| words.is_empty()) {
        reader.report(
            Diagnostic::error("`shell` is empty")
                .at(reader.span(node.span()), "")
                .help("`shell = [\"bash\", \"-euo\", \"pipefail\", \"-c\"]`"),
        );
    }
    (!words.is_empty()).then_some(words)
}

/// The entries of a table whose keys are names that the user chose; those with a bad name are reported and left out.
pub(crate) fn named<'t, 'i>(
    reader: &mut Reader<'_>,
    table: &'t DeTable<'i>,
    what: &str,
    alike: Alike,
) -> Vec<(Name, &'t Node<'i>)> {
    let mut entries: Vec<(Name, &Node<'_>)> = Vec::new();
    for (key, node) in table {
        let name = reader.name(key);
        if check_name(reader, &name.value, name.span, what) {
            entries.push((name, node));
        }
    }
    entries.sort_by_key(|(name, _)| name.span);
    check_alike(&mut reader.diagnostics, entries.iter().map(|(name, _)| (&*name.value, name.span)), what, alike);
    entries.sort_by(|(a, _), (b, _)| a.value.cmp(&b.value));
    entries
}

/// Letters, digits, `-`, `_`.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn check_name(reader: &mut Reader<'_>, name: &str, span: Span, what: &str) -> bool {
    if !is_name(name) {
        reader.report(bad_name(name, span, what));
    }
    is_name(name)
}

/// The error for a name that is none.
pub(crate) fn bad_name(name: &str, span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(format!("`{}` cannot be the name of {what}", name.escape_debug()))
        .at(span, "names are letters, digits, `-`, `_`")
}

/// Reports names (in the order of the source) that are too much like an earlier one.
pub(crate) fn check_alike<'a>(
    diagnostics: &mut Vec<Diagnostic>,
    names: impl Iterator<Item = (&'a str, Span)>,
    what: &str,
    alike: Alike,
) {
    let mut seen: BTreeMap<String, (&str, Span)> = BTreeMap::new();
    for (name, span) in names {
        let mut folded = name.to_ascii_lowercase();
        if alike == Alike::Variable {
            folded = folded.replace('-', "_");
        }
        let Some((other, first)) = seen.get(&folded) else {
            seen.insert(folded, (name, span));
            continue;
        };
        let problem = if name == *other {
            format!("two {}s are called `{name}`", what.rsplit(' ').next().unwrap_or(what))
        } else if name.eq_ignore_ascii_case(other) {
            format!("`{other}` and `{name}` differ only by case")
        } else {
            format!("`{other}` and `{name}` make the same environment variable")
        };
        diagnostics.push(
            Diagnostic::error(problem)
                .at(span, "and again here")
                .and(*first, format!("{what} here"))
                .help("rename one of the two"),
        );
    }
}
