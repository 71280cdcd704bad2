//! Bytes that zen did not make are never destroyed; what it did make it replaces and removes. And calm files stay calm.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::harness::{Outcome, Workspace};

fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.s]
run = """
echo {{ params.n }} > {{ outputs.file }}
mkdir -p {{ outputs.tree }}
echo {{ params.n }} > {{ outputs.tree }}/varies.txt
echo same > {{ outputs.tree }}/same.txt
echo {{ params.n }} > {{ outputs.tree }}/only-{{ params.n }}.txt
"""
params = ["n"]
outputs.file = "file.txt"
outputs.tree = "tree/"
"#,
    );
    workspace.write("in.txt", "1\n");
    workspace
}

/// The texts in `replaced/` whose path ends so.
fn replaced(workspace: &Workspace, path: &str) -> Vec<String> {
    let files = workspace.files_below("target/zen/replaced");
    let named = files.iter().filter(|file| file.ends_with(path));
    named.map(|file| fs::read_to_string(file).expect("it is a file")).collect()
}

#[track_caller]
fn assert_kept(workspace: &Workspace, outcome: &Outcome, path: &str, text: &str) {
    assert_eq!(replaced(workspace, path), [text], "{path} is kept; standard error:\n{}", outcome.stderr);
    let note = outcome.stderr.lines().find(|line| line.starts_with("note:") && line.contains(path));
    let note = note.unwrap_or_else(|| panic!("a note says so of {path}:\n{}", outcome.stderr));
    assert!(note.contains("target/zen/replaced/"), "and where it is: {note}");
}

#[test]
fn what_is_there_before_the_first_run_is_moved_to_replaced() {
    let workspace = pipeline();
    workspace.write("file.txt", "mine\n");
    workspace.write("tree/note.txt", "mine too\n");
    workspace.write("tree/same.txt", "not the same\n");
    let outcome = workspace.ok(&[]);
    assert_eq!(workspace.read("file.txt"), "1\n");
    assert_kept(&workspace, &outcome, "file.txt", "mine\n");
    assert_kept(&workspace, &outcome, "tree/note.txt", "mine too\n");
    assert_kept(&workspace, &outcome, "tree/same.txt", "not the same\n");
    assert!(!workspace.exists("tree/note.txt"), "the folder is the step's");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
}

#[test]
fn a_hand_edit_is_moved_to_replaced_when_the_step_is_restored() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.write("file.txt", "edited\n");
    workspace.write("tree/stray.txt", "stray\n");
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "s=restored");
    assert_eq!(workspace.read("file.txt"), "1\n");
    assert!(!workspace.exists("tree/stray.txt"));
    assert_kept(&workspace, &outcome, "file.txt", "edited\n");
    assert_kept(&workspace, &outcome, "tree/stray.txt", "stray\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
}

#[test]
fn a_hand_edit_is_moved_to_replaced_when_the_step_runs() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.write("file.txt", "edited\n");
    workspace.write("tree/stray.txt", "stray\n");
    let outcome = workspace.ok(&["--set", "n=2"]);
    assert_eq!(outcome.outcomes(), "s=ran");
    assert_kept(&workspace, &outcome, "file.txt", "edited\n");
    assert_kept(&workspace, &outcome, "tree/stray.txt", "stray\n");
}

#[test]
fn f_8_what_zen_made_itself_is_replaced_without_a_word() {
    let workspace = pipeline();
    workspace.ok(&[]);
    for (n, outcome) in [("2", "s=ran"), ("1", "s=restored"), ("2", "s=restored")] {
        let run = workspace.ok(&["--set", &format!("n={n}")]);
        assert_eq!(run.outcomes(), outcome);
        assert_eq!(workspace.read("file.txt"), format!("{n}\n"));
        assert_eq!(workspace.read("tree/varies.txt"), format!("{n}\n"));
        let files: Vec<_> =
            workspace.files_below("tree").iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(files, [&format!("only-{n}.txt"), "same.txt", "varies.txt"], "what the other state had is gone");
        assert!(!run.stderr.contains("note:"), "{}", run.stderr);
    }
    assert!(workspace.files_below("target/zen/replaced").is_empty());
}

#[test]
fn uncached_steps_own_what_they_made_as_well() {
    let workspace = pipeline();
    workspace.edit("Cargo.toml", "params = [\"n\"]", "params = [\"n\"]\nenable-cache = false");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&["--set", "n=2"]).outcomes(), "s=ran");
    assert!(!workspace.exists("tree/only-1.txt"));
    assert!(workspace.files_below("target/zen/replaced").is_empty(), "it was zen's own");
    workspace.write("file.txt", "edited\n");
    let outcome = workspace.ok(&["--set", "n=3"]);
    assert_kept(&workspace, &outcome, "file.txt", "edited\n");
}

#[test]
fn bytes_that_the_store_has_are_zens_own_wherever_they_lie() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    // As `git checkout` of a committed output would do.
    workspace.write("file.txt", "1\n");
    let outcome = workspace.ok(&["--set", "n=2"]);
    assert_eq!(outcome.outcomes(), "s=restored");
    assert!(workspace.files_below("target/zen/replaced").is_empty(), "{}", outcome.stderr);
}

#[test]
fn a_file_that_is_named_as_zen_names_its_own_is_kept_as_well() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.write("tree/.zen-tmp-mine", "mine\n");
    workspace.write("tree/sub/.zen-tmp-too", "mine too\n");
    let outcome = workspace.ok(&["--set", "n=2"]);
    assert_kept(&workspace, &outcome, "tree/.zen-tmp-mine", "mine\n");
    assert_kept(&workspace, &outcome, "tree/sub/.zen-tmp-too", "mine too\n");
}

#[test]
fn two_replaced_files_of_one_place_are_both_kept() {
    let workspace = pipeline();
    workspace.ok(&[]);
    for text in ["first edit\n", "second edit\n"] {
        workspace.write("file.txt", text);
        workspace.ok(&[]);
    }
    let mut texts = replaced(&workspace, "file.txt");
    texts.sort();
    assert_eq!(texts, ["first edit\n", "second edit\n"]);
}

/// What tells a file that was left alone from one that was written anew.
fn identity(workspace: &Workspace, path: &str) -> (u64, i64, i64) {
    let metadata = fs::metadata(workspace.path(path)).expect("it is there");
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

fn make_old(workspace: &Workspace, path: &str) {
    let file = fs::File::options().append(true).open(workspace.path(path)).expect("it is there");
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).expect("it can be set");
}

#[test]
fn f_16_a_restore_leaves_files_whose_bytes_are_right_alone_and_gives_the_others_the_time_of_now() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    make_old(&workspace, "tree/same.txt");
    make_old(&workspace, "tree/varies.txt");
    let (same, varies) = (identity(&workspace, "tree/same.txt"), identity(&workspace, "tree/varies.txt"));
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(identity(&workspace, "tree/same.txt"), same);
    assert_ne!(identity(&workspace, "tree/varies.txt").0, varies.0, "replaced, not written into");
    let modified = fs::metadata(workspace.path("tree/varies.txt")).and_then(|metadata| metadata.modified());
    assert!(modified.expect("there are times") > before, "cargo must see that it is newer");
}

#[test]
fn a_file_that_comes_out_with_the_same_bytes_keeps_its_inode_and_its_time() {
    let workspace = pipeline();
    workspace.ok(&[]);
    for path in ["file.txt", "tree/same.txt", "tree/varies.txt"] {
        make_old(&workspace, path);
    }
    let all = ["file.txt", "tree/same.txt", "tree/varies.txt"].map(|path| identity(&workspace, path));
    let forced = workspace.ok(&["--force"]);
    assert_eq!(forced.outcomes(), "s=ran");
    assert_eq!(["file.txt", "tree/same.txt", "tree/varies.txt"].map(|path| identity(&workspace, path)), all);
    assert!(!forced.stderr.contains("note:"), "nothing is said:\n{}", forced.stderr);
    let other = workspace.ok(&["--set", "n=2"]);
    assert_eq!(other.outcomes(), "s=ran");
    assert_eq!(identity(&workspace, "tree/same.txt"), all[1]);
    assert_ne!(identity(&workspace, "tree/varies.txt").1, all[2].1);
}

#[test]
fn f_25_f32_a_read_only_output_is_replaced() {
    let workspace = pipeline();
    workspace.edit("Cargo.toml", "params = [\"n\"]", "params = [\"n\"]\ndescription = \"read-only\"");
    workspace.ok(&[]);
    let read_only = |path: &str| {
        fs::set_permissions(workspace.path(path), fs::Permissions::from_mode(0o444)).expect("the mode can be set");
    };
    read_only("file.txt");
    read_only("tree/varies.txt");
    assert_eq!(workspace.ok(&["--set", "n=2"]).outcomes(), "s=ran");
    assert_eq!(workspace.read("file.txt"), "2\n");
    read_only("file.txt");
    read_only("tree/varies.txt");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!((workspace.read("file.txt"), workspace.read("tree/varies.txt")), ("1\n".to_owned(), "1\n".to_owned()));
}

#[test]
fn f_25_f30_writing_into_an_output_does_not_reach_the_store() {
    let workspace = pipeline();
    workspace.ok(&[]);
    fs::remove_file(workspace.path("file.txt")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    let mut file = fs::File::options().append(true).open(workspace.path("file.txt")).expect("it is writable");
    std::io::Write::write_all(&mut file, b"scribble\n").expect("it can be written");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("file.txt"), "1\n");
}

#[test]
fn f30_whatever_is_done_to_an_output_the_object_stays_and_an_object_that_is_changed_in_place_is_found() {
    let workspace = pipeline();
    workspace.ok(&[]);
    let objects = || -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let files = workspace.files_below("target/zen/v1/objects").into_iter();
        files.map(|file| (file.clone(), fs::read(&file).expect("it can be read"))).collect()
    };
    let before = objects();
    for restored in [false, true] {
        if restored {
            fs::remove_file(workspace.path("file.txt")).expect("it is there");
            assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
        }
        let output = workspace.path("file.txt");
        assert_eq!(fs::metadata(&output).expect("it is there").nlink(), 1, "no other name leads to it");
        fs::set_permissions(&output, fs::Permissions::from_mode(0o666)).expect("the mode can be set");
        fs::write(&output, "9\n").expect("it can be written");
        assert_eq!(objects(), before, "restored: {restored}");
        assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
        assert_eq!(workspace.read("file.txt"), "1\n");
    }
    // As root, or whoever owns it: other bytes of the same length, by the same inode, with the old time.
    let (object, bytes) = before.iter().find(|(_, bytes)| bytes == b"1\n").expect("the store has it");
    let modified = fs::metadata(object).and_then(|metadata| metadata.modified()).expect("it is there");
    fs::set_permissions(object, fs::Permissions::from_mode(0o644)).expect("the mode can be set");
    fs::write(object, "9\n").expect("it can be written");
    fs::File::options().append(true).open(object).and_then(|file| file.set_modified(modified)).expect("it can be set");
    fs::remove_file(workspace.path("file.txt")).expect("it is there");
    let found = workspace.ok(&[]);
    assert_eq!(
        (found.outcomes().as_str(), found.why("s").as_str()),
        ("s=ran", "artifact `file` is missing from the store")
    );
    assert_eq!(workspace.read("file.txt"), "1\n");
    assert_eq!(&fs::read(object).expect("it is there again"), bytes, "and the store is healed");
}

#[test]
fn f_43_a_symlink_at_an_outputs_place_is_never_written_through() {
    let workspace = pipeline();
    let outside = workspace.beside("outside.txt");
    let folder = workspace.beside("outside");
    fs::write(&outside, "outside\n").expect("it can be written");
    fs::create_dir(&folder).expect("it can be made");
    let put_links = || {
        symlink(&outside, workspace.path("file.txt")).expect("a link can be made");
        symlink(&folder, workspace.path("tree")).expect("a link can be made");
    };
    let clear = || {
        fs::remove_file(workspace.path("file.txt")).expect("it is there");
        fs::remove_dir_all(workspace.path("tree")).expect("it is there");
    };
    put_links();
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    clear();
    put_links();
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(fs::read_to_string(&outside).expect("it is there"), "outside\n");
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 0);
    assert!(fs::symlink_metadata(workspace.path("file.txt")).expect("it is there").is_file());
    assert!(fs::symlink_metadata(workspace.path("tree")).expect("it is there").is_dir());
    assert_eq!(workspace.read("file.txt"), "1\n");
}

#[test]
fn f18_what_a_step_writes_and_does_not_declare_is_left_where_it_is_and_not_kept() {
    let workspace = pipeline();
    // A word of its own that names a file would make that an input.
    workspace.edit("Cargo.toml", "echo same >", "name=undeclared; echo {{ params.n }} > $name.txt\necho same >");
    workspace.ok(&[]);
    assert_eq!(workspace.read("undeclared.txt"), "1\n");
    // It belongs to nobody: a run neither misses it nor brings it back, and another one's is not put right.
    fs::remove_file(workspace.path("undeclared.txt")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    assert_eq!(workspace.ok(&["--set", "n=2"]).outcomes(), "s=ran");
    fs::remove_file(workspace.path("file.txt")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("undeclared.txt"), "2\n", "it stays as the last run left it");
    // Nor does zen take it for its own.
    assert_eq!(workspace.zen(&["clean", "--outputs"]).code, Some(0));
    assert_eq!((workspace.exists("file.txt"), workspace.read("undeclared.txt").as_str()), (false, "2\n"));
    // Within a declared folder all is declared.
    workspace.edit("Cargo.toml", "> $name.txt", "> {{ outputs.tree }}/more.txt");
    workspace.ok(&[]);
    fs::remove_dir_all(workspace.path("tree")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("tree/more.txt"), "1\n");
}

#[test]
fn what_zen_made_for_a_step_that_is_gone_is_removed_and_what_the_user_made_is_not() {
    let workspace = pipeline();
    let former = r#"
[workspace.metadata.zen.pipelines.p.steps.former]
run = "echo own > {{ outputs.own }}; echo edited > {{ outputs.edited }}"
outputs.own = "own.txt"
outputs.edited = "edited.txt"
"#;
    let manifest = workspace.read("Cargo.toml");
    workspace.write("Cargo.toml", &format!("{manifest}{former}"));
    workspace.ok(&[]);
    workspace.write("edited.txt", "by hand\n");
    workspace.write("Cargo.toml", &manifest);
    workspace.ok(&[]);
    assert!(!workspace.exists("own.txt"));
    assert_eq!(workspace.read("edited.txt"), "by hand\n");
}
