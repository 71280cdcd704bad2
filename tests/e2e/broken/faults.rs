//! Calls of the system that fail: a shim between zen and the C library (LD_PRELOAD), built where the tests run. Knows
//! nothing of zen.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::harness::{Outcome, Workspace};

pub(super) const EIO: i32 = 5;
const EAGAIN: i32 = 11;
pub(super) const EACCES: i32 = 13;
pub(super) const ENOSPC: i32 = 28;
pub(super) const EROFS: i32 = 30;
pub(super) const ENOLCK: i32 = 37;
pub(super) const EOPNOTSUPP: i32 = 95;
pub(super) const EDQUOT: i32 = 122;

/// The calls that FAULT_CALLS lists fail with FAULT_ERROR on paths that hold FAULT_AT, from the one on whose number is
/// FAULT_FROM, or with FAULT_ONCE that one alone; where that error is 0, the process is killed.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(const char *call, const char *path) {
    static int count;
    const char *calls = getenv("FAULT_CALLS"), *at = getenv("FAULT_AT"), *error = getenv("FAULT_ERROR");
    if (!calls || !at || !error || !strstr(calls, call) || !strstr(path, at)) return 0;
    const char *from = getenv("FAULT_FROM");
    if (from) {
        int number = __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
        if (number < atoi(from) || (getenv("FAULT_ONCE") && number > atoi(from))) return 0;
    }
    errno = atoi(error);
    if (!errno) kill(getpid(), SIGKILL);
    return 1;
}

static int fails_on(const char *call, int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (fails((flags & O_CREAT) ? "create" : "open", path)) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    if (fails("mkdir", path)) return -1;
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rename(const char *from, const char *to) {
    if (fails("rename", to)) return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path) {
    if (fails("unlink", path)) return -1;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags) {
    char link[64], whole[8192] = "";
    if (folder != AT_FDCWD && path[0] != '/') {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, whole, sizeof whole - 4100);
        if (length > 0) strcpy(whole + length, "/");
    }
    strncat(whole, path, 4096);
    if (fails((flags & AT_REMOVEDIR) ? "rmdir" : "unlink", whole)) return -1;
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int rmdir(const char *path) {
    if (fails("rmdir", path)) return -1;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

ssize_t read(int file, void *bytes, size_t count) {
    if (fails_on("read", file)) return -1;
    return syscall(SYS_read, file, bytes, count);
}

ssize_t write(int file, const void *bytes, size_t count) {
    if (fails_on("write", file)) return -1;
    return syscall(SYS_write, file, bytes, count);
}

int flock(int file, int operation) {
    if (fails_on("lock", file)) return -1;
    return (int)syscall(SYS_flock, file, operation);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    if (fails("clone", "a thread")) return errno;
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attributes, start, argument);
}
"#;

/// The shim, built once.
fn shim() -> PathBuf {
    static BUILT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("shim.c"), SHIM).expect("it can be written");
        let args = ["-shared", "-fPIC", "-O1", "-o", "shim.so", "shim.c"];
        let built = Command::new("cc").args(args).current_dir(folder.path()).status();
        assert!(built.expect("cc starts: rustc needs it as well").success(), "the shim can be built");
        folder
    });
    folder.path().join("shim.so")
}

/// A run of zen that gets no thread after the first `from`.
pub(super) fn run_with_threads(workspace: &Workspace, from: u32, args: &[&str]) -> Outcome {
    Outcome::of(faulty(workspace, ("clone", "", EAGAIN), from, args).output().expect("cargo-zen starts"))
}

/// A run of zen in which each of `calls` on a path that holds `at` fails with `error`.
pub(super) fn run(workspace: &Workspace, fault: (&str, &str, i32), args: &[&str]) -> Outcome {
    run_from(workspace, fault, 0, args)
}

/// As [`run_from`], but the one call alone fails.
pub(super) fn run_once(workspace: &Workspace, fault: (&str, &str, i32), from: u32, args: &[&str]) -> Outcome {
    let mut command = faulty(workspace, fault, from, args);
    Outcome::of(command.env("FAULT_ONCE", "1").output().expect("cargo-zen starts"))
}

/// As [`run`], but for the first `from` such calls. With the error 0 the run is killed there.
pub(super) fn run_from(workspace: &Workspace, fault: (&str, &str, i32), from: u32, args: &[&str]) -> Outcome {
    let outcome = Outcome::of(faulty(workspace, fault, from, args).output().expect("cargo-zen starts"));
    assert!(!outcome.stderr.contains("panicked"), "{fault:?}: {}", outcome.stderr);
    outcome
}

fn faulty(workspace: &Workspace, (calls, at, error): (&str, &str, i32), from: u32, args: &[&str]) -> Command {
    let mut command = workspace.command(&[&["run", "--message-format", "json"], args].concat());
    command.env("LD_PRELOAD", shim()).env("FAULT_CALLS", calls).env("FAULT_AT", at);
    command.env("FAULT_ERROR", error.to_string()).env("FAULT_FROM", from.to_string());
    command
}

#[test]
fn without_threads_a_run_ends_and_the_next_one_is_right() {
    let workspace = super::pipeline();
    let more = "
[workspace.metadata.zen.pipelines.p]
on-success = 'cat > /dev/null'
steps.a = { run = 'cp in.txt {{ outputs.a }}', files = ['in.txt'], outputs.a = 'a.txt' }
steps.b = { run = 'cp in.txt {{ outputs.b }}', files = ['in.txt'], outputs.b = 'b.txt' }

[workspace.metadata.zen.pipelines.p.steps.make]";
    workspace.edit("Cargo.toml", "\n[workspace.metadata.zen.pipelines.p.steps.make]", more);
    let mut codes = Vec::new();
    for from in 0.. {
        workspace.write("in.txt", &format!("a line of {from:04}\n").repeat(30_000));
        let outcome = run_with_threads(&workspace, from, &["-j3", "--no-wait"]);
        codes.push(outcome.code);
        if outcome.code == Some(1) {
            assert!(outcome.stderr.contains("Resource temporarily unavailable"), "{from}: {}", outcome.stderr);
        }
        workspace.ok(&["--no-wait"]);
        super::assert_outputs(&workspace, &format!("after {from} threads"));
        let again = workspace.ok(&["--no-wait"]);
        assert_eq!(again.outcomes(), "a=fresh b=fresh make=fresh use=fresh", "after {from} threads");
        // The hook alone had none, then nobody lacked one.
        if codes.ends_with(&[Some(0), Some(0)]) {
            break;
        }
    }
    // Cargo's own, then those of the loop.
    assert_eq!(codes.first(), Some(&Some(102)));
    assert!(codes.iter().filter(|code| **code == Some(1)).count() > 4, "{codes:?}");
}
