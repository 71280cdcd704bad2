//! Running a command on Unix: process group, one pipe, poll. Knows no step.
#![expect(clippy::disallowed_methods, reason = "an edge: starts processes and waits by the clock")]

use std::io::{self, ErrorKind, IsTerminal, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::control::{Group, Slot};
use super::lines::Lines;
use super::{Control, Exit, Signal, SpawnError, Spec, Stdout, find_program, shown};

/// How often a command whose pipe stays open is looked at, whether it still lives.
const TICK: Duration = Duration::from_millis(50);
/// A line without its end is given after this much quiet.
const QUIET: Duration = Duration::from_millis(100);
/// What others of its group may still write once the command has ended (`foo > >(tee log)`).
const DRAIN: Duration = Duration::from_secs(1);

pub(super) fn run(spec: &Spec, control: &Control, on_output: &mut dyn FnMut(&[u8])) -> Result<Exit, SpawnError> {
    let io = |source| SpawnError::Io { program: shown(spec.program.as_ref()), source };
    let program = find_program(spec)?;
    let mut command = Command::new(&program);
    command.arg0(&spec.program).args(&spec.args).env_clear().envs(&spec.env).current_dir(&spec.cwd);
    let (mut output, input) = streams(spec, &mut command).map_err(io)?;
    if let Some(mut input) = input {
        let bytes = spec.stdin.clone();
        // Nobody waits for it: a command that does not read, and one that closed it, are as good as any other.
        std::thread::Builder::new().spawn(move || input.write_all(&bytes)).map_err(io)?;
    }
    let started = Instant::now();
    let mut child = spawn(&mut command).map_err(|error| explain(error, spec))?;
    // It holds the children's ends of the pipes: without this there would never be an end.
    drop(command);
    let pid = Pid::from_child(&child);
    let group = if spec.stdout == Stdout::Inherited { Group::Zens(pid) } else { Group::Own(pid) };
    let slot = control.enter(spec.job, group);

    let mut watch = Watch { pid, limit: Limit::new(spec, started), exited: None };
    let watched = watch_to_the_end(&mut watch, &mut output, &slot, control, on_output);
    let (status, killed) = control.leave(slot, || child.wait());
    output.drain(on_output);
    watched.map_err(io)?;
    let status = status.map_err(io)?;
    Ok(Exit {
        code: status.code(),
        signal: status.signal(),
        timed_out: spec.timeout.filter(|_| watch.limit.is_over()),
        killed,
        stdout: output.stdout,
    })
}

/// Gives the command its streams, and the group that goes with them. Gives zen's ends of those that are pipes.
fn streams(spec: &Spec, command: &mut Command) -> io::Result<(Output, Option<PipeWriter>)> {
    if spec.stdout == Stdout::Inherited {
        command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        if !io::stdout().is_terminal() {
            command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
        }
        return Ok((Output::new(None, None), None));
    }
    command.process_group(0);
    let input = if spec.stdin.is_empty() {
        command.stdin(Stdio::null());
        None
    } else {
        let (reader, writer) = io::pipe()?;
        command.stdin(reader);
        Some(writer)
    };
    let (reader, writer) = io::pipe()?;
    let captured = if spec.stdout == Stdout::Captured {
        let (reader, writer) = io::pipe()?;
        command.stdout(writer);
        Some(reader)
    } else {
        command.stdout(writer.try_clone()?);
        None
    };
    command.stderr(writer);
    Ok((Output::new(Some(reader), captured), input))
}

/// A file that was written a moment ago is busy while some other child of ours, just forked, still holds it open for
/// writing; that ends when that child executes its own program.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut nap = Duration::from_millis(1);
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && nap < DRAIN => {
                sleep(nap);
                nap *= 2;
            }
            result => return result,
        }
    }
}

/// The program was found and does not start: why?
fn explain(source: io::Error, spec: &Spec) -> SpawnError {
    let program = shown(spec.program.as_ref());
    match source.kind() {
        _ if !spec.cwd.is_dir() => SpawnError::NoCwd(shown(&spec.cwd)),
        ErrorKind::NotFound => SpawnError::NoInterpreter(program),
        ErrorKind::PermissionDenied => SpawnError::NotExecutable(program),
        ErrorKind::ArgumentListTooLong => SpawnError::TooLong(program),
        _ if source.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => SpawnError::NotAProgram(program),
        _ => SpawnError::Io { program, source },
    }
}

/// Until the command has ended and its output with it, or nobody of its group has anything more to say.
fn watch_to_the_end(
    watch: &mut Watch,
    output: &mut Output,
    slot: &Slot,
    control: &Control,
    on_output: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let mut heard = Instant::now();
    let mut looked = heard;
    while output.is_open() {
        let ready = output.poll(TICK.min(watch.limit.left()))?;
        let now = Instant::now();
        watch.limit.enforce(now, slot, control);
        if ready {
            heard = now;
            output.read(on_output)?;
        } else if now - heard >= QUIET {
            output.flush(on_output);
        }
        // Not after each chunk: a chatty command would pay a system call for each.
        if !ready || now - looked >= TICK {
            looked = now;
            watch.look()?;
        }
        if let Some(exited) = watch.exited
            && (now - heard.max(exited) >= QUIET || now - exited >= DRAIN)
        {
            return Ok(());
        }
    }
    // Its output has ended. As a rule it has ended too; it may also have closed its output and go on.
    let mut nap = Duration::from_micros(200);
    while watch.exited.is_none() {
        if watch.limit.is_set() {
            watch.look()?;
            if watch.exited.is_none() {
                sleep(nap.min(watch.limit.left()));
                nap = (nap * 2).min(TICK);
                watch.limit.enforce(Instant::now(), slot, control);
            }
        } else {
            watch.wait()?;
        }
    }
    Ok(())
}

/// The leader of the group. It is not reaped here: until then its id stays its own, and the group can be signalled.
struct Watch {
    pid: Pid,
    limit: Limit,
    exited: Option<Instant>,
}

impl Watch {
    fn look(&mut self) -> io::Result<()> {
        self.ask(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG)
    }

    fn wait(&mut self) -> io::Result<()> {
        self.ask(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    }

    fn ask(&mut self, options: WaitIdOptions) -> io::Result<()> {
        if self.exited.is_none() && retry_on_intr(|| waitid(WaitId::Pid(self.pid), options))?.is_some() {
            self.exited = Some(Instant::now());
        }
        Ok(())
    }
}

/// The timeout: first asked, then killed.
enum Limit {
    None,
    Runs { until: Instant, grace: Duration },
    Asked { until: Instant },
    Killed,
}

impl Limit {
    fn new(spec: &Spec, started: Instant) -> Self {
        match spec.timeout.and_then(|timeout| started.checked_add(timeout)) {
            Some(until) => Self::Runs { until, grace: spec.grace },
            None => Self::None,
        }
    }

    fn enforce(&mut self, now: Instant, slot: &Slot, control: &Control) {
        match *self {
            Self::Runs { until, grace } if now >= until => {
                control.signal(slot, Signal::Terminate);
                *self = Self::Asked { until: now + grace };
            }
            Self::Asked { until } if now >= until => {
                control.signal(slot, Signal::Kill);
                *self = Self::Killed;
            }
            _ => {}
        }
    }

    fn left(&self) -> Duration {
        match self {
            Self::Runs { until, .. } | Self::Asked { until } => until.saturating_duration_since(Instant::now()),
            Self::None | Self::Killed => Duration::MAX,
        }
    }

    fn is_set(&self) -> bool {
        matches!(self, Self::Runs { .. } | Self::Asked { .. })
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Killed)
    }
}

/// The reading ends.
struct Output {
    streamed: Option<PipeReader>,
    captured: Option<PipeReader>,
    lines: Lines,
    stdout: Vec<u8>,
    ready: [bool; 2],
    buffer: Box<[u8]>,
}

impl Output {
    fn new(streamed: Option<PipeReader>, captured: Option<PipeReader>) -> Self {
        let buffer = vec![0; 64 << 10].into();
        Self { streamed, captured, lines: Lines::default(), stdout: Vec::new(), ready: [false; 2], buffer }
    }

    fn is_open(&self) -> bool {
        self.streamed.is_some() || self.captured.is_some()
    }

    /// Waits until something can be read (an end, too), at most `timeout`.
    fn poll(&mut self, timeout: Duration) -> io::Result<bool> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
        let pipes = [&self.streamed, &self.captured];
        let mut fds: Vec<_> = pipes.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        self.ready = pipes.map(|pipe| pipe.is_some() && ready.next().unwrap_or(false));
        Ok(self.ready.contains(&true))
    }

    /// Reads once from each pipe that is ready.
    fn read(&mut self, on_output: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if self.ready[0] {
            let bytes = read_once(&mut self.streamed, &mut self.buffer)?;
            self.lines.push(bytes, on_output);
        }
        if self.ready[1] {
            let bytes = read_once(&mut self.captured, &mut self.buffer)?;
            self.stdout.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self, on_output: &mut dyn FnMut(&[u8])) {
        self.lines.flush(on_output);
    }

    /// What is still in the pipes, without waiting. A stranger with the pipe in hand could write for ever.
    fn drain(&mut self, on_output: &mut dyn FnMut(&[u8])) {
        for _ in 0..4 {
            let more = self.is_open() && self.poll(Duration::ZERO).unwrap_or(false);
            if !more || self.read(on_output).is_err() {
                break;
            }
        }
        self.flush(on_output);
    }
}

fn read_once<'a>(pipe: &mut Option<PipeReader>, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let Some(reader) = pipe else { return Ok(&[]) };
    match reader.read(buffer) {
        Ok(0) => {
            *pipe = None;
            Ok(&[])
        }
        Ok(length) => Ok(&buffer[..length]),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(&[]),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::JobId;

    #[test]
    fn who_does_not_hear_that_time_is_up_is_killed() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 300; done"]);
        let mut child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        let control = Control::default();
        let slot = control.enter(JobId(0), Group::Own(Pid::from_child(&child)));
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut limit = Limit::Runs { until: now + second, grace: second };
        limit.enforce(now, &slot, &control);
        assert!(!limit.is_over());
        limit.enforce(now + second, &slot, &control);
        assert!(limit.is_over() && child.try_wait().unwrap().is_none(), "it is asked first, and may refuse");
        limit.enforce(now + second, &slot, &control);
        assert!(matches!(limit, Limit::Asked { .. }), "it has its time");
        limit.enforce(now + 2 * second, &slot, &control);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!control.leave(slot, || ()).1, "nobody else killed it");
    }
}
