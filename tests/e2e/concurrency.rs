//! Several steps at a time, several runs at a time: who waits for whom, and that equal work is done once.

use crate::harness::{Outcome, Workspace};

/// `p`: `make` waits to be let go, `use` copies; both say so in the file LOG. `q` has a step of its own.
fn gated() -> Workspace {
    Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["GO", "LOG"]

[workspace.metadata.zen.pipelines.p.steps.make]
run = 'echo make >> "$LOG"; echo make-is-there; read line < "$GO"; cp in.txt {{ outputs.made }}'
files = ["in.txt"]
outputs.made = "made.txt"

[workspace.metadata.zen.pipelines.p.steps.use]
run = 'echo use >> "$LOG"; cp {{ inputs.made }} {{ outputs.used }}'
inputs = ["make.made"]
outputs.used = "used.txt"

[workspace.metadata.zen.pipelines.q.steps.own]
run = "cp in.txt {{ outputs.owned }}"
files = ["in.txt"]
outputs.owned = "owned.txt"
"#,
    )
}

fn position(outcome: &Outcome, reason: &str, step: &str) -> usize {
    let is = |message: &serde_json::Value| {
        message["reason"] == reason && message["step"].as_str().is_some_and(|id| id.ends_with(&format!("/{step}")))
    };
    outcome.messages.iter().position(is).unwrap_or_else(|| panic!("{reason} of {step} must be there"))
}

fn overlap(outcome: &Outcome, a: &str, b: &str) -> bool {
    position(outcome, "step-started", a) < position(outcome, "step-finished", b)
        && position(outcome, "step-started", b) < position(outcome, "step-finished", a)
}

#[test]
fn f_21_f8_of_two_runs_at_once_one_works_and_the_other_waits_and_is_fresh() {
    let mut workspace = gated();
    workspace.write("in.txt", "1\n");
    let mut go = workspace.gate("GO");
    workspace.named_path("LOG");
    let mut first = workspace.start(&["p"]);
    first.until_printed("make-is-there");
    let mut second = workspace.start(&["p"]);
    second.until(&["Blocking", "cargo zen run p"]);
    go.open();
    assert_eq!(first.end_ok().outcomes(), "make=ran use=ran");
    assert_eq!(second.end_ok().outcomes(), "make=fresh use=fresh");
    assert_eq!(workspace.lines_of("LOG"), ["make", "use"], "each step was executed exactly once");
}

#[test]
fn who_will_not_wait_ends_with_103() {
    let mut workspace = gated();
    workspace.write("in.txt", "1\n");
    let mut go = workspace.gate("GO");
    workspace.named_path("LOG");
    let mut first = workspace.start(&["p"]);
    first.until_printed("make-is-there");
    let second = workspace.run(&["p", "--no-wait"]);
    assert_eq!(second.code, Some(103));
    assert!(second.stderr.contains("locked by cargo zen run p"), "it says by whom:\n{}", second.stderr);
    go.open();
    first.end_ok();
    assert_eq!(workspace.ok(&["p", "--no-wait"]).outcomes(), "make=fresh use=fresh", "nobody is there any more");
}

#[test]
fn f9_runs_with_disjoint_places_go_on_in_parallel() {
    let mut workspace = gated();
    workspace.write("in.txt", "1\n");
    let mut go = workspace.gate("GO");
    workspace.named_path("LOG");
    let mut first = workspace.start(&["p"]);
    first.until_printed("make-is-there");
    // It would never come back if it waited for the first, which is let go only then.
    assert_eq!(workspace.ok(&["q", "--no-wait"]).outcomes(), "own=ran");
    go.open();
    assert_eq!(first.end_ok().outcomes(), "make=ran use=ran");
}

#[test]
fn f_34_a_run_that_waits_for_another_ends_when_it_is_interrupted() {
    use std::os::unix::process::ExitStatusExt;
    let mut workspace = gated();
    workspace.write("in.txt", "1\n");
    let mut go = workspace.gate("GO");
    workspace.named_path("LOG");
    let mut first = workspace.start(&["p"]);
    first.until_printed("make-is-there");
    let mut second = workspace.start(&["p"]);
    second.until(&["Blocking"]);
    second.signal("INT");
    assert_eq!(second.end().0.signal(), Some(2));
    go.open();
    assert_eq!(first.end_ok().outcomes(), "make=ran use=ran", "the other is none the wiser");
}

#[test]
fn f11_a_run_whose_zen_folder_was_removed_is_waited_for_and_records_nothing_more() {
    let mut workspace = gated();
    workspace.write("in.txt", "1\n");
    let mut go = workspace.gate("GO");
    workspace.named_path("LOG");
    let mut first = workspace.start(&["p"]);
    first.until_printed("make-is-there");
    std::fs::remove_dir_all(workspace.path("target/zen")).expect("it can be removed");
    assert_eq!(workspace.run(&["p", "--no-wait"]).code, Some(103), "nobody knows which places the first one has");
    let mut second = workspace.start(&["p"]);
    second.until(&["Blocking", "a run that began before the zen folder was removed"]);
    go.open();
    let first = first.end_ok();
    assert_eq!(first.outcomes(), "make=ran use=ran");
    assert_eq!(first.stderr.matches("warning:").count(), 1, "it is said once:\n{}", first.stderr);
    assert!(first.stderr.contains("was removed while the run went on, and its locks with it"), "{}", first.stderr);
    go.open();
    assert_eq!(second.end_ok().outcomes(), "make=ran use=ran", "nothing of the first one is believed");
    assert_eq!(workspace.ok(&["p", "--no-wait"]).outcomes(), "make=fresh use=fresh");
}

#[test]
fn worktrees_share_a_store() {
    let mut here = gated();
    here.write("in.txt", "1\n");
    let mut go = here.gate("GO");
    here.named_path("LOG");
    here.named_path("ZEN_STORE_DIR");
    let there = here.clone_elsewhere();
    let mut first = here.start(&["p"]);
    first.until_printed("make-is-there");
    let mut second = there.start(&["p"]);
    second.until(&["Blocking", "cargo zen run p"]);
    go.open();
    assert_eq!(first.end_ok().outcomes(), "make=ran use=ran");
    let second = second.end_ok();
    assert_eq!(second.finished("make")["outcome"], "restored", "what the other made is taken over");
    assert_eq!(there.read("made.txt"), "1\n");
    assert_eq!(there.read("used.txt"), "1\n");
    assert_eq!(here.lines_of("LOG").iter().filter(|step| *step == "make").count(), 1, "equal work is done once");

    let late = here.clone_elsewhere();
    for made in ["made.txt", "used.txt"] {
        std::fs::remove_file(late.path(made)).expect("it was copied");
    }
    assert_eq!(late.ok(&["p"]).outcomes(), "make=restored use=restored");
}

#[test]
fn f_34_a_run_that_waits_for_another_worktrees_step_ends_when_it_is_interrupted() {
    use std::os::unix::process::ExitStatusExt;
    let mut here = gated();
    here.write("in.txt", "1\n");
    let mut go = here.gate("GO");
    here.named_path("LOG");
    here.named_path("ZEN_STORE_DIR");
    let there = here.clone_elsewhere();
    let mut first = here.start(&["p"]);
    first.until_printed("make-is-there");
    let mut second = there.start(&["p"]);
    second.until(&["Blocking"]);
    second.signal("INT");
    assert_eq!(second.end().0.signal(), Some(2));
    go.open();
    first.end_ok();
}

#[test]
fn a_nested_run_that_needs_its_ancestors_lock_fails_at_once_and_says_so() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["EXE"]

[workspace.metadata.zen.pipelines.outer.steps.s]
run = '"$EXE" run inner; "$EXE" run outer > {{ outputs.file }}'
outputs.file = "file.txt"

[workspace.metadata.zen.pipelines.inner.steps.other]
run = "echo text > {{ outputs.other }}"
outputs.other = "other.txt"
"#,
    );
    workspace.env.insert("EXE".to_owned(), env!("CARGO_BIN_EXE_cargo-zen").to_owned());
    let outcome = workspace.run(&["outer"]);
    assert_eq!(outcome.code, Some(100));
    assert_eq!(outcome.finished("s")["exit_code"], 103);
    assert_eq!(workspace.read("other.txt"), "text\n", "one with other places may run inside");
    let said = outcome.printed("s");
    assert!(said.contains("locked by cargo zen run outer") && said.contains("runs in"), "it says so:\n{said}");
}

/// Steps that do nothing but be there.
fn steps(names: &[&str], keys: &str) -> Workspace {
    let mut tables = String::new();
    for name in names {
        tables.push_str(&format!(
            "[workspace.metadata.zen.pipelines.p.steps.{name}]\nrun = \"echo {name} > {{{{ outputs.{name} }}}}\"\n\
             outputs.{name} = \"{name}.txt\"\n{keys}\n"
        ));
    }
    Workspace::new(&tables)
}

/// Pairs of steps of which one started before the other ended.
fn overlapping(outcome: &Outcome, names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, a) in names.iter().enumerate() {
        found.extend(names[..at].iter().filter(|b| overlap(outcome, a, b)).map(|b| format!("{b} and {a}")));
    }
    found
}

const EIGHT: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[test]
fn with_j1_steps_run_one_by_one() {
    let outcome = steps(&EIGHT, "").ok(&["-j1"]);
    assert_eq!(overlapping(&outcome, &EIGHT), [""; 0]);
}

#[test]
fn a_step_counts_as_many_threads_as_it_requires() {
    let outcome = steps(&EIGHT, "threads-required = 3").ok(&["-j4"]);
    assert_eq!(overlapping(&outcome, &EIGHT), [""; 0]);
    let outcome = steps(&EIGHT, "threads-required = 64").ok(&["-j4"]);
    assert_eq!(overlapping(&outcome, &EIGHT), [""; 0], "more than there are: alone");
    let outcome = steps(&EIGHT, "threads-required = \"num-cpus\"").ok(&["-j4"]);
    assert_eq!(outcome.of_reason("step-finished").count(), 8);
}

#[test]
fn steps_run_at_the_same_time_with_j2() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["TO_A", "TO_B"]

[workspace.metadata.zen.pipelines.p.steps.a]
run = 'echo hello > "$TO_B"; read line < "$TO_A"; echo a > {{ outputs.a }}'
outputs.a = "a.txt"

[workspace.metadata.zen.pipelines.p.steps.b]
run = 'read line < "$TO_B"; echo hello > "$TO_A"; echo b > {{ outputs.b }}'
outputs.b = "b.txt"
"#,
    );
    workspace.fifo("TO_A");
    workspace.fifo("TO_B");
    // Each waits for the other: one by one they would never end.
    assert_eq!(workspace.ok(&["-j2"]).outcomes(), "a=ran b=ran");
}

#[test]
fn at_most_as_many_steps_of_a_pool_run_as_it_holds() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["GO"]
pools.gpu = 1

[workspace.metadata.zen.pipelines.p.steps.held]
run = 'echo held-is-there; read line < "$GO"; echo text > {{ outputs.held }}'
outputs.held = "held.txt"
pool = "gpu"

[workspace.metadata.zen.pipelines.p.steps.next]
run = 'echo held-is-there; read line < "$GO"; echo text > {{ outputs.next }}'
outputs.next = "next.txt"
pool = "gpu"

[workspace.metadata.zen.pipelines.p.steps.free]
run = "echo text > {{ outputs.free }}"
outputs.free = "free.txt"

[workspace.metadata.zen.pipelines.p.steps.free_too]
run = "cp {{ inputs.free }} {{ outputs.free_too }}"
inputs = ["free.free"]
outputs.free_too = "free_too.txt"
"#,
    );
    let mut go = workspace.gate("GO");
    let mut running = workspace.start(&["-j4"]);
    running.until_finished("free_too", "ran");
    go.open();
    go.open();
    let outcome = running.end_ok();
    assert_eq!(overlapping(&outcome, &["held", "next"]), [""; 0]);
    let early = [position(&outcome, "step-started", "held"), position(&outcome, "step-started", "next")];
    let free = position(&outcome, "step-finished", "free_too");
    assert!(early.iter().any(|started| *started < free), "who is in no pool does not wait for one");
}

#[test]
fn equal_keys_run_once_in_one_run() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["LOG"]

[workspace.metadata.zen.pipelines.p.steps.a]
run = 'echo ran >> "$LOG"; cp in.txt {{ outputs.text }}'
files = ["in.txt"]
outputs = ["text.txt"]

[workspace.metadata.zen.pipelines.p.steps.b]
run = 'echo ran >> "$LOG"; cp in.txt {{ outputs.text }}'
files = ["in.txt"]
outputs = ["text.txt"]
"#,
    );
    workspace.write("in.txt", "1\n");
    workspace.named_path("LOG");
    let outcome = workspace.ok(&["-j4"]);
    assert_eq!(workspace.lines_of("LOG"), ["ran"]);
    let mut outcomes: Vec<_> = ["a", "b"].map(|step| outcome.finished(step)["outcome"].to_string()).into();
    outcomes.sort();
    assert_eq!(outcomes, ["\"ran\"", "\"restored\""]);
    for step in ["a", "b"] {
        assert_eq!(workspace.read(&format!("target/zen/out/p/{step}/text.txt")), "1\n");
    }
}

#[test]
fn f8_what_was_made_a_moment_ago_is_not_made_again() {
    // What a step waits for is no part of its key, and neither is its name.
    let mut tables = String::from("[workspace.metadata.zen]\npass-env = [\"MARK\"]\n");
    for step in 0..8 {
        let after = if step == 0 { String::new() } else { format!("after = [\"s{}\"]\n", step - 1) };
        tables.push_str(&format!(
            "[workspace.metadata.zen.pipelines.p.steps.s{step}]\nrun = \"echo ran >> $MARK\"\nfiles = [\"in.txt\"]\n{after}"
        ));
    }
    let mut workspace = Workspace::new(&tables);
    workspace.write("in.txt", "1\n");
    workspace.named_path("MARK");
    let outcomes = workspace.ok(&[]).outcomes();
    assert_eq!(outcomes, "s0=ran s1=fresh s2=fresh s3=fresh s4=fresh s5=fresh s6=fresh s7=fresh");
    assert_eq!(workspace.lines_of("MARK"), ["ran"]);
}
