//! What a schema names, one by one, and which of that a message shows: fields with a value, fields that are null or left
//! out where that is allowed, words of enumerations, items of lists. Knows the keywords that the schema uses, no others.

use std::collections::BTreeSet;

use serde_json::Value;

/// Everything that a schema names: `plan.steps`, `plan.steps[]`, `run-finished.run: null`, `decision = fresh`.
pub(super) fn named(schema: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (part, node) in schema["$defs"].as_object().into_iter().flatten() {
        named_in(schema, node, part, &mut all);
    }
    all
}

fn named_in(schema: &Value, node: &Value, name: &str, all: &mut BTreeSet<String>) {
    for (field, inner) in node["properties"].as_object().into_iter().flatten() {
        let name = format!("{name}.{field}");
        if !is_required(node, field) {
            all.insert(format!("{name}: left out"));
        }
        named_value(schema, inner, name, all);
    }
    for (inner, name) in inner(node, name) {
        named_value(schema, inner, name, all);
    }
    for word in node["enum"].as_array().into_iter().flatten() {
        all.insert(format!("{name} = {word}"));
    }
    for choice in choices(node) {
        if let Some(part) = part(choice) {
            all.insert(format!("{name} is {part}"));
        }
        named_in(schema, choice, name, all);
    }
}

fn named_value(schema: &Value, node: &Value, name: String, all: &mut BTreeSet<String>) {
    if may_be_null(schema, node) {
        all.insert(format!("{name}: null"));
    }
    named_in(schema, node, &name, all);
    all.insert(name);
}

/// What of all that a message shows.
pub(super) fn seen(schema: &Value, message: &Value, all: &mut BTreeSet<String>) {
    let part = message["reason"].as_str().unwrap_or_default();
    seen_in(schema, &schema["$defs"][part], message, part, all);
}

fn seen_in(schema: &Value, node: &Value, value: &Value, name: &str, all: &mut BTreeSet<String>) {
    if let Some(part) = part(node) {
        seen_in(schema, &schema["$defs"][part], value, part, all);
    }
    for (field, inner) in node["properties"].as_object().into_iter().flatten() {
        let name = format!("{name}.{field}");
        match value.get(field) {
            None => drop(all.insert(format!("{name}: left out"))),
            Some(value) => seen_value(schema, inner, value, name, all),
        }
    }
    for (inner, name) in inner(node, name) {
        let list = value.as_array().into_iter().flatten();
        let map = value.as_object().into_iter().flatten().map(|(_, value)| value);
        list.chain(map).for_each(|value| seen_value(schema, inner, value, name.clone(), all));
    }
    if node["enum"].as_array().is_some_and(|words| words.contains(value)) {
        all.insert(format!("{name} = {value}"));
    }
    for choice in choices(node).filter(|choice| !value.is_null() && is_kind(schema, choice, value)) {
        if let Some(part) = part(choice) {
            all.insert(format!("{name} is {part}"));
        }
        seen_in(schema, choice, value, name, all);
    }
}

fn seen_value(schema: &Value, node: &Value, value: &Value, name: String, all: &mut BTreeSet<String>) {
    if value.is_null() {
        all.insert(format!("{name}: null"));
        return;
    }
    seen_in(schema, node, value, &name, all);
    all.insert(name);
}

/// The items of a list, the values of a map.
fn inner<'s>(node: &'s Value, name: &str) -> impl Iterator<Item = (&'s Value, String)> {
    let items = node.get("items").map(|items| (items, format!("{name}[]")));
    let values = node.get("additionalProperties").filter(|values| values.is_object());
    items.into_iter().chain(values.map(|values| (values, format!("{name}{{}}"))))
}

fn choices(node: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf"].into_iter().flat_map(|word| node[word].as_array().into_iter().flatten())
}

fn part(node: &Value) -> Option<&str> {
    node["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn is_required(node: &Value, field: &str) -> bool {
    node["required"].as_array().into_iter().flatten().any(|required| required == field)
}

/// Where a choice says what it is by its `kind`, that decides.
fn is_kind(schema: &Value, choice: &Value, value: &Value) -> bool {
    let kind = part(choice).map(|part| &schema["$defs"][part]["properties"]["kind"]["const"]);
    kind.is_none_or(|kind| kind.is_null() || *kind == value["kind"])
}

fn may_be_null(schema: &Value, node: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    let here = is_null(&node["type"]) || node["type"].as_array().is_some_and(|kinds| kinds.iter().any(is_null));
    here || part(node).is_some_and(|part| may_be_null(schema, &schema["$defs"][part]))
        || choices(node).any(|choice| may_be_null(schema, choice))
}
