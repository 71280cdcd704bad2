//! Ctrl-C, SIGTERM and SIGKILL: who hears of it, what is kept, and that the next run is right.

use std::os::unix::process::ExitStatusExt;

use crate::harness::Workspace;
use crate::running::Gate;

/// One step that is let go, with an output that it makes in two halves, and one that depends on it.
fn gated(trap: &str) -> (Workspace, Gate) {
    let mut workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen]
pass-env = ["GO", "MARK"]

[workspace.metadata.zen.pipelines.p.steps.s]
run = """
{trap}
echo half > {{{{ outputs.file }}}}
echo s-is-there
read line < "$GO"
cp in.txt {{{{ outputs.file }}}}
"""
files = ["in.txt"]
outputs.file = "file.txt"

[workspace.metadata.zen.pipelines.p.steps.later]
run = "cp {{{{ inputs.file }}}} {{{{ outputs.copy }}}}"
inputs = ["s.file"]
outputs.copy = "copy.txt"
"#
    ));
    workspace.write("in.txt", "1\n");
    let go = workspace.gate("GO");
    workspace.named_path("MARK");
    (workspace, go)
}

#[test]
fn f_27_f34_a_signal_goes_to_the_steps_and_is_raised_again() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        // The step waits for a child of its own, as a shell that waits hears of a signal at once.
        let trap = format!(
            "trap 'echo heard >> \"$MARK\"; exit 0' {name}; echo half > file.txt; echo trapped; sleep 120 & wait"
        );
        let (mut workspace, mut go) = gated("");
        workspace.write("in.txt", "1\n");
        go.open();
        workspace.ok(&[]);
        assert_eq!(workspace.read("file.txt"), "1\n");

        workspace.edit("Cargo.toml", "\necho half > {{ outputs.file }}\n", &format!("\n{trap}\n"));
        let mut running = workspace.start(&[]);
        running.until_printed("trapped");
        running.signal(name);
        let (status, outcome) = running.end();
        assert_eq!(status.signal(), Some(number), "it ends by the signal itself: {status}\n{}", outcome.stderr);
        assert_eq!(workspace.lines_of("MARK"), ["heard"], "the step was told");
        assert_eq!(outcome.outcomes(), "later=skipped s=failed", "and did not succeed, whatever it exited with");
        assert_eq!(workspace.read("file.txt"), "1\n", "what was there before is back");

        workspace.edit("Cargo.toml", &format!("\n{trap}\n"), "\necho half > {{ outputs.file }}\n");
        assert_eq!(workspace.ok(&[]).outcomes(), "later=fresh s=fresh");
        workspace.env.remove("MARK");
    }
}

#[test]
fn f_27_an_interrupted_step_is_not_recorded() {
    let (workspace, mut go) = gated("");
    let mut running = workspace.start(&[]);
    running.until_printed("s-is-there");
    running.signal("INT");
    let (status, _) = running.end();
    assert_eq!(status.signal(), Some(2));
    assert!(!workspace.exists("file.txt"), "nothing was there before");
    assert_eq!(workspace.read("target/zen/failed/p/s/file.txt"), "half\n");
    go.open();
    let next = workspace.ok(&[]);
    assert_eq!((next.outcomes().as_str(), next.why("s").as_str()), ("later=ran s=ran", "never run"));
}

#[test]
fn f34_a_second_interrupt_kills_what_ignores_the_first() {
    let (workspace, go) =
        gated("trap 'echo heard >> \"$MARK\"; echo heard-it' INT; while :; do sleep 120 & wait; done");
    // The trap is set before anything is printed by this step: it never comes to `s-is-there`.
    workspace.edit("Cargo.toml", "; while", "; echo trapped; while");
    let mut running = workspace.start(&[]);
    running.until_printed("trapped");
    running.signal("INT");
    running.until_printed("heard-it");
    running.signal("INT");
    let (status, outcome) = running.end();
    assert_eq!(status.signal(), Some(2), "{}", outcome.stderr);
    assert_eq!(workspace.lines_of("MARK"), ["heard"], "the second time it was not asked");
    assert_eq!(outcome.finished("s")["outcome"], "failed");
    drop(go);
}

/// A run that is killed in the middle of its step, and its guard too: the step lives on until it is let go and has ended.
struct Killed {
    workspace: Workspace,
    go: Gate,
    orphan: std::thread::JoinHandle<()>,
}

/// `before` makes the workspace ready for the run that is killed.
fn killed_in_the_middle(before: impl FnOnce(&Workspace, &mut Gate)) -> Killed {
    let (mut workspace, mut go) = gated("exec 9> \"$MARK\"");
    workspace.env.insert("MARK".to_owned(), "/dev/null".to_owned());
    before(&workspace, &mut go);
    let held = workspace.fifo("MARK");
    // Ends when nobody holds the other end any more.
    let orphan = std::thread::spawn(move || drop(std::fs::read(held).expect("the FIFO can be read")));
    let mut running = workspace.start(&[]);
    running.until_printed("s-is-there");
    assert_eq!(workspace.read("file.txt"), "half\n", "it is in the middle of its work");
    running.kill_guard();
    running.signal("KILL");
    assert_eq!(running.end().0.signal(), Some(9));
    workspace.env.insert("MARK".to_owned(), "/dev/null".to_owned());
    Killed { workspace, go, orphan }
}

impl Killed {
    fn end_the_orphan(self) -> (Workspace, Gate) {
        let Self { workspace, mut go, orphan } = self;
        go.open();
        orphan.join().expect("the reader ends");
        (workspace, go)
    }
}

fn replaced_texts(workspace: &Workspace, name: &str) -> Vec<String> {
    let files = workspace.files_below("target/zen/replaced");
    let named = files.iter().filter(|path| path.ends_with(name));
    named.map(|path| std::fs::read_to_string(path).expect("it is a file")).collect()
}

#[test]
fn f1_f36_after_sigkill_the_next_run_is_right_and_nothing_is_lost() {
    let killed = killed_in_the_middle(|workspace, go| {
        go.open();
        workspace.ok(&[]);
        workspace.write("in.txt", "2\n");
    });
    let (workspace, mut go) = killed.end_the_orphan();
    workspace.write("in.txt", "1\n");
    let next = workspace.ok(&["--no-wait"]);
    assert_eq!(next.outcomes(), "later=fresh s=fresh", "the old output is right for the old input");
    assert_eq!(workspace.read("file.txt"), "1\n");
    workspace.write("in.txt", "2\n");
    go.open();
    let next = workspace.ok(&["--no-wait"]);
    assert_eq!(next.outcomes(), "later=ran s=ran", "what nobody waited for is not recorded");
    assert_eq!(workspace.read("copy.txt"), "2\n");
}

#[test]
fn f1_after_sigkill_the_users_own_file_is_not_lost() {
    let killed = killed_in_the_middle(|workspace, _| workspace.write("file.txt", "mine\n"));
    let (workspace, mut go) = killed.end_the_orphan();
    go.open();
    assert_eq!(workspace.ok(&[]).outcomes(), "later=ran s=ran");
    assert_eq!(workspace.read("file.txt"), "1\n");
    let texts = replaced_texts(&workspace, "file.txt");
    assert!(texts.contains(&"mine\n".to_owned()), "the user's bytes are in replaced/: {texts:?}");
}

#[test]
fn f1_nor_if_its_step_is_gone_or_has_another_name_when_the_next_run_starts() {
    for is_renamed in [false, true] {
        let killed = killed_in_the_middle(|workspace, _| workspace.write("file.txt", "mine\n"));
        let (workspace, mut go) = killed.end_the_orphan();
        let manifest = workspace.read("Cargo.toml");
        let later = manifest.find("[workspace.metadata.zen.pipelines.p.steps.later]").expect("it is there");
        if is_renamed {
            workspace.write("Cargo.toml", &manifest[..later].replace("steps.s]", "steps.other]"));
        } else {
            let first = manifest.find("[workspace.metadata.zen.pipelines").expect("it is there");
            let other = "[workspace.metadata.zen.pipelines.p.steps.other]\nrun = 'true'\nfiles = ['in.txt']\n";
            workspace.write("Cargo.toml", &format!("{}{other}", &manifest[..first]));
        }
        go.open();
        let run = workspace.ok(&[]);
        let mut texts = replaced_texts(&workspace, "file.txt");
        texts.push(if is_renamed { String::new() } else { workspace.read("file.txt") });
        assert!(texts.contains(&"mine\n".to_owned()), "{texts:?} renamed: {is_renamed}\n{}", run.stderr);
        assert!(run.stderr.contains("an earlier run of step `p/s` was killed"), "{}", run.stderr);
        assert!(run.stderr.contains("is moved to target/zen/replaced/"), "all is told:\n{}", run.stderr);
    }
}

#[test]
fn f36_what_a_killed_run_had_started_spoils_nothing_for_good() {
    let mut killed = killed_in_the_middle(|_, _| {});
    // A new gate for the new run: the old step waits at the old one.
    let mut go = killed.workspace.gate("GO2");
    let path = killed.workspace.env["GO2"].clone();
    killed.workspace.env.insert("GO".to_owned(), path);
    go.open();
    assert_eq!(killed.workspace.ok(&[]).outcomes(), "later=ran s=ran");
    killed.workspace.write("in.txt", "late\n");
    let (workspace, _old) = killed.end_the_orphan();
    assert_eq!(workspace.read("file.txt"), "late\n", "the old step wrote after the new run had ended");
    workspace.write("in.txt", "1\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "later=fresh s=restored");
    assert_eq!(workspace.read("file.txt"), "1\n");
}

#[test]
fn f1_what_a_step_builds_on_is_recorded_before_it_starts() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["DIE"]

[workspace.metadata.zen.pipelines.p.steps.first]
run = "cp in.txt {{ outputs.file }}"
files = ["in.txt"]
outputs.file = "file.txt"

[workspace.metadata.zen.pipelines.p.steps.second]
run = "if [ -n \"$DIE\" ]; then kill -9 $PPID; exit 1; fi; cp {{ inputs.file }} {{ outputs.copy }}"
inputs = ["first.file"]
outputs.copy = "copy.txt"
"#,
    );
    workspace.write("in.txt", "1\n");
    workspace.env.insert("DIE".to_owned(), "now".to_owned());
    let killed = workspace.command(&["run", "-j1"]).output().expect("cargo-zen starts");
    assert_eq!(killed.status.signal(), Some(9), "the second step kills it as soon as it starts");
    workspace.env.remove("DIE");
    assert_eq!(workspace.ok(&[]).outcomes(), "first=fresh second=ran", "however quick the first one was");
}

#[test]
fn f55_a_copy_that_is_taken_in_the_middle_of_a_run_is_a_good_store() {
    let (workspace, mut go) = gated("");
    go.open();
    workspace.ok(&[]);
    workspace.write("in.txt", "2\n");
    let mut running = workspace.start(&[]);
    running.until_printed("s-is-there");
    let mut copy = workspace.clone_elsewhere();
    go.open();
    assert!(running.end().0.success());
    assert_eq!(workspace.read("copy.txt"), "2\n");

    // To the copy it is as if the run had been killed.
    let mut go = copy.gate("GO");
    copy.write("in.txt", "1\n");
    assert_eq!(copy.ok(&[]).outcomes(), "later=fresh s=fresh", "what was recorded before is there");
    assert_eq!((copy.read("file.txt"), copy.read("copy.txt")), ("1\n".to_owned(), "1\n".to_owned()));
    assert_eq!(copy.zen(&["verify"]).code, Some(0));
    copy.write("in.txt", "3\n");
    go.open();
    assert_eq!(copy.ok(&[]).outcomes(), "later=ran s=ran");
    assert_eq!(copy.read("copy.txt"), "3\n");
}
