//! When a step fails: what still runs, what is kept, what is put back; retries and timeouts.

use crate::harness::{Outcome, Workspace};
use crate::running::{Gate, Running};

/// `slow` and `bad` run at the same time, each until it is let go; one step waits for each of them.
fn two_at_a_time() -> (Workspace, Gate, Gate) {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["SLOW", "BAD"]

[workspace.metadata.zen.pipelines.p.steps.slow]
run = 'echo slow-is-there; read line < "$SLOW"; echo done > {{ outputs.slow }}'
outputs.slow = "slow.txt"

[workspace.metadata.zen.pipelines.p.steps.bad]
run = 'echo bad-is-there; read line < "$BAD"; echo half > {{ outputs.bad }}; exit 7'
outputs.bad = "bad.txt"

[workspace.metadata.zen.pipelines.p.steps.after_slow]
run = "cp {{ inputs.slow }} {{ outputs.copy }}"
inputs = ["slow.slow"]
outputs.copy = "copy.txt"

[workspace.metadata.zen.pipelines.p.steps.after_bad]
run = "cp {{ inputs.bad }} {{ outputs.bad_copy }}"
inputs = ["bad.bad"]
outputs.bad_copy = "bad_copy.txt"
"#,
    );
    let (slow, bad) = (workspace.gate("SLOW"), workspace.gate("BAD"));
    (workspace, slow, bad)
}

/// Both are there, and `bad` has failed.
fn until_bad_failed(workspace: &Workspace, bad: &mut Gate, flags: &[&str]) -> Running {
    let mut running = workspace.start(&[&["-j2"], flags].concat());
    // In either order.
    running.until_printed("-is-there");
    running.until_printed("-is-there");
    bad.open();
    running
}

#[test]
fn after_a_failure_nothing_new_starts_and_what_runs_ends() {
    let (workspace, mut slow, mut bad) = two_at_a_time();
    let mut running = until_bad_failed(&workspace, &mut bad, &[]);
    running.until_finished("bad", "failed");
    slow.open();
    let (_, outcome) = running.end();
    assert_eq!(outcome.code, Some(100));
    assert_eq!(outcome.outcomes(), "after_bad=skipped after_slow=skipped bad=failed slow=ran");
    assert_eq!(outcome.finished("bad")["exit_code"], 7);
    assert!(!workspace.exists("copy.txt"), "what was not started left nothing");
    let end = outcome.of_reason("run-finished").next().expect("the run says that it ended");
    assert_eq!(end["success"], false);
    assert_eq!((&end["ran"], &end["failed"], &end["skipped"]), (&1.into(), &1.into(), &2.into()));

    bad.open();
    let again = workspace.run(&["-j2"]);
    assert_eq!(again.finished("slow")["outcome"], "fresh", "what succeeded is kept");
    assert_eq!(again.finished("bad")["outcome"], "failed", "what failed runs again");
    assert_eq!(again.why("bad"), "never run", "a failure records nothing");
}

#[test]
fn keep_going_goes_on_with_what_does_not_depend_on_the_failure() {
    for flag in ["--keep-going", "--no-fail-fast"] {
        let (workspace, mut slow, mut bad) = two_at_a_time();
        let mut running = until_bad_failed(&workspace, &mut bad, &[flag]);
        running.until_finished("bad", "failed");
        slow.open();
        let (_, outcome) = running.end();
        assert_eq!(outcome.code, Some(100), "{flag}");
        assert_eq!(outcome.outcomes(), "after_bad=skipped after_slow=ran bad=failed slow=ran", "{flag}");
    }
}

#[test]
fn kill_on_failure_kills_what_runs() {
    let (workspace, slow, mut bad) = two_at_a_time();
    let running = until_bad_failed(&workspace, &mut bad, &["--kill-on-failure"]);
    // Nobody lets `slow` go: only a signal ends it.
    let (_, outcome) = running.end();
    drop(slow);
    assert_eq!(outcome.code, Some(100));
    assert_eq!(outcome.outcomes(), "after_bad=skipped after_slow=skipped bad=failed slow=failed");
    assert!(!workspace.exists("slow.txt"));
}

/// A step that writes what its input says, and fails if the input says `fail`.
fn fails_if_told() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.s]
run = """
cp in.txt {{ outputs.file }}
mkdir -p {{ outputs.folder }}
cp in.txt {{ outputs.folder }}/part-$(cat in.txt)
if grep -q fail in.txt; then exit 3; fi
"""
files = ["in.txt"]
outputs.file = "file.txt"
outputs.folder = "folder/"
"#,
    );
    workspace.write("in.txt", "good");
    workspace
}

#[test]
fn f_27_what_a_failed_step_left_is_kept_and_what_was_there_is_put_back() {
    let workspace = fails_if_told();
    workspace.ok(&[]);
    workspace.write("in.txt", "fail");
    let failed = workspace.run(&[]);
    assert_eq!(failed.code, Some(100));
    assert_eq!(workspace.read("file.txt"), "good", "the old outputs are back");
    assert_eq!(workspace.read("folder/part-good"), "good");
    assert!(!workspace.exists("folder/part-fail"));
    assert_eq!(workspace.read("target/zen/failed/p/s/file.txt"), "fail", "and what the failure left is kept");
    assert_eq!(workspace.read("target/zen/failed/p/s/folder/part-fail"), "fail");
    assert!(failed.stderr.contains("target/zen/failed/p/s"), "the message says where:\n{}", failed.stderr);
    assert!(failed.stderr.contains("exit status: 3"), "and what happened:\n{}", failed.stderr);

    workspace.write("in.txt", "good");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "the old outputs are those of the old inputs");
}

#[test]
fn a_failure_on_the_first_run_leaves_nothing_at_the_outputs_places() {
    let workspace = fails_if_told();
    workspace.write("in.txt", "fail");
    assert_eq!(workspace.run(&[]).code, Some(100));
    assert!(!workspace.exists("file.txt") && !workspace.exists("folder/part-fail"));
    assert_eq!(workspace.run(&[]).why("s"), "never run");
}

#[test]
fn the_users_own_file_is_back_after_a_failure() {
    let workspace = fails_if_told();
    workspace.write("file.txt", "mine");
    workspace.write("in.txt", "fail");
    assert_eq!(workspace.run(&[]).code, Some(100));
    assert_eq!(workspace.read("file.txt"), "mine");
}

#[test]
fn f_6_an_output_that_is_not_there_is_a_failure() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.s]
run = "echo half > {{ outputs.one }}"
files = ["src"]
outputs.one = "one.txt"
outputs.two = "two.txt"
"#,
    );
    let outcome = workspace.run(&[]);
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(100), "s=failed"));
    assert!(outcome.stderr.contains("`two`") && outcome.stderr.contains("two.txt"), "{}", outcome.stderr);
    assert_eq!(workspace.read("target/zen/failed/p/s/one.txt"), "half\n");
    assert_eq!(workspace.run(&[]).why("s"), "never run", "nothing was recorded");
}

/// A step that fails until it was tried as often as its counter file says.
fn succeeds_at_try(number: usize, keys: &str) -> (Workspace, Outcome) {
    let mut workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen]
pass-env = ["COUNT"]

[workspace.metadata.zen.pipelines.p.steps.s]
run = """
echo try >> "$COUNT"
echo try-$(wc -l < "$COUNT")
echo half > {{{{ outputs.file }}}}
test $(wc -l < "$COUNT") -ge {number}
echo whole > {{{{ outputs.file }}}}
"""
outputs.file = "file.txt"
{keys}
"#
    ));
    workspace.named_path("COUNT");
    let outcome = workspace.run(&[]);
    (workspace, outcome)
}

#[test]
fn a_step_is_tried_again_as_often_as_retries_says() {
    let (workspace, outcome) = succeeds_at_try(3, "retries = 2\nretry-delay = \"1ms\"");
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "s=ran"));
    assert_eq!(workspace.lines_of("COUNT").len(), 3);
    assert_eq!(workspace.read("file.txt"), "whole\n");
    assert!(outcome.printed("s").contains("try-1") && outcome.printed("s").contains("try-3"));
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");

    let (workspace, outcome) = succeeds_at_try(3, "retries = 1");
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(100), "s=failed"));
    assert_eq!(workspace.lines_of("COUNT").len(), 2);
    assert!(!workspace.exists("file.txt"));
}

#[test]
fn a_timeout_ends_the_whole_process_group() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["ALIVE"]

[workspace.metadata.zen.pipelines.p.steps.s]
run = """
(trap '' TERM; sleep 120; echo survived) > "$ALIVE" 2>&1 &
echo half > {{ outputs.file }}
wait
"""
outputs.file = "file.txt"
timeout = "300ms"
"#,
    );
    let alive = workspace.fifo("ALIVE");
    // Ends when nobody holds the other end any more.
    let reader = std::thread::spawn(move || std::fs::read_to_string(alive).expect("the FIFO can be read"));
    let outcome = workspace.run(&[]);
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(100), "s=failed"));
    assert!(outcome.stderr.contains("timed out after 300ms"), "{}", outcome.stderr);
    assert_eq!(reader.join().expect("the reader ends"), "", "the grandchild was killed, though it ignores SIGTERM");
    assert_eq!(workspace.read("target/zen/failed/p/s/file.txt"), "half\n");
}

#[test]
fn f35_a_stranger_that_holds_the_output_open_is_not_waited_for() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["GO", "ALIVE"]

[workspace.metadata.zen.pipelines.p.steps.s]
run = """
setsid sh -c 'read line < "$GO"; echo survived > "$ALIVE"' &
echo text > {{ outputs.file }}
"""
outputs.file = "file.txt"
"#,
    );
    let mut go = workspace.gate("GO");
    let alive = workspace.fifo("ALIVE");
    // It would never come back if the run waited for the daemon, which is let go only then.
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    go.open();
    assert_eq!(std::fs::read_to_string(alive).expect("the FIFO can be read"), "survived\n", "nor was it killed");
}
