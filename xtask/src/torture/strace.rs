//! System calls, seen and disturbed by strace: what a command called, in which order, and where a signal or an error must be
//! put to hit one of them. Knows no sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Seconds after which a command hangs.
const PATIENCE: &str = "120";
/// So often it is tried if strace itself fails.
const TRIES: usize = 3;

/// What is put in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Injection<'a> {
    /// SIGKILL before that call.
    Kill(&'a Target),
    /// The n-th call of each of these names, in each thread and process, has that error.
    Error(&'a str, &'a str, usize),
}

/// Where a kill is put: before the n-th call of that name in any thread, of all or of those that have to do with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) nth: usize,
    /// Below the folder in which the command runs.
    pub(crate) path: Option<String>,
}

/// One call, as a line of strace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) thread: u32,
    pub(crate) name: String,
    /// With arguments and result.
    pub(crate) text: String,
}

/// The calls of a command, in the order in which they ended.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) calls: Vec<Call>,
    /// How many had an error put in.
    pub(crate) injected: usize,
}

/// Is strace there?
///
/// # Errors
/// What to do if not.
pub(crate) fn require() -> io::Result<()> {
    match Command::new("strace").arg("--version").stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(io::Error::other("strace is needed, and cannot be run; on Debian: apt-get install strace")),
    }
}

/// Prepares, and runs the command, seen or disturbed. It hangs if it takes longer than two minutes; then it was killed by
/// `timeout`, which exits with 137.
///
/// # Errors
/// That strace did not start, or fails again and again, or what the disk says.
pub(crate) fn run(
    prepare: impl Fn() -> io::Result<()>,
    command: &Command,
    into: &Path,
    injection: Option<Injection<'_>>,
) -> io::Result<(Output, Trace)> {
    let mut said = String::new();
    for _ in 0..TRIES {
        prepare()?;
        let (output, trace) = run_once(command, into, injection)?;
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        // It cannot always follow what is stopped and killed at the same time (`ptrace(PTRACE_LISTEN…): …`).
        if !said.lines().any(|line| line.starts_with("strace: ptrace(")) {
            return Ok((output, trace));
        }
    }
    Err(io::Error::other(format!("strace failed {TRIES} times: {said}")))
}

fn run_once(command: &Command, into: &Path, injection: Option<Injection<'_>>) -> io::Result<(Output, Trace)> {
    let folder = command.get_current_dir().expect("it has a folder");
    let mut traced = Command::new("timeout");
    traced.args(["--signal=KILL", PATIENCE, "strace", "-f", "-qq", "-y", "-o"]).arg(into);
    match injection {
        None => {}
        Some(Injection::Kill(Target { name, nth, path })) => {
            traced.arg("-e").arg(format!("inject={name}:signal=KILL:when={nth}"));
            if let Some(path) = path {
                traced.arg("-P").arg(folder.join(path));
            }
        }
        Some(Injection::Error(names, error, nth)) => {
            traced.arg("--seccomp-bpf").arg("-e").arg(format!("trace={names}"));
            traced.arg("-e").arg(format!("inject={names}:error={error}:when={nth}"));
        }
    }
    traced.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    traced.current_dir(folder);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    let output = traced.output()?;
    let text = String::from_utf8_lossy(&fs::read(into)?).into_owned();
    Ok((output, Trace::read(&text)))
}

impl Trace {
    fn read(text: &str) -> Self {
        let mut trace = Self::default();
        // What a thread has begun and not ended.
        let mut begun: BTreeMap<u32, String> = BTreeMap::new();
        for line in text.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let (Ok(thread), rest) = (thread.parse(), rest.trim_start()) else { continue };
            trace.injected += usize::from(rest.ends_with("(INJECTED)"));
            let whole = if let Some(first) = rest.strip_suffix("<unfinished ...>") {
                begun.insert(thread, first.to_owned());
                continue;
            } else if rest.starts_with("<... ") {
                let first = begun.remove(&thread).unwrap_or_default();
                first + rest.split_once("resumed>").map_or("", |(_, second)| second)
            } else {
                rest.to_owned()
            };
            if let Some((name, _)) = whole.split_once('(').filter(|(name, _)| is_name(name)) {
                trace.calls.push(Call { thread, name: name.to_owned(), text: whole });
            }
        }
        trace
    }

    /// The threads of the command itself: not those of the programs that it started.
    fn own_threads(&self) -> BTreeSet<u32> {
        let first = self.calls.first().map(|call| call.thread);
        let others: BTreeSet<u32> =
            self.calls.iter().filter(|call| call.name == "execve").map(|call| call.thread).collect();
        let all = self.calls.iter().map(|call| call.thread);
        all.filter(|thread| Some(*thread) == first || !others.contains(thread)).collect()
    }

    /// The calls of the command itself that changed something below `root`, by their place in the trace.
    pub(crate) fn changes(&self, root: &Path) -> Vec<usize> {
        let (own, root) = (self.own_threads(), root.to_string_lossy());
        let is_change = |call: &Call| own.contains(&call.thread) && call.changes(&root);
        (0..self.calls.len()).filter(|at| is_change(&self.calls[*at])).collect()
    }

    /// For each state of the disk that the command goes through (before its first change, between any two, after the
    /// last), where a kill can be put that hits it there: the best first.
    pub(crate) fn kills(&self, root: &Path) -> Vec<Vec<Target>> {
        let (own, changes) = (self.own_threads(), self.changes(root));
        let mut states: Vec<Vec<Target>> = changes.iter().map(|at| self.before(*at, root)).collect();
        states.push(Vec::new());
        let mut others = vec![Vec::new(); states.len()];
        let mut counts: BTreeMap<(u32, &str), usize> = BTreeMap::new();
        let mut seen: BTreeSet<(&str, usize)> = BTreeSet::new();
        for (at, call) in self.calls.iter().enumerate() {
            let count = counts.entry((call.thread, &call.name)).or_default();
            *count += 1;
            // strace counts for each thread: the first one to come that far is hit. Its own first call is not counted.
            if call.name != "execve" && seen.insert((&call.name, *count)) && own.contains(&call.thread) {
                // The call does not take place.
                let state = changes.partition_point(|change| *change < at);
                others[state].push(Target { name: call.name.clone(), nth: *count, path: None });
            }
        }
        for (state, mut others) in states.iter_mut().zip(others) {
            // Calls that depend on who is faster come last.
            let depends = ["futex", "poll", "ppoll", "sched_yield", "madvise"];
            others.sort_by_key(|target| depends.contains(&target.name.as_str()));
            state.append(&mut others);
        }
        states
    }

    /// How the call at that place can be told by its paths.
    fn before(&self, at: usize, root: &Path) -> Vec<Target> {
        let call = &self.calls[at];
        let target = |path: String| {
            let same = |other: &&Call| {
                other.thread == call.thread && other.name == call.name && other.paths(root).contains(&path)
            };
            let nth = self.calls[..=at].iter().filter(same).count();
            Target { name: call.name.clone(), nth, path: Some(path) }
        };
        call.paths(root).into_iter().map(target).collect()
    }
}

impl Call {
    /// The paths below `root` that it names, or that its descriptors stand for, from there on; the last first.
    fn paths(&self, root: &Path) -> Vec<String> {
        let root = format!("{}/", root.to_string_lossy());
        let arguments = self.text.rsplit_once(" = ").map_or(&*self.text, |(arguments, _)| arguments);
        let parts = arguments.split(['"', '<', '>']).filter_map(|part| part.strip_prefix(&*root));
        let mut paths: Vec<String> = parts.map(str::to_owned).collect();
        paths.reverse();
        paths.dedup();
        paths
    }

    /// Did it change something below this folder?
    fn changes(&self, root: &str) -> bool {
        let (arguments, result) = self.text.rsplit_once(" = ").unwrap_or((&self.text, ""));
        if result.starts_with('-') || !arguments.contains(root) {
            return false;
        }
        match self.name.as_str() {
            "openat" | "open" => arguments.contains("O_CREAT") || arguments.contains("O_TRUNC"),
            "ioctl" => arguments.contains("FICLONE"),
            name => CHANGING.contains(&name),
        }
    }
}

/// Calls that change what is on disk whenever they succeed.
const CHANGING: &[&str] = &[
    "chmod",
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchmodat",
    "ftruncate",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "symlink",
    "symlinkat",
    "truncate",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
];

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
10 execve(\"/bin/zen\", [\"zen\"], 0x7f /* 3 vars */) = 0
10 openat(AT_FDCWD</>, \"/lib/libc\", O_RDONLY) = 3</lib/libc>
10 mkdir(\"/w/a\", 0777) = 0
10 mkdir(\"/w/a\", 0777) = -1 EEXIST (File exists)
11 openat(AT_FDCWD</w>, \"/w/b\", O_WRONLY|O_CREAT, 0666 <unfinished ...>
12 execve(\"/bin/sh\", [\"sh\"], 0x7f /* 3 vars */) = 0
12 mkdir(\"/w/of-the-step\", 0777) = 0
11 <... openat resumed>) = 4</w/b>
10 close(3</lib/libc>) = 0
11 write(4</w/b>, \"x = -1\", 6) = 6
11 write(2</dev/pts/0>, \"x\", 1) = 1
10 +++ exited with 0 +++
";

    #[test]
    fn calls_are_read_and_what_changes_the_disk_is_known() {
        let trace = Trace::read(TEXT);
        let changes = trace.changes(Path::new("/w"));
        let changes: Vec<&str> = changes.iter().map(|at| trace.calls[*at].name.as_str()).collect();
        assert_eq!(changes, ["mkdir", "openat", "write"], "no failed call, no child's, no other folder's");
        assert_eq!(trace.injected, 0);
        assert_eq!(Trace::read("10 read(3</x>, 0x1, 5) = -1 EIO (Input/output error) (INJECTED)\n").injected, 1);
    }

    #[test]
    fn a_kill_is_put_where_the_first_thread_comes_that_far() {
        let kills = Trace::read(TEXT).kills(Path::new("/w"));
        let at = |name: &str, nth| Target { name: name.to_owned(), nth, path: None };
        let with = |target: Target, path: &str| Target { path: Some(path.to_owned()), ..target };
        assert_eq!(kills.len(), 4);
        assert_eq!(kills[0], [with(at("mkdir", 1), "a"), at("openat", 1), at("mkdir", 1)]);
        let opened = with(at("openat", 1), "b");
        assert_eq!(kills[1], [opened, at("mkdir", 2)], "the thread's first openat is not the first of all");
        assert_eq!(kills[2], [with(at("write", 1), "b"), at("close", 1), at("write", 1)]);
        assert_eq!(kills[3], [at("write", 2)]);
    }
}
