//! Kills the product before the n-th of its calls that change the disk, whatever the names of the files are: a library
//! between it and the C library, which counts. (strace counts for each thread, and random names cannot be told to it.)
//! What goes past the C library is not seen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *root;
static long nth, count;

__attribute__((constructor)) static void begin(void) {
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) return;
    program[length] = 0;
    const char *name = strrchr(program, '/');
    /* Not the programs that it starts. */
    if (!name || strcmp(name, "/cargo-zen") || !getenv("SHIM_ROOT") || !getenv("SHIM_NTH")) return;
    root = getenv("SHIM_ROOT");
    nth = atol(getenv("SHIM_NTH"));
}

__attribute__((destructor)) static void end(void) {
    const char *file = getenv("SHIM_COUNT");
    if (!root || !file) return;
    FILE *out = fopen(file, "w");
    if (out) { fprintf(out, "%ld", count); fclose(out); }
}

static void change(const char *path) {
    if (!root || strncmp(path, root, strlen(root))) return;
    if (__atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST) == nth) kill(getpid(), SIGKILL);
}

static void change_of(int file) {
    char link[64], path[PATH_MAX];
    if (!root) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    change(path);
}

static void change_at(int folder, const char *path) {
    if (path[0] == '/' || folder == AT_FDCWD) change(path); else change_of(folder);
}

#define MODE(flags) va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list)
int open64(const char *path, int flags, ...) {
    MODE(flags);
    if (flags & (O_CREAT | O_TRUNC)) change(path);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags);
    if (flags & (O_CREAT | O_TRUNC)) change_at(folder, path);
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}
int mkdir(const char *path, mode_t mode) { change(path); return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode); }
int rename(const char *from, const char *to) { change(to); return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }
int unlink(const char *path) { change(path); return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { change_at(folder, path); return (int)syscall(SYS_unlinkat, folder, path, flags); }
int rmdir(const char *path) { change(path); return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR); }
int symlink(const char *target, const char *path) { change(path); return (int)syscall(SYS_symlinkat, target, AT_FDCWD, path); }
int chmod(const char *path, mode_t mode) { change(path); return (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode); }
int fchmod(int file, mode_t mode) { change_of(file); return (int)syscall(SYS_fchmod, file, mode); }
int ftruncate64(int file, off_t size) { change_of(file); return (int)syscall(SYS_ftruncate, file, size); }
int futimens(int file, const struct timespec times[2]) { change_of(file); return (int)syscall(SYS_utimensat, file, NULL, times, 0); }
ssize_t write(int file, const void *bytes, size_t size) { change_of(file); return syscall(SYS_write, file, bytes, size); }
ssize_t pwrite64(int file, const void *bytes, size_t size, off_t at) { change_of(file); return syscall(SYS_pwrite64, file, bytes, size, at); }
ssize_t writev(int file, const struct iovec *parts, int number) { change_of(file); return syscall(SYS_writev, file, parts, number); }
ssize_t copy_file_range(int from, off_t *at, int to, off_t *there, size_t size, unsigned flags) {
    change_of(to);
    return syscall(SYS_copy_file_range, from, at, to, there, size, flags);
}
"#;

/// The library, ready to be loaded.
#[derive(Debug)]
pub(crate) struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Builds it in `folder`, with the C compiler that rustc links with.
    ///
    /// # Errors
    /// What the compiler says.
    pub(crate) fn build(folder: &Path) -> io::Result<Self> {
        let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
        let built = compiler.output()?;
        if !built.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&built.stderr).into_owned()));
        }
        Ok(Self { library })
    }

    /// Runs the command, killed before the n-th change below `root` (from 0 on); how many there were, if it came to its end.
    ///
    /// # Errors
    /// That it did not start, or what the disk says.
    pub(crate) fn run(&self, mut command: Command, root: &Path, nth: usize) -> io::Result<(Output, Option<usize>)> {
        let counted = self.library.with_extension(format!("{:?}", std::thread::current().id()));
        let _ = fs::remove_file(&counted);
        command.env("LD_PRELOAD", &self.library).env("SHIM_ROOT", root).env("SHIM_NTH", nth.to_string());
        let output = command.env("SHIM_COUNT", &counted).stdin(Stdio::null()).output()?;
        Ok((output, fs::read_to_string(counted).ok().and_then(|text| text.parse().ok())))
    }
}
