//! What counts, as a table: for each factor of a key what happens when it is changed, written again as it was, reordered,
//! commented or merely touched. A row is: given this (over the base), a run; then these edits; which steps run, and the
//! first reason of the first of them.

mod packages;
mod shell;

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::SystemTime;

use crate::harness::Workspace;

/// Something that is done to a workspace.
#[derive(Debug, Clone, Copy)]
enum Edit {
    /// A text in a file is replaced.
    Sub(&'static str, &'static str, &'static str),
    /// A file is written.
    Put(&'static str, &'static str),
    /// A file is removed.
    Del(&'static str),
    /// A file is renamed.
    Mv(&'static str, &'static str),
    /// A file gets the time of now, and its bytes once more.
    Touch(&'static str),
    /// A file becomes executable.
    Exec(&'static str),
    /// A symlink is made.
    Link(&'static str, &'static str),
    /// A variable of zen's own environment is set.
    Env(&'static str, &'static str),
    /// A flag of the run after the edits.
    Flag(&'static str),
}

/// One row: factor, variant, given, edits, what runs (names, sorted), the first reason of the first of these.
struct Row(&'static str, &'static str, &'static [Edit], &'static [Edit], &'static str, &'static str);

fn apply(workspace: &mut Workspace, edits: &[Edit], flags: &mut Vec<&'static str>) {
    for edit in edits {
        match *edit {
            Edit::Sub(file, from, to) => workspace.edit(file, from, to),
            Edit::Put(file, text) => workspace.write(file, text),
            Edit::Del(file) => fs::remove_file(workspace.path(file)).expect("it is there"),
            Edit::Mv(from, to) => fs::rename(workspace.path(from), workspace.path(to)).expect("it is there"),
            Edit::Touch(file) => {
                workspace.write(file, &workspace.read(file));
                let file = fs::File::options().append(true).open(workspace.path(file)).expect("it is there");
                file.set_modified(SystemTime::now()).expect("it can be set");
            }
            Edit::Exec(file) => {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(workspace.path(file), mode).expect("it is ours");
            }
            Edit::Link(file, target) => {
                let _ = fs::remove_file(workspace.path(file));
                std::os::unix::fs::symlink(target, workspace.path(file)).expect("it can be made");
            }
            Edit::Env(name, value) => drop(workspace.env.insert(name.to_owned(), value.to_owned())),
            Edit::Flag(flag) => flags.push(flag),
        }
    }
}

/// What a row gives instead of what it says, if it does.
fn wrong(base: &dyn Fn() -> Workspace, row: &Row) -> Option<String> {
    let Row(factor, variant, given, edits, runs, why) = row;
    let mut workspace = base();
    let mut flags = Vec::new();
    apply(&mut workspace, given, &mut flags);
    let first = workspace.run(&flags);
    apply(&mut workspace, edits, &mut flags);
    let second = workspace.run(&flags);
    let finished = second.of_reason("step-finished").filter(|message| message["outcome"] == "ran");
    let mut ran: Vec<&str> = finished.filter_map(|message| message["step"].as_str()?.rsplit('/').next()).collect();
    ran.sort_unstable();
    let reason = ran.first().map(|step| second.why(step)).unwrap_or_default();
    let reason = reason.split("; ").next().unwrap_or_default();
    // How old the record is depends on how busy the machine is.
    let reason = if reason.starts_with("expired: ") { "expired" } else { reason };
    let is_right = (first.code, second.code) == (Some(0), Some(0)) && ran.join(" ") == *runs && reason == *why;
    let what = format!("{factor}, {variant}: expected `{runs}` ({why}), got `{}` ({reason})", ran.join(" "));
    (!is_right).then(|| format!("{what}\n{}{}", first.stderr, second.stderr))
}

/// Checks all rows, some at a time.
fn check(base: &(dyn Fn() -> Workspace + Sync), rows: &[Row]) {
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(4)) {
            let failures = &failures;
            scope.spawn(move || {
                let found: Vec<String> = part.iter().filter_map(|row| wrong(&base, row)).collect();
                failures.lock().expect("nobody panics with it").extend(found);
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panics with it");
    assert!(failures.is_empty(), "{} of {} rows are wrong:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

#[test]
fn there_is_a_row_for_each_factor_and_variant() {
    let rows = shell::ROWS.len() + shell::POLICIES.len() + packages::ROWS.len();
    assert!(rows >= 120, "the table has {rows} rows");
}
