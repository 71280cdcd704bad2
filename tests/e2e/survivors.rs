//! What a run had started when it ends before its time: nothing of it lives on, however it ended and wherever that went;
//! servers that were nobody's child any more are left alone. Knows not what is recorded.
#![cfg(target_os = "linux")]

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::Workspace;
use crate::model::random::Random;
use crate::running::{Gate, Running};

/// Descends from its step, in a session of its own; says so if it lives when the gate is opened.
const IN_A_SESSION: &str = r#"setsid sh -c 'trap "" INT TERM HUP; read line < "$GO"; echo survived >&9' & strange=$!"#;
/// In its step's group, deaf, without anything of its environment.
const IN_THE_GROUP: &str =
    r#"GO="$GO" sh -c 'trap "" INT TERM HUP; exec env -i sh -c "read line < $GO; echo survived >&9"' & mate=$!"#;

/// All that the processes which have a FIFO open write to it, when none of them lives any more.
struct Held(JoinHandle<String>);

impl Held {
    fn new(workspace: &mut Workspace) -> Self {
        Self::by(workspace, "HELD")
    }

    fn by(workspace: &mut Workspace, variable: &str) -> Self {
        let held = workspace.fifo(variable);
        Self(std::thread::spawn(move || std::fs::read_to_string(held).expect("the FIFO can be read")))
    }

    #[track_caller]
    fn must_be_free(self, why: &str) {
        assert_eq!(self.0.join().expect("the reader ends"), "", "{why}");
    }
}

/// One step that waits for what it started, until the gate is opened.
fn waiting(body: &str, keys: &str) -> (Workspace, Gate, Held) {
    let mut workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen]
pass-env = ["GO", "HELD"]

[workspace.metadata.zen.pipelines.p.steps.s]
run = '''
exec 9> "$HELD"
{body}
echo text > {{{{ outputs.file }}}}
echo s-is-there
wait
'''
files = ["in.txt"]
outputs.file = "file.txt"
{keys}
"#
    ));
    workspace.write("in.txt", "1\n");
    let go = workspace.gate("GO");
    let held = Held::new(&mut workspace);
    (workspace, go, held)
}

/// Lets all go that are there, should any be.
fn open_wide(mut go: Gate) -> Gate {
    (0..8).for_each(|_| go.open());
    go
}

#[test]
fn f34_f35_what_descends_from_an_interrupted_step_does_not_survive_in_a_session_of_its_own() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let (workspace, go, held) = waiting(&format!("{IN_A_SESSION}; {IN_THE_GROUP}"), "");
        let mut running = workspace.start(&[]);
        running.until_printed("s-is-there");
        running.signal(name);
        let (status, outcome) = running.end();
        assert_eq!(status.signal(), Some(number), "{}", outcome.stderr);
        let _go = open_wide(go);
        held.must_be_free(name);
    }
}

#[test]
fn f35_nor_when_its_time_is_up_or_another_step_failed() {
    let strangers = format!("{IN_A_SESSION}; {IN_THE_GROUP}");
    let (workspace, go, held) = waiting(&strangers, "timeout = '1s'");
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.outcomes(), "s=failed");
    assert!(outcome.stderr.contains("timed out after 1s"), "{}", outcome.stderr);
    let _go = open_wide(go);
    held.must_be_free("the timeout");

    let bad =
        "[workspace.metadata.zen.pipelines.p.steps.bad]\nrun = 'read line < \"$BAD\"; exit 7'\npass-env = ['BAD']";
    let (mut workspace, go, held) = waiting(&strangers, bad);
    let mut bad = workspace.gate("BAD");
    let mut running = workspace.start(&["-j2", "--kill-on-failure"]);
    running.until_printed("s-is-there");
    bad.open();
    assert_eq!(running.end().1.outcomes(), "bad=failed s=failed");
    let _go = open_wide(go);
    held.must_be_free("--kill-on-failure");
}

/// A server: in a session of its own, and nobody's child.
const SERVER: &str = r#"
(setsid sh -c 'echo up > "$UP"; read line < "$LIVES"; echo lives > "$TOLD"' > /dev/null 2>&1 9>&- &)
read line < "$UP"
"#;

#[test]
fn f35_a_server_that_was_started_before_lives_on_however_the_run_ends() {
    for (end, keys) in [("wait", ""), ("exit 3", ""), ("sleep 100", "timeout = '1s'"), ("sleep 100", "")] {
        let (mut workspace, _go, _held) = waiting(SERVER, keys);
        workspace.edit("Cargo.toml", "\nwait\n", &format!("\n{end}\n"));
        workspace.edit("Cargo.toml", "\"HELD\"]", "\"HELD\", \"LIVES\", \"TOLD\", \"UP\"]");
        let mut lives = workspace.gate("LIVES");
        workspace.fifo("UP");
        let told = workspace.fifo("TOLD");
        let mut running = workspace.start(&[]);
        running.until_printed("s-is-there");
        if end == "sleep 100" && keys.is_empty() {
            running.signal("INT");
        }
        running.end();
        lives.open();
        assert_eq!(std::fs::read_to_string(told).expect("the FIFO can be read"), "lives\n", "{end} {keys}");
    }
}

#[test]
fn f34_a_hangup_that_nohup_ignores_ends_nothing() {
    let (workspace, go, held) = waiting(IN_THE_GROUP, "");
    workspace.edit("Cargo.toml", "echo survived", "echo ended");
    let zen = workspace.command(&["run", "--message-format", "json"]);
    let mut nohup = workspace.program("sh", &["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    nohup.arg(zen.get_program()).args(zen.get_args());
    let mut running = Running::start(nohup);
    running.until_printed("s-is-there");
    running.signal("HUP");
    let _go = open_wide(go);
    assert_eq!(running.end_ok().outcomes(), "s=ran");
    assert_eq!(held.0.join().expect("the reader ends"), "ended\n");
}

/// As [`IN_A_SESSION`] and [`IN_THE_GROUP`], for a killer that comes when it comes: they do not wait to be let go.
const LONG: &str = r#"
setsid sh -c 'sleep 60 9>&-; echo survived >&9' &
env -i sh -c 'sleep 60 9>&-; echo survived >&9' &
sh -c 'sleep 60 9>&-; echo survived >&9' &
"#;

#[test]
fn f34_when_the_terminal_is_closed_nothing_survives() {
    let (mut workspace, _go, held) = waiting(LONG, "");
    // Zen removes what the step left after nothing of the step lives any more.
    let until_zen_ends = Held::by(&mut workspace, "ENDS");
    let zen = env!("CARGO_BIN_EXE_cargo-zen");
    // Whoever started the tests by `nohup` did not mean this.
    let zen = format!("exec 8> \"$ENDS\"; exec env --default-signal=HUP {zen} run --color never");
    let mut terminal = workspace.program("script", &["-qfc", &zen, "/dev/null"]);
    terminal.stdin(Stdio::null());
    let mut running = Running::start(terminal);
    running.until(&["s-is-there"]);
    running.signal("KILL");
    running.end();
    held.must_be_free("the terminal");
    until_zen_ends.must_be_free("the terminal");
    workspace.env.insert("HELD".to_owned(), "/dev/null".to_owned());
    assert_eq!(
        workspace.run(&["-n"]).of_reason("plan").next().expect("there is a plan")["steps"][0]["decision"],
        "run"
    );
    assert!(!workspace.exists("file.txt"), "nothing is recorded, and nothing left");
}

#[test]
fn f36_nothing_survives_a_zen_that_is_killed_while_steps_run() {
    for round in 0..20 {
        // Not always when all is there. Then the step may die by itself, since nobody reads what it prints any more, and
        // whoever is in a session of its own is a server.
        let is_early = round % 4 == 0;
        let body = if is_early { LONG.replace("setsid ", "") } else { LONG.to_owned() };
        let (mut workspace, mut go, held) = waiting(&body, "");
        let mut running = workspace.start(&[]);
        if is_early {
            running.until(&["\"step-started\""]);
        } else {
            running.until_printed("s-is-there");
        }
        // If nothing had opened the FIFO yet, its reader would wait for ever.
        let opened = std::fs::OpenOptions::new().write(true).open(&workspace.env["HELD"]).expect("it is a FIFO");
        running.signal("KILL");
        assert_eq!(running.end().0.signal(), Some(9));
        drop(opened);
        held.must_be_free("SIGKILL");
        workspace.env.insert("HELD".to_owned(), "/dev/null".to_owned());
        workspace.edit("Cargo.toml", &body, "\n");
        go.open();
        assert_eq!(workspace.ok(&["--no-wait"]).outcomes(), "s=ran");
        assert_eq!(workspace.read("file.txt"), "text\n");
    }
}

#[test]
fn f36_a_nested_zen_and_its_steps_do_not_survive_the_outer_one() {
    let (workspace, _go, held) = waiting(LONG, "");
    let inner = workspace.read("Cargo.toml");
    let outer = format!(
        "{inner}\n[workspace.metadata.zen.pipelines.outer.steps.o]\nrun = \"\"\"{} run p\"\"\"\n\
         enable-cache = false\n",
        env!("CARGO_BIN_EXE_cargo-zen")
    );
    workspace.write("Cargo.toml", &outer);
    let mut running = workspace.start(&["outer"]);
    running.until_printed("s-is-there");
    running.signal("KILL");
    assert_eq!(running.end().0.signal(), Some(9));
    held.must_be_free("SIGKILL");
}

#[test]
fn f36_nor_does_a_cache_function_survive_whatever_ends_zen() {
    for (name, number) in [("INT", 2), ("KILL", 9)] {
        let (mut workspace, _go, held) = waiting("", "cache-policy.cache-func = 'sh ask.sh'");
        workspace.edit("Cargo.toml", "\"HELD\"]", "\"HELD\", \"THERE\"]");
        workspace.write("ask.sh", &format!("exec 9> \"$HELD\"\n{LONG}\necho there > \"$THERE\"\nwait\n"));
        let there = workspace.fifo("THERE");
        let running = workspace.start(&[]);
        assert_eq!(std::fs::read_to_string(there).expect("the FIFO can be read"), "there\n");
        running.signal(name);
        assert_eq!(running.end().0.signal(), Some(number));
        held.must_be_free(name);
    }
}

/// How often Ctrl-C is pressed.
fn rounds() -> Option<usize> {
    let text = std::env::var("ZEN_SIGNAL_ROUNDS").ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("ZEN_SIGNAL_ROUNDS={text}: {error}")))
}

/// Three steps, two of them at a time, each with strangers that it ends itself if it comes so far.
fn chatty() -> Workspace {
    let mut tables = "[workspace.metadata.zen]\npass-env = ['GO', 'HELD']\n".to_owned();
    for (name, input) in [("a", ""), ("b", ""), ("c", "inputs = ['a.a', 'b.b']")] {
        tables.push_str(&format!(
            "\n[workspace.metadata.zen.pipelines.p.steps.{name}]\nrun = '''\nexec 9> \"$HELD\"\n\
             echo half > {{{{ outputs.{name} }}}}\n{IN_A_SESSION}\n{IN_THE_GROUP}\n\
             for line in 1 2 3 4 5 6 7 8; do echo $line; done\nkill -9 $strange $mate || true\n\
             cp in.txt {{{{ outputs.{name} }}}}\n'''\nfiles = ['in.txt']\noutputs.{name} = '{name}.txt'\n{input}\n"
        ));
    }
    let workspace = Workspace::new(&tables);
    workspace.write("in.txt", "0\n");
    workspace
}

#[test]
fn f34_ctrl_c_at_any_moment_leaves_nobody_behind_and_the_next_run_is_right() {
    let mut workspace = chatty();
    let mut random = Random::new(34);
    let (mut interrupted, mut longest) = (0, Duration::ZERO);
    for round in 0..rounds().unwrap_or(12) {
        let go = workspace.gate("GO");
        let held = Held::new(&mut workspace);
        // The reader would wait for ever if no step opened it.
        let opened = std::fs::OpenOptions::new().write(true).open(&workspace.env["HELD"]).expect("it is a FIFO");
        workspace.write("in.txt", &format!("{round}\n"));
        let mut running = workspace.start(&["-j2"]);
        running.until_lines(1 + random.below(36));
        running.signal("INT");
        if random.below(4) == 0 {
            running.signal("INT");
        }
        let asked = Instant::now();
        let (status, outcome) = running.end();
        longest = longest.max(asked.elapsed());
        // It may have come to its end before.
        if !status.success() {
            assert_eq!(status.signal(), Some(2), "{}", outcome.stderr);
            interrupted += 1;
        }
        let go = open_wide(go);
        drop(opened);
        held.must_be_free(&format!("round {round}:\n{}\n{}", outcome.stdout, outcome.stderr));
        drop(go);
        std::fs::remove_file(workspace.beside("GO")).expect("it is there");
        std::fs::remove_file(workspace.beside("HELD")).expect("it is there");
        workspace.env.insert("HELD".to_owned(), "/dev/null".to_owned());
        workspace.env.insert("GO".to_owned(), "/dev/null".to_owned());
        workspace.ok(&["--no-wait"]);
        for name in ["a", "b", "c"] {
            assert_eq!(workspace.read(&format!("{name}.txt")), format!("{round}\n"), "round {round}, {name}");
        }
    }
    eprintln!("{interrupted} runs were interrupted, the longest ended after {longest:?}");
    assert!(interrupted > 0, "the signals came too late to be seen");
}
