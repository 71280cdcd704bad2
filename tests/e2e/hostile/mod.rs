//! What others wrote is data: dependencies define nothing, values run nothing, and what the system refuses is never taken
//! for a result.

mod folders;
mod forge;
mod manifests;
mod names;
mod records;
mod stores;

use std::fs;
use std::process::Stdio;

use crate::harness::{Outcome, Workspace};

#[test]
fn f45_a_dependency_outside_of_the_workspace_defines_nothing() {
    let workspace = Workspace::new(
        r#"
[dependencies]
evil = { path = "../evil" }

[workspace.metadata.zen.pipelines.p.steps.s]
run = "true"
packages = "ws"
"#,
    );
    fs::create_dir_all(workspace.beside("evil/src")).expect("it can be made");
    let canary = workspace.path("canary");
    let tables = format!(
        "[package]\nname = \"evil\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [workspace]\n[workspace.metadata.zen]\ndefault-pipeline = \"evil\"\nnonsense = 1\n\
         [package.metadata.zen.pipelines.evil.steps.s]\nrun = \"touch {canary}\"\n\
         [package.metadata.zen.pipelines.p.steps.s]\nrun = \"touch {canary}\"\ncache-policy.cache-func = \"touch {canary}\"\n",
        canary = canary.display()
    );
    fs::write(workspace.beside("evil/Cargo.toml"), tables).expect("it can be written");
    fs::write(workspace.beside("evil/src/lib.rs"), "").expect("it can be written");
    for args in [&["list"][..], &["status"], &["run"], &["explain", "s"], &["run", "p"]] {
        let outcome = workspace.zen(args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
        // That the step was built from its sources is no secret.
        assert!(!outcome.stdout.contains("evil") || args[0] == "explain", "{args:?}: {}", outcome.stdout);
    }
    assert_eq!(workspace.zen(&["run", "evil"]).code, Some(4));
    assert!(!canary.exists(), "nothing of it was run");
}

#[test]
fn f46_values_reach_a_shell_as_data() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.text = ""

[workspace.metadata.zen.pipelines.p.steps.shell]
run = "printf '%s' {{ params.text }} > {{ outputs.out }}"
params = ["text"]
outputs.out = "shell.txt"

[workspace.metadata.zen.pipelines.p.steps.words]
run = ["sh", "-c", "printf '%s' \"$1\" > \"$2\"", "sh", "{{ params.text }}", "{{ outputs.out }}"]
params = ["text"]
outputs.out = "words.txt"

[workspace.metadata.zen.pipelines.p.steps.variable]
run = "printf '%s' \"$ZEN_PARAM_TEXT\" > {{ outputs.out }}"
params = ["text"]
outputs.out = "variable.txt"

[workspace.metadata.zen.pipelines.p.steps.files]
run = "for file in {{ inputs.all }}; do printf '%s\\n' \"$file\"; done > {{ outputs.out }}"
inputs.all = { files = ["in/**"] }
outputs.out = "files.txt"
"#,
    );
    let names = ["$(touch canary)", "; touch canary;", "a b", "`touch canary`", "'; touch canary; '", "-rf", "\"x\""];
    names.iter().for_each(|name| workspace.write(&format!("in/{name}"), "x"));
    let mut sorted: Vec<String> = names.iter().map(|name| format!("in/{name}\n")).collect();
    sorted.sort();
    let hostile = [
        "$(touch canary)",
        "`touch canary`",
        "; touch canary; #",
        "x\ntouch canary\n",
        "' ; touch canary ; '",
        "\" ; touch canary ; \"",
        "\\'; touch canary; \\'",
        "&& touch canary || touch canary & touch canary | touch canary > canary",
        "{{ params.text }} ${HOME} ~ * ? [a-z] !x \\n \\\\",
        "-n",
        "",
        " leading and trailing ",
        "ü ☃ \u{202e}txt.exe",
    ];
    for text in hostile {
        workspace.ok(&["--set", &format!("text={text}")]);
        for file in ["shell.txt", "words.txt", "variable.txt"] {
            assert_eq!(workspace.read(file), text, "{file}");
        }
        assert!(!workspace.exists("canary"), "{text:?}");
    }
    assert_eq!(workspace.read("files.txt"), sorted.concat());
}

/// Reads `in.txt`, writes a file and a folder.
fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sort in.txt > {{ outputs.file }}; mkdir -p {{ outputs.tree }}; cp in.txt {{ outputs.tree }}/copy"
files = ["in.txt"]
outputs.file = "file.txt"
outputs.tree = "tree/"

[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{ inputs.file }} > {{ outputs.used }}"
inputs = ["make.file"]
outputs.used = "used.txt"
"#,
    );
    workspace.write("in.txt", "b\na\n");
    workspace
}

fn assert_right(workspace: &Workspace, how: &str) {
    let next = workspace.ok(&[]);
    assert_eq!(workspace.read("used.txt"), "a\nb\n", "{how}: {}", next.stderr);
    assert_eq!(workspace.read("tree/copy"), "b\na\n", "{how}: {}", next.stderr);
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh", "{how}");
    assert_eq!(workspace.zen(&["verify"]).code, Some(0), "{how}");
}

#[test]
fn f6_too_few_file_descriptors_are_no_result() {
    let mut was_enough = false;
    for limit in 4..40 {
        let workspace = pipeline();
        // What cargo needs is not the question here.
        assert_eq!(workspace.zen(&["list"]).code, Some(0));
        let zen = env!("CARGO_BIN_EXE_cargo-zen");
        let script = format!("ulimit -n {limit}; exec {zen} run");
        let limited = Outcome::of(workspace.program("sh", &["-c", &script]).output().expect("sh starts"));
        assert!(!limited.stderr.contains("panicked"), "{limit}: {}", limited.stderr);
        was_enough |= limited.code == Some(0);
        if limited.code == Some(0) {
            assert_eq!(workspace.read("used.txt"), "a\nb\n", "{limit}");
        } else {
            assert!(
                limited.stderr.contains("error") || limited.stderr.contains("Failed"),
                "{limit}: {}",
                limited.stderr
            );
        }
        assert_right(&workspace, &format!("after a run with {limit} descriptors"));
    }
    assert!(was_enough, "the last ones are enough");
}

#[test]
fn f6_a_limit_on_the_size_of_files_is_no_result() {
    // In blocks of 512 bytes.
    for blocks in [0, 1, 2, 4, 8, 16, 64] {
        let workspace = pipeline();
        assert_eq!(workspace.zen(&["list"]).code, Some(0));
        let zen = env!("CARGO_BIN_EXE_cargo-zen");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {zen} run");
        let limited = Outcome::of(workspace.program("sh", &["-c", &script]).output().expect("sh starts"));
        assert!(!limited.stderr.contains("panicked"), "{blocks}: {}", limited.stderr);
        assert_right(&workspace, &format!("after a run with files of {blocks} blocks"));
    }
}

#[test]
fn f54_nobody_who_listens_is_no_failure_of_a_step() {
    let workspace = pipeline();
    let zen = env!("CARGO_BIN_EXE_cargo-zen");
    for (how, script) in [
        ("a reader that goes away", format!("{zen} run --message-format json | head -c 1 > /dev/null")),
        ("a closed standard output", format!("{zen} run --message-format json >&-")),
        ("a closed standard error", format!("{zen} run 2>&-")),
        ("neither", format!("{zen} run >&- 2>&-")),
        ("no standard input", format!("{zen} run <&-")),
    ] {
        workspace.write("in.txt", &format!("{how}\n"));
        let mut command = workspace.program("sh", &["-c", &script]);
        let outcome = Outcome::of(command.stdin(Stdio::null()).output().expect("sh starts"));
        assert!(!outcome.stderr.contains("panicked"), "{how}: {}", outcome.stderr);
        assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh", "{how}: {}", outcome.stderr);
        assert_eq!(workspace.read("used.txt"), format!("{how}\n"));
    }
}

#[test]
fn f21_a_deep_tree_and_links_in_a_circle_end() {
    let workspace = Workspace::with_step("run = \"true\"\nfiles = [\"deep/**\"]\n");
    let mut deep = "deep".to_owned();
    for _ in 0..300 {
        deep.push_str("/d");
    }
    workspace.write(&format!("{deep}/leaf"), "1");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.write(&format!("{deep}/leaf"), "2");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    std::os::unix::fs::symlink("..", workspace.path("deep/up")).expect("it can be made");
    std::os::unix::fs::symlink("round", workspace.path("deep/round")).expect("it can be made");
    let circle = workspace.run(&[]);
    assert!(!circle.stderr.contains("panicked"), "{}", circle.stderr);
    let again = workspace.run(&[]);
    assert_eq!(again.code, circle.code, "it ends the same way each time: {}", again.stderr);
}

/// What a corpus is worth is how much of it there is.
#[test]
fn f42_the_corpus_has_at_least_sixty_hostile_stores_and_manifests() {
    const STORES: usize = records::CASES.len() + stores::CASES.len() + folders::CASES.len();
    const MANIFESTS: usize = manifests::CASES.len();
    const { assert!(STORES >= 40 && MANIFESTS >= 20 && STORES + MANIFESTS >= 60) };
    let names = records::CASES.iter().map(|case| case.name);
    let names = names.chain(stores::CASES.iter().chain(folders::CASES).map(|case| case.name));
    let mut names: Vec<&str> = names.chain(manifests::CASES.iter().map(|case| case.name)).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "each case has a name of its own");
}
