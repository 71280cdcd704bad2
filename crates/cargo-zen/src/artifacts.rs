//! `cargo zen artifacts`: what steps made, by name and version.

use serde_json::{Value, json};
use zen_core::artifact::{Key, Node, Timestamp};
use zen_core::engine::artifacts::{ArtifactError, Named, Version, bytes, catalog, export, named, one, users};
use zen_core::engine::now;
use zen_core::manifest::resolve::Overrides;
use zen_core::store::local::{Access, LocalStore};

use crate::exit::ExitCode;
use crate::flags::{self, ArtifactsCommand, Global, MessageFormat};
use crate::human::age;
use crate::json::lines;
use crate::load::{Loaded, report};
use crate::run::put;
use crate::shell::Shell;
use crate::words::size;

/// `cargo zen artifacts`
pub(crate) fn artifacts(global: &Global, flags: &flags::Artifacts, shell: &mut Shell) -> ExitCode {
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let all = match catalog(&loaded.project, &loaded.definitions) {
        Ok(all) => all,
        Err(error) => return report(shell, &error, loaded.sources()),
    };
    let is_json = global.message_format == MessageFormat::Json;
    let list = ArtifactsCommand::List { names: Vec::new() };
    let output = match flags.command.as_ref().unwrap_or(&list) {
        ArtifactsCommand::List { names } => {
            listed(&all, names).map(|shown| if is_json { list_json(&shown) } else { list_text(&shown, now()) })
        }
        ArtifactsCommand::Show { name } => {
            return with_store(&loaded, shell, one(&all, name), |store, artifact, version| {
                let users = users(&loaded.definitions, store, artifact, version);
                let text = if is_json {
                    show_json(artifact, version, &users)
                } else {
                    show_text(artifact, version, &users, now())
                };
                Ok(text.into_bytes())
            });
        }
        ArtifactsCommand::Path { name } => match one(&all, name) {
            Ok((artifact, version)) if artifact.is_in_place(version) => {
                let place = artifact.place.as_ref().map(|place| place.root().to_path(&loaded.project.workspace.root));
                Ok(place.map(|place| format!("{}\n", place.display())).unwrap_or_default())
            }
            Ok((artifact, version)) => {
                shell.error(&format!("version {} of `{}` is not in place", version.number, artifact.id()));
                shell.help(&format!("cargo zen artifacts export {}@{} PATH", artifact.id(), version.number));
                return ExitCode::NothingSelected;
            }
            Err(error) => Err(error),
        },
        ArtifactsCommand::Cat { name, path } => {
            return with_store(&loaded, shell, one(&all, name), |store, artifact, version| {
                bytes(artifact, version, path.as_deref(), store, &loaded.project.workspace.root)
            });
        }
        ArtifactsCommand::Export { name, to } => {
            let to = loaded.here.join(to);
            return with_store(&loaded, shell, one(&all, name), |store, artifact, version| {
                export(artifact, version, &to, store).map(|()| Vec::new())
            });
        }
    };
    match output {
        Ok(text) => put(std::io::stdout(), text.as_bytes(), shell),
        Err(error) => failed(&error, shell),
    }
}

/// Does what needs the store, and prints what it gives.
fn with_store(
    loaded: &Loaded,
    shell: &mut Shell,
    found: Result<(&Named, &Version), ArtifactError>,
    get: impl FnOnce(&LocalStore, &Named, &Version) -> Result<Vec<u8>, ArtifactError>,
) -> ExitCode {
    // Before the first run there is no store, and no artifact either.
    let (artifact, version) = match found {
        Ok(found) => found,
        Err(error) => return failed(&error, shell),
    };
    let folder = loaded.project.store_folder(&loaded.definitions.model, loaded.store_dir.as_deref());
    let store = match LocalStore::open(&folder, Access::Read) {
        Ok(store) => store,
        Err(error) => return report(shell, &error.into(), loaded.sources()),
    };
    match get(&store, artifact, version) {
        // As they are: what a step made is not ours to colour.
        Ok(bytes) => put(std::io::stdout(), &bytes, shell),
        Err(error) => failed(&error, shell),
    }
}

fn failed(error: &ArtifactError, shell: &mut Shell) -> ExitCode {
    shell.error(&error.to_string());
    let (help, code) = match error {
        ArtifactError::Unknown { help, .. } => (help.clone(), ExitCode::NothingSelected),
        ArtifactError::Several { choices, .. } => {
            (format!("name one of them: {}", choices.join(", ")), ExitCode::NothingSelected)
        }
        ArtifactError::NoFile { files, .. } | ArtifactError::WhichFile { files, .. } => {
            (format!("its files: {}", files.join(", ")), ExitCode::NothingSelected)
        }
        ArtifactError::NoVersion { .. } => {
            ("`cargo zen artifacts show NAME` lists the versions".to_owned(), ExitCode::NothingSelected)
        }
        ArtifactError::Lost { .. } => {
            ("run the step as it was then, and they are there again".to_owned(), ExitCode::Store)
        }
        ArtifactError::Exists(_) => ("nothing is overwritten: name another place".to_owned(), ExitCode::Usage),
        ArtifactError::Write(_) => ("name a place that can be written".to_owned(), ExitCode::Output),
    };
    shell.help(&help);
    code
}

/// Those that the names mean, in order, each once; all without a name.
fn listed<'a>(all: &'a [Named], names: &[String]) -> Result<Vec<&'a Named>, ArtifactError> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let mut found: Vec<&Named> = Vec::new();
    for name in names {
        found.extend(named(all, name)?);
    }
    found.sort_by_key(|artifact| artifact.id());
    found.dedup_by_key(|artifact| artifact.id());
    Ok(found)
}

fn list_text(artifacts: &[&Named], now: Timestamp) -> String {
    let ids: Vec<String> = artifacts.iter().map(|artifact| artifact.id()).collect();
    let width = ids.iter().map(|id| id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (artifact, id) in artifacts.iter().zip(&ids) {
        let version = artifact.usual();
        let state = match (&artifact.place, artifact.current) {
            (None, _) => "no longer defined",
            (_, None) => "not in place",
            _ => "",
        };
        let (number, size) = (format!("v{}", version.number), size(version.artifact.size()));
        let made = format!("run {}, {} ago", version.run, age(version.ended, now));
        text.push_str(format!("{id:<width$}  {number:<4}  {size:>10}  {made}  {state}").trim_end());
        text.push('\n');
    }
    text
}

fn show_text(artifact: &Named, shown: &Version, users: &[(String, Key)], now: Timestamp) -> String {
    let place =
        artifact.place.as_ref().map_or_else(|| "no longer defined".to_owned(), |place| place.root().to_string());
    let mut text = format!("{} ({place})\n", artifact.id());
    for version in artifact.versions.iter().rev() {
        let key = version.key.map_or_else(|| "none".to_owned(), |key| key.0.short());
        text.push_str(&format!(
            "  v{}  {}  {}  run {}, {} ago, key {key}{}\n",
            version.number,
            version.artifact.digest().short(),
            size(version.artifact.size()),
            version.run,
            age(version.ended, now),
            if artifact.is_in_place(version) { "  in place" } else { "" },
        ));
    }
    text.push_str(&format!("files of version {}:\n", shown.number));
    for entry in &shown.artifact.entries {
        let path = if entry.path.is_root() { ".".to_owned() } else { entry.path.to_string() };
        text.push_str(&match &entry.node {
            Node::File { digest, size: bytes, executable } => {
                let mode = if *executable { ", executable" } else { "" };
                format!("  {path}  {}  {}{mode}\n", digest.short(), size(*bytes))
            }
            Node::Link { target } => format!("  {path} -> {}\n", zen_core::path::escape(target)),
            Node::Folder => format!("  {path}/\n"),
        });
    }
    for (step, key) in users {
        text.push_str(&format!("used by `{step}`, key {}\n", key.0.short()));
    }
    text
}

fn list_json(artifacts: &[&Named]) -> String {
    let brief = |artifact: &&Named| {
        let mut value = version_json(artifact, artifact.usual());
        name_it(&mut value, artifact);
        value
    };
    lines(&[json!({ "reason": "artifacts", "artifacts": artifacts.iter().map(brief).collect::<Vec<_>>() })])
}

fn name_it(value: &mut Value, artifact: &Named) {
    value["step"] = json!(artifact.step);
    value["name"] = json!(artifact.output);
    value["path"] = json!(artifact.place.as_ref().map(|place| place.root().to_string()));
}

fn version_json(artifact: &Named, version: &Version) -> Value {
    json!({
        "version": version.number,
        "digest": version.artifact.digest().to_string(),
        "size": version.artifact.size(),
        "run": version.run.number(),
        "key": version.key.as_ref().map(Key::to_string),
        "ended_ms": version.ended.0,
        "in_place": artifact.is_in_place(version),
    })
}

fn show_json(artifact: &Named, shown: &Version, users: &[(String, Key)]) -> String {
    let files = shown.artifact.entries.iter().map(|entry| {
        let path = entry.path.to_string();
        match &entry.node {
            Node::File { digest, size, executable } => json!({
                "path": path, "kind": "file", "digest": digest.to_string(), "size": size, "executable": executable,
            }),
            Node::Link { target } => json!({ "path": path, "kind": "link", "target": zen_core::path::escape(target) }),
            Node::Folder => json!({ "path": path, "kind": "folder" }),
        }
    });
    let mut value = json!({ "reason": "artifact" });
    name_it(&mut value, artifact);
    value["shown"] = json!(shown.number);
    value["files"] = files.collect();
    let users = users.iter().map(|(step, key)| json!({ "step": step, "key": key.to_string() }));
    value["used_by"] = users.collect();
    value["versions"] = artifact.versions.iter().map(|version| version_json(artifact, version)).collect();
    lines(&[value])
}
