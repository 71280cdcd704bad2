//! Anything of the zen folder may be lost or damaged between two runs: the next is right, without a hand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Workspace;

/// A file, a folder with a subfolder and an executable, a name alone, and a check without outputs.
fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.make]
run = """
sort in.txt > {{ outputs.file }}
mkdir -p {{ outputs.tree }}/sub
cp in.txt {{ outputs.tree }}/sub/copy.txt
echo 'echo hello' > {{ outputs.tree }}/tool
chmod +x {{ outputs.tree }}/tool
"""
files = ["in.txt"]
outputs.file = "file.txt"
outputs.tree = "tree/"

[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{ inputs.file }} {{ inputs.tree }}/sub/copy.txt > {{ outputs.used }}; echo {{ params.n }} >> {{ outputs.used }}"
inputs = ["make.file", "make.tree"]
params = ["n"]
outputs = ["used.txt"]

[workspace.metadata.zen.pipelines.p.steps.check]
run = "grep -q b {{ inputs.used }}"
inputs = ["use.used"]
"#,
    );
    workspace.write("in.txt", "b\na\n");
    workspace
}

const USED: &str = "target/zen/out/p/use/used.txt";

fn assert_right(workspace: &Workspace, how: &str) {
    assert_eq!(workspace.read("file.txt"), "a\nb\n", "{how}");
    assert_eq!(workspace.read("tree/sub/copy.txt"), "b\na\n", "{how}");
    assert_eq!(workspace.read("tree/tool"), "echo hello\n", "{how}");
    let tool = fs::metadata(workspace.path("tree/tool")).expect("it is there");
    let mode = std::os::unix::fs::PermissionsExt::mode(&tool.permissions());
    assert_eq!(mode & 0o111, 0o111, "{how}: the tool is executable");
    assert_eq!(workspace.read(USED), "a\nb\nb\na\n1\n", "{how}");
}

/// Every file of the store proper.
fn store_files(workspace: &Workspace) -> Vec<PathBuf> {
    let files = workspace.files_below("target/zen/v1");
    assert!(files.len() > 3, "the store is where it belongs: {files:?}");
    files
}

fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("the mode can be set");
}

/// Does `damage` after a run, with the outputs in place or gone; the next run must be right, and the one after it fresh.
fn survives(how: &str, damage: &dyn Fn(&Workspace)) {
    for outputs_are_there in [true, false] {
        let how = format!("{how}, outputs {}", if outputs_are_there { "in place" } else { "gone" });
        let workspace = pipeline();
        workspace.ok(&[]);
        if !outputs_are_there {
            fs::remove_file(workspace.path("file.txt")).expect("it is there");
            fs::remove_dir_all(workspace.path("tree")).expect("it is there");
            let _ = fs::remove_file(workspace.path(USED));
        }
        damage(&workspace);
        workspace.ok(&[]);
        assert_right(&workspace, &how);
        let again = workspace.ok(&[]);
        assert_eq!(again.outcomes(), "check=fresh make=fresh use=fresh", "{how}");
        assert_right(&workspace, &how);
    }
}

#[test]
fn f_7_each_file_of_the_store_may_vanish() {
    let files = pipeline();
    files.ok(&[]);
    let names: Vec<PathBuf> = store_files(&files).iter().map(|path| relative(&files, path)).collect();
    for name in names {
        survives(&format!("without {}", name.display()), &|workspace| {
            let _ = fs::remove_file(workspace.root.join(&name));
        });
    }
}

#[test]
fn f_7_f41_each_file_of_the_store_may_be_damaged() {
    let files = pipeline();
    files.ok(&[]);
    let names: Vec<PathBuf> = store_files(&files).iter().map(|path| relative(&files, path)).collect();
    for name in names {
        for (kind, damage) in [("a flipped bit in", flip as Damage), ("half of", halve), ("nothing in", empty)] {
            survives(&format!("{kind} {}", name.display()), &|workspace| {
                let path = workspace.root.join(&name);
                let Ok(bytes) = fs::read(&path) else { return };
                make_writable(&path);
                fs::write(&path, damage(bytes)).expect("it can be written");
            });
        }
    }
}

type Damage = fn(Vec<u8>) -> Vec<u8>;

fn relative(workspace: &Workspace, path: &Path) -> PathBuf {
    path.strip_prefix(&workspace.root).expect("it lies there").to_owned()
}

fn flip(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 0x10;
    }
    bytes
}

fn halve(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn empty(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

#[test]
fn f_18_the_store_the_zen_folder_or_all_of_target_may_vanish() {
    for folder in ["target/zen/v1", "target/zen", "target"] {
        survives(&format!("without {folder}"), &|workspace| {
            fs::remove_dir_all(workspace.path(folder)).expect("it is there");
        });
    }
}

#[test]
fn f_17_rust_caches_cleaning_is_survived() {
    survives("after rust-cache", &|workspace| {
        for path in workspace.files_below("target") {
            if path.file_name().is_some_and(|name| name != "CACHEDIR.TAG") {
                fs::remove_file(path).expect("it is there");
            }
        }
    });
}

#[test]
fn f_40_what_another_version_wrote_is_left_alone() {
    survives("with another version's store", &|workspace| {
        workspace.write("target/zen/v999/records.log", "of the future");
        fs::remove_dir_all(workspace.path("target/zen/v1")).expect("it is there");
    });
}

#[test]
fn f_7_a_lost_artifact_is_said_and_only_what_is_needed_runs() {
    let workspace = pipeline();
    workspace.ok(&[]);
    // The objects of `file.txt`: with them the output itself.
    for path in store_files(&workspace) {
        if fs::read(&path).is_ok_and(|bytes| bytes == b"a\nb\n") {
            fs::remove_file(path).expect("it is there");
        }
    }
    let whole = workspace.ok(&[]);
    assert_eq!(whole.outcomes(), "check=fresh make=fresh use=fresh", "what is in place needs no object");
    fs::remove_file(workspace.path("file.txt")).expect("it is there");
    let healed = workspace.ok(&[]);
    assert_eq!(healed.outcomes(), "check=fresh make=ran use=fresh", "the same bytes cut off what follows");
    assert_eq!(healed.finished("make")["why"][0]["kind"], "artifact-missing");
    fs::remove_file(workspace.path("file.txt")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "check=fresh make=restored use=fresh", "the store has it again");
}

#[test]
fn f_41_damaged_bytes_are_never_restored() {
    let workspace = pipeline();
    workspace.ok(&[]);
    for path in store_files(&workspace) {
        if fs::read(&path).is_ok_and(|bytes| bytes == b"a\nb\n") {
            make_writable(&path);
            fs::write(path, b"a\nB\n").expect("it can be written");
        }
    }
    fs::remove_file(workspace.path("file.txt")).expect("it is there");
    assert_eq!(workspace.ok(&[]).finished("make")["outcome"], "ran");
    assert_right(&workspace, "a damaged object");
}

/// What a power cut may leave of a file that was not synced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    Whole,
    Empty,
    Zeros,
    Nothing,
}

impl Left {
    const ALL: [Self; 4] = [Self::Whole, Self::Empty, Self::Zeros, Self::Nothing];

    /// The file system may have its time as well, so nothing but size and bytes tells.
    fn of(self, path: &Path) {
        let metadata = fs::metadata(path).expect("it is there");
        let write = |bytes: &[u8]| {
            let permissions = metadata.permissions();
            make_writable(path);
            fs::write(path, bytes).expect("it can be written");
            let file = fs::File::options().append(true).open(path).expect("it can be opened");
            file.set_modified(metadata.modified().expect("it has a time")).expect("the time can be set");
            fs::set_permissions(path, permissions).expect("the mode can be set");
        };
        match self {
            Self::Whole => {}
            Self::Empty => write(b""),
            Self::Zeros => write(&vec![0; usize::try_from(metadata.len()).expect("it is small")]),
            Self::Nothing => fs::remove_file(path).expect("it is there"),
        }
    }
}

#[test]
fn f2_an_output_and_its_object_that_were_both_not_synced_are_never_fresh() {
    for output in ["file.txt", "tree/sub/copy.txt", "tree/tool", USED] {
        for (of_output, of_object) in Left::ALL.into_iter().flat_map(|one| Left::ALL.map(|other| (one, other))) {
            let how = format!("{output} is {of_output:?}, its object {of_object:?}");
            let workspace = pipeline();
            workspace.ok(&[]);
            let path = workspace.path(output);
            let digest = zen_core::digest::Digest::of(&fs::read(&path).expect("it is there")).to_string();
            let object = workspace.path("target/zen/v1/objects").join(&digest[..2]).join(&digest);
            of_object.of(&object);
            of_output.of(&path);
            let step = if output == USED { "use" } else { "make" };
            let expected = match (of_output, of_object) {
                (Left::Whole, _) => "fresh",
                (_, Left::Whole) => "restored",
                _ => "ran",
            };
            let next = workspace.ok(&[]);
            assert_eq!(next.finished(step)["outcome"], expected, "{how}: {}", next.stderr);
            assert_right(&workspace, &how);
            assert_eq!(workspace.ok(&[]).outcomes(), "check=fresh make=fresh use=fresh", "{how}");
            // Nobody believes the object later either.
            fs::remove_file(&path).expect("it is there");
            workspace.ok(&[]);
            assert_right(&workspace, &how);
        }
    }
}
