//! What people read: cargo's look on standard error, step output passed on, pipes that break.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use insta::assert_snapshot;

use crate::harness::{Outcome, Workspace};

/// The example of section 8: a loader and a trainer.
fn training() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.training]
params.gamma = 0.002

[workspace.metadata.zen.pipelines.training.steps.training_data_loader]
run = "sort data.csv > {{ outputs.sorted }}"
files = ["data.csv"]
outputs.sorted = "sorted.csv"

[workspace.metadata.zen.pipelines.training.steps.svc_trainer]
run = "cat {{ inputs.sorted }} > {{ outputs.model }}; echo Train accuracy: {{ params.gamma }}"
inputs = ["training_data_loader.sorted"]
params = ["gamma"]
outputs.model = "model.json"
"#,
    );
    workspace.write("data.csv", "b\na\n");
    workspace
}

/// Runs with these arguments, which must succeed, and gives standard error with times as `[time]`.
fn said(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.zen(args);
    assert_eq!(outcome.code, Some(0), "{args:?} must succeed:\n{}", outcome.stderr);
    timeless(&outcome.stderr)
}

/// `0.93s`, `1m 02s`, `3h` as `[time]`.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| {
        let number = word.trim_end_matches(['s', 'm', 'h', 'd']);
        number.len() + 1 == word.len() && number.parse::<f64>().is_ok()
    };
    let mut lines = Vec::new();
    for line in text.lines() {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_matches(['(', ')', ',', ':']);
            if is_time(bare) { word.replace(bare, "[time]") } else { word.to_owned() }
        });
        lines.push(words.collect::<Vec<_>>().join(" ").replace("[time] [time]", "[time]"));
    }
    lines.join("\n")
}

#[test]
fn a_run_reads_as_the_contract_shows_it() {
    let workspace = training();
    assert_snapshot!(said(&workspace, &["run"]), @r#"
        Planning training (2 steps)
         Running training_data_loader (never run)
             Ran training_data_loader in [time]
         Running svc_trainer (never run)
    Train accuracy: 0.002
             Ran svc_trainer in [time]
        Finished training: 2 ran in [time]
    "#);
    let changed = said(&workspace, &["run", "--set", "gamma=0.0001"]);
    assert_snapshot!(changed, @r#"
        Planning training (2 steps)
           Fresh training_data_loader (run 1, [time] ago, saves [time])
         Running svc_trainer (param `gamma`: 0.002 → 0.0001)
    Train accuracy: 0.0001
             Ran svc_trainer in [time]
        Finished training: 1 ran, 1 cached in [time] (saved [time])
    "#);
    std::fs::remove_file(workspace.path("sorted.csv")).expect("it is there");
    assert_snapshot!(said(&workspace, &["run"]), @r#"
    Planning training (2 steps)
       Fresh svc_trainer (run 1, [time] ago, saves [time])
    Restored training_data_loader (run 1, [time] ago, saves [time])
    Finished training: 2 cached in [time] (saved [time])
    "#);
    assert_snapshot!(said(&workspace, &["run", "-s", "training_data_loader"]), @r#"
    Planning training (1 step)
       Fresh training_data_loader (run 1, [time] ago, saves [time])
    Finished training: 1 cached in [time] (saved [time])
    "#);
}

#[test]
fn verbs_stand_in_twelve_columns() {
    let workspace = training();
    workspace.zen(&["run"]);
    let second = workspace.zen(&["run", "--set", "gamma=1.5"]);
    for line in second.stderr.lines().filter(|line| !line.starts_with("Train")) {
        let (verb, rest) = line.split_at(12);
        assert!(verb.trim_start().chars().all(char::is_alphabetic) && rest.starts_with(' '), "{line}");
    }
    assert_eq!(second.stdout, "", "a run was not asked for anything on standard output");
}

#[test]
fn a_failure_says_what_failed_and_where_its_leftovers_are() {
    let workspace = training();
    workspace.edit(
        "Cargo.toml",
        "run = \"sort data.csv > {{ outputs.sorted }}",
        "run = \"sort data.csv > {{ outputs.sorted }}; exit 3",
    );
    let outcome = workspace.zen(&["run"]);
    assert_eq!(outcome.code, Some(100));
    assert_snapshot!(timeless(&outcome.stderr), @r#"
        Planning training (2 steps)
         Running training_data_loader (never run)
          Failed training_data_loader in [time]: exit status: 3; what it left is in target/zen/failed/training/training_data_loader
         Skipped svc_trainer (`training/training_data_loader` failed)
    error: training: 1 failed, 1 skipped in [time]
    "#);
}

/// A step that is fresh for each of `count`, and one that reads the parameter.
fn many(count: usize) -> Workspace {
    let mut tables = String::from("[workspace.metadata.zen.pipelines.p]\nparams.n = 1\n");
    for at in 0..count {
        tables.push_str(&format!(
            "[workspace.metadata.zen.pipelines.p.steps.s{at:02}]\nrun = \"true\"\nfiles = [\"Cargo.toml\"]\nparams.own = {at}\n"
        ));
    }
    tables.push_str(
        "[workspace.metadata.zen.pipelines.p.steps.z]\nrun = \"true\"\nfiles = [\"Cargo.toml\"]\nparams = [\"n\"]\n",
    );
    Workspace::new(&tables)
}

#[test]
fn more_than_16_fresh_steps_are_one_line() {
    let workspace = many(17);
    workspace.ok(&[]);
    assert_snapshot!(said(&workspace, &["run", "--set", "n=2"]), @r#"
    Planning p (18 steps)
       Fresh 17 steps
     Running z (param `n`: 1 → 2)
         Ran z in [time]
    Finished p: 1 ran, 17 cached in [time] (saved [time])
    "#);
    let fresh = |text: &str| text.lines().filter(|line| line.trim_start().starts_with("Fresh")).count();
    assert_eq!(fresh(&said(&workspace, &["run", "-v"])), 18, "`-v` lists them");
    let status = workspace.zen(&["status"]);
    assert_eq!(status.stdout, "       Fresh 18 steps\n", "status too");
    assert_eq!(fresh(&workspace.zen(&["status", "--verbose"]).stdout), 18);
}

#[test]
fn sixteen_fresh_steps_are_listed() {
    let workspace = many(15);
    workspace.ok(&[]);
    let listed = said(&workspace, &["run"]);
    assert_eq!(listed.lines().filter(|line| line.trim_start().starts_with("Fresh")).count(), 16, "{listed}");
}

#[test]
fn quiet_leaves_what_matters() {
    let workspace = training();
    assert_snapshot!(said(&workspace, &["run", "-q"]), @"Train accuracy: 0.002");
    assert_eq!(said(&workspace, &["run", "--quiet"]), "", "nothing ran, nothing is said");
    workspace.edit("Cargo.toml", "sort data.csv", "exit 3; sort data.csv");
    let failed = workspace.zen(&["run", "-q"]);
    assert_eq!(failed.code, Some(100));
    assert!(failed.stderr.contains("Failed training_data_loader"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("Running"), "{}", failed.stderr);
}

#[test]
fn cargos_variables_count() {
    let mut workspace = training();
    let first = workspace.zen(&["run"]).stderr;
    assert!(!first.contains('\x1b'), "standard error is no terminal: {first}");
    let with = |workspace: &mut Workspace, name: &str, value: &str, args: &[&str]| {
        workspace.env.insert(name.to_owned(), value.to_owned());
        let said = workspace.zen(&[&["run"], args].concat());
        workspace.env.remove(name);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        said.stderr
    };
    assert_eq!(with(&mut workspace, "CARGO_TERM_QUIET", "true", &[]), "");
    assert!(with(&mut workspace, "CARGO_TERM_COLOR", "always", &[]).contains('\x1b'));
    assert!(
        !with(&mut workspace, "CARGO_TERM_COLOR", "always", &["--color", "never"]).contains('\x1b'),
        "the flag wins"
    );
    assert!(with(&mut workspace, "CLICOLOR_FORCE", "1", &[]).contains('\x1b'));
    assert!(with(&mut workspace, "NO_COLOR", "1", &["--color", "always"]).contains('\x1b'), "the flag wins");
    assert!(with(&mut workspace, "CARGO_TERM_VERBOSE", "true", &[]).contains("Fresh"));
}

#[test]
fn step_output_comes_whole_with_every_style() {
    let workspace = Workspace::new(
        "[workspace.metadata.zen.pipelines.p.steps.good]\nrun = \"echo from-good\"\nenable-cache = false\n\
         [workspace.metadata.zen.pipelines.p.steps.bad]\nrun = \"echo from-bad; printf no-end; exit 1\"\nenable-cache = false\n\
         after = [\"good\"]\n",
    );
    let run = |args: &[&str]| {
        let outcome = workspace.zen(&[&["run", "--color", "never"], args].concat());
        assert_eq!(outcome.code, Some(100));
        assert_eq!(outcome.stdout, "", "step output goes to standard error");
        outcome.stderr
    };
    for style in ["lines", "grouped"] {
        let text = run(&["--output", style]);
        assert!(text.contains("\nfrom-good\n") && text.contains("\nfrom-bad\nno-end"), "{style}:\n{text}");
    }
    let text = run(&["--output", "failures"]);
    assert!(!text.contains("from-good") && text.contains("from-bad\nno-end"), "failures:\n{text}");
    for style in ["lines", "grouped", "failures"] {
        let text = run(&["--output", style]);
        assert!(
            text.lines().any(|line| line.starts_with("      Failed bad in ")),
            "{style}: a line without its end does not swallow the next:\n{text}"
        );
    }
}

/// Two steps that meet, so that both run when they print; then each waits for its gate.
fn meeting() -> Workspace {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["PIPES"]
enable-cache = false

[workspace.metadata.zen.pipelines.p.steps.left]
run = "echo > $PIPES/right; read x < $PIPES/left; echo out-left; read x < $PIPES/gate-left"

[workspace.metadata.zen.pipelines.p.steps.right]
run = "read x < $PIPES/right; echo > $PIPES/left; echo out-right; read x < $PIPES/gate-right"
"#,
    );
    let pipes = workspace.beside("pipes");
    std::fs::create_dir(&pipes).expect("it is new");
    for pipe in ["left", "right", "gate-left", "gate-right"] {
        let made = std::process::Command::new("mkfifo").arg(pipes.join(pipe)).status();
        assert!(made.expect("mkfifo starts").success(), "a FIFO can be made");
    }
    workspace.env.insert("PIPES".to_owned(), pipes.display().to_string());
    workspace
}

/// Lets both end; waits until each reads its gate.
fn open_gates(workspace: &Workspace) {
    for gate in ["gate-left", "gate-right"] {
        std::fs::write(workspace.beside("pipes").join(gate), "\n").expect("the step reads it");
    }
}

/// Runs the two, and lets them end when zen has said all of `awaited`.
fn meet(output: &str, awaited: &[&str]) -> String {
    let workspace = meeting();
    let mut command = workspace.command(&["run", "-j", "2", "--output", output]);
    let mut zen = command.stderr(Stdio::piped()).spawn().expect("cargo-zen starts");
    let mut lines = BufReader::new(zen.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    let mut said: Vec<String> = Vec::new();
    while !awaited.iter().all(|part| said.iter().any(|line| line.contains(part))) {
        said.push(lines.next().unwrap_or_else(|| panic!("{awaited:?} must be said: {said:?}")));
    }
    open_gates(&workspace);
    said.extend(lines);
    assert!(zen.wait().expect("it ends").success(), "{said:?}");
    said.join("\n")
}

#[test]
fn lines_have_the_steps_name_when_several_run() {
    let said = meet("lines", &["out-left", "out-right"]);
    for line in ["left | out-left", "right | out-right"] {
        assert!(said.lines().any(|said| said == line), "`{line}` must be there:\n{said}");
    }
}

#[test]
fn grouped_output_is_not_prefixed() {
    let said = meet("grouped", &[]);
    for line in ["out-left", "out-right"] {
        assert!(said.lines().any(|said| said == line), "`{line}` must be there:\n{said}");
    }
}

#[test]
fn steps_of_one_name_are_told_apart() {
    let workspace = Workspace::new(
        "[workspace.metadata.zen.pipelines.a.steps.s]\nrun = \"true\"\nenable-cache = false\n\
         [workspace.metadata.zen.pipelines.b.steps.s]\nrun = \"true\"\nenable-cache = false\n",
    );
    let text = said(&workspace, &["run", "a", "b"]);
    assert!(text.contains("Ran a/s in") && text.contains("Ran b/s in"), "{text}");
    assert!(text.contains("Finished a, b: 2 ran in"), "{text}");
}

/// The read end of a pipe that nobody reads: closed before anything is written.
#[test]
fn a_reader_that_went_away_is_no_failure() {
    let workspace = many(40);
    workspace.ok(&[]);
    for args in [
        &["run", "--message-format", "json"][..],
        &["status", "-v"],
        &["status", "--message-format", "json"],
        &["list"],
        &["--help"],
    ] {
        let mut command = workspace.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cargo-zen starts");
        drop(child.stdout.take());
        let outcome = Outcome::of(child.wait_with_output().expect("it ends"));
        assert!(!outcome.stderr.contains("panicked"), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn closed_streams_are_no_failure() {
    let workspace = training();
    let script = r#""$0" run --message-format json >&- 2>&- <&-"#;
    let mut command = workspace.command(&[]);
    let binary = command.get_program().to_owned();
    command = {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script]).arg(binary).current_dir(&workspace.root);
        shell
    };
    let done = command.status().expect("sh starts");
    assert_eq!(done.code(), Some(0), "nobody listens, and the steps run all the same");
    assert!(workspace.exists("model.json"));
}
