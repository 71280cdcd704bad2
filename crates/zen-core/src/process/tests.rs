//! Real commands: their output, their end, their groups.
#![expect(clippy::disallowed_methods, reason = "looks at what the commands did")]

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;

use super::*;

fn spec(program: &str, args: &[&str]) -> Spec {
    Spec {
        job: JobId(0),
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        env: [("PATH".into(), "/usr/bin:/bin".into())].into(),
        cwd: std::env::temp_dir(),
        timeout: None,
        grace: GRACE,
        stdin: Vec::new(),
        stdout: Stdout::Merged,
    }
}

fn sh(script: &str) -> Spec {
    spec("sh", &["-e", "-c", script])
}

fn go(spec: &Spec) -> (Exit, String) {
    let mut output = Vec::new();
    let exit = run(spec, &Control::default(), &mut |bytes| output.extend_from_slice(bytes)).unwrap();
    (exit, String::from_utf8_lossy(&output).into_owned())
}

fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

/// A killed process needs a moment to be gone; the bound only keeps a broken kill from hanging the tests.
fn is_gone(pid: &str) -> bool {
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    while is_alive(pid) && std::time::Instant::now() < patience {
        std::thread::yield_now();
    }
    !is_alive(pid)
}

#[test]
fn both_streams_come_in_order() {
    let (exit, output) = go(&sh("echo a; echo b >&2; echo c; printf d; exit 3"));
    assert_eq!(output, "a\nb\nc\nd");
    assert_eq!(exit.describe(), "exit status: 3");
    assert!(!exit.success());
}

#[test]
fn standard_input_is_given_whole_to_who_reads_it() {
    let long = vec![b'x'; 1 << 20];
    let (exit, output) = go(&Spec { stdin: long.clone(), ..sh("wc -c; echo done") });
    assert!(exit.success());
    assert_eq!(output.split_whitespace().collect::<Vec<_>>(), [long.len().to_string().as_str(), "done"]);
    let (exit, output) = go(&Spec { stdin: long, ..sh("echo deaf") });
    assert_eq!((exit.success(), output.as_str()), (true, "deaf\n"), "who does not read is not waited for");
    assert_eq!(go(&sh("wc -c")).1.trim(), "0", "it is empty unless there is some");
}

#[test]
fn captured_output_is_kept_apart() {
    let (exit, output) = go(&Spec { stdout: Stdout::Captured, ..sh("echo out; echo err >&2") });
    assert_eq!((exit.stdout.as_slice(), output.as_str()), (&b"out\n"[..], "err\n"));
    assert!(exit.success());
}

#[test]
fn much_output_is_all_there() {
    let (_, output) = go(&sh(
        "i=0; while [ $i -lt 2000 ]; do echo \"line $i ....................................\"; i=$((i+1)); done",
    ));
    assert_eq!(output.lines().count(), 2000);
    assert!(output.lines().enumerate().all(|(n, line)| line.starts_with(&format!("line {n} "))));
}

#[test]
fn the_environment_is_what_was_given_and_input_is_empty() {
    let (_, output) = go(&Spec { env: [("A".into(), "1".into())].into(), ..spec("/usr/bin/env", &[]) });
    assert_eq!(output, "A=1\n");
    assert_eq!(go(&sh("cat; echo end")).1, "end\n");
}

#[test]
fn a_signal_is_told_by_name() {
    let (exit, _) = go(&sh("kill -9 $$"));
    assert_eq!(exit.describe(), "killed by signal 9 (SIGKILL)");
}

#[test]
fn f_35_what_holds_the_pipe_does_not_hold_us_and_sessions_are_left_alone() {
    let (exit, output) = go(&sh("setsid sleep 300 & echo $!"));
    assert!(exit.success());
    let pid = output.trim();
    // `setsid` keeps its id when it is no group leader, which a background job of a script is not.
    assert!(is_alive(pid), "a server of its own session is not killed");
    assert!(go(&spec("kill", &["-9", pid])).0.success());
}

#[test]
fn f_35_what_is_left_of_the_group_is_killed() {
    let (exit, output) = go(&sh("sleep 300 & echo $!"));
    assert!(exit.success());
    assert!(is_gone(&output), "{output} must be gone");
    let (_, output) = go(&sh("sleep 300 >/dev/null 2>&1 & echo $!"));
    assert!(is_gone(&output), "{output} must be gone");
}

#[test]
fn a_chatty_left_over_does_not_hold_us() {
    let (exit, output) = go(&sh("yes & echo done"));
    assert!(exit.success());
    assert!(output.contains("done\n"));
}

#[test]
fn a_timeout_ends_a_command() {
    let limit = Duration::from_millis(10);
    for script in ["sleep 300", "exec >/dev/null 2>&1; sleep 300", "sleep 300 & wait"] {
        let (exit, _) = go(&Spec { timeout: Some(limit), ..sh(script) });
        assert_eq!((exit.signal, exit.timed_out), (Some(15), Some(limit)), "{script}");
        assert_eq!(exit.describe(), "timed out after 10ms");
    }
    let whatever = Exit { code: Some(0), timed_out: Some(limit), ..Exit::default() };
    assert!(!whatever.success(), "whatever it exits with");
    assert!(go(&Spec { timeout: Some(Duration::from_secs(600)), ..sh("exec >&- 2>&-; true") }).0.success());
}

#[test]
fn f_34_a_stopped_run_ends_what_runs_and_starts_nothing() {
    let control = Control::default();
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let control = &control;
        let runner = scope.spawn(move || {
            let mut output = |bytes: &[u8]| sender.send(bytes.to_vec()).unwrap();
            run(&sh("trap 'exit 0' INT; echo ready; sleep 300 & wait"), control, &mut output).unwrap()
        });
        assert_eq!(receiver.recv().unwrap(), b"ready\n");
        assert_eq!(control.running(), 1);
        control.stop(Signal::Interrupt);
        let exit = runner.join().unwrap();
        assert!(exit.killed && !exit.success(), "{exit:?}");
    });
    assert_eq!(control.running(), 0);
    let exit = run(&sh("exit 0"), &control, &mut |_| {}).unwrap();
    assert_eq!(exit.describe(), "not started: the run was stopped");
}

#[test]
fn one_job_is_killed_and_no_other() {
    let control = Control::default();
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let runners: Vec<_> = [1, 2]
            .map(|job| {
                let (control, sender) = (&control, sender.clone());
                scope.spawn(move || {
                    let spec = Spec { job: JobId(job), ..sh("echo ready; sleep 300") };
                    run(&spec, control, &mut |_| sender.send(job).unwrap()).unwrap()
                })
            })
            .into();
        receiver.recv().unwrap();
        receiver.recv().unwrap();
        control.kill(JobId(1), Signal::Kill);
        let mut runners = runners.into_iter();
        assert_eq!(runners.next().unwrap().join().unwrap().signal, Some(9));
        assert_eq!(control.running(), 1);
        control.stop(Signal::Terminate);
        assert_eq!(runners.next().unwrap().join().unwrap().signal, Some(15));
    });
}

#[test]
fn what_cannot_start_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    };
    write("plain.sh", "#!/bin/sh\n", 0o644);
    write("data", "no program", 0o755);
    write("orphan", "#!/no/such/interpreter\n", 0o755);
    let fails = |program: &str| {
        let spec = Spec { cwd: folder.path().to_owned(), ..spec(program, &[]) };
        run(&spec, &Control::default(), &mut |_| {}).unwrap_err()
    };
    assert!(matches!(fails("no-such-program"), SpawnError::NotInPath { path, .. } if path == "/usr/bin:/bin"));
    assert!(matches!(fails("./no-such-file"), SpawnError::NoSuchFile(_)));
    assert!(matches!(fails("./plain.sh"), SpawnError::NotExecutable(_)));
    assert!(matches!(fails("./data"), SpawnError::NotAProgram(_)));
    assert!(matches!(fails("./orphan"), SpawnError::NoInterpreter(_)));
    let long = "x".repeat(200 << 10);
    let error = run(&spec("true", &[&long]), &Control::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, SpawnError::TooLong(_)), "{error}");
    let nowhere = Spec { cwd: folder.path().join("nowhere"), ..spec("true", &[]) };
    assert!(matches!(run(&nowhere, &Control::default(), &mut |_| {}), Err(SpawnError::NoCwd(_))));
}

#[test]
fn programs_are_found_as_the_step_would_find_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    let path = folder.path().join("bin/tool");
    std::fs::write(&path, "#!/bin/sh\necho found \"$0\"\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let inside = Spec { cwd: folder.path().to_owned(), ..spec("bin/tool", &[]) };
    assert!(go(&inside).1.starts_with("found "));
    let by_path = Spec { program: "tool".into(), env: [("PATH".into(), "/nowhere:bin:/bin".into())].into(), ..inside };
    assert!(go(&by_path).1.starts_with("found "));
    assert_eq!(find_program(&by_path).unwrap(), path);
}

#[test]
fn an_old_make_can_use_the_jobserver() {
    let Ok(make) = find_program(&spec("make", &[])) else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Makefile"), "all: a b\na b:\n\t@echo $@\n").unwrap();
    let jobserver = jobserver::Jobserver::new(4).unwrap().unwrap();
    let (name, value) = jobserver.variable();
    let mut with = Spec { cwd: folder.path().to_owned(), ..sh(&format!("MAKEFLAGS=\"${name}\" {}", make.display())) };
    with.env.insert(name.into(), value.to_owned());
    let (exit, output) = go(&with);
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!((exit.code, lines), (Some(0), vec!["a", "b"]), "no word about the jobserver");
}

#[test]
fn what_starts_while_the_run_is_stopped_hears_of_it() {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    let mut child = std::process::Command::new("sleep").arg("300").process_group(0).spawn().unwrap();
    let control = Control::default();
    control.stop(Signal::Terminate);
    let slot = control.enter(JobId(0), control::Group::Own(rustix::process::Pid::from_child(&child)));
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert!(control.leave(slot, || ()).1, "it counts as killed");
}
