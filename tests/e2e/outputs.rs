//! Outputs: what is collected, what a restore puts back, what is never destroyed, what is refused.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::harness::{Outcome, Workspace};

/// A step that makes an output `o` at `place`; what it makes depends on `in.txt`.
fn making(run: &str, place: &str) -> Workspace {
    let workspace = Workspace::with_step(&format!("run = '''{run}'''\nfiles = \"in.txt\"\noutputs.o = {place}"));
    workspace.write("in.txt", "one");
    workspace
}

fn remove(workspace: &Workspace, path: &str) {
    let path = workspace.path(path);
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("it was made");
}

/// Everything below a folder: relative paths, sorted.
fn all_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path.clone());
            }
            found.push(path.strip_prefix(folder).expect("it lies below").display().to_string());
        }
    }
    found.sort();
    found
}

/// The files in `replaced/` that are called so: their texts.
fn replaced(workspace: &Workspace, name: &str) -> Vec<String> {
    let folder = workspace.path("target/zen/replaced");
    let found = all_below(&folder).into_iter().filter(|path| Path::new(path).file_name() == Some(OsStr::new(name)));
    found.map(|path| fs::read_to_string(folder.join(path)).expect("it is a file")).collect()
}

fn fails(outcome: &Outcome, text: &str) {
    assert_eq!(outcome.code, Some(100), "the step must fail:\n{}", outcome.stderr);
    assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
}

#[test]
fn f_4_whatever_happened_to_an_output_its_bytes_come_back() {
    let workspace = making("cat in.txt > out/o.txt", "\"out/o.txt\"");
    workspace.ok(&[]);
    remove(&workspace, "out/o.txt");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    remove(&workspace, "out");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("out/o.txt"), "one");
    workspace.write("out/o.txt", "two");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored", "of the same size, edited by hand");
    assert_eq!(workspace.read("out/o.txt"), "one");
    assert_eq!(replaced(&workspace, "o.txt"), ["two"], "a hand edit is kept");
    fs::set_permissions(workspace.path("out/o.txt"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored", "the executable bit is part of it");
    remove(&workspace, "out/o.txt");
    workspace.write("out/o.txt/inside", "a folder");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("out/o.txt"), "one");
    assert_eq!(replaced(&workspace, "inside"), ["a folder"]);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
}

#[test]
fn f_16_unchanged_bytes_keep_their_mtime_and_changed_ones_have_that_of_now() {
    let workspace = making("mkdir out; cp in.txt out/changes; echo same > out/stays", "\"out\"");
    workspace.ok(&[]);
    let old = SystemTime::now() - Duration::from_secs(3600);
    let age = |name: &str| {
        let file = fs::File::options().write(true).open(workspace.path(name)).expect("it is there");
        file.set_modified(old).expect("it is ours");
    };
    age("out/stays");
    let before = fs::metadata(workspace.path("out/stays")).expect("it is there");
    workspace.write("in.txt", "two");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    let after = fs::metadata(workspace.path("out/stays")).expect("it is there");
    assert_eq!((before.ino(), before.modified().ok()), (after.ino(), after.modified().ok()), "it came out the same");
    age("out/changes");
    workspace.write("in.txt", "one");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    let restored = fs::metadata(workspace.path("out/stays")).expect("it is there");
    assert_eq!((before.ino(), before.modified().ok()), (restored.ino(), restored.modified().ok()), "it was right");
    let changed = fs::metadata(workspace.path("out/changes")).and_then(|file| file.modified()).expect("it is there");
    assert!(changed > old + Duration::from_secs(1800), "cargo must see that it changed");
}

/// Every file below `objects` in the store.
fn objects(workspace: &Workspace) -> Vec<std::path::PathBuf> {
    let folder = workspace.path("target/zen/v1/objects");
    let found: Vec<_> = all_below(&folder).into_iter().map(|path| folder.join(path)).collect();
    let files: Vec<_> = found.into_iter().filter(|path| path.is_file()).collect();
    assert!(!files.is_empty(), "the store holds objects in {}", folder.display());
    files
}

#[test]
fn f_7_a_lost_or_damaged_object_is_a_miss_that_heals() {
    for damage in ["lost", "damaged", "cut"] {
        let workspace = making("cp in.txt o", "\"o\"");
        workspace.ok(&[]);
        for object in objects(&workspace) {
            fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).expect("it is ours");
            let bytes = fs::read(&object).expect("it can be read");
            match damage {
                "lost" => fs::remove_file(&object),
                "damaged" => fs::write(&object, vec![b'?'; bytes.len()]),
                _ => fs::write(&object, &bytes[..bytes.len() / 2]),
            }
            .expect("it is ours");
        }
        assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "{damage}: the output itself is whole");
        remove(&workspace, "o");
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.outcomes(), "s=ran", "{damage}");
        assert_eq!(outcome.finished("s")["why"][0]["kind"], "artifact-missing", "{damage}: {}", outcome.why("s"));
        assert_eq!(workspace.read("o"), "one", "{damage}");
        remove(&workspace, "o");
        assert_eq!(workspace.ok(&[]).outcomes(), "s=restored", "{damage}: it healed");
    }
}

#[test]
fn names_alone_have_a_place_in_the_zen_folder() {
    let workspace = Workspace::with_step("run = \"echo a > {{ outputs.x_train }}\"\noutputs = [\"x_train.tar.gz\"]");
    let outcome = workspace.ok(&[]);
    assert_eq!(workspace.read("target/zen/out/p/s/x_train.tar.gz"), "a\n");
    assert_eq!(outcome.finished("s")["outputs"][0]["name"], "x_train");
    assert_eq!(outcome.finished("s")["outputs"][0]["path"], "target/zen/out/p/s/x_train.tar.gz");
}

#[test]
fn f_8_a_folder_comes_back_as_it_was() {
    let run = "mkdir -p out/empty out/deep/er; cp in.txt out/deep/er/file; echo '#!/bin/sh' > out/tool; chmod +x out/tool; \
               ln -s deep/er/file out/link; ln -s nowhere out/dangling; : > out/nothing";
    let workspace = making(run, "\"out\"");
    workspace.ok(&[]);
    let made = all_below(&workspace.path("out"));
    assert_eq!(made, ["dangling", "deep", "deep/er", "deep/er/file", "empty", "link", "nothing", "tool"]);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    let check = |what: &str| {
        assert_eq!(workspace.ok(&[]).outcomes(), "s=restored", "{what}");
        assert_eq!(all_below(&workspace.path("out")), made, "{what}");
        let mode = fs::metadata(workspace.path("out/tool")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o100, 0o100, "the executable bit: {what}");
        let target = fs::read_link(workspace.path("out/link")).expect("it is a link");
        assert_eq!(target, Path::new("deep/er/file"), "{what}");
        assert_eq!(workspace.read("out/link"), "one", "{what}");
    };
    remove(&workspace, "out");
    check("all removed");
    remove(&workspace, "out/empty");
    check("an empty folder removed");
    fs::remove_file(workspace.path("out/link")).expect("it was made");
    workspace.write("out/link", "one");
    check("a file in a link's place");
    workspace.write("out/deep/stray.txt", "mine");
    check("a stray file");
    assert_eq!(replaced(&workspace, "stray.txt"), ["mine"]);
}

#[test]
fn f_8_a_stray_file_is_kept_and_said_when_the_step_runs() {
    let workspace = making("mkdir -p out; cp in.txt out/o", "\"out\"");
    workspace.write("out/mine.txt", "mine");
    let outcome = workspace.ok(&[]);
    assert_eq!(all_below(&workspace.path("out")), ["o"], "the step began with an empty place");
    assert_eq!(replaced(&workspace, "mine.txt"), ["mine"]);
    assert!(outcome.stderr.contains("target/zen/replaced"), "one line says so:\n{}", outcome.stderr);
    workspace.write("in.txt", "two");
    let again = workspace.ok(&[]);
    assert!(!again.stderr.contains("replaced"), "what zen made is its own:\n{}", again.stderr);
}

#[test]
fn f_8_what_an_earlier_run_made_and_this_one_does_not_is_removed() {
    let workspace = making("mkdir out; touch out/$(cat in.txt)", "\"out\"");
    workspace.ok(&[]);
    workspace.write("in.txt", "two");
    workspace.ok(&[]);
    assert_eq!(all_below(&workspace.path("out")), ["two"]);
    workspace.write("in.txt", "one");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(all_below(&workspace.path("out")), ["one"]);
    assert!(!workspace.exists("target/zen/replaced"), "nothing here was anybody else's");
}

#[test]
fn a_glob_owns_what_matches_it_and_nothing_else() {
    let workspace = making(
        "for n in a b; do cp in.txt gen/$n.rs; done; mkdir gen/deep; cp in.txt gen/deep/c.rs",
        "\"gen/**/*.rs\"",
    );
    workspace.write("gen/README.md", "by hand");
    workspace.ok(&[]);
    remove(&workspace, "gen/a.rs");
    remove(&workspace, "gen/deep");
    workspace.write("gen/stray.rs", "mine");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(all_below(&workspace.path("gen")), ["README.md", "a.rs", "b.rs", "deep", "deep/c.rs"]);
    assert_eq!(
        (workspace.read("gen/README.md"), replaced(&workspace, "stray.rs")),
        ("by hand".into(), vec!["mine".to_owned()])
    );
}

#[test]
fn f_6_a_missing_output_is_a_failure_unless_it_is_optional() {
    let workspace = making("true", "\"o.txt\"");
    fails(&workspace.run(&[]), "o.txt");
    assert_eq!(workspace.run(&[]).outcomes(), "s=failed", "nothing was recorded");
    let glob = making("touch gen/a.txt", "\"gen/*.rs\"");
    fails(&glob.run(&[]), "gen/*.rs");
    let optional =
        making("if [ \"$(cat in.txt)\" = two ]; then cp in.txt o.txt; fi", "{ path = \"o.txt\", optional = true }");
    optional.ok(&[]);
    assert_eq!(optional.ok(&[]).outcomes(), "s=fresh");
    optional.write("in.txt", "two");
    optional.ok(&[]);
    assert_eq!(optional.read("o.txt"), "two");
    optional.write("in.txt", "one");
    assert_eq!(optional.ok(&[]).outcomes(), "s=restored");
    assert!(!optional.exists("o.txt"), "then there was none");
}

#[test]
fn f_6_a_failure_puts_back_what_was_there_and_keeps_what_it_left() {
    let workspace = making("cp in.txt out/o; grep -q one in.txt", "\"out/o\"");
    workspace.ok(&[]);
    workspace.write("in.txt", "two");
    fails(&workspace.run(&[]), "target/zen/failed");
    assert_eq!(workspace.read("out/o"), "one", "as it was before");
    let kept = all_below(&workspace.path("target/zen/failed"));
    let kept = kept.iter().map(|path| workspace.path("target/zen/failed").join(path)).filter(|path| path.is_file());
    let texts: Vec<String> = kept.filter_map(|path| fs::read_to_string(path).ok()).collect();
    assert!(texts.contains(&"two".to_owned()), "{texts:?}");
    workspace.write("in.txt", "one");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "the old record stands");
}

#[test]
fn f_31_a_link_that_leads_outside_is_no_output() {
    for run in
        ["ln -s ../../outside out/link", "ln -s /etc/hostname out/link", "mkdir out/d; ln -s ../../../outside out/d/l"]
    {
        let workspace = making(&format!("mkdir -p out; {run}"), "\"out\"");
        fs::write(workspace.beside("outside"), "untouched").expect("it can be written");
        fails(&workspace.run(&[]), "out/");
        assert_eq!(workspace.run(&[]).outcomes(), "s=failed", "nothing was stored");
    }
}

#[test]
fn a_fifo_is_no_output_and_no_hang() {
    for (run, place) in [("mkfifo o", "\"o\""), ("mkdir out; mkfifo out/o", "\"out\""), ("mkfifo out/o", "\"out/*\"")] {
        let workspace = making(run, place);
        fails(&workspace.run(&[]), "FIFO");
    }
}

#[test]
fn f_8_nothing_is_written_through_a_link() {
    let workspace = making("cp in.txt out/o", "\"out/o\"");
    workspace.ok(&[]);
    let victim = workspace.beside("victim");
    fs::write(&victim, "untouched").expect("it can be written");
    remove(&workspace, "out/o");
    std::os::unix::fs::symlink(&victim, workspace.path("out/o")).expect("links can be made");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(fs::read_to_string(&victim).expect("it is there"), "untouched");
    assert!(!workspace.path("out/o").is_symlink(), "the file itself is back");
    remove(&workspace, "out");
    let folder = workspace.beside("folder");
    fs::create_dir(&folder).expect("it is new");
    std::os::unix::fs::symlink(&folder, workspace.path("out")).expect("links can be made");
    let outcome = workspace.run(&[]);
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 0, "nothing is written there:\n{}", outcome.stderr);
}

#[test]
fn names_that_are_not_utf_8_come_back() {
    let workspace = making("mkdir out; cp in.txt \"$(printf 'out/\\377\\376')\"", "\"out\"");
    workspace.ok(&[]);
    let odd = workspace.path("out").join(OsStr::from_bytes(b"\xff\xfe"));
    assert_eq!(fs::read_to_string(&odd).expect("it was made"), "one");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    remove(&workspace, "out");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(fs::read_to_string(&odd).expect("it is back"), "one");
}

#[test]
fn f_25_a_tool_that_writes_into_an_output_corrupts_no_history() {
    let workspace = making("cp in.txt o", "\"o\"");
    workspace.ok(&[]);
    remove(&workspace, "o");
    workspace.ok(&[]);
    let mut file = fs::File::options().write(true).open(workspace.path("o")).expect("it is back");
    std::io::Write::write_all(&mut file, b"BAD").expect("it can be written");
    drop(file);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("o"), "one");
}

#[test]
fn f_9_places_that_no_output_may_have_are_refused() {
    for place in [
        ".",
        "./",
        "..",
        "../x",
        "/tmp/x",
        ".git",
        ".git/x",
        "Cargo.toml",
        "a/../Cargo.toml",
        "target/zen",
        "target/zen/v1/x",
    ] {
        let workspace = making("true", &format!("\"{place}\""));
        let outcome = workspace.run(&[]);
        assert_eq!(outcome.code, Some(96), "`{place}` must be refused:\n{}", outcome.stderr);
    }
}

#[test]
fn f_9_two_steps_may_not_have_one_place() {
    for (one, other) in [
        ("\"o.txt\"", "\"o.txt\""),
        ("\"o.txt\"", "\"a/../o.txt\""),
        ("\"out\"", "\"out/o.txt\""),
        ("\"out/*.txt\"", "\"out/o.txt\""),
        ("\"out/**\"", "\"out/*.txt\""),
    ] {
        let workspace = Workspace::new(&format!(
            "[workspace.metadata.zen.pipelines.p.steps]\n\
             a = {{ run = \"true; true\", outputs.o = {one} }}\nb = {{ run = \"true\", outputs.o = {other} }}"
        ));
        let outcome = workspace.run(&[]);
        assert_eq!(outcome.code, Some(96), "{one} and {other} overlap:\n{}", outcome.stderr);
    }
}

#[test]
fn what_the_tables_no_longer_define_is_removed_if_it_is_still_zens_own() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
stays = { run = "echo a > a.txt; echo b > b.txt", outputs.a = "a.txt", outputs.b = "b.txt" }
goes = { run = "echo c > c.txt; echo d > d.txt", outputs.c = "c.txt", outputs.d = "d.txt" }
"#,
    );
    workspace.ok(&[]);
    workspace.write("d.txt", "mine now");
    workspace.edit(
        "Cargo.toml",
        "goes = { run = \"echo c > c.txt; echo d > d.txt\", outputs.c = \"c.txt\", outputs.d = \"d.txt\" }",
        "",
    );
    workspace.edit(
        "Cargo.toml",
        "; echo b > b.txt\", outputs.a = \"a.txt\", outputs.b = \"b.txt\"",
        "\", outputs.a = \"a.txt\"",
    );
    workspace.ok(&[]);
    assert!(workspace.exists("a.txt"), "it is defined");
    assert!(!workspace.exists("b.txt") && !workspace.exists("c.txt"), "nobody defines them any more");
    assert_eq!(workspace.read("d.txt"), "mine now");
}

#[test]
fn an_output_that_no_longer_matches_at_the_end_is_an_error() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
first = { run = "echo a > a.txt", outputs.a = "a.txt" }
second = { run = "echo b > a.txt", after = ["first"] }
"#,
    );
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(100), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("`a`") && outcome.stderr.contains("p/second"), "{}", outcome.stderr);
}
