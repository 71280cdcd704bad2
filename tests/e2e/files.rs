//! Which files enter a key: globs, paths, words of the command, links, odd files; and what of a file does not.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::harness::{Outcome, Workspace};

/// A check that reads `files`.
fn reading(files: &str) -> Workspace {
    Workspace::with_step(&format!("run = \"true\"\nfiles = {files}"))
}

/// Runs again, and the step must run because of exactly this.
fn runs_for(workspace: &Workspace, why: &str) {
    let outcome = workspace.ok(&[]);
    assert_eq!((outcome.outcomes().as_str(), outcome.why("s").as_str()), ("s=ran", why), "{}", outcome.stderr);
}

/// Runs again, and nothing runs.
fn is_fresh(workspace: &Workspace, because: &str) {
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "s=fresh", "{because}; why: {}", outcome.why("s"));
}

/// The definitions are refused, and the message holds `text`.
fn is_refused(outcome: &Outcome, text: &str) {
    assert_eq!(outcome.code, Some(96), "the definitions are invalid; standard error:\n{}", outcome.stderr);
    assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
}

fn set_mtime(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("it is ours");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo starts").success());
}

#[test]
fn f_12_touching_a_file_changes_nothing() {
    let workspace = reading("\"in.txt\"");
    workspace.write("in.txt", "a");
    workspace.ok(&[]);
    let day = Duration::from_secs(86_400);
    for time in [SystemTime::now() - day, SystemTime::now() + day] {
        set_mtime(&workspace.path("in.txt"), time);
        is_fresh(&workspace, "a time stamp is no part of a key");
    }
}

#[test]
fn f_11_an_edit_of_the_same_size_with_the_old_mtime_is_seen() {
    let workspace = reading("\"in.txt\"");
    workspace.write("in.txt", "aaaa");
    let old = SystemTime::now() - Duration::from_secs(3600);
    set_mtime(&workspace.path("in.txt"), old);
    workspace.ok(&[]);
    workspace.write("in.txt", "bbbb");
    set_mtime(&workspace.path("in.txt"), old);
    runs_for(&workspace, "file in.txt changed");
}

#[test]
fn f_11_edits_of_the_same_size_right_after_a_run_are_seen() {
    let workspace = reading("\"in.txt\"");
    workspace.write("in.txt", "0");
    workspace.ok(&[]);
    for edit in 1..8 {
        workspace.write("in.txt", &edit.to_string());
        runs_for(&workspace, "file in.txt changed");
    }
}

#[test]
fn f_1_a_boundary_that_moves_between_two_files_is_a_change() {
    let workspace = reading("[\"a\", \"b\"]");
    workspace.write("a", "xy");
    workspace.write("b", "");
    workspace.ok(&[]);
    workspace.write("a", "x");
    workspace.write("b", "y");
    runs_for(&workspace, "file a changed; file b changed");
    fs::rename(workspace.path("a"), workspace.path("c")).expect("it is there");
    fs::rename(workspace.path("b"), workspace.path("a")).expect("it is there");
    fs::rename(workspace.path("c"), workspace.path("b")).expect("it is there");
    runs_for(&workspace, "file a changed; file b changed");
}

#[test]
fn f_13_bytes_count_as_they_are() {
    let workspace = reading("\"in.txt\"");
    workspace.write("in.txt", "a\nb\n");
    workspace.ok(&[]);
    workspace.write("in.txt", "a\r\nb\r\n");
    runs_for(&workspace, "file in.txt changed");
}

#[test]
fn f_14_of_a_mode_the_executable_bit_counts_alone() {
    let workspace = reading("\"in.txt\"");
    workspace.write("in.txt", "a");
    set_mode(&workspace.path("in.txt"), 0o644);
    workspace.ok(&[]);
    set_mode(&workspace.path("in.txt"), 0o600);
    is_fresh(&workspace, "who may read a file is no part of a key");
    set_mode(&workspace.path("in.txt"), 0o755);
    runs_for(&workspace, "file in.txt changed");
}

#[test]
fn files_that_come_and_go_under_a_glob_are_named() {
    let workspace = reading("\"conf/**/*.toml\"");
    workspace.write("conf/a.toml", "");
    workspace.ok(&[]);
    workspace.write("conf/deep/er/b.toml", "");
    runs_for(&workspace, "file conf/deep/er/b.toml added");
    workspace.write("conf/b.txt", "");
    is_fresh(&workspace, "the glob does not match it");
    fs::remove_file(workspace.path("conf/a.toml")).expect("it is there");
    runs_for(&workspace, "file conf/a.toml removed");
}

#[test]
fn what_is_excluded_changes_nothing() {
    let workspace = reading("[\"data/**\", \"!data/**/*.tmp\", \"!data/old\"]");
    workspace.write("data/a.csv", "");
    workspace.write("data/a.tmp", "1");
    workspace.write("data/old/b.csv", "1");
    workspace.ok(&[]);
    workspace.write("data/a.tmp", "2");
    workspace.write("data/deep/new.tmp", "");
    workspace.write("data/old/b.csv", "2");
    is_fresh(&workspace, "an excluded file was changed");
    workspace.write("data/deep/new.csv", "");
    runs_for(&workspace, "file data/deep/new.csv added");
}

#[test]
fn hidden_files_and_those_that_git_ignores_match() {
    let workspace = reading("\"data/*\"");
    workspace.write(".gitignore", "*.csv\n");
    workspace.write("data/seen", "");
    fs::create_dir(workspace.path(".git")).expect("it is new");
    workspace.ok(&[]);
    workspace.write("data/.hidden", "");
    runs_for(&workspace, "file data/.hidden added");
    workspace.write("data/ignored.csv", "");
    runs_for(&workspace, "file data/ignored.csv added");
}

#[test]
fn a_directory_means_all_below_it() {
    for written in ["\"data\"", "\"data/\""] {
        let workspace = reading(written);
        workspace.write("data/a", "");
        workspace.ok(&[]);
        workspace.write("data/.deep/er/b", "");
        runs_for(&workspace, "file data/.deep/er/b added");
    }
}

#[test]
fn globs_leave_out_git_the_target_directory_and_the_store_by_path_and_not_by_name() {
    let mut workspace = reading("\"**/*.txt\"");
    workspace.write("a.txt", "");
    workspace.env.insert("ZEN_STORE_DIR".into(), workspace.path("kept").display().to_string());
    workspace.ok(&[]);
    for left_out in [".git/a.txt", "sub/.git/a.txt", "target/a.txt", "target/debug/a.txt", "kept/a.txt"] {
        workspace.write(left_out, "");
        is_fresh(&workspace, left_out);
    }
    workspace.write("sub/.zen-tmp-1.txt", "");
    is_fresh(&workspace, "zen's own temporary files are nobody's input");
    workspace.write("sub/target/a.txt", "");
    runs_for(&workspace, "file sub/target/a.txt added");
}

#[test]
fn a_plain_path_that_is_not_there_is_an_error() {
    let workspace = reading("[\"data/iris.csv\"]");
    is_refused(&workspace.run(&[]), "`data/iris.csv` does not exist");
    let named = Workspace::with_step("run = \"cat {{ inputs.raw }}\"\ninputs.raw.files = \"iris.csv\"");
    is_refused(&named.run(&[]), "`iris.csv` does not exist");
}

#[test]
fn a_glob_that_matches_nothing_is_a_warning() {
    let workspace = reading("[\"data/*.csv\"]");
    let outcome = workspace.ok(&[]);
    assert!(outcome.stderr.contains("warning: `data/*.csv` matches nothing"), "{}", outcome.stderr);
    workspace.write("data/a.csv", "");
    runs_for(&workspace, "file data/a.csv added");
}

#[test]
fn a_path_into_what_is_left_out_is_refused_unless_it_is_an_output() {
    for (files, folder) in
        [("target/x/*.txt", "target"), (".git/HEAD", ".git"), ("sub/.git/*", ".git"), ("target", "target")]
    {
        let workspace = reading(&format!("\"{files}\""));
        workspace.write(".git/HEAD", "");
        workspace.write("target/x/a.txt", "");
        is_refused(&workspace.run(&[]), &format!("`{files}` lies in `{folder}`"));
    }
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
make = { run = "echo a > {{ outputs.o }}", outputs.o = "target/made/o.txt" }
s = { run = "cat target/made/o.txt", files = "target/made/o.txt" }
"#,
    );
    let outcome = workspace.ok(&[]);
    assert_eq!((outcome.outcomes().as_str(), outcome.printed("s").as_str()), ("make=ran s=ran", "a\n"));
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh s=fresh");
}

#[test]
fn words_of_the_command_that_name_files_are_inputs() {
    for (run, file) in [
        ("\"./gen.sh\"", "gen.sh"),
        ("\"sh gen.sh\"", "gen.sh"),
        ("[\"sh\", \"tools/gen 1.sh\"]", "tools/gen 1.sh"),
        ("\"sh 'gen.sh'\"", "gen.sh"),
        ("\"sh 'tools/gen 1.sh'\"", "tools/gen 1.sh"),
        ("\"true; ./gen.sh|cat\"", "gen.sh"),
        ("\"cat<gen.sh>/dev/null\"", "gen.sh"),
        ("\"(sh gen.sh)&&true\"", "gen.sh"),
        ("\"\"\"\ntrue\nsh \\\n  gen.sh\n\"\"\"", "gen.sh"),
    ] {
        let workspace = Workspace::with_step(&format!("run = {run}"));
        workspace.write(file, "#!/bin/sh\ntrue\n");
        set_mode(&workspace.path(file), 0o755);
        workspace.ok(&[]);
        is_fresh(&workspace, run);
        workspace.write(file, "#!/bin/sh\ntrue # changed\n");
        runs_for(&workspace, &format!("file {file} changed"));
    }
}

#[test]
fn a_word_that_is_a_link_out_of_the_workspace_counts_as_its_target() {
    let workspace = Workspace::with_step("run = \".venv/bin/python\"");
    for tool in ["one", "two"] {
        fs::write(workspace.beside(tool), "#!/bin/sh\n").expect("it can be written");
        set_mode(&workspace.beside(tool), 0o755);
    }
    fs::create_dir_all(workspace.path(".venv/bin")).expect("it is new");
    symlink("../../../one", workspace.path(".venv/bin/python")).expect("links can be made");
    workspace.ok(&[]);
    is_fresh(&workspace, "nothing changed");
    fs::remove_file(workspace.path(".venv/bin/python")).expect("it is there");
    symlink("../../../two", workspace.path(".venv/bin/python")).expect("links can be made");
    runs_for(&workspace, "file .venv/bin/python changed");
}

#[test]
fn words_are_looked_up_from_the_folder_that_the_command_runs_in() {
    let workspace = Workspace::with_step("run = \"sh gen.sh\"\ncwd = \"tools\"");
    workspace.write("gen.sh", "1");
    workspace.write("tools/gen.sh", "true");
    workspace.ok(&[]);
    workspace.write("gen.sh", "2");
    is_fresh(&workspace, "that is another file");
    workspace.write("tools/gen.sh", "true; true");
    runs_for(&workspace, "file tools/gen.sh changed");
}

#[test]
fn a_word_that_names_the_own_output_is_no_input() {
    let workspace = Workspace::with_step("run = \"echo a >> out.txt; cat out.txt\"\noutputs.o = \"out.txt\"");
    workspace.ok(&[]);
    is_fresh(&workspace, "its own output is no part of a step's key");
    fs::remove_file(workspace.path("out.txt")).expect("it was made");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
}

#[test]
fn f_14_f22_a_link_counts_as_its_target_and_as_what_it_leads_to() {
    let workspace = reading("\"data/*\"");
    workspace.write("a.txt", "1");
    workspace.write("b.txt", "1");
    fs::create_dir(workspace.path("data")).expect("it is new");
    symlink("../a.txt", workspace.path("data/link")).expect("links can be made");
    workspace.ok(&[]);
    is_fresh(&workspace, "nothing changed");
    workspace.write("a.txt", "2");
    runs_for(&workspace, "file data/link changed");
    workspace.write("a.txt", "1");
    is_fresh(&workspace, "as it was first");
    fs::remove_file(workspace.path("data/link")).expect("it is there");
    symlink("../b.txt", workspace.path("data/link")).expect("links can be made");
    runs_for(&workspace, "file data/link changed");
}

#[test]
fn a_link_to_a_folder_stands_for_what_lies_there_now() {
    let workspace = reading("\"data/**\"");
    workspace.write("real/a", "1");
    fs::create_dir(workspace.path("data")).expect("it is new");
    symlink("../real", workspace.path("data/link")).expect("links can be made");
    // Round and round; below the root lies the target directory, which every run writes to.
    symlink("..", workspace.path("data/up")).expect("links can be made");
    symlink("self", workspace.path("data/self")).expect("links can be made");
    workspace.ok(&[]);
    is_fresh(&workspace, "nothing changed");
    workspace.write("real/deep/b", "1");
    runs_for(&workspace, "file data/link changed; file data/up changed");
}

#[test]
fn f_14_f22_a_link_that_leads_outside_is_refused() {
    for at in ["data/*", "data/link"] {
        let workspace = reading(&format!("\"{at}\""));
        fs::create_dir(workspace.path("data")).expect("it is new");
        fs::write(workspace.beside("secret"), "").expect("it can be written");
        symlink("../../secret", workspace.path("data/link")).expect("links can be made");
        is_refused(&workspace.run(&[]), "data/link");
    }
    // A folder on the way may be a link as well.
    let workspace = reading("\"away/f.txt\"");
    fs::create_dir(workspace.beside("elsewhere")).expect("it is new");
    fs::write(workspace.beside("elsewhere").join("f.txt"), "").expect("it can be written");
    symlink("../elsewhere", workspace.path("away")).expect("links can be made");
    is_refused(&workspace.run(&[]), "away");
}

#[test]
fn a_fifo_is_an_error_and_no_hang() {
    for files in ["[\"data/*\"]", "[\"data/pipe\"]", "\"data\""] {
        let workspace = reading(files);
        fs::create_dir(workspace.path("data")).expect("it is new");
        make_fifo(&workspace.path("data/pipe"));
        is_refused(&workspace.run(&[]), "data/pipe");
    }
    let excluded = reading("[\"data/*\", \"!data/pipe\"]");
    excluded.write("data/a", "");
    make_fifo(&excluded.path("data/pipe"));
    excluded.ok(&[]);
}

#[test]
fn names_that_are_not_utf_8_work() {
    let workspace = Workspace::with_step("run = \"cat {{ inputs.all }}\"\ninputs.all.files = \"data/*\"");
    fs::create_dir(workspace.path("data")).expect("it is new");
    let odd = workspace.path("data").join(OsStr::from_bytes(b"\xff\xfe.txt"));
    fs::write(&odd, "odd").expect("this file system takes any bytes");
    assert_eq!(workspace.ok(&[]).printed("s"), "odd");
    is_fresh(&workspace, "nothing changed");
    fs::write(&odd, "even").expect("it can be written");
    assert_eq!(workspace.ok(&[]).printed("s"), "even");
    fs::rename(&odd, workspace.path("data").join(OsStr::from_bytes(b"\xff\xff.txt"))).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "another odd name is another name");
}

#[test]
fn f_12_a_checkout_elsewhere_has_the_same_keys() {
    let workspace = Workspace::with_step(
        "run = \"cat {{ inputs.a }} > {{ outputs.o }}; ./gen.sh\"\ninputs.a.files = \"in/*\"\noutputs.o = \"o.txt\"",
    );
    workspace.write("in/1", "1");
    workspace.write("gen.sh", "#!/bin/sh\n");
    set_mode(&workspace.path("gen.sh"), 0o755);
    workspace.ok(&[]);
    let other = workspace.clone_elsewhere();
    is_fresh(&other, "the same files at another place");
    fs::remove_file(other.path("o.txt")).expect("it was copied along");
    assert_eq!(other.ok(&[]).outcomes(), "s=restored");
    is_fresh(&workspace, "the first one is as it was");
}

#[test]
fn f_2_what_has_no_key_runs_and_is_not_recorded() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
make = { run = "echo a > {{ outputs.o }}", outputs.o = { path = "o.txt", content-hash = false } }
s = { run = "true", inputs.o = "make.o", cache-policy.include-artifact-ids = false }
"#,
    );
    for _ in 0..2 {
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.finished("s")["outcome"], "ran");
        assert_eq!(outcome.finished("s")["why"][0]["kind"], "uncacheable");
        assert!(outcome.finished("s")["key"].is_null(), "it has no key");
    }
}

#[test]
fn f_3_an_input_that_changes_while_the_step_runs_is_not_recorded() {
    for (run, changed) in [
        ("cp in.txt {{ outputs.o }}; echo more >> in.txt", "in.txt"),
        ("cp in.txt {{ outputs.o }}; echo $$ > data/new$$", "data/new"),
        ("cp in.txt {{ outputs.o }}; rm -f data/old", "data/old"),
    ] {
        let workspace =
            Workspace::with_step(&format!("run = '{run}'\nfiles = [\"in.txt\", \"data/*\"]\noutputs.o = \"o.txt\""));
        workspace.write("in.txt", "a");
        workspace.write("data/old", "");
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.outcomes(), "s=ran", "the run counts as done");
        assert!(outcome.stderr.contains("warning: `") && outcome.stderr.contains(changed), "{}", outcome.stderr);
        assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "nothing was recorded: {run}");
    }
}

#[test]
fn f_3_an_input_written_again_with_the_same_bytes_is_no_change() {
    let workspace = Workspace::with_step("run = \"cp in.txt copy; cp copy in.txt; rm copy\"\nfiles = \"in.txt\"");
    workspace.write("in.txt", "a");
    workspace.ok(&[]);
    is_fresh(&workspace, "its bytes are the same");
}

#[test]
fn f_5_looking_decides_nothing_later() {
    let workspace = reading("\"in.txt\"");
    workspace.write("in.txt", "1");
    workspace.ok(&[]);
    workspace.write("in.txt", "2");
    for look in [&["status"][..], &["run", "-n"], &["run", "--dry-run", "--no-cache"], &["list"]] {
        assert_eq!(workspace.zen(look).code, Some(0));
    }
    let status = workspace.zen(&["status", "--exit-code"]);
    assert_eq!(status.code, Some(5), "it is stale:\n{}", status.stdout);
    runs_for(&workspace, "file in.txt changed");
    assert_eq!(workspace.zen(&["status", "--exit-code"]).code, Some(0), "it is fresh");
}

#[cfg(unix)]
#[test]
fn f_3_a_change_behind_a_link_while_the_step_runs_is_seen() {
    let workspace = Workspace::with_step("run = \"cat in/link; d=data; echo more >> $d/real.txt\"\nfiles = [\"in\"]");
    workspace.write("data/real.txt", "real");
    workspace.write("in/other.txt", "other");
    symlink("../data/real.txt", workspace.path("in/link")).expect("a link can be made");
    let first = workspace.ok(&[]);
    assert!(first.stderr.contains("`in/link` changed while step `p/s` ran: it is not recorded"), "{}", first.stderr);
    assert!(workspace.ok(&[]).outcomes().ends_with("=ran"), "it was not recorded");
}
