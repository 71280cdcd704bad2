//! `interactive = true`: a step has the terminal and the machine to itself, and is never cached.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Outcome, Workspace};
use crate::running::Running;

/// `ask` copies a line of its standard input, `use` reads what it made.
fn asking(more: &str) -> Workspace {
    Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p.steps.ask]
run = 'read line; echo "$line" > {{{{ outputs.o }}}}; echo "you said $line"'
interactive = true
outputs.o = "o.txt"
{more}
[workspace.metadata.zen.pipelines.p.steps.use]
run = "cp {{{{ inputs.o }}}} {{{{ outputs.u }}}}"
inputs = ["ask.o"]
outputs.u = "u.txt"
"#
    ))
}

/// Runs a command with this standard input.
fn with_input(mut command: Command, input: &str) -> Outcome {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("cargo-zen starts");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("a pipe takes a line");
    Outcome::of(child.wait_with_output().expect("it can be waited for"))
}

fn answered(workspace: &Workspace, args: &[&str], answer: &str) -> Outcome {
    with_input(workspace.command(&[&["run", "--message-format", "json"], args].concat()), answer)
}

#[test]
fn it_reads_what_somebody_types_and_says_it_to_them() {
    let workspace = asking("");
    let outcome = answered(&workspace, &[], "hello\n");
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "ask=ran use=ran"), "{}", outcome.stderr);
    assert_eq!(workspace.read("u.txt"), "hello\n");
    assert!(outcome.stderr.contains("you said hello\n"), "it is not captured:\n{}", outcome.stderr);
    assert!(outcome.of_reason("step-output").next().is_none(), "nor sent on");
    assert_eq!(outcome.messages.len(), outcome.stdout.lines().count(), "standard output holds messages alone");
    let people = with_input(workspace.command(&["run"]), "again\n").stderr;
    let (running, said) = (people.find("Running ask"), people.find("you said again"));
    assert!(running.is_some() && running < said, "the status line stands before it:\n{people}");
}

#[test]
fn it_is_never_cached_whatever_the_command_line_says() {
    let workspace = asking("");
    answered(&workspace, &["--cache"], "hello\n");
    for flags in [&[][..], &["--cache"], &["--cache=ask"]] {
        let again = answered(&workspace, flags, "hello\n");
        assert_eq!(again.outcomes(), "ask=ran use=fresh", "what depends on it is cut off early: {flags:?}");
        assert_eq!(again.why("ask"), "caching disabled by `interactive`");
        assert_eq!(again.finished("ask")["why"][0]["kind"], "cache-disabled");
    }
    let status = workspace.zen(&["status"]).stdout;
    assert!(status.contains("Stale ask (caching disabled by `interactive`)"), "{status}");
}

#[test]
fn it_and_a_wish_to_be_cached_are_an_error() {
    let outcome = asking("enable-cache = true").run(&[]);
    assert_eq!(outcome.code, Some(96));
    assert!(outcome.stderr.contains("an interactive step is never cached"), "{}", outcome.stderr);
}

#[test]
fn without_an_answer_it_fails_as_any_step() {
    let workspace = asking("");
    let outcome = answered(&workspace, &[], "");
    assert_eq!(outcome.code, Some(100));
    assert_eq!(outcome.finished("ask")["failure"], "exit status: 1");
}

fn at(outcome: &Outcome, reason: &str, step: &str) -> usize {
    let is = |message: &Value| message["reason"] == reason && message["step"] == format!("p/{step}");
    outcome.messages.iter().position(is).unwrap_or_else(|| panic!("{reason} of {step} must be there"))
}

#[test]
fn nothing_runs_beside_it() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
enable-cache = false
pass-env = ["GO"]
[workspace.metadata.zen.pipelines.p.steps.a]
run = 'echo a-is-there; read line < "$GO"'
[workspace.metadata.zen.pipelines.p.steps.b]
run = "true"
interactive = true
threads-required = 1
[workspace.metadata.zen.pipelines.p.steps.c]
run = 'echo c-is-there; read line < "$GO"'
"#,
    );
    let mut go = workspace.gate("GO");
    let mut running = workspace.start(&["-j", "4"]);
    running.until_printed("-is-there");
    running.until_printed("-is-there");
    go.open();
    go.open();
    let outcome = running.end_ok();
    for other in ["a", "c"] {
        let is_before = at(&outcome, "step-finished", other) < at(&outcome, "step-started", "b");
        let is_after = at(&outcome, "step-finished", "b") < at(&outcome, "step-started", other);
        assert!(is_before || is_after, "b and {other} must not overlap:\n{}", outcome.stdout);
    }
}

#[test]
fn it_is_in_the_foreground_with_zen() {
    let workspace = Workspace::with_step(
        "run = 'ps -o pgid= -p $$ > {{ outputs.a }}; ps -o pgid= -p $PPID > {{ outputs.b }}'\ninteractive = true\n\
         outputs = ['a.txt', 'b.txt']",
    );
    workspace.ok(&[]);
    let out = |name: &str| workspace.read(&format!("target/zen/out/p/s/{name}.txt")).trim().to_owned();
    assert!(!out("a").is_empty());
    assert_eq!(out("a"), out("b"), "one process group: it may read the terminal, and Ctrl-C reaches both");
}

#[test]
fn its_timeout_applies() {
    let workspace = Workspace::with_step("run = 'exec cat'\ninteractive = true\ntimeout = 1");
    let mut command = workspace.command(&["run", "--message-format", "json"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("cargo-zen starts");
    // Held open: there is never an end to read.
    let input = child.stdin.take();
    let outcome = Outcome::of(child.wait_with_output().expect("it ends by itself"));
    drop(input);
    assert_eq!(outcome.code, Some(100));
    assert_eq!(outcome.finished("s")["failure"], "timed out after 1s");
}

#[test]
fn a_signal_goes_to_it_too() {
    let mut workspace =
        Workspace::with_step("run = 'echo s-is-there; read line < \"$GO\"'\ninteractive = true\npass-env = ['GO']");
    let _never_opened = workspace.gate("GO");
    let mut running = Running::start(workspace.command(&["run", "--message-format", "json"]));
    running.until(&["s-is-there"]);
    running.signal("INT");
    let (status, outcome) = running.end();
    assert_eq!(status.signal(), Some(2), "{}", outcome.stderr);
    assert_eq!(outcome.outcomes(), "s=failed");
}
