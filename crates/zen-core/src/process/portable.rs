//! Running a command with what every system has: no process groups, the command alone is killed. Knows no step.
#![expect(clippy::disallowed_methods, reason = "an edge: starts processes and waits by the clock")]

use std::io::{self, IsTerminal, Read, Write};
use std::process::{Command, Stdio as Io};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::control::Group;
use super::lines::Lines;
use super::{Control, Exit, SpawnError, Spec, Stdout, find_program, shown};

const TICK: Duration = Duration::from_millis(50);

/// A piece of output, and whether it goes to the captured standard output.
type Piece = (bool, Vec<u8>);

pub(super) fn run(spec: &Spec, control: &Control, on_output: &mut dyn FnMut(&[u8])) -> Result<Exit, SpawnError> {
    let io = |source| SpawnError::Io { program: shown(spec.program.as_ref()), source };
    let (sender, pieces) = channel();
    let mut command = Command::new(find_program(spec)?);
    command.args(&spec.args).env_clear().envs(&spec.env).current_dir(&spec.cwd);
    let mut input = None;
    if spec.stdout == Stdout::Inherited {
        command.stdin(Io::inherit());
    } else if spec.stdin.is_empty() {
        command.stdin(Io::null());
    } else {
        let (reader, writer) = io::pipe().map_err(io)?;
        command.stdin(reader);
        input = Some(writer);
    }
    let (reader, writer) = io::pipe().map_err(io)?;
    match spec.stdout {
        Stdout::Inherited if io::stdout().is_terminal() => {}
        Stdout::Inherited => {
            command.stdout(io::stderr());
        }
        Stdout::Merged => {
            command.stdout(writer.try_clone().map_err(io)?);
        }
        Stdout::Captured => {
            let (reader, writer) = io::pipe().map_err(io)?;
            command.stdout(writer);
            let sender = sender.clone();
            std::thread::spawn(move || forward(reader, true, &sender));
        }
    }
    if spec.stdout == Stdout::Inherited {
        command.stderr(Io::inherit());
        drop(writer);
    } else {
        command.stderr(writer);
    }
    std::thread::spawn(move || forward(reader, false, &sender));

    let started = Instant::now();
    let mut child = command.spawn().map_err(|source| match spec.cwd.is_dir() {
        true => io(source),
        false => SpawnError::NoCwd(shown(&spec.cwd)),
    })?;
    drop(command);
    if let Some(mut input) = input {
        let bytes = spec.stdin.clone();
        // Nobody waits for it: a command that does not read is as good as any other.
        std::thread::spawn(move || input.write_all(&bytes));
    }
    let wish = Arc::new(AtomicBool::new(false));
    let slot = control.enter(spec.job, Group(Arc::clone(&wish)));
    let (mut lines, mut exit) = (Lines::default(), Exit::default());
    let mut take = |(captured, bytes): Piece, exit: &mut Exit, lines: &mut Lines| match captured {
        true => exit.stdout.extend(bytes),
        false => lines.push(&bytes, on_output),
    };
    let status = loop {
        let over = spec.timeout.filter(|timeout| started.elapsed() >= *timeout);
        exit.timed_out = exit.timed_out.or(over);
        if wish.load(Ordering::Relaxed) || over.is_some() {
            let _ = child.kill();
        }
        match pieces.recv_timeout(TICK) {
            Ok(piece) => take(piece, &mut exit, &mut lines),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(status) = child.try_wait().map_err(io)? {
                    break status;
                }
            }
            Err(RecvTimeoutError::Disconnected) => match child.try_wait().map_err(io)? {
                Some(status) => break status,
                None => std::thread::sleep(TICK),
            },
        }
    };
    rest(&pieces).for_each(|piece| take(piece, &mut exit, &mut lines));
    lines.flush(on_output);
    exit.killed = control.leave(slot, || ()).1;
    exit.code = status.code();
    Ok(exit)
}

fn rest(pieces: &Receiver<Piece>) -> impl Iterator<Item = Piece> + '_ {
    pieces.try_iter().take(64)
}

fn forward(mut reader: impl Read, captured: bool, sender: &std::sync::mpsc::Sender<Piece>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length) = reader.read(&mut buffer)
        && length > 0
        && sender.send((captured, buffer[..length].to_vec())).is_ok()
    {}
}
