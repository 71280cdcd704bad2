//! What docs/caching.md and docs/seeing.md show is what happens: their commands, run in the fixture that they belong to, section
//! by section.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::Workspace;
use crate::readme::normalized;

/// A command of a page, and the output that the page shows for it.
struct Shown<'p> {
    command: &'p str,
    output: Vec<&'p str>,
}

/// The commands of each `## ` section.
fn sections(page: &str) -> Vec<(&str, Vec<Shown<'_>>)> {
    let mut sections: Vec<(&str, Vec<Shown<'_>>)> = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        match line {
            line if !in_block && line.starts_with("## ") => sections.push((line, Vec::new())),
            "```console" => in_block = true,
            "```" => in_block = false,
            line if in_block => {
                let shown = &mut sections.last_mut().expect("examples stand in sections").1;
                match (line.strip_prefix("$ "), shown.last_mut()) {
                    (Some(command), _) => shown.push(Shown { command, output: Vec::new() }),
                    (None, Some(last)) => last.output.push(line),
                    (None, None) => panic!("a block begins with a command: {line}"),
                }
            }
            _ => {}
        }
    }
    sections
}

/// A folder with a `cargo` that knows `cargo zen`, to stand first in PATH.
fn with_cargo_zen(workspace: &Workspace) -> PathBuf {
    let folder = workspace.beside("bin");
    let cargo = folder.join("cargo");
    let zen = workspace.command(&[]).get_program().to_string_lossy().into_owned();
    fs::create_dir_all(&folder).expect("folders can be made");
    let script = format!("#!/bin/sh\n[ \"$1\" = zen ] && exec {zen} \"$@\"\nPATH=\"${{PATH#*:}}\" exec cargo \"$@\"\n");
    fs::write(&cargo, script).expect("it can be written");
    fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).expect("it is ours");
    folder
}

/// As [`normalized`], without digests too.
fn without_digests(text: &str) -> String {
    let is_digest = |word: &str| matches!(word.len(), 12 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let word = |word: &str| {
        let bare = word.trim_end_matches(['.', ',', ')', ':']);
        if is_digest(bare) { word.replace(bare, "_") } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    normalized(text).lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Runs the commands of a page, each section in a workspace of its own. How many there were.
fn compare(page: &str, workspace: impl Fn() -> Workspace) -> usize {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let page = fs::read_to_string(page).expect("there is such a page");
    let sections = sections(&page);
    for (section, shown) in sections.iter().filter(|(_, shown)| !shown.is_empty()) {
        let workspace = workspace();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", with_cargo_zen(&workspace).display());
        for Shown { command, output } in shown {
            let script = format!("exec 2>&1; {command}");
            let done = workspace.program("sh", &["-c", &script]).env("PATH", &path).output().expect("a shell starts");
            let real = String::from_utf8_lossy(&done.stdout);
            let (real, shown) = (without_digests(&real), without_digests(&output.join("\n")));
            assert_eq!(shown, real, "in `{section}`, what `{command}` prints");
        }
    }
    sections.iter().map(|(_, shown)| shown.len()).sum()
}

#[test]
fn the_examples_of_the_page_on_caching_are_real() {
    let commands = compare("caching.md", || Workspace::fixture("caching"));
    assert!(commands > 50, "the page shows {commands} commands");
}

#[test]
fn the_examples_of_the_page_on_seeing_are_real() {
    let commands = compare("seeing.md", || Workspace::built_fixture("iris"));
    assert!(commands > 5, "the page shows {commands} commands");
}

#[test]
fn every_picture_of_the_docs_is_there_and_shown() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let pages =
        ["seeing.md", "../README.md"].map(|page| fs::read_to_string(docs.join(page)).expect("there is such a page"));
    let pictures = fs::read_dir(docs.join("pictures")).expect("there are pictures");
    let names: Vec<String> =
        pictures.map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned()).collect();
    for name in &names {
        assert!(pages.iter().any(|page| page.contains(&format!("pictures/{name})"))), "nobody shows {name}");
    }
    for shown in pages.iter().flat_map(|page| page.split("](").skip(1)).filter_map(|rest| rest.split_once(')')) {
        if let Some((_, name)) = shown.0.split_once("pictures/") {
            assert!(names.contains(&name.to_owned()), "there is no picture {name}");
        }
    }
}
