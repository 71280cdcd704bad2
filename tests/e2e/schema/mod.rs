//! `docs/messages.schema.json`: every message conforms to it, and it names nothing that no message has. The harness asks
//! [`check`] for all that any test here gets.

mod facts;
mod scenes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use self::facts::{named, seen};

/// The schema as it is published.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/messages.schema.json");
    let text = fs::read_to_string(path).expect("there is a schema of the messages");
    serde_json::from_str(&text).expect("the schema is JSON")
});

/// What no test can have said: a log without times was stored before there were any, and no command writes one any more.
const NEVER: [&str; 1] = ["log-line.at_ms: null"];

/// For each `reason`, the part of the schema that is for it: what is wrong is said of that message alone.
static BY_REASON: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
    let one = |reason| json!({ "$ref": format!("#/$defs/{reason}"), "$defs": SCHEMA["$defs"] });
    let valid = |reason| jsonschema::draft202012::new(&one(reason)).expect("each part is a schema");
    reasons().into_iter().map(|reason| (reason, valid(reason))).collect()
});

/// The kinds of messages, as the schema lists them.
fn reasons() -> Vec<&'static str> {
    let kinds = SCHEMA["oneOf"].as_array().into_iter().flatten();
    kinds.map(|kind| kind["$ref"].as_str().and_then(|part| part.strip_prefix("#/$defs/")).expect("a part")).collect()
}

/// What is wrong with a message; nothing if it is as the schema has it.
fn problems(message: &Value) -> Vec<String> {
    let reason = message["reason"].as_str().unwrap_or_default();
    let Some(validator) = BY_REASON.get(reason) else {
        return vec![format!("`{reason}` is no reason that the schema knows")];
    };
    validator.iter_errors(message).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Asserts that what was written conforms to the schema, if it is messages of `cargo zen`: those say so first.
pub fn check(messages: &[Value]) {
    if messages.first().is_none_or(|first| first["reason"] != "zen-format") {
        return;
    }
    for message in messages {
        let problems = problems(message);
        assert!(problems.is_empty(), "it must be as docs/messages.schema.json has it: {problems:#?}\n{message:#}");
    }
}

#[test]
fn it_is_a_schema_and_says_of_everything_what_it_is() {
    if let Err(error) = jsonschema::draft202012::meta::validate(&SCHEMA) {
        panic!("{}: {error}", error.instance_path());
    }
    for (part, schema) in SCHEMA["$defs"].as_object().expect("it has parts") {
        for text in ["title", "description"] {
            assert!(schema[text].as_str().is_some_and(|text| !text.is_empty()), "{part} must have a {text}");
        }
        let Some(fields) = schema["properties"].as_object() else { continue };
        assert_eq!(schema["additionalProperties"], false, "{part} must name all of its fields");
        for (field, schema) in fields {
            let about = schema["description"].as_str().unwrap_or_default();
            assert!(!about.is_empty(), "{part}.{field} must have a description");
            // A unit that is part of the name stands in the description too.
            let unit = [("_ms", "millisecond"), ("bytes", "bytes")].into_iter().find(|(end, _)| field.ends_with(end));
            assert!(unit.is_none_or(|(_, unit)| about.contains(unit)), "{part}.{field} must say its unit: {about}");
        }
    }
    let with_reason: BTreeSet<&str> = SCHEMA["$defs"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, schema)| schema["properties"].get("reason").is_some())
        .map(|(part, schema)| {
            assert_eq!(schema["properties"]["reason"]["const"], *part, "a message is called by its reason");
            assert_eq!(schema["required"][0], "reason", "{part}: it comes first");
            part.as_str()
        })
        .collect();
    assert_eq!(with_reason, reasons().into_iter().collect(), "`oneOf` lists each message");
}

#[test]
fn every_message_conforms_and_everything_in_the_schema_is_seen() {
    let mut seen_in = BTreeSet::new();
    for (scene, messages) in scenes::all() {
        assert_eq!(messages.first().map(|first| &first["reason"]), Some(&json!("zen-format")), "in {scene}");
        for message in &messages {
            assert_eq!(problems(message), Vec::<String>::new(), "in {scene}: {message:#}");
            seen(&SCHEMA, message, &mut seen_in);
        }
    }
    let never: Vec<String> = named(&SCHEMA).difference(&seen_in).cloned().collect();
    assert_eq!(never, NEVER, "the schema names what no command here says");
}

#[test]
fn what_does_not_conform_is_refused() {
    let whole = jsonschema::draft202012::new(&SCHEMA).expect("it is a schema");
    let refused = |message: &Value| {
        assert_eq!(problems(message).is_empty(), whole.is_valid(message), "the part and the whole say the same");
        !problems(message).is_empty()
    };
    let messages = scenes::small();
    assert!(messages.len() > 5, "{messages:?}");
    for message in &messages {
        assert!(!refused(message), "it was written: {message}");
        let fields = message.as_object().expect("a message is an object");
        let mut other = message.clone();
        other["surprise"] = json!(1);
        assert!(refused(&other), "an unknown field: {other}");
        for field in fields.keys() {
            let mut other = message.clone();
            other.as_object_mut().expect("it is one").remove(field);
            assert!(refused(&other), "`{field}` is missing: {other}");
            // Nothing in a message is a list of lists of lists.
            other[field] = json!([[[]]]);
            assert!(refused(&other), "`{field}` is of a wrong type: {other}");
        }
    }
    let mut nested = messages.iter().find(|message| message["reason"] == "plan").expect("there is a plan").clone();
    assert!(!refused(&nested));
    nested["steps"][0]["surprise"] = json!(1);
    assert!(refused(&nested), "an unknown field within: {nested}");
    for strange in [json!({ "reason": "surprise" }), json!({}), json!([]), json!(null)] {
        assert!(refused(&strange), "no message at all: {strange}");
    }
}

#[test]
#[should_panic(expected = "it must be as docs/messages.schema.json has it")]
fn the_harness_refuses_what_does_not_conform() {
    check(&[json!({ "reason": "zen-format", "version": 1 }), json!({ "reason": "note", "message": "m", "more": 1 })]);
}
