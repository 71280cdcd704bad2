//! Each way in which a tree can change, and whether the sets that it concerns still stand.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::closure::PackageTree;
use crate::glob::{PathSet, Pattern};
use crate::path::RelPath;
use crate::scan::cache::StatCache;
use crate::scan::walk::{Request, SetSpec};
use crate::scan::{Scanner, clock};

struct Tree {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new(files: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("ws");
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        Self { _folder: folder, root }
    }

    /// As if all that is there now were old.
    fn note(&self, sets: &[SetSpec]) -> Result<(Snapshot, Vec<u32>), NotNoted> {
        let sets: Vec<Arc<SetSpec>> = sets.iter().cloned().map(Arc::new).collect();
        let scanner = Scanner::new(&self.root, StatCache::open(&self.root.join("../stat")));
        let mut seen = scanner.observe(Request { sets: &sets, outputs: &[], left_out: &[] });
        seen.began = i64::MAX;
        let mut builder = Builder::default();
        let mut sets_of = SetsOf::new(&seen, scanner.cache.trusts(&[&self.root], seen.began));
        let numbers = (0..sets.len()).map(|set| sets_of.set(&mut builder, set)).collect::<Result<_, _>>()?;
        Ok((builder.finish(), numbers))
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(&RelPath::root(), text).unwrap()
}

fn paths(include: &[&str], exclude: &[&str]) -> SetSpec {
    let patterns = |texts: &[&str]| texts.iter().map(|text| pattern(text)).collect();
    SetSpec::Paths(PathSet { include: patterns(include), exclude: patterns(exclude) })
}

fn files(names: &[&str]) -> SetSpec {
    SetSpec::Files(names.iter().map(|name| RelPath::new(name).unwrap()).collect())
}

fn package(root: &str) -> SetSpec {
    let (root, package) = (RelPath::new(root).unwrap(), "p".to_owned());
    SetSpec::Tree(PackageTree { package, source_roots: vec![root.child(b"src")], root, exclude: Vec::new() })
}

type Change = fn(&Path);

/// The sets, in a tree of a few files, and whether each still stands after the change.
fn check(sets: &[SetSpec], change: Change, stands: &[bool], what: &str) {
    let tree = Tree::new(&["a/x.txt", "a/y.txt", "a/b/z.txt", "c/x.txt", "c/.gitignore", "c/src/m.rs", "top.txt"]);
    let (snapshot, numbers) = tree.note(sets).unwrap();
    let before = snapshot.compare(&tree.root);
    assert!(numbers.iter().all(|set| snapshot.stands(&before, *set)), "nothing changed before {what}");
    change(&tree.root);
    let after = snapshot.compare(&tree.root);
    let found: Vec<bool> = numbers.iter().map(|set| snapshot.stands(&after, *set)).collect();
    assert_eq!(found, stands, "after {what}");
    let again = Snapshot::read(snapshot.bytes().to_vec()).unwrap();
    assert_eq!(again.stands(&again.compare(&tree.root), numbers[0]), stands[0], "read back, after {what}");
}

#[test]
fn what_concerns_a_set_is_seen_and_nothing_else() {
    let all = || [paths(&["a/**"], &[]), paths(&["a/*.txt"], &[]), paths(&["c/x.txt"], &[]), package("c")];
    let cases: &[(&str, Change, [bool; 4])] = &[
        ("nothing", |_| {}, [true; 4]),
        ("an edit", |root| fs::write(root.join("a/x.txt"), "other").unwrap(), [false, false, true, true]),
        ("an edit below", |root| fs::write(root.join("a/b/z.txt"), "other").unwrap(), [false, true, true, true]),
        ("a new file", |root| fs::write(root.join("a/n.txt"), "").unwrap(), [false, false, true, true]),
        ("a new file below", |root| fs::write(root.join("a/b/n.txt"), "").unwrap(), [false, true, true, true]),
        ("a file that is gone", |root| fs::remove_file(root.join("a/y.txt")).unwrap(), [false, false, true, true]),
        ("a new folder", |root| fs::create_dir(root.join("a/d")).unwrap(), [false, false, true, true]),
        ("another mode", |root| set_mode(&root.join("c/x.txt"), 0o755), [true, true, false, false]),
        ("an ignore file", |root| fs::write(root.join("c/.gitignore"), "src").unwrap(), [true, true, true, false]),
        ("an ignore file above", |root| fs::write(root.join(".gitignore"), "src").unwrap(), [true, true, true, false]),
        ("something beside", |root| fs::write(root.join("top.txt"), "other").unwrap(), [true; 4]),
        ("something new beside", |root| fs::write(root.join("new.txt"), "other").unwrap(), [true; 4]),
        (
            "a folder behind a link",
            |root| {
                fs::rename(root.join("a"), root.join("real")).unwrap();
                std::os::unix::fs::symlink("real", root.join("a")).unwrap();
            },
            [false, false, true, true],
        ),
        (
            "the same bytes in another inode",
            |root| {
                fs::copy(root.join("c/x.txt"), root.join("c/copy")).unwrap();
                fs::rename(root.join("c/copy"), root.join("c/x.txt")).unwrap();
            },
            [true, true, false, false],
        ),
    ];
    for (what, change, stands) in cases {
        check(&all(), *change, stands, what);
    }
}

#[test]
fn what_is_not_there_is_looked_for_again() {
    let all = || [files(&["a/none", "a/no/such/path"]), files(&["top.txt"]), paths(&["none/*.txt"], &[])];
    let cases: &[(&str, Change, [bool; 3])] = &[
        ("nothing", |_| {}, [true; 3]),
        ("a neighbour", |root| fs::write(root.join("a/other"), "").unwrap(), [true; 3]),
        ("the file", |root| fs::write(root.join("a/none"), "").unwrap(), [false, true, true]),
        ("a folder on the way", |root| fs::create_dir(root.join("a/no")).unwrap(), [false, true, true]),
        ("a file that is gone", |root| fs::remove_file(root.join("top.txt")).unwrap(), [true, false, true]),
        (
            "a folder in the place of a file",
            |root| {
                fs::remove_file(root.join("top.txt")).unwrap();
                fs::create_dir(root.join("top.txt")).unwrap();
            },
            [true, false, true],
        ),
        ("the folder of a glob", |root| fs::create_dir(root.join("none")).unwrap(), [true, true, false]),
    ];
    for (what, change, stands) in cases {
        check(&all(), *change, stands, what);
    }
}

#[test]
fn f14_an_edit_with_the_old_size_and_mtime_is_seen() {
    let edit: Change = |root| {
        let path = root.join("c/x.txt");
        let old = path.metadata().unwrap().modified().unwrap();
        fs::write(&path, "C/X.TXT").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    };
    check(&[paths(&["c/x.txt"], &[])], edit, &[false], "an edit that hides");
}

#[test]
fn f_11_what_is_too_young_is_not_noted() {
    let tree = Tree::new(&["a/x.txt"]);
    let sets = [Arc::new(paths(&["a/**"], &[]))];
    let scanner = Scanner::new(&tree.root, StatCache::open(&tree.root.join("../stat")));
    let seen = scanner.observe(Request { sets: &sets, outputs: &[], left_out: &[] });
    let newest = Stamp::of(&tree.root.join("a/x.txt").symlink_metadata().unwrap()).newest();
    for (began, is_noted) in [(newest, false), (newest + clock::TICK, false), (i64::MAX, true)] {
        let mut sets = SetsOf::new(&seen, scanner.cache.trusts(&[&tree.root], began));
        assert_eq!(sets.set(&mut Builder::default(), 0).is_ok(), is_noted, "{} ns later", began - newest);
    }
    let mut elsewhere = SetsOf::new(&seen, scanner.cache.trusts(&[Path::new("/proc")], i64::MAX));
    assert!(elsewhere.set(&mut Builder::default(), 0).is_err(), "of another file system nothing is known");
}

#[test]
fn links_are_not_noted() {
    let tree = Tree::new(&["a/x.txt", "b/y.txt"]);
    std::os::unix::fs::symlink("x.txt", tree.root.join("a/link")).unwrap();
    std::os::unix::fs::symlink("b", tree.root.join("to-b")).unwrap();
    assert!(tree.note(&[paths(&["a/**"], &[])]).is_err());
    assert!(tree.note(&[paths(&["to-b/*.txt"], &[])]).is_err(), "a link on the way");
    assert!(tree.note(&[paths(&["b/**"], &[])]).is_ok());
}

#[test]
fn where_much_moved_nothing_of_that_stands_and_the_rest_need_not() {
    let names: Vec<String> = (0..5000).map(|n| format!("d{:02}/f{n}", n % 50)).collect();
    let tree = Tree::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let sets: Vec<SetSpec> = (0..50).map(|d| paths(&[&format!("d{d:02}/**")], &[])).collect();
    let (snapshot, numbers) = tree.note(&sets).unwrap();
    let count = |changed: usize| {
        names.iter().filter(|name| name[1..3].parse::<usize>().unwrap() < changed).for_each(|name| {
            fs::write(tree.root.join(name), "another content").unwrap();
        });
        let after = snapshot.compare(&tree.root);
        let stands: Vec<bool> = numbers.iter().map(|set| snapshot.stands(&after, *set)).collect();
        assert!(stands[..changed].iter().all(|stands| !stands), "{changed} changed");
        stands.into_iter().filter(|stands| *stands).count()
    };
    assert_eq!(count(0), 50);
    assert_eq!(count(10), 40, "a thousand of five thousand are not much");
    assert!(count(40) <= 10);
    assert_eq!(count(50), 0);
}

#[test]
fn no_bytes_are_a_snapshot_that_does_not_hold_together() {
    let tree = Tree::new(&["a/x.txt", "a/y.txt"]);
    let (snapshot, _) = tree.note(&[paths(&["a/**"], &[])]).unwrap();
    let whole = snapshot.bytes().to_vec();
    for cut in 0..whole.len() {
        assert!(Snapshot::read(whole[..cut].to_vec()).is_none(), "cut at {cut}");
    }
    // Whatever a byte is, nothing panics; that it is right is for a checksum to say.
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x81;
        if let Some(snapshot) = Snapshot::read(bytes) {
            let standing = snapshot.compare(&tree.root);
            let _ = (0..4).filter(|set| snapshot.stands(&standing, *set)).count();
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
