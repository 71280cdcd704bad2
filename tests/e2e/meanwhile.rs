//! What changes while a step runs: its inputs, by somebody else or by itself; outputs that another step writes to.

use crate::harness::Workspace;
use crate::running::Gate;

fn gated() -> (Workspace, Gate) {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["GO"]

[workspace.metadata.zen.pipelines.p.steps.s]
run = 'cat conf/*.txt > {{ outputs.file }}; echo s-is-there; read line < "$GO"'
files = ["conf/*.txt"]
outputs.file = "file.txt"
"#,
    );
    workspace.write("conf/a.txt", "1\n");
    let go = workspace.gate("GO");
    (workspace, go)
}

/// Runs the step, does `change` while it runs, and gives what the run said.
fn changed_meanwhile(change: impl FnOnce(&Workspace)) -> (Workspace, Gate, crate::harness::Outcome) {
    let (workspace, mut go) = gated();
    let mut running = workspace.start(&[]);
    running.until_printed("s-is-there");
    change(&workspace);
    go.open();
    let outcome = running.end_ok();
    assert_eq!(outcome.outcomes(), "s=ran", "the run itself is done");
    (workspace, go, outcome)
}

#[test]
fn f_3_f16_an_input_that_changes_while_the_step_runs_is_warned_of_and_not_recorded() {
    type Change<'a> = &'a dyn Fn(&Workspace);
    let changes: [(&str, Change<'_>); 4] = [
        ("conf/a.txt", &|workspace| workspace.write("conf/a.txt", "2\n")),
        ("conf/b.txt", &|workspace| workspace.write("conf/b.txt", "new\n")),
        ("conf/a.txt", &|workspace| std::fs::remove_file(workspace.path("conf/a.txt")).expect("it is there")),
        ("conf/a.txt", &|workspace| {
            std::fs::remove_file(workspace.path("conf/a.txt")).expect("it is there");
            workspace.write("conf/a.txt", "3\n");
        }),
    ];
    for (path, change) in changes {
        let (workspace, mut go, outcome) = changed_meanwhile(change);
        assert!(outcome.stderr.contains("warning"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("`{path}` changed while step")), "{}", outcome.stderr);
        workspace.write("conf/c.txt", "c\n");
        go.open();
        assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
        // The state in which the first run started: it has no record.
        std::fs::remove_dir_all(workspace.path("conf")).expect("it is there");
        workspace.write("conf/a.txt", "1\n");
        go.open();
        let back = workspace.ok(&[]);
        assert_eq!(back.outcomes(), "s=ran");
        assert_eq!(workspace.read("file.txt"), "1\n");
    }
}

#[test]
fn f_3_a_file_that_is_only_touched_while_the_step_runs_is_no_change() {
    let (workspace, _go, outcome) = changed_meanwhile(|workspace| workspace.write("conf/a.txt", "1\n"));
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
}

#[test]
fn f_3_a_file_that_somebody_linked_to_while_the_step_ran_is_no_change() {
    let (workspace, _go, outcome) = changed_meanwhile(|workspace| {
        std::fs::hard_link(workspace.path("conf/a.txt"), workspace.path("elsewhere")).expect("a link can be made");
    });
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
}

#[test]
fn f17_a_step_that_changes_its_own_input_is_warned_of_and_not_recorded() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.s]
run = "cp in.txt {{ outputs.file }}; echo more >> in.txt"
files = ["in.txt"]
outputs.file = "file.txt"
"#,
    );
    workspace.write("in.txt", "1\n");
    let outcome = workspace.ok(&[]);
    assert!(outcome.stderr.contains("`in.txt` changed while step `p/s` ran"), "{}", outcome.stderr);
    assert_eq!(workspace.read("in.txt"), "1\nmore\n", "it is the user's file");
    workspace.write("in.txt", "1\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "what it did to the old input is not known");
}

/// `a` declares its output; `b` starts after it and writes there without saying so.
fn one_writes_to_the_others_place() -> Workspace {
    Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.a]
run = "echo good > {{ outputs.shared }}"
outputs.shared = "shared.txt"

[workspace.metadata.zen.pipelines.p.steps.b]
run = "sh write.sh; echo b > {{ outputs.own }}"
after = ["a"]
outputs.own = "own.txt"
"#,
    )
}

#[test]
fn an_output_that_another_step_overwrote_is_an_error_that_names_both() {
    let workspace = one_writes_to_the_others_place();
    workspace.write("write.sh", "echo spoilt > shared.txt\n");
    let outcome = workspace.run(&["-j1"]);
    assert_eq!(outcome.code, Some(100), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("error"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("`shared`") && outcome.stderr.contains("`p/a`"), "the output:\n{}", outcome.stderr);
    assert!(outcome.stderr.contains("p/b"), "who ran meanwhile:\n{}", outcome.stderr);

    workspace.write("write.sh", ":\n");
    let next = workspace.ok(&["-j1"]);
    assert_eq!(next.finished("a")["outcome"], "restored");
    assert_eq!(workspace.read("shared.txt"), "good\n");
}

#[test]
fn an_output_that_another_step_removed_is_an_error_too() {
    let workspace = one_writes_to_the_others_place();
    workspace.write("write.sh", "rm shared.txt\n");
    assert_eq!(workspace.run(&["-j1"]).code, Some(100));
    workspace.write("write.sh", ":\n");
    workspace.ok(&["-j1"]);
    assert_eq!(workspace.read("shared.txt"), "good\n");
}

#[test]
fn f_23_a_step_that_gives_other_bytes_for_the_same_key_is_warned_of_and_the_newest_stays() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["COUNT"]

[workspace.metadata.zen.pipelines.p.steps.s]
run = 'echo try >> "$COUNT"; echo same > {{ outputs.steady }}; wc -l < "$COUNT" > {{ outputs.varies }}'
outputs.steady = "steady.txt"
outputs.varies = "varies.txt"
"#,
    );
    workspace.named_path("COUNT");
    workspace.ok(&[]);
    let first = workspace.read("varies.txt");
    let forced = workspace.ok(&["--no-cache"]);
    assert_eq!(forced.why("s"), "forced");
    assert!(forced.stderr.contains("warning") && forced.stderr.contains("`varies`"), "{}", forced.stderr);
    assert!(!forced.stderr.contains("`steady`"), "only what differs is named:\n{}", forced.stderr);
    let second = workspace.read("varies.txt");
    assert_ne!(first, second);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    std::fs::remove_file(workspace.path("varies.txt")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("varies.txt"), second, "the newest is what the key stands for");
}

#[test]
fn f_23_a_deterministic_step_that_is_forced_is_not_warned_of() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.s]
run = "echo same > {{ outputs.file }}"
files = ["src"]
outputs.file = "file.txt"
"#,
    );
    workspace.ok(&[]);
    let forced = workspace.ok(&["--force"]);
    assert_eq!(forced.outcomes(), "s=ran");
    assert!(!forced.stderr.contains("warning"), "{}", forced.stderr);
}
