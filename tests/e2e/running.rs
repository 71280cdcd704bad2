//! `cargo-zen` while it runs: what it has said so far, signals, and what holds a step back until a test lets it go.
//! Knows no behaviour.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use crate::harness::{Outcome, Workspace};

/// A started `cargo-zen`. It is killed if the test ends before it.
pub struct Running {
    child: Child,
    lines: Receiver<(bool, String)>,
    stdout: String,
    stderr: String,
}

/// Holds steps back that read a line from it (`read line < "$GO"`), until they are let go.
pub struct Gate {
    file: File,
}

/// A run with its guard and its steps.
pub struct Whole(JoinHandle<Vec<u8>>);

impl Whole {
    /// Waits until nothing of it lives.
    pub fn end(self) {
        self.0.join().expect("the reader ends");
    }
}

impl Workspace {
    /// Starts `cargo-zen run ARGS…` with JSON messages.
    pub fn start(&self, args: &[&str]) -> Running {
        let zen = self.command(&[&["run", "--message-format", "json"], args].concat());
        // The tests themselves may have been started by `nohup`, and zen would heed that.
        if cfg!(target_os = "linux") {
            let mut hears = self.program("env", &["--default-signal=HUP"]);
            hears.arg(zen.get_program()).args(zen.get_args());
            return Running::start(hears);
        }
        Running::start(zen)
    }

    /// As [`Workspace::start`], and how to wait for all that the run starts: what a killed one leaves lives for a moment, until
    /// its guard has killed it.
    pub fn start_whole(&self, args: &[&str]) -> (Running, Whole) {
        let path = self.beside("whole");
        let _ = std::fs::remove_file(&path);
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo starts");
        assert!(made.success(), "a FIFO can be made");
        let zen = self.command(&[&["run", "--message-format", "json"], args].concat());
        let mut held = self.program("sh", &["-c", "exec 8> \"$0\"; exec \"$@\""]);
        held.arg(&path).arg(zen.get_program()).args(zen.get_args());
        let whole = std::thread::spawn(move || std::fs::read(path).expect("the FIFO can be read"));
        (Running::start(held), Whole(whole))
    }

    /// A new gate; its path is in the variable `name` (which the tables must pass on by `pass-env`).
    pub fn gate(&mut self, name: &str) -> Gate {
        let path = self.fifo(name);
        // For both directions: then neither opening nor writing waits for the step.
        Gate { file: OpenOptions::new().read(true).write(true).open(path).expect("a FIFO can be opened") }
    }

    /// A new FIFO; its path is in the variable `name`.
    pub fn fifo(&mut self, name: &str) -> PathBuf {
        let path = self.named_path(name);
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo starts");
        assert!(made.success(), "a FIFO can be made");
        path
    }

    /// A path beside the workspace; it is in the variable `name`.
    pub fn named_path(&mut self, name: &str) -> PathBuf {
        let path = self.beside(name);
        self.env.insert(name.to_owned(), path.to_str().expect("temporary folders have plain names").to_owned());
        path
    }

    /// The lines of a file that steps append to by its variable; none if it is not there.
    pub fn lines_of(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(&self.env[name]).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Gate {
    /// Lets one step go.
    pub fn open(&mut self) {
        self.file.write_all(b"\n").expect("a FIFO takes a line");
    }
}

impl Running {
    /// Starts a command that says what it does on its standard streams.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cargo-zen starts");
        let (sender, lines) = channel();
        let stdout = Box::new(child.stdout.take().expect("it is piped")) as Box<dyn Read + Send>;
        let stderr = Box::new(child.stderr.take().expect("it is piped")) as Box<dyn Read + Send>;
        for (is_stdout, stream) in [(true, stdout), (false, stderr)] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    let _ = sender.send((is_stdout, String::from_utf8_lossy(&line).into_owned()));
                }
            });
        }
        Self { child, lines, stdout: String::new(), stderr: String::new() }
    }

    /// Waits for a line that holds all of `parts`, on either stream. It must come before the process ends.
    pub fn until(&mut self, parts: &[&str]) {
        loop {
            let Ok((is_stdout, line)) = self.lines.recv() else {
                panic!("no line with {parts:?} came; standard output:\n{}\nerror:\n{}", self.stdout, self.stderr);
            };
            self.keep(is_stdout, &line);
            if parts.iter().all(|part| line.contains(part)) {
                return;
            }
        }
    }

    /// Waits until it has written `count` lines, or has ended.
    pub fn until_lines(&mut self, count: usize) {
        for _ in 0..count {
            let Ok((is_stdout, line)) = self.lines.recv() else { return };
            self.keep(is_stdout, &line);
        }
    }

    /// Waits until a step printed `text`.
    pub fn until_printed(&mut self, text: &str) {
        self.until(&["\"step-output\"", text]);
    }

    /// Waits until a step ended.
    pub fn until_finished(&mut self, step: &str, outcome: &str) {
        self.until(&["\"step-finished\"", &format!("/{step}\""), &format!("\"outcome\":\"{outcome}\"")]);
    }

    /// Sends a signal (`INT`, `TERM`, `KILL`) to the process, and to it alone.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill starts");
        assert!(sent.success(), "the process {id} must still be there");
    }

    /// Kills the guard, so that what was started survives if the process is killed.
    pub fn kill_guard(&self) {
        let id = self.child.id().to_string();
        let killed = Command::new("pkill").args(["-KILL", "-P", &id, "-f", "__guard"]).status().expect("pkill starts");
        assert!(killed.success(), "the process {id} must have a guard");
    }

    /// Waits for its end.
    pub fn end(mut self) -> (ExitStatus, Outcome) {
        let status = self.child.wait().expect("it can be waited for");
        // Steps have pipes of their own: its end is the end of these.
        while let Ok((is_stdout, line)) = self.lines.recv() {
            self.keep(is_stdout, &line);
        }
        let [stdout, stderr] = [&mut self.stdout, &mut self.stderr].map(std::mem::take);
        (status, Outcome::new(status.code(), stdout, stderr))
    }

    /// As [`Running::end`], and it must have succeeded.
    pub fn end_ok(self) -> Outcome {
        let (status, outcome) = self.end();
        assert!(status.success(), "it must succeed; standard error:\n{}", outcome.stderr);
        outcome
    }

    fn keep(&mut self, is_stdout: bool, line: &str) {
        let text = if is_stdout { &mut self.stdout } else { &mut self.stderr };
        text.push_str(line);
        text.push('\n');
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
